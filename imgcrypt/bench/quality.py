"""``bench quality``: what the pictures look like after the job, beside the paper's tables 1, 2 and 3.

Every picture goes through imgcrypt.encrypt and imgcrypt.decrypt: the exported ONNX nets with their 8-bit measurements.
Beside them the zonal DCT at a net's rate, and JPEG, WebP, AVIF and JPEG XL at the bytes of our whole file: what
the default net's ``.imgc`` takes at that rate. PSNR, SSIM and MS-SSIM compare 8-bit samples. Gray is ITU-R BT.601 luma.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

import imgcrypt
from imgcrypt import inputs
from imgcrypt.arrays import Bytes
from imgcrypt.bench import paper, pictures, ssim, steps
from imgcrypt.bench.codecs import CODECS, Codec, Coded, ImageFormat
from imgcrypt.bench.common import NONE, BenchError, table
from imgcrypt.bench.pictures import COLOR, GRAY
from imgcrypt.metrics import psnr
from imgcrypt.runtime import zoo

if TYPE_CHECKING:
    from rich.table import Table

SET11, BSDS500 = "Set11", "BSDS500 test"
BSDS500_TEST = (200, frozenset({"100007", "100039", "10081", "101027"}))
"""How many pictures that folder has, and the names of some of them."""
PRINTED = {"reconnet": "ReconNet", "dr2net": "DR2-Net", "msrnet": "MSRNet"}
"""The paper's name for a net of others; each other net is held against the paper's own."""
SCORE_COLUMNS = ("PSNR dB", "paper", "ours - paper", "SSIM", "paper", "ours - paper", "MS-SSIM", "bytes a sample")
OTHER = "avif"
"""What the default net is held against in bytes for the same PSNR."""
EXACT_DB = 100.0
"""What a picture without any error counts as in a mean."""
SHOWN = 24
"""Pictures of a folder that are shown one by one; of more only the means are, unless all are asked for."""


@dataclasses.dataclass(frozen=True)
class Method:
    """A net or a codec: its name, its rate, and what a picture is after it."""

    name: str
    rate: float
    through: Callable[[Bytes], Coded | None]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Score:
    """Of a picture, or the mean of many: ours, and the paper's where it prints them.

    ``bytes_per_sample`` is of the whole file; ``ms_ssim`` is None where a picture is too small for it.
    """

    psnr_db: float
    ssim: float
    ms_ssim: float | None = None
    bytes_per_sample: float | None = None
    paper_psnr_db: float | None = None
    paper_ssim: float | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class PictureScore(Score):
    """``name`` is that of the file, without suffix."""

    name: str


AnyScore = TypeVar("AnyScore", bound=Score)


@dataclasses.dataclass(frozen=True)
class Measured:
    """A folder's pictures of one kind after one net or codec: ``data_set`` is which of the paper's sets they are."""

    folder: str
    data_set: str | None
    kind: str
    net: str
    rate: float
    mean: Score
    pictures: list[PictureScore]


def run(folders: Sequence[Path], nets: Sequence[str], rates: Sequence[float], provider: str) -> list[Measured]:
    """Measure every picture of the folders with every net that is asked for.

    Args:
        folders: read without their subfolders.
        nets: names of nets, or how names begin, up to a hyphen, for all of that kind; or of codecs, at a net's bytes.
            None means all.
        rates: bytes of measurements per sample, as the paper counts them for gray and for color pictures; none means
            the paper's, and for codecs those of the nets.
        provider: what runs the nets.

    Returns:
        One for each folder, kind, net and rate. A gray picture, or one of equal channels, is measured as gray alone.

    Raises:
        BenchError: a folder holds no picture, scikit-image is missing, or no net fits.
        ImageError: a picture is not of 8 bits, or too small.
    """
    similarity = ssim.load()
    methods = _methods(nets, rates, provider)
    results: list[Measured] = []
    for folder in folders:
        paths = pictures.paths(folder)
        measured: dict[tuple[str, Method], list[PictureScore]] = {}
        counts = dict.fromkeys(methods, 0)
        for path in steps.through(paths, f"pictures of {folder.name}"):
            for kind, picture in pictures.read(path).items():
                counts[kind] += 1
                for method in methods[kind]:
                    if (coded := method.through(picture)) is None:
                        continue
                    row = PictureScore(
                        name=path.stem,
                        psnr_db=psnr(picture, coded.picture),
                        ssim=similarity(picture, coded.picture),
                        ms_ssim=ssim.multi_scale(picture, coded.picture),
                        bytes_per_sample=coded.size / picture.size,
                    )
                    measured.setdefault((kind, method), []).append(row)
        data_set = _data_set(paths)
        results += [
            _record(folder.resolve().name, data_set, kind, method, rows)
            for (kind, method), rows in measured.items()
            # A mean over those pictures alone that fit would not compare.
            if method.name not in CODECS or len(rows) == counts[kind]
        ]
    if not results:
        raise BenchError("no net serves these pictures at these rates; leave out --rates to measure all")
    return results


def tables(results: Sequence[Measured], summary: bool | None = None) -> Iterator[Table]:
    """Each net picture by picture unless only a ``summary`` is wanted; then means, the paper's tables, and BD-rates.

    ``None`` leaves out single pictures where a folder has more than SHOWN.
    """
    for record in results:
        if summary or (summary is None and len(record.pictures) > SHOWN):
            continue
        rows = [[row.name, *score_cells(row)] for row in record.pictures]
        yield table(
            f"{record.folder}: {record.net}, {record.kind}, rate {record.rate:.2f}",
            ["picture", *SCORE_COLUMNS],
            [*rows, ["mean", *score_cells(record.mean)]],
        )
    yield from summary_tables(results)


def summary_tables(results: Sequence[Measured]) -> Iterator[Table]:
    """Means, the paper's tables, and BD-rates."""
    rows = [
        [
            record.folder,
            record.kind,
            f"{record.rate:.2f}",
            record.net,
            str(len(record.pictures)),
            *score_cells(record.mean),
        ]
        for record in results
    ]
    yield table("means", ["folder", "kind", "rate", "net", "pictures", *SCORE_COLUMNS], rows, left=4)
    yield from paper_tables(results)
    yield from _bd_rates(results)


