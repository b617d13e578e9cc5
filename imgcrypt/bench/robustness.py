"""``bench robustness``: pictures from damaged files, after the paper's figures 6 (noise) and 7 (cuts).

The damage is done to the bytes of the chunks; the header stays whole. Every file is opened twice: by
imgcrypt.recover, and with every byte believed, as a reader would that knew nothing of damage. The paper shows pictures
there and prints no figures.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

import imgcrypt
from imgcrypt import cipher, container, envelope, inputs
from imgcrypt import payload as payloads
from imgcrypt.arrays import Bytes
from imgcrypt.bench import pictures, ssim, subjects
from imgcrypt.bench.common import NONE, table
from imgcrypt.chunks import ChunkCipher
from imgcrypt.container import Header
from imgcrypt.errors import DamagedError
from imgcrypt.metrics import psnr

if TYPE_CHECKING:
    from rich.table import Table

GAUSSIAN = (0.2, 0.3, 0.5, 1.0)
"""Standard deviations in levels. Rounding leaves 98.8, 90.4, 68.3 and 38.3 % of the bytes as they were."""
SALT_AND_PEPPER = (0.001, 0.01, 0.05, 0.1)
"""Shares of bytes that become 0 or 255."""
CUTS = (1 / 64, 1 / 16, 1 / 4, 1 / 2)
PLACES = {"beginning": 0.0, "middle": 0.5, "end": 1.0}
"""Of a cut: how much of what is left lies before it."""
UNDAMAGED, NOISE, SPOTS, CUT = "none", "Gaussian noise", "salt and pepper", "cut"
"""Names of damages."""
RECOVERED, BELIEVED = "recovered", "believed"
"""The two ways in which a damaged file is opened: by imgcrypt.recover, and with every byte taken as it is."""


@dataclasses.dataclass(frozen=True)
class Damage:
    """What is done to a file: a kind of damage, how strong, where if it is a cut, and the function that does it."""

    name: str
    strength: float
    place: str | None
    do: Callable[[Bytes, np.random.Generator], Bytes]

    @property
    def label(self) -> str:
        """As a table and a figure call it."""
        if self.name == UNDAMAGED:
            return self.name
        return f"{self.name} {extent(self.strength, self.place)}"


def extent(strength: float, place: str | None) -> str:
    """How much damage, and where, as text."""
    return f"1/{1 / strength:.0f}, {place}" if place else f"{strength:g}"


class Shown(NamedTuple):
    """What a picture shows that came out of a damaged file: ``path`` is RECOVERED or BELIEVED."""

    picture: str
    kind: str
    form: str
    label: str
    path: str


Show = Callable[[Shown, Bytes], object]


@dataclasses.dataclass(frozen=True)
class File:
    """A picture by its name, its kind and the form of the file: a net's name, or subjects.DIRECT."""

    picture: str
    kind: str
    form: str
    samples: Bytes
    blob: bytes


@dataclasses.dataclass(frozen=True)
class Opened:
    """What came out of one damaged file.

    ``damage``, ``strength``, ``place`` and ``label`` are those of the Damage. ``changed`` and ``lost`` are the shares
    of the payload's bytes that the damage changed and that recovery did without; ``psnr_db`` and ``ssim`` are of what
    recovery gave, None where it found nothing left; the others are with every byte believed.
    """

    picture: str
    kind: str
    form: str
    damage: str
    strength: float
    place: str | None
    label: str
    changed: float
    lost: float
    psnr_db: float | None
    ssim: float | None
    believed_psnr_db: float
    believed_ssim: float


def run(images: Path | None, net: str | None, seed: int, provider: str, show: Show | None = None) -> list[Opened]:
    """Damage the files of each picture, gray and color, sampled and lossless, and open them again.

    Args:
        images: a folder, read without its subfolders; ``None`` takes the bundled picture.
        net: the net of the sampled files; ``None`` takes the paper's, as losses in a file of the default net leave
            nothing of it.
        seed: of the file keys and the damage.
        provider: what runs the net.
        show: is given each picture that comes out, uint8 (H, W) or (H, W, 3).

    Returns:
        One for each picture, form and damage.

    Raises:
        BenchError: the folder holds no picture, or scikit-image is missing.
        ImageError: a picture is not of 8 bits, or too small.
        NetError: no such net.
    """
    show = show or (lambda *_: None)
    similarity = ssim.load()
    records = []
    for path in pictures.paths(images):
        for kind, picture in pictures.read(path).items():
            for form, blob in _files(picture, net, provider, np.random.default_rng(seed)):
                file = File(path.stem, kind, form, picture, blob)
                for damage in _damages():
                    record, found = _measure(file, damage, seed, provider, similarity)
                    for opened, image in found.items():
                        show(Shown(path.stem, kind, form, damage.label, opened), image)
                    records.append(record)
    return records


def tables(results: Sequence[Opened]) -> Iterator[Table]:
    """Means over the pictures, a table for each kind and form."""
    groups: dict[tuple[str, str], dict[str, list[Opened]]] = {}
    for record in results:
        group = groups.setdefault((record.form, record.kind), {})
        group.setdefault(record.label, []).append(record)
    for (form, kind), labels in groups.items():
        count = max(map(len, labels.values()))
        yield table(
            f"figures 6 and 7: {kind}, {form}, " + ("1 picture" if count == 1 else f"mean of {count} pictures"),
            ["damage", "changed", "lost", "PSNR dB", "believed", "gain", "SSIM", "believed"],
            [_row(label, records) for label, records in labels.items()],
            "Gaussian noise in levels, salt and pepper and cuts in shares of the ciphertext's bytes. Believed: every "
            "byte taken as it is. Lost: bytes that recovery did without; two that the cipher ties together are lost "
            "together. None of the pictures is authenticated. The paper shows pictures here and prints no figures.",
        )


