"""How many threads to compute with: what the caller asks for, or what the machine really gives this process."""

from __future__ import annotations

import concurrent.futures
import contextlib
import contextvars
import functools
import math
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from imgcrypt import progress

VARIABLE = "IMGCRYPT_THREADS"
OTHERS = ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS")
"""What else people, and job systems such as joblib, limit threads by."""
GROUPS = Path("/proc/self/cgroup")
MOUNT = Path("/sys/fs/cgroup")
_chosen: contextvars.ContextVar[int | None] = contextvars.ContextVar("threads", default=None)


def count() -> int:
    """Threads to compute with, at least 1; every part of this package that starts threads asks here.

    What :func:`limited` says; else ``IMGCRYPT_THREADS`` if it is set to a number; else the cores that this process may
    run on, less if a control group's quota (a container's ``--cpus``) or one of ``OMP_NUM_THREADS`` and
    ``NUMBA_NUM_THREADS`` says so. A share of a core counts as one: a quota of 1.5 gives 2.
    """
    if asked := _chosen.get() or _number(VARIABLE):
        return asked
    limits = [_cores(), _quota(), *(_number(name) for name in OTHERS)]
    return max(1, min(limit for limit in limits if limit))


@contextlib.contextmanager
def limited(number: int | None) -> Iterator[None]:
    """So many threads, whatever the environment says, for what is called here meanwhile; ``None`` changes nothing."""
    token = _chosen.set(_chosen.get() if number is None else number)
    try:
        yield
    finally:
        _chosen.reset(token)


def each(work: Callable[..., Any], parts: Sequence[tuple[int, ...]]) -> None:
    """Call ``work(*part)`` for each part, in as many threads as there are to compute with.

    Raises:
        CancelledError: the caller has given up; no further part is begun.
    """
    workers = min(len(parts), count())
    if workers < 2:
        for part in parts:
            progress.check()
            work(*part)
        return
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        try:
            for done in [pool.submit(work, *part) for part in parts]:
                progress.check()
                done.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _number(variable: str) -> int:
    """What an environment variable asks for, 0 if it is no positive number."""
    # OpenMP's may be a list with a number for each level of nesting.
    text = os.environ.get(variable, "").partition(",")[0].strip()
    return int(text) if text.isascii() and text.isdigit() else 0


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@functools.cache
def _quota() -> int:
    """The least of :func:`_quotas` in whole cores, 0 if there is none; read once, as it is asked for in every call."""
    return math.ceil(min(_quotas(), default=0))


def _quotas() -> Iterator[float]:
    """Every limit, in cores, that Linux' control groups of version 1 and 2 set for this process."""
    try:
        lines = GROUPS.read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return
    for line in lines:
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            top, read = MOUNT, _quota_2
        elif "cpu" in controllers.split(","):
            top, read = MOUNT / controllers, _quota_1
        else:
            continue
        # A group is bound by its parents too. In a container the path may be the host's: then the top is the group.
        group = top / path.strip("/")
        while group.is_relative_to(top):
            if (quota := read(group)) is not None:
                yield quota
            if group == top:
                break
            group = group.parent


def _quota_2(group: Path) -> float | None:
    fields = _read(group / "cpu.max").split()
    return int(fields[0]) / int(fields[1]) if len(fields) == 2 and all(map(str.isdigit, fields)) else None


def _quota_1(group: Path) -> float | None:
    quota, period = (_read(group / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period"))
    # A quota of -1 is none.
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() else None


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError):
        return ""