def paper_tables(results: Sequence[Measured]) -> Iterator[Table]:
    """The paper's tables 1 to 3 with ours among the methods."""
    yield from _table_1(results)
    yield from _table_2(results)
    yield from _table_3(results)


def _methods(nets: Sequence[str], rates: Sequence[float], provider: str) -> dict[str, list[Method]]:
    """What to measure on gray and on color pictures: of each net's name the newest, then the codecs."""
    known = {entry.name: entry for entry in zoo.entries()}
    for net in nets:
        if not any(_is_named(name, net) for name in (*known, *CODECS)):
            raise BenchError(f"no net is called {net!r}; choose from {', '.join((*known, *CODECS))}")
    chosen = [entry for name, entry in known.items() if not nets or any(_is_named(name, net) for net in nets)]
    methods: dict[str, list[Method]] = {}
    for kind, channels in ((GRAY, 1), (COLOR, 3)):
        methods[kind] = [
            Method(entry.name, rate, functools.partial(_through, entry=entry, rate=rate, provider=provider))
            for entry in chosen
            for rate in _entry_rates(entry, channels, rates)
        ]
        measured = sorted({method.rate for method in methods[kind]})
        beside = list(rates) or measured or paper.RATES[kind] if nets else measured
        for name, codec in CODECS.items():
            if (nets and name not in nets) or kind not in codec.kinds:
                continue
            for rate in beside:
                if not 0 < rate <= 1:
                    raise BenchError(f"{name} cannot be measured at rate {rate}; give one above 0 and up to 1")
                through = functools.partial(_coded, codec=codec, rate=rate, provider=provider)
                methods[kind].append(Method(name, rate, through))
    return methods


def _entry_rates(entry: zoo.Entry, channels: int, wanted: Sequence[float]) -> list[float]:
    """The rates at which to measure a net: those wanted that it serves, else its own; the paper's if it serves any."""
    own = entry.rate(channels)
    if own is None:
        return []
    if entry.any_rate:
        rates = wanted or paper.RATES[pictures.kind_of(channels)]
        return [rate for rate in rates if entry.serves(rate, channels)]
    return [own] if not wanted or any(entry.serves(rate, channels) for rate in wanted) else []


def _is_named(name: str, wanted: str) -> bool:
    return f"{name}-".startswith(f"{wanted}-")


def _through(picture: Bytes, entry: zoo.Entry, rate: float, provider: str) -> Coded:
    """Encrypted, and decrypted again."""
    key = imgcrypt.Key.generate()
    # As the codecs beside it are not protected either.
    blob = imgcrypt.encrypt(
        picture, key, net=entry.name, rate=rate, protection="none", provider=inputs.provider(provider)
    )
    back = imgcrypt.decrypt(blob, key, provider=inputs.provider(provider))
    return Coded(np.asarray(back, np.uint8), len(blob))