def _damages() -> Iterator[Damage]:
    yield Damage(UNDAMAGED, 0, None, lambda data, _: data)
    for strength in GAUSSIAN:
        yield Damage(NOISE, strength, None, _gaussian(strength))
    for strength in SALT_AND_PEPPER:
        yield Damage(SPOTS, strength, None, _salt_and_pepper(strength))
    for strength in CUTS:
        for place in PLACES:
            yield Damage(CUT, strength, place, _cut(strength, PLACES[place]))


def _gaussian(deviation: float) -> Callable[[Bytes, np.random.Generator], Bytes]:
    def do(data: Bytes, rng: np.random.Generator) -> Bytes:
        return (data + rng.normal(0, deviation, len(data))).round().clip(0, 255).astype(np.uint8)

    return do


def _salt_and_pepper(share: float) -> Callable[[Bytes, np.random.Generator], Bytes]:
    def do(data: Bytes, rng: np.random.Generator) -> Bytes:
        return np.where(rng.random(len(data)) < share, rng.integers(0, 2, len(data)) * 255, data).astype(np.uint8)

    return do


def _cut(share: float, place: float) -> Callable[[Bytes, np.random.Generator], Bytes]:
    def do(data: Bytes, _: np.random.Generator) -> Bytes:
        length = round(share * len(data))
        start = round(place * (len(data) - length))
        return np.concatenate([data[:start], np.zeros(length, np.uint8), data[start + length :]])

    return do


def _files(picture: Bytes, net: str | None, provider: str, rng: np.random.Generator) -> Iterator[tuple[str, bytes]]:
    """The picture sampled and lossless, under file keys that repeat with the seed: the form's name and the file."""
    for lossless in (False, True):
        sampled = None if lossless else net or subjects.FIGURE_2_NET
        blob = imgcrypt.encrypt(picture, subjects.KEY, raw=lossless, net=sampled, provider=inputs.provider(provider))
        header, payload = envelope.open_(blob, subjects.KEY)
        form = header.net.name if header.net else subjects.DIRECT
        yield form, envelope.seal(payload, header.content, subjects.KEY, subjects.draw(rng))


def _measure(
    file: File, damage: Damage, seed: int, provider: str, similarity: ssim.Measure
) -> tuple[Opened, dict[str, Bytes]]:
    """What one damaged file is worth, and the pictures that came out of it by the way in which it was opened."""
    header = container.parse(file.blob)
    places = np.concatenate([np.arange(at, at + length) for at, length in map(header.chunk_at, range(header.chunks))])
    damaged = np.frombuffer(file.blob, np.uint8).copy()
    before = damaged[places]
    damaged[places] = after = damage.do(before, np.random.default_rng(seed))
    found, lost = {}, 1.0
    with contextlib.suppress(DamagedError):
        recovered = imgcrypt.recover(damaged.data, subjects.KEY, provider=inputs.provider(provider))
        found[RECOVERED] = np.asarray(recovered.image, np.uint8)
        lost = recovered.lost_bytes / header.payload_bytes
    found[BELIEVED] = _believe(damaged.tobytes(), header, provider)
    record = Opened(
        file.picture,
        file.kind,
        file.form,
        damage.name,
        damage.strength,
        damage.place,
        damage.label,
        float((before != after).mean()),
        lost,
        psnr(file.samples, found[RECOVERED]) if RECOVERED in found else None,
        similarity(file.samples, found[RECOVERED]) if RECOVERED in found else None,
        psnr(file.samples, found[BELIEVED]),
        similarity(file.samples, found[BELIEVED]),
    )
    return record, found


def _believe(blob: bytes, header: Header, provider: str) -> Bytes:
    """The picture of a file as a reader opens it that knows nothing of damage, tags and digest."""
    image_key, seal_key = envelope.image_keys(
        header, envelope.unlock(header, memoryview(blob)[: header.header_bytes], subjects.KEY)
    )
    chunk_cipher = ChunkCipher(header.suite, seal_key)
    chunks = [
        chunk_cipher.open_unverified(number, blob[at : at + length])
        for number, (at, length) in enumerate(map(header.chunk_at, range(header.chunks)))
    ]
    payload = cipher.decipher(np.frombuffer(b"".join(chunks), np.uint8), image_key)
    return np.asarray(payloads.decode(payload, header.content, provider), np.uint8)


def _row(label: str, records: Sequence[Opened]) -> list[str]:
    psnr_db, similarity = _mean(each.psnr_db for each in records), _mean(each.ssim for each in records)
    believed = statistics.fmean(each.believed_psnr_db for each in records)
    gain = None if psnr_db is None or math.isinf(psnr_db) else psnr_db - believed
    return [
        label,
        f"{100 * statistics.fmean(each.changed for each in records):.2f} %",
        f"{100 * statistics.fmean(each.lost for each in records):.2f} %",
        NONE if psnr_db is None else f"{psnr_db:.2f}",
        f"{believed:.2f}",
        NONE if gain is None else f"{gain:+.2f}",
        NONE if similarity is None else f"{similarity:.4f}",
        f"{statistics.fmean(each.believed_ssim for each in records):.4f}",
    ]


def _mean(values: Iterable[float | None]) -> float | None:
    """None where any of them is missing."""
    found = list(values)
    present = [value for value in found if value is not None]
    return statistics.fmean(present) if len(present) == len(found) else None
