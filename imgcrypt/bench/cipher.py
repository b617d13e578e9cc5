"""``bench cipher``: this cipher beside AES-256-GCM and ChaCha20-Poly1305 of ``cryptography``, and its stages.

All of them run in one process, in turns, on the same random bytes, and each writes to a new NumPy array.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

import imgcrypt
from imgcrypt import cipher, container, envelope
from imgcrypt import threads as available
from imgcrypt.arrays import Bytes
from imgcrypt.bench import steps, stopwatch
from imgcrypt.bench.common import NONE, BenchError, size_text, table
from imgcrypt.bench.stopwatch import Summary
from imgcrypt.cipher import schedule
from imgcrypt.cipher.layout import ROW_BYTES, SEED_WORDS, SEGMENT_ROWS
from imgcrypt.container import TAG_BYTES, Header
from imgcrypt.keys import RawKey
from imgcrypt.sealing import PacketCipher

if TYPE_CHECKING:
    from rich.table import Table

Functions = dict[str, Callable[[], object]]

SECRET = bytes(range(32))
"""Key of every contender. Nonces repeat here, which outside a benchmark would be fatal."""
LARGEST = 2**31 - 1
"""Bytes that ``cryptography`` takes in one call."""
AES, CHACHA = "AES-256-GCM", "ChaCha20-Poly1305"
CHAOS, HYBRID = "chaos layer", "hybrid path"
WAYS = ENCRYPT, DECRYPT = "encrypt", "decrypt"
SPEED_CAPTION = (
    "Medians; the spread is half the distance of the quartiles, as a share. The last columns say how many times as "
    "fast as the other cipher, turn by turn. 1 GB is 10^9 bytes."
)
STAGE_CAPTION = (
    "Sliding and decomposition each make the part of the keystream that they use; the stage keystream makes all of "
    "it and writes it to memory. Scrambling is to slide bytes, then cells; the second happens where cells are read."
)


class Ratio(NamedTuple):
    """How many times as fast ``mine`` is as ``other``."""

    mine: str
    other: str


@dataclasses.dataclass(frozen=True)
class Speed:
    """One size of payload, in bytes, with one number of threads.

    By way, encrypt or decrypt, and contender ``seconds`` of a call and the same as speeds; by way and pair
    ``speed_ratio``, turn by turn; ``stages``, the seconds of each.
    """

    size: int
    threads: int
    seconds: dict[str, dict[str, Summary]]
    gb_per_s: dict[str, dict[str, float]]
    ns_per_byte: dict[str, dict[str, float]]
    speed_ratio: dict[str, dict[Ratio, Summary]]
    stages: dict[str, Summary]


def all_threads() -> int:
    """As many as the kernels can use here."""
    return available.count()


def run(sizes: Sequence[int], threads: Sequence[int], repeats: int) -> list[Speed]:
    """Measure every size with every number of threads.

    ``chaos layer`` is imgcrypt.cipher alone, with a ready key; ``hybrid path`` is a whole lossless file in
    memory: keys, digest, chaos layer, AES-256-GCM over the chunks. ``cryptography`` gives one call one thread; with n
    threads the other two ciphers take the bytes in n parts at once, or in one call where that is faster (small
    payloads, and releases of ``cryptography`` whose calls keep Python's lock).

    Args:
        sizes: bytes of payload, 1 to 2**31 - 1 each.
        threads: how many to use; 1 to :func:`all_threads`.
        repeats: turns.

    Returns:
        One for each size and number of threads.

    Raises:
        BenchError: a size or number of threads out of range.
    """
    if bad := [size for size in sizes if not 1 <= size <= LARGEST]:
        raise BenchError(f"cannot measure {bad[0]} bytes; give sizes from 1 byte to under 2 GiB")
    if bad := [count for count in threads if not 1 <= count <= all_threads()]:
        raise BenchError(f"cannot run {bad[0]} threads; this process may use 1 to {all_threads()}")
    results = []
    for count, size in steps.through([(count, size) for count in threads for size in sizes], "payloads"):
        with _threads(count), ThreadPoolExecutor(count) as pool:
            results.append(_measure(size, count, repeats, pool))
    return results


def threads_text(count: int) -> str:
    """As 1 thread or 2 threads."""
    return f"{count} thread" + "s" * (count > 1)


def tables(results: Sequence[Speed]) -> Iterator[Table]:
    """Speeds by threads and way, then stages by threads."""
    for count in dict.fromkeys(result.threads for result in results):
        mine = [result for result in results if result.threads == count]
        named = threads_text(count)
        for way in WAYS:
            yield table(
                f"{way}, {named}",
                ["size", "what", "GB/s", "ns/byte", "spread", f"times {CHACHA}", f"times {AES}"],
                [row for result in mine for row in _rows(result, way)],
                SPEED_CAPTION,
                left=2,
            )
        rows = [[stage, *(_stage_cell(result, stage) for result in mine)] for stage in mine[0].stages]
        sizes = [size_text(result.size) for result in mine]
        yield table(f"stages, {named}: ns/byte ± spread", ["stage", *sizes], rows, STAGE_CAPTION)


def _measure(size: int, threads: int, repeats: int, pool: ThreadPoolExecutor) -> Speed:
    data = np.random.default_rng(size).integers(0, 256, size, np.uint8)
    contenders = dict(zip(WAYS, _contenders(data, threads, pool), strict=True))
    times = {way: stopwatch.interleave(functions, repeats) for way, functions in contenders.items()}
    seconds = {
        way: {name: stopwatch.summary(taken) for name, taken in by_name.items()} for way, by_name in times.items()
    }
    stages = stopwatch.interleave(_stages(data), repeats)
    return Speed(
        size,
        threads,
        seconds,
        {way: {name: size / each.median / 1e9 for name, each in by_name.items()} for way, by_name in seconds.items()},
        {way: {name: each.median / size * 1e9 for name, each in by_name.items()} for way, by_name in seconds.items()},
        {
            way: {
                Ratio(mine, other): stopwatch.ratio(by_name[other], by_name[mine])
                for mine in (CHAOS, HYBRID)
                for other in (CHACHA, AES)
            }
            for way, by_name in times.items()
        },
        {name: stopwatch.summary(taken) for name, taken in stages.items()},
    )


def _contenders(data: Bytes, threads: int, pool: ThreadPoolExecutor) -> tuple[Functions, Functions]:
    """What encrypts ``data``, and what decrypts it again, by name."""
    key, secrets = RawKey(SECRET), envelope.Secrets(SECRET, SECRET)
    header = _header(data, key)
    enciphered = cipher.encipher(data, SECRET)
    sealed = envelope.seal(data, header.content, header.layout, key, secrets)
    encrypt: Functions = {
        CHAOS: lambda: cipher.encipher(data, SECRET),
        HYBRID: lambda: envelope.seal(data, header.content, header.layout, key, secrets),
    }
    decrypt: Functions = {
        CHAOS: lambda: cipher.decipher(enciphered, SECRET),
        HYBRID: lambda: envelope.open_(sealed, key),
    }
    for name, aead in ((AES, AESGCM(SECRET)), (CHACHA, ChaCha20Poly1305(SECRET))):
        encrypt[name], decrypt[name] = _aead(aead, data, threads, pool)
    return encrypt, decrypt


def _aead(
    aead: AESGCM | ChaCha20Poly1305, data: Bytes, threads: int, pool: ThreadPoolExecutor
) -> tuple[Callable[[], object], Callable[[], object]]:
    """Encryption of ``data`` in one call, or in as many at once as there are threads if that is faster; its inverse."""

    def seal(part: Bytes) -> Bytes:
        out = np.empty(len(part) + TAG_BYTES, np.uint8)
        aead.encrypt_into(bytes(12), part.data, None, out.data)
        return out

    def open_(part: Bytes) -> Bytes:
        out = np.empty(len(part) - TAG_BYTES, np.uint8)
        aead.decrypt_into(bytes(12), part.data, None, out.data)
        return out

    parts, whole = np.array_split(data, threads), seal(data)
    sealed = [seal(part) for part in parts]
    return (
        _fastest(lambda: seal(data), lambda: list(pool.map(seal, parts))),
        _fastest(lambda: open_(whole), lambda: list(pool.map(open_, sealed))),
    )


def _fastest(*functions: Callable[[], object]) -> Callable[[], object]:
    times = stopwatch.interleave({str(i): function for i, function in enumerate(functions)}, 3)
    return functions[min(range(len(functions)), key=lambda i: stopwatch.summary(times[str(i)]).median)]


def _stages(data: Bytes) -> Functions:
    """The steps of the hybrid path one by one, as imgcrypt.cipher and imgcrypt.envelope take them."""
    plan = schedule.make(len(data), SECRET)
    header = _header(data, RawKey(SECRET))
    packet_cipher = PacketCipher(header.suite, SECRET)
    out, middle = np.zeros_like(data), np.zeros_like(data)
    # One part without parity: each packet is as much of it as there is room for, the last one filled up.
    width = header.packet_bytes - TAG_BYTES
    grid = np.resize(data, (header.packets, width))
    opened, sealed = np.empty_like(grid), np.empty((header.packets, header.packet_bytes), np.uint8)

    def seal_packets() -> None:
        for number in range(header.packets):
            packet_cipher.seal(number, grid[number].data, sealed[number].data)

    def open_packets() -> None:
        for number in range(header.packets):
            packet_cipher.open(number, sealed[number].data, opened[number].data)

    seal_packets()
    return {
        "seed stream": lambda: schedule.make(len(data), SECRET),
        "keystream": lambda: cipher.keystream(SECRET, plan.seeds.size // SEED_WORDS * SEGMENT_ROWS * ROW_BYTES),
        "sliding bytes": lambda: cipher.scramble(data, out, plan),
        "sliding cells, decomposition": lambda: cipher.decompose(middle, out, plan),
        "decomposition, inverse": lambda: cipher.decompose(data, middle, plan, inverse=True),
        "sliding cells and bytes back": lambda: cipher.scramble(middle, out, plan, inverse=True),
        "digest": lambda: envelope.digest(header.core(), 0, data, SECRET, header.salt),
        "sealing": seal_packets,
        "opening": open_packets,
    }


def _header(data: Bytes, key: imgcrypt.Key) -> Header:
    """The header of a lossless file of these bytes, as a picture one pixel high."""
    return container.parse(imgcrypt.encrypt(data.reshape(1, -1), key, raw=True))


@contextlib.contextmanager
def _threads(count: int) -> Iterator[None]:
    before = os.environ.get(available.VARIABLE)
    os.environ[available.VARIABLE] = str(count)
    try:
        yield
    finally:
        os.environ.pop(available.VARIABLE)
        if before is not None:
            os.environ[available.VARIABLE] = before


def _rows(result: Speed, way: str) -> Iterator[list[str]]:
    for name, taken in result.seconds[way].items():
        ratios = [result.speed_ratio[way].get(Ratio(name, other)) for other in (CHACHA, AES)]
        yield [
            size_text(result.size),
            name,
            f"{result.gb_per_s[way][name]:.2f}",
            f"{result.ns_per_byte[way][name]:.3f}",
            f"{taken.spread:.0%}",
            *(f"{each.median:.3f} ± {each.spread:.0%}" if each else NONE for each in ratios),
        ]


def _stage_cell(result: Speed, stage: str) -> str:
    taken = result.stages[stage]
    return f"{taken.median / result.size * 1e9:.3f} ± {taken.spread:.0%}"
