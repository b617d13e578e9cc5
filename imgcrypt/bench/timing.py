"""``bench timing``: the paper's table 9, what each part of the job takes at each size."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numba
import numpy as np
from numpy.typing import NDArray

import imgcrypt
from imgcrypt import api, cipher, envelope
from imgcrypt.bench import paper, stopwatch
from imgcrypt.bench.common import NONE, BenchError, table
from imgcrypt.cipher import launch
from imgcrypt.container import RecordType
from imgcrypt.export import runtime, zoo

if TYPE_CHECKING:
    from rich.table import Table

Picture = NDArray[np.uint8]

NET, SEALING, TOTAL, DIRECT = paper.TIMED
CHAOS = "cipher directly, chaos layer alone"
LARGEST = 16384
"""Pixels a side: 800 MB of color, and several times that while it is encrypted."""


def run(sizes: Sequence[int], net: str | None, provider: str, repeats: int) -> list[dict[str, Any]]:
    """Time square pictures, gray and color, all in memory; one call of each part in turns.

    ``encryption + decryption`` is that of the measurements: keys, digest, chaos layer, AES-256-GCM. ``total`` is
    imgcrypt.encrypt and imgcrypt.decrypt, and ``cipher directly`` the same two, lossless. The last row is the chaos
    layer alone, both ways, over the picture's samples.

    Args:
        sizes: pixels a side.
        net: its name, or ``None`` for the newest at the rate of the paper's figure 2.
        provider: what runs the net.
        repeats: turns.

    Returns:
        One record for each size and kind: ``net``, ``rate``, ``provider``, and by part ``seconds``, ``paper_seconds``
        and ``times_faster`` where table 9 has the size, ``ns_per_pixel``.

    Raises:
        BenchError: a size out of range.
    """
    if bad := [size for size in sizes if not 1 <= size <= LARGEST]:
        raise BenchError(f"cannot time {bad[0]} pixels a side; give sizes from 1 to {LARGEST}")
    return [_measure(size, channels, net, provider, repeats) for size in sizes for channels in (1, 3)]


def use_threads(count: int) -> None:
    """Let this process use only so many of its cores. Call it before anything runs.

    Raises:
        BenchError: the process has not so many, or the system cannot do that.
    """
    if not 1 <= count <= runtime.threads():
        raise BenchError(f"cannot use {count} threads; this process may use 1 to {runtime.threads()}")
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])
    elif count < runtime.threads():
        raise BenchError("this system cannot confine a process to some cores; leave out --threads")
    launch.kernels()  # before anything that starts Numba's threads: it chooses their layer
    numba.set_num_threads(min(count, numba.config.NUMBA_NUM_THREADS))


def tables(results: Sequence[dict[str, Any]]) -> Iterator[Table]:
    """Table 9, part by part."""
    rows = []
    for record in results:
        for part, taken in record["seconds"].items():
            printed, faster = record["paper_seconds"].get(part), record["times_faster"].get(part)
            rows.append(
                [
                    f"{record['size']} x {record['size']}",
                    record["kind"],
                    part,
                    NONE if printed is None else f"{printed:.2f}",
                    f"{taken['median']:.5f} ± {stopwatch.spread(taken):.0%}",
                    NONE if faster is None else f"{faster:,.0f}",
                    f"{record['ns_per_pixel'][part]:.1f}",
                ]
            )
    nets = ", ".join(dict.fromkeys(f"{record['net']} ({record['kind']} {record['rate']:.2f})" for record in results))
    providers = ", ".join(dict.fromkeys(record["provider"] for record in results))
    platform = paper.tables()["table9_seconds"]["platform"]
    yield table(
        "table 9: seconds",
        ["picture", "kind", "what", "paper s", "ours s", "times faster", "ns/pixel"],
        rows,
        f"Paper: {platform}; what is faster here is machine and program together. Ours: net {nets} on {providers}; "
        "median ± half the distance of the quartiles.",
        left=3,
    )


def picture(size: int, channels: int) -> Picture:
    """Waves with a little noise: uint8 (size, size), or (size, size, 3) for 3 channels. The same at every call."""
    rng = np.random.default_rng(size)
    at = np.linspace(0, 2 * np.pi, size, dtype=np.float32)
    made = np.empty((size, size, channels), np.uint8)
    for channel in range(channels):
        waves = np.sin((3 + channel) * at)[:, None] * np.cos(5 * at) * 80 + np.sin(40 * at)[:, None] * 20
        noise = rng.standard_normal((size, size), np.float32) * 4
        made[:, :, channel] = np.clip(waves + noise + 128, 0, 255)
    return made if channels == 3 else made[:, :, 0]


def _measure(size: int, channels: int, net: str | None, provider: str, repeats: int) -> dict[str, Any]:
    kind = "gray" if channels == 1 else "color"
    entry = zoo.choose(net, paper.FIGURE_2_RATES[channels] if net is None else None, channels)
    times = stopwatch.interleave(_parts(picture(size, channels), entry, provider), repeats)
    seconds = {name: stopwatch.summary(taken) for name, taken in times.items()}
    printed = paper.seconds(size, kind)
    return {
        "size": size,
        "kind": kind,
        "net": entry.name,
        "rate": entry.rate(channels),
        "provider": runtime.load(entry, provider).provider,
        "seconds": seconds,
        "paper_seconds": printed,
        "times_faster": {name: value / seconds[name]["median"] for name, value in printed.items()},
        "ns_per_pixel": {name: taken["median"] / size**2 * 1e9 for name, taken in seconds.items()},
    }


def _parts(image: Picture, entry: zoo.Entry, provider: str) -> dict[str, Callable[[], object]]:
    """Each row of the table as a function that does it, there and back."""
    key, secrets = imgcrypt.Key.generate(), envelope.Secrets.fresh()
    header, payload = envelope.open_(imgcrypt.encrypt(image, key, net=entry.name, provider=provider), key)
    # envelope.seal adds the key's slot itself.
    header = dataclasses.replace(header, records=tuple(each for each in header.records if each[0] == RecordType.NET))
    samples = image.reshape(-1)

    def total(lossless: bool) -> object:
        name = None if lossless else entry.name
        blob = imgcrypt.encrypt(image, key, net=name, lossless=lossless, provider=provider)
        return imgcrypt.decrypt(blob, key, provider=provider)

    return {
        NET: lambda: api._reconstruct(api._sample(image, entry, provider), header, provider),
        SEALING: lambda: envelope.open_(envelope.seal(payload, header, key, secrets), key),
        TOTAL: lambda: total(False),
        DIRECT: lambda: total(True),
        CHAOS: lambda: cipher.decipher(cipher.encipher(samples, secrets.salt), secrets.salt),
    }