def _coded(picture: Bytes, codec: Codec, rate: float, provider: str) -> Coded | None:
    """By a codec: a format of files may take as many bytes as our file of this rate."""
    if not isinstance(codec, ImageFormat):
        return codec.through(picture, max(1, round(rate * picture.size)))
    return codec.through(picture, _file_bytes(picture.tobytes(), picture.shape, rate, provider))


@functools.lru_cache(maxsize=64)
def _file_bytes(samples: bytes, shape: tuple[int, ...], rate: float, provider: str) -> int:
    """The whole ``.imgc`` of a picture by the default net; at a rate that it does not serve, the bytes of the rate."""
    picture = np.frombuffer(samples, np.uint8).reshape(shape)
    if not zoo.choose(None, None, 1 if len(shape) == 2 else 3).serves(rate, 1 if len(shape) == 2 else 3):
        return max(1, round(rate * picture.size))
    key = imgcrypt.Key.generate()
    return len(imgcrypt.encrypt(picture, key, rate=rate, protection="none", provider=inputs.provider(provider)))


def bd_rate(ours: Sequence[Score], others: Sequence[Score]) -> float | None:
    """How many more bytes ours take for the same PSNR, as a share: below 0 they take fewer (Bjontegaard 2001).

    The logarithm of the bytes is interpolated over PSNR by monotone cubics, and averaged over the PSNR that both reach.

    Returns:
        ``None`` where that is nothing, or either has fewer than two points.
    """
    from scipy.interpolate import PchipInterpolator

    curves = []
    for scores in (ours, others):
        points = sorted((score.psnr_db, score.bytes_per_sample or 0) for score in scores)
        points = [point for point in points if math.isfinite(point[0]) and point[1] > 0]
        if len(points) < 2 or len({decibels for decibels, _ in points}) < len(points):
            return None
        decibels, sizes = zip(*points, strict=True)
        curves.append(PchipInterpolator(decibels, np.log(sizes)))
    low, high = max(curve.x[0] for curve in curves), min(curve.x[-1] for curve in curves)
    if low >= high:
        return None
    mine, other = (curve.integrate(low, high) / (high - low) for curve in curves)
    return math.exp(mine - other) - 1


def _bd_rates(results: Sequence[Measured]) -> Iterator[Table]:
    """A line for each folder and kind: the default net against OTHER."""
    rows = []
    for folder, kind in dict.fromkeys((record.folder, record.kind) for record in results):
        means = {
            name: [
                record.mean for record in results if (record.folder, record.kind, record.net) == (folder, kind, name)
            ]
            for name in dict.fromkeys(record.net for record in results)
        }
        for name, scores in means.items():
            if name.partition("-")[0] == zoo.DEFAULT and (rate := bd_rate(scores, means.get(OTHER, ()))) is not None:
                rows.append([folder, kind, name, f"{rate:+.1%}"])
    if rows:
        yield table(
            f"BD-rate against {OTHER}",
            ["folder", "kind", "net", "bytes at the same PSNR"],
            rows,
            "Of the means at rates at which no picture comes back exactly; whole files, headers and tags included. "
            "Below 0, ours take fewer bytes.",
            left=3,
        )


def _data_set(paths: Sequence[Path]) -> str | None:
    """Which of the paper's sets of pictures a folder is, by its files' names."""
    names = {path.stem for path in paths}
    count, some = BSDS500_TEST
    if len(paths) == count and some <= names:
        return BSDS500
    return SET11 if len(paths) == len(paper.SET11) and {*map(paper.picture_name, names)} == paper.SET11 else None


def _record(folder: str, data_set: str | None, kind: str, method: Method, rows: Sequence[PictureScore]) -> Measured:
    """With what the paper prints of the same pictures at the same rate."""
    rate = method.rate
    other = PRINTED.get(method.name.partition("-")[0], paper.OWN)
    printed = paper.set11(other, rate) if (data_set, kind) == (SET11, GRAY) else {}
    scores = []
    for row in rows:
        name = paper.picture_name(row.name)
        figures: tuple[float | None, float | None] | None = None
        if name in printed:
            figures = printed[name], None
        elif name == "lena" and other == paper.OWN:
            figures = paper.lena(kind, rate)
        scores.append(_beside(row, figures))
    mean = _mean(rows)
    figures = paper.bsds500(other, kind, rate) if data_set == BSDS500 else (printed.get("mean"), None)
    return Measured(folder, data_set, kind, method.name, rate, _beside(mean, figures), scores)


