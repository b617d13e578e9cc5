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
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import imgcrypt
from imgcrypt import cipher, container, demo_job, envelope
from imgcrypt import payload as payloads
from imgcrypt.bench import quality, subjects
from imgcrypt.bench.common import NONE, table
from imgcrypt.chunks import ChunkCipher
from imgcrypt.container import Header
from imgcrypt.errors import DamagedError
from imgcrypt.metrics import psnr

if TYPE_CHECKING:
    from rich.table import Table

Bytes = NDArray[np.uint8]
Show = Callable[[str, Bytes], object]

GAUSSIAN = (0.2, 0.3, 0.5, 1.0)
"""Standard deviations in levels. Rounding leaves 98.8, 90.4, 68.3 and 38.3 % of the bytes as they were."""
SALT_AND_PEPPER = (0.001, 0.01, 0.05, 0.1)
"""Shares of bytes that become 0 or 255."""
CUTS = (1 / 64, 1 / 16, 1 / 4, 1 / 2)
PLACES = {"beginning": 0.0, "middle": 0.5, "end": 1.0}
"""Of a cut: how much of what is left lies before it."""
UNDAMAGED = "none"


@dataclasses.dataclass(frozen=True)
class Damage:
    """One kind of damage: ``name``, ``strength`` and ``place`` as the records have them, and what does it."""

    name: str
    strength: float
    place: str | None
    do: Callable[[Bytes, np.random.Generator], Bytes]

    @property
    def label(self) -> str:
        """As a table and a figure call it."""
        if self.name == UNDAMAGED:
            return self.name
        strength = f"1/{1 / self.strength:.0f}" if self.place else f"{self.strength:g}"
        return f"{self.name} {strength}" + (f", {self.place}" if self.place else "")


def run(
    images: Path | None, net: str | None, seed: int, provider: str, show: Show | None = None
) -> list[dict[str, Any]]:
    """Damage the files of each picture, gray and color, sampled and lossless, and open them again.

    Args:
        images: a folder, read without its subfolders; ``None`` takes the bundled picture.
        net: the net of the sampled files; ``None`` takes the default one.
        seed: of the file keys and the damage.
        provider: what runs the net.
        show: is given each picture that comes out, uint8 (H, W) or (H, W, 3), as ``NAME KIND, FORM: DAMAGE, PATH``,
            with PATH ``recovered`` or ``believed``.

    Returns:
        One record for each picture, form (the net's name, or ``pixels``) and damage: ``picture``, ``kind``, ``form``,
        ``damage``, ``strength``, ``place``, ``label``; ``changed`` and ``lost``, shares of the payload's bytes that
        the damage changed and that recovery did without; ``psnr_db`` and ``ssim`` of what recovery gave, None where it
        found nothing left; ``believed_psnr_db`` and ``believed_ssim`` with every byte believed.

    Raises:
        BenchError: the folder holds no picture, or scikit-image is missing.
        ImageError: a picture is not of 8 bits, or too small.
        NetError: no such net.
    """
    show = show or (lambda *_: None)
    ssim = quality._ssim()
    records = []
    for path in quality._paths(images or demo_job.PICTURE.parent):
        for kind, picture in quality._kinds(path).items():
            for form, blob in _files(picture, net, provider, np.random.default_rng(seed)):
                for damage in _damages():
                    title = f"{path.stem} {kind}, {form}: {damage.label}"
                    record, found = _measure(picture, blob, damage, seed, provider, ssim)
                    for name, image in found.items():
                        show(f"{title}, {name}", image)
                    records.append({"picture": path.stem, "kind": kind, "form": form, **record})
    return records


def tables(results: Sequence[dict[str, Any]]) -> Iterator[Table]:
    """Means over the pictures, a table for each kind and form."""
    groups: dict[tuple[str, str], dict[str, list[dict[str, Any]]]] = {}
    for record in results:
        group = groups.setdefault((record["form"], record["kind"]), {})
        group.setdefault(record["label"], []).append(record)
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
        yield Damage("Gaussian noise", strength, None, _gaussian(strength))
    for strength in SALT_AND_PEPPER:
        yield Damage("salt and pepper", strength, None, _salt_and_pepper(strength))
    for strength in CUTS:
        for place in PLACES:
            yield Damage("cut", strength, place, _cut(strength, PLACES[place]))


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
        blob = imgcrypt.encrypt(
            picture, subjects.KEY, lossless=lossless, net=None if lossless else net, provider=provider
        )
        header, payload = envelope.open_(blob, subjects.KEY)
        form = header.net.name if header.net else subjects.DIRECT
        yield form, envelope.seal(payload, header.content, subjects.KEY, subjects.draw(rng))


def _measure(
    picture: Bytes, blob: bytes, damage: Damage, seed: int, provider: str, ssim: Callable[[Bytes, Bytes], float]
) -> tuple[dict[str, Any], dict[str, Bytes]]:
    """The record of one damaged file, and the pictures that came out of it."""
    header = container.parse(blob)
    places = np.concatenate([np.arange(at, at + length) for at, length in map(header.chunk_at, range(header.chunks))])
    file = np.frombuffer(blob, np.uint8).copy()
    before = file[places]
    file[places] = after = damage.do(before, np.random.default_rng(seed))
    found, lost = {}, 1.0
    with contextlib.suppress(DamagedError):
        recovered = imgcrypt.recover(file.data, subjects.KEY, provider=provider)
        found["recovered"] = np.asarray(recovered.image, np.uint8)
        lost = recovered.lost_bytes / header.payload_bytes
    found["believed"] = _believe(file.tobytes(), header, provider)
    record = {
        "damage": damage.name,
        "strength": damage.strength,
        "place": damage.place,
        "label": damage.label,
        "changed": float((before != after).mean()),
        "lost": lost,
    }
    for path in ("recovered", "believed"):
        prefix = "" if path == "recovered" else "believed_"
        record[f"{prefix}psnr_db"] = psnr(picture, found[path]) if path in found else None
        record[f"{prefix}ssim"] = ssim(picture, found[path]) if path in found else None
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


def _row(label: str, records: Sequence[dict[str, Any]]) -> list[str]:
    def mean(name: str) -> float | None:
        values = [record[name] for record in records]
        return None if None in values else statistics.fmean(values)

    psnr_db, believed = mean("psnr_db"), mean("believed_psnr_db")
    gain = None if psnr_db is None or believed is None or math.isinf(psnr_db) else psnr_db - believed
    return [
        label,
        *(f"{100 * (mean(name) or 0):.2f} %" for name in ("changed", "lost")),
        *(NONE if value is None else f"{value:.2f}" for value in (psnr_db, believed)),
        NONE if gain is None else f"{gain:+.2f}",
        *(NONE if value is None else f"{value:.4f}" for value in (mean("ssim"), mean("believed_ssim"))),
    ]
