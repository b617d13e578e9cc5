"""``bench robustness``: pictures from damaged files, after the paper's figures 6 (noise) and 7 (cuts).

The damage is done to what lies between the two copies of the header. Files of the default net under each profile stand
beside the paper's net, with recovery and with every byte believed, as the paper shows it, and beside AVIF under parity
at the same bytes. The paper shows pictures there and prints no figures.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

import imgcrypt
from imgcrypt import cipher, container, envelope, inputs, recovery, restoration
from imgcrypt import payload as payloads
from imgcrypt.arrays import Bytes
from imgcrypt.bench import pictures, subjects
from imgcrypt.bench.codecs import CODECS
from imgcrypt.bench.common import NONE, table
from imgcrypt.container import TAG_BYTES, Header
from imgcrypt.errors import DamagedError, TruncatedError
from imgcrypt.inputs import Protection
from imgcrypt.metrics import psnr

if TYPE_CHECKING:
    from rich.table import Table

RATE = 0.18
"""Bytes a sample of the files of the default net and of AVIF: parity, tags and all."""
LOSSES = (1 / 20, 1 / 8, 1 / 4, 3 / 8, 1 / 2, 5 / 8, 3 / 4)
"""Shares of a file that are gone, in one piece, in bursts, or packet by packet."""
PLACES = {"beginning": 0.0, "middle": 0.5, "end": 1.0}
"""Of a cut: how much of what is left lies before it."""
BURST = 1 / 100
"""Of a file, the length of one of several bursts."""
WRONG = (1 / 1000, 1 / 100, 1 / 10)
"""Shares of bytes that become others, whatever they were."""
GAUSSIAN = (0.2, 0.3, 0.5, 1.0)
"""Standard deviations in levels. Rounding leaves 98.8, 90.4, 68.3 and 38.3 % of the bytes as they were."""
SALT_AND_PEPPER = (0.001, 0.01, 0.05, 0.1)
"""Shares of bytes that become 0 or 255."""
UNDAMAGED, CUT, BURSTS, PACKETS = "none", "cut", "bursts", "packets lost"
BYTES, NOISE, SPOTS = "wrong bytes", "Gaussian noise", "salt and pepper"
"""Names of damages."""
LOST = (CUT, BURSTS, PACKETS)
"""Damages after which bytes are gone, and whose strength is their share."""
PROFILES: tuple[Protection, ...] = ("none", "light", "strong")
SURVIVED = 1 / 4
SURVIVE, LOSSLESS = "survive 1/4", "lossless, survive 1/4"
BELIEVED = "every byte believed"
PARITIES = {"AVIF + 1/20": 1 / 20, "AVIF + 1/4": 1 / 4, "AVIF + 1/2": 1 / 2, "AVIF + 3/4": 3 / 4}
"""AVIF under parity: by name, the share of the packets that may be lost."""
AVIF_PACKETS = 80


Spans = NDArray[np.int64]
"""Where packets begin and end, (m, 2)."""
Do = Callable[[Bytes, Spans, np.random.Generator], Bytes]
"""Damages uint8 (n,), in which the packets lie there."""


@dataclasses.dataclass(frozen=True)
class Damage:
    """What is done: its name, how strong, where if it is a cut, and the function that does it."""

    name: str
    strength: float
    place: str | None
    do: Do

    @property
    def label(self) -> str:
        """As a table calls it; cuts in all places are one."""
        return self.name if self.name == UNDAMAGED else f"{self.name} {extent(self.name, self.strength)}"


def extent(name: str, strength: float) -> str:
    """How much damage of a name, as text."""
    return f"{strength:.1%}" if name in LOST else f"{strength:g}"


class Shown(NamedTuple):
    """What a picture shows that came out of a damaged file."""

    picture: str
    form: str
    label: str
    place: str | None


Show = Callable[[Shown, Bytes], object]


@dataclasses.dataclass(frozen=True)
class Opened:
    """What came out of one damaged file.

    ``form`` is a profile, SURVIVE, LOSSLESS, the paper's net, that with BELIEVED, or one of PARITIES. ``damage``,
    ``strength``, ``place`` and ``label`` are those of the Damage; ``changed`` is the share of bytes that it changed.
    ``psnr_db`` is None where nothing came back. Of ``parts`` the first ``whole`` are proven; ``authentic`` says that
    the picture is made of these alone.
    """

    picture: str
    kind: str
    form: str
    damage: str
    strength: float
    place: str | None
    label: str
    changed: float
    psnr_db: float | None
    authentic: bool
    parts: int
    whole: int


class Outcome(NamedTuple):
    """The picture, None if nothing came back, whether it is authentic, and how many parts are proven, of how many."""

    image: Bytes | None
    authentic: bool
    whole: int
    parts: int


@dataclasses.dataclass(frozen=True)
class File:
    """A file as the damage finds it: the bytes ``data`` that it is done to, (n,), and where packets lie, (m, 2).

    ``open`` makes an outcome of the damaged bytes.
    """

    form: str
    data: Bytes
    packets: Spans
    open: Callable[[Bytes], Outcome]


def run(images: Path | None, net: str | None, seed: int, provider: str, show: Show | None = None) -> list[Opened]:
    """Damage files of each picture, in color if it has any, and open them again.

    Args:
        images: a folder, read without its subfolders; ``None`` takes the bundled picture.
        net: the net for one rate that stands beside; ``None`` takes the paper's.
        seed: of the file keys and the damage.
        provider: what runs the nets.
        show: is given each picture that comes out, uint8 (H, W) or (H, W, 3).

    Returns:
        One for each picture, form and damage.

    Raises:
        BenchError: the folder holds no picture.
        ImageError: a picture is not of 8 bits, or too small.
        NetError: no such net.
    """
    show = show or (lambda *_: None)
    records = []
    for path in pictures.paths(images):
        kind, picture = list(pictures.read(path).items())[-1]
        for file in files(picture, net, provider, np.random.default_rng(seed)):
            for damage in _damages():
                after = damage.do(file.data, file.packets, np.random.default_rng(seed))
                found = file.open(after)
                decibels = None
                if found.image is not None:
                    show(Shown(path.stem, file.form, damage.label, damage.place), found.image)
                    decibels = psnr(picture, found.image)
                changed = float((after != file.data).mean())
                where = damage.name, damage.strength, damage.place, damage.label
                records.append(
                    Opened(
                        path.stem, kind, file.form, *where, changed, decibels, found.authentic, found.parts, found.whole
                    )
                )
    return records


def tables(results: Sequence[Opened]) -> Iterator[Table]:
    """Means over pictures and places: a row for each damage, a column for each form."""
    count = len({record.picture for record in results})
    forms = list(dict.fromkeys(record.form for record in results))
    cells: dict[tuple[str, str], list[Opened]] = {}
    for record in results:
        cells.setdefault((record.label, record.form), []).append(record)
    yield table(
        "figures 6 and 7: PSNR in dB and proven parts, " + ("1 picture" if count == 1 else f"mean of {count} pictures"),
        ["damage", *forms],
        [[label, *(cell(cells[label, form]) for form in forms)] for label in dict.fromkeys(each[0] for each in cells)],
        "2/4: the first 2 of 4 parts are proven, and the picture shows them alone; the fewest of all pictures and "
        "places. ?: a picture of which something is not authentic. -: nothing, in one case at least. Shares of the "
        f"bytes; noise in levels. Files have {RATE:g} bytes a sample, parity and all, but for the lossless ones and "
        "those of the net for one rate. AVIF + 1/4: as many bytes, so much parity that any quarter of the packets may "
        "be lost; counted, not coded.",
    )


def cell(records: Sequence[Opened]) -> str:
    """Of one damage and form, the mean and what is proven."""
    found = [record.psnr_db for record in records]
    if None in found:
        return NONE
    mean = statistics.fmean(value for value in found if value is not None)
    decibels = "exact" if math.isinf(mean) else f"{mean:.1f}"
    if not all(record.authentic for record in records):
        return f"{decibels} ?"
    least = min(records, key=lambda record: record.whole)
    return f"{decibels} {least.whole}/{least.parts}"


def _damages() -> Iterator[Damage]:
    yield Damage(UNDAMAGED, 0, None, lambda data, *_: data)
    for strength in LOSSES:
        for place in PLACES:
            yield Damage(CUT, strength, place, _cut(strength, PLACES[place]))
    for name, make in ((BURSTS, _bursts), (PACKETS, _packets)):
        for strength in LOSSES:
            yield Damage(name, strength, None, make(strength))
    yield from (Damage(BYTES, strength, None, _wrong(strength)) for strength in WRONG)
    yield from (Damage(NOISE, strength, None, _gaussian(strength)) for strength in GAUSSIAN)
    yield from (Damage(SPOTS, strength, None, _salt_and_pepper(strength)) for strength in SALT_AND_PEPPER)


def _cut(share: float, place: float) -> Do:
    def do(data: Bytes, *_: object) -> Bytes:
        length = round(share * len(data))
        start = round(place * (len(data) - length))
        return np.concatenate([data[:start], np.zeros(length, np.uint8), data[start + length :]])

    return do


def _bursts(share: float) -> Do:
    """Pieces of the length BURST, wherever they fall, but not upon each other."""

    def do(data: Bytes, _: Spans, rng: np.random.Generator) -> Bytes:
        count = max(round(share / BURST), 1)
        length = round(share * len(data) / count)
        starts = np.sort(rng.integers(0, len(data) - count * length + 1, count)) + length * np.arange(count)
        out = data.copy()
        out[(starts[:, None] + np.arange(length)).reshape(-1)] = 0
        return out

    return do


def _packets(share: float) -> Do:
    """A share of the packets, rounded down: no more than this is lost."""

    def do(data: Bytes, packets: Spans, rng: np.random.Generator) -> Bytes:
        out = data.copy()
        for start, end in rng.permutation(packets)[: int(share * len(packets))]:
            out[start:end] = 0
        return out

    return do


def _wrong(share: float) -> Do:
    def do(data: Bytes, _: Spans, rng: np.random.Generator) -> Bytes:
        other = (data + rng.integers(1, 256, len(data), np.uint8)).astype(np.uint8)
        return np.where(rng.random(len(data)) < share, other, data).astype(np.uint8)

    return do


def _gaussian(deviation: float) -> Do:
    def do(data: Bytes, _: Spans, rng: np.random.Generator) -> Bytes:
        return (data + rng.normal(0, deviation, len(data))).round().clip(0, 255).astype(np.uint8)

    return do


def _salt_and_pepper(share: float) -> Do:
    def do(data: Bytes, _: Spans, rng: np.random.Generator) -> Bytes:
        return np.where(rng.random(len(data)) < share, rng.integers(0, 2, len(data)) * 255, data).astype(np.uint8)

    return do


def files(picture: Bytes, net: str | None, provider: str, rng: np.random.Generator) -> Iterator[File]:
    """The picture in every form, under file keys that repeat with the seed."""
    chosen = inputs.provider(provider)
    for protection in PROFILES:
        blob = imgcrypt.encrypt(picture, subjects.KEY, rate=RATE, protection=protection, provider=chosen)
        yield _ours(protection, _seal_again(blob, rng), provider)
    length = len(blob) - 2 * container.parse(blob).header_bytes
    blob = imgcrypt.encrypt(picture, subjects.KEY, rate=RATE, survive=SURVIVED, provider=chosen)
    yield _ours(SURVIVE, _seal_again(blob, rng), provider)
    blob = imgcrypt.encrypt(picture, subjects.KEY, lossless=True, survive=SURVIVED, provider=chosen)
    yield _ours(LOSSLESS, _seal_again(blob, rng), provider)
    blob = imgcrypt.encrypt(picture, subjects.KEY, net=net or subjects.FIGURE_2_NET, provider=chosen)
    blob = _seal_again(blob, rng)
    one_rate = container.parse(blob).net
    assert one_rate is not None
    recovered = _ours(one_rate.name, blob, provider)
    yield recovered
    yield dataclasses.replace(recovered, form=f"{one_rate.name}, {BELIEVED}", open=_believing(blob, provider))
    for form, loss in PARITIES.items():
        yield _avif(form, loss, picture, length, rng)


def _seal_again(blob: bytes, rng: np.random.Generator) -> bytes:
    """The same under a file key that repeats with the seed."""
    header, payload, _ = envelope.open_(blob, subjects.KEY)
    return envelope.seal(payload, header.content, header.layout, subjects.KEY, subjects.draw(rng))


def _ours(form: str, blob: bytes, provider: str) -> File:
    header, inside = container.parse(blob), _inside(blob)
    proven: dict[int, Outcome] = {}

    def open_(data: Bytes) -> Outcome:
        try:
            found = recovery.open_damaged(_with(blob, data), subjects.KEY)
            if found.whole in proven:
                return proven[found.whole]
            image, _, doubtful = restoration.restore(found, provider)
        except (DamagedError, TruncatedError):
            return Outcome(None, False, 0, len(header.parts))
        authentic = found.authentic or bool(found.whole and not doubtful.any())
        outcome = Outcome(np.asarray(image, np.uint8), authentic, found.whole, len(header.payload_parts))
        if authentic:
            # What is proven decides all of such a picture.
            proven[found.whole] = outcome
        return outcome

    starts = [header.packet_at(number) - header.header_bytes for number in range(header.packets + 1)]
    return File(form, np.frombuffer(blob, np.uint8)[inside], _pieces([0, *starts]), open_)


def _pieces(starts: list[int]) -> Spans:
    """Where packets begin and end, (n, 2); longer ones than two of 1,024 bytes are taken for several."""
    found: list[tuple[int, int]] = []
    for start, end in itertools.pairwise(starts):
        count = max((end - start) // 1024, 1) if end > start else 0
        edges = [start + (end - start) * i // count for i in range(count)] + [end] * (count > 0)
        found += itertools.pairwise(edges)
    return np.array(found, np.int64)


def _inside(blob: bytes) -> slice:
    header = container.parse(blob)
    return slice(header.header_bytes, header.trailer_at)


def _with(blob: bytes, data: Bytes) -> bytes:
    """The file with other bytes between the copies of its header."""
    inside = _inside(blob)
    return blob[: inside.start] + data.tobytes() + blob[inside.stop :]


def _believing(blob: bytes, provider: str) -> Callable[[Bytes], Outcome]:
    """Opens a file as a reader that knows nothing of damage, tags and digest."""
    header = container.parse(blob)
    file_key = envelope.unlock(header, memoryview(blob)[: header.header_bytes], subjects.KEY)

    def open_(data: Bytes) -> Outcome:
        image = _believe(header, file_key, data, provider)
        return Outcome(image, bool((data == np.frombuffer(blob, np.uint8)[_inside(blob)]).all()), 0, 1)

    return open_


def _believe(header: Header, file_key: bytes, data: Bytes, provider: str) -> Bytes:
    """The picture of a payload in one part, of which all packets are needed."""
    opener = envelope.packet_cipher(header, file_key)
    packets = data.reshape(header.packets, header.packet_bytes)[:, :-TAG_BYTES]
    opened = b"".join(opener.open_unverified(number, packet.tobytes()) for number, packet in enumerate(packets))
    enciphered = np.frombuffer(opened, np.uint8)[: header.payload_bytes]
    payload = cipher.decipher(enciphered, envelope.part_key(header, file_key, 0))
    return np.asarray(payloads.decode(payload, header.content, provider), np.uint8)


def _avif(form: str, loss: float, picture: Bytes, length: int, rng: np.random.Generator) -> File:
    """AVIF in so many bytes, its parity and a tag in each packet among them.

    Any code of this kind gives back all from as many packets as it needs, and nothing from fewer: that is counted.
    """
    needed = AVIF_PACKETS - math.ceil(loss * AVIF_PACKETS)
    packet = length // AVIF_PACKETS
    data = rng.integers(0, 256, AVIF_PACKETS * packet, np.uint8)
    coded = CODECS["avif"].through(picture, needed * (packet - TAG_BYTES))
    image = None if coded is None else coded.picture

    def open_(damaged: Bytes) -> Outcome:
        whole = (damaged == data).reshape(AVIF_PACKETS, packet).all(1).sum() >= needed
        return Outcome(image if whole else None, bool(whole), int(whole), 1)

    return File(form, data, _pieces(list(range(0, len(data) + 1, packet))), open_)