def _mean(rows: Sequence[Score]) -> Score:
    """A picture that came back exactly, of infinite PSNR, counts as EXACT_DB: else one would make the mean infinite."""
    scales = [row.ms_ssim for row in rows if row.ms_ssim is not None]
    sizes = [row.bytes_per_sample for row in rows if row.bytes_per_sample is not None]
    return Score(
        psnr_db=statistics.fmean(min(row.psnr_db, EXACT_DB) for row in rows),
        ssim=statistics.fmean(row.ssim for row in rows),
        ms_ssim=statistics.fmean(scales) if len(scales) == len(rows) else None,
        bytes_per_sample=statistics.fmean(sizes) if len(sizes) == len(rows) else None,
    )


def _beside(score: AnyScore, figures: tuple[float | None, float | None] | None) -> AnyScore:
    """A score beside the PSNR and the SSIM that the paper prints, if it does."""
    psnr_db, similarity = figures or (None, None)
    return dataclasses.replace(score, paper_psnr_db=psnr_db, paper_ssim=similarity)


def score_cells(score: Score) -> list[str]:
    """What SCORE_COLUMNS are the heads of."""
    cells = []
    for ours, printed, digits in ((score.psnr_db, score.paper_psnr_db, 2), (score.ssim, score.paper_ssim, 4)):
        cells.append(f"{ours:.{digits}f}")
        cells += [NONE, NONE] if printed is None else [f"{printed:.{digits}f}", f"{ours - printed:+.{digits}f}"]
    cells.append(NONE if score.ms_ssim is None else f"{score.ms_ssim:.4f}")
    cells.append(NONE if score.bytes_per_sample is None else f"{score.bytes_per_sample:.4f}")
    return cells


def _table_1(results: Sequence[Measured]) -> Iterator[Table]:
    """The paper's table 1 at the rates that were measured."""
    mine = [record for record in results if (record.data_set, record.kind) == (SET11, GRAY)]
    printed = paper.tables()["table1_psnr_gray_set11"]
    rows = []
    for rate in dict.fromkeys(record.rate for record in mine):
        for method in printed.get(f"{rate:.2f}", ()):
            rows.append([f"{rate:.2f}", method, *(f"{value:.2f}" for value in paper.set11(method, rate).values())])
        for record in mine:
            if record.rate == rate:
                values = {paper.picture_name(row.name): row.psnr_db for row in record.pictures}
                values["mean"] = record.mean.psnr_db
                ours = (f"{values[column]:.2f}" for column in paper.SET11_COLUMNS)
                rows.append([f"{rate:.2f}", f"{record.net}, measured", *ours])
    if rows:
        title = "table 1: PSNR in dB, gray, Set11; printed figures, and ours"
        yield table(title, ["rate", "method", *printed["columns"]], rows, left=2)


def _table_2(results: Sequence[Measured]) -> Iterator[Table]:
    """The paper's table 2, with a row for every net that was measured."""
    mine = [record for record in results if record.data_set == BSDS500]
    printed = paper.tables()["table2_bsd500_test_mean"]
    methods = {name: values for name, values in printed.items() if isinstance(values, dict)}
    for record in mine:
        values = methods.setdefault(f"{record.net} ({record.kind}), measured", {})
        values[f"{record.rate:.2f}"] = [record.mean.psnr_db, record.mean.ssim]
    if mine:
        rates = sorted({*printed["rates"], *(f"{record.rate:.2f}" for record in mine)})
        rows = [
            [name, *(f"{values[rate][0]:.2f} {values[rate][1]:.4f}" if rate in values else NONE for rate in rates)]
            for name, values in methods.items()
        ]
        yield table(
            "table 2: mean PSNR in dB and SSIM, BSDS500 test; printed figures, and ours", ["method", *rates], rows
        )


def _table_3(results: Sequence[Measured]) -> Iterator[Table]:
    """The paper's table 3: Lena after all the stages, wherever the paper has figures to hold it against."""
    rows = [
        [record.folder, record.kind, f"{record.rate:.2f}", record.net, *score_cells(row)]
        for record in results
        for row in record.pictures
        if paper.picture_name(row.name) == "lena" and row.paper_ssim is not None
    ]
    if rows:
        yield table(
            "table 3: Lena sampled, encrypted, decrypted and rebuilt",
            ["folder", "kind", "rate", "net", *SCORE_COLUMNS],
            rows,
            left=4,
        )
