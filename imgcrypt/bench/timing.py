"""``bench timing``: the paper's table 9, what each part of the job takes at each size."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import imgcrypt
from imgcrypt import cipher, envelope, inputs, runtime, threads
from imgcrypt import payload as payloads
from imgcrypt.arrays import Bytes
from imgcrypt.bench import paper, steps, stopwatch
from imgcrypt.bench.common import NONE, BenchError, table
from imgcrypt.bench.pictures import kind_of, waves
from imgcrypt.bench.stopwatch import Summary
from imgcrypt.runtime import zoo

if TYPE_CHECKING:
    from rich.table import Table

NET, SEALING, TOTAL, DIRECT = paper.TIMED
CHAOS = "cipher directly, chaos layer alone"
DEFAULT = "default"
"""The name here of the net for those who name none."""
LARGEST = 16384
"""Pixels a side: 800 MB of color, and several times that while it is encrypted."""


class Part(NamedTuple):
    """One of the functions that run in turns: what it does, with which net."""

    net: str
    name: str


@dataclasses.dataclass(frozen=True)
class Timed:
    """One net, or none for the cipher directly, on one square picture of ``size`` pixels a side.

    By part ``seconds``, ``paper_seconds`` and ``times_faster`` where table 9 has the size, and ``ns_per_pixel``.
    """

    size: int
    kind: str
    net: str | None
    rate: float | None
    provider: str | None
    seconds: dict[str, Summary]
    paper_seconds: dict[str, float]
    times_faster: dict[str, float]
    ns_per_pixel: dict[str, float]


def run(sizes: Sequence[int], nets: Sequence[str], provider: str, repeats: int, seed: int = 0) -> list[Timed]:
    """Time square pictures, gray and color, all in memory; one call of each part in turns.

    ``encryption + decryption`` is that of the measurements: keys, digest, chaos layer, AES-256-GCM. ``total`` is
    imgcrypt.encrypt and imgcrypt.decrypt, and ``cipher directly`` the same two, lossless. The last row is the chaos
    layer alone, both ways, over the picture's samples.

    Args:
        sizes: pixels a side.
        nets: names or kinds, of a kind the newest at its highest rate; ``default`` is the default net.
        provider: what runs the nets.
        repeats: turns.
        seed: of the pictures.

    Returns:
        For each size and kind one of each net that serves it, and one without a net for the cipher directly.

    Raises:
        BenchError: a size out of range, no size, or no net.
        NetError: no net is called so.
    """
    if bad := [size for size in sizes if not 1 <= size <= LARGEST]:
        raise BenchError(f"cannot time {bad[0]} pixels a side; give sizes from 1 to {LARGEST}")
    if not sizes or not nets:
        raise BenchError(f"there is nothing to time; give a size, and a net or {DEFAULT} for the default one")
    chosen = {channels: _choose(nets, channels) for channels in (1, 3)}
    asked = [(size, channels, entries) for size in sizes for channels, entries in chosen.items()]
    return [
        record
        for size, channels, entries in steps.through(asked, "pictures")
        for record in _measure(waves(size, channels, seed), entries, provider, repeats)
    ]


def use_threads(count: int) -> None:
    """Let this process use only so many of its cores. Call it before anything runs.

    Raises:
        BenchError: the process has not so many, or the system cannot do that.
    """
    if not 1 <= count <= threads.count():
        raise BenchError(f"cannot use {count} threads; this process may use 1 to {threads.count()}")
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])
    elif count < threads.count():
        raise BenchError("this system cannot confine a process to some cores; leave out --threads")


def tables(results: Sequence[Timed]) -> Iterator[Table]:
    """Table 9, part by part, and how the time for a pixel grows from size to size."""
    rows = []
    for record in results:
        for part, taken in record.seconds.items():
            printed, faster = record.paper_seconds.get(part), record.times_faster.get(part)
            rows.append(
                [
                    f"{record.size} x {record.size}",
                    *_what(record, part),
                    NONE if printed is None else f"{printed:.2f}",
                    f"{taken.median:.5f} ± {taken.spread:.0%}",
                    NONE if faster is None else f"{faster:,.1f}",
                ]
            )
    providers = ", ".join(dict.fromkeys(record.provider for record in results if record.provider))
    platform = paper.tables()["table9_seconds"]["platform"]
    yield table(
        "table 9: seconds, there and back",
        ["picture", "kind", "net, rate", "what", "paper s", "ours s", "times faster"],
        rows,
        f"Paper: {platform}; what is faster here is machine and program together. Ours: nets on {providers}; "
        "median ± half the distance of the quartiles.",
        left=4,
    )
    yield from _growth(results)


def _growth(results: Sequence[Timed]) -> Iterator[Table]:
    sizes = sorted({record.size for record in results})
    if len(sizes) < 2:
        return
    found: dict[tuple[str, ...], dict[int, float]] = {}
    for record in results:
        for part, value in record.ns_per_pixel.items():
            found.setdefault(tuple(_what(record, part)), {})[record.size] = value
    yield table(
        "growth: nanoseconds a pixel",
        ["kind", "net, rate", "what", *map(str, sizes), f"{sizes[-1]} / {sizes[0]}"],
        [
            [*what, *(f"{values[size]:.1f}" for size in sizes), f"{values[sizes[-1]] / values[sizes[0]]:.2f}"]
            for what, values in found.items()
        ],
        "Pixels a side. It is flat where the time grows as the number of pixels; small pictures pay for what each call "
        "costs, and for blocks that they do not fill.",
        left=3,
    )


def _what(record: Timed, part: str) -> list[str]:
    return [record.kind, f"{record.net}, {record.rate:.2f}" if record.net else NONE, part]


def _choose(nets: Sequence[str], channels: int) -> list[zoo.Entry]:
    """The nets that serve pictures of so many channels, each once."""
    chosen = []
    for net in nets:
        named = [entry for entry in zoo.entries() if net in (entry.name, entry.kind)]
        # A net for other pictures is left out here; a name that nobody has is for zoo.choose to refuse.
        if not named or any(entry.rate(channels) is not None for entry in named):
            chosen.append(zoo.choose(None if net == DEFAULT else net, None, channels))
    return list(dict.fromkeys(chosen))


def _measure(image: Bytes, entries: Sequence[zoo.Entry], provider: str, repeats: int) -> list[Timed]:
    """A record of each net, whose parts all run in turns, and one of the cipher directly."""
    parts = {entry: _parts(image, entry, provider) for entry in entries}
    calls = {Part(entry.name, name): call for entry, named in parts.items() for name, call in named.items()}
    times = stopwatch.interleave(calls, repeats) if calls else {}
    records = [
        _record(image, entry, provider, {name: times[Part(entry.name, name)] for name in named})
        for entry, named in parts.items()
    ]
    # By itself: calls this short are made many times over in each turn.
    return [*records, _record(image, None, provider, stopwatch.interleave(_direct_parts(image), repeats))]


def _record(image: Bytes, entry: zoo.Entry | None, provider: str, times: dict[str, list[float]]) -> Timed:
    size, channels = len(image), 1 if image.ndim == 2 else 3
    kind = kind_of(channels)
    seconds = {part: stopwatch.summary(taken) for part, taken in times.items()}
    printed = {part: value for part, value in paper.seconds(size, kind).items() if part in seconds}
    return Timed(
        size,
        kind,
        entry.name if entry else None,
        entry.rate(channels) if entry else None,
        runtime.load(entry, provider).provider if entry else None,
        seconds,
        printed,
        {part: value / seconds[part].median for part, value in printed.items()},
        {part: taken.median / size**2 * 1e9 for part, taken in seconds.items()},
    )


def _parts(image: Bytes, entry: zoo.Entry, provider: str) -> dict[str, Callable[[], object]]:
    """What table 9 times with a net, each a function that does it there and back."""
    key, secrets = imgcrypt.Key.generate(), envelope.Secrets.fresh()
    codec = imgcrypt.Codec(key, net=entry.name, provider=inputs.provider(provider))
    # At the paper's rate, or the nearest.
    rate = entry.rate(1 if image.ndim == 2 else 3)
    header, payload, _ = envelope.open_(codec.encrypt(image, rate=rate), key)
    return {
        NET: lambda: payloads.rebuild(payloads.measure(image, entry, provider), header.content, provider),
        SEALING: lambda: envelope.open_(envelope.seal(payload, header.content, header.layout, key, secrets), key),
        TOTAL: lambda: codec.decrypt(codec.encrypt(image, rate=rate)),
    }


def _direct_parts(image: Bytes) -> dict[str, Callable[[], object]]:
    """What it takes without a net, there and back."""
    key, secret, samples = imgcrypt.Key.generate(), bytes(cipher.KEY_BYTES), image.reshape(-1)
    return {
        DIRECT: lambda: imgcrypt.decrypt(imgcrypt.encrypt(image, key, raw=True), key),
        CHAOS: lambda: cipher.decipher(cipher.encipher(samples, secret), secret),
    }
