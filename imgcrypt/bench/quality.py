"""``bench quality``: what the pictures look like after the job, beside the paper's tables 1, 2 and 3.

Every picture goes through imgcrypt.encrypt and imgcrypt.decrypt: the exported ONNX nets with their 8-bit measurements.
Beside them the zonal DCT, JPEG, WebP and AVIF. PSNR and SSIM compare 8-bit samples. Gray is ITU-R BT.601 luma.
"""

from __future__ import annotations

import dataclasses
import functools
import statistics
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

import imgcrypt
from imgcrypt import pictures
from imgcrypt.bench import baselines, lossy, paper
from imgcrypt.bench.common import NONE, BenchError, table
from imgcrypt.errors import ImageError
from imgcrypt.metrics import psnr
from imgcrypt.runtime import zoo

if TYPE_CHECKING:
    from rich.table import Table

Picture = NDArray[np.uint8]

SUFFIXES = frozenset({*pictures.FORMATS, *pictures.LOSSY_SUFFIXES})
SET11, BSDS500 = "Set11", "BSDS500 test"
BSDS500_TEST = (200, frozenset({"100007", "100039", "10081", "101027"}))
"""How many pictures that folder has, and the names of some of them."""
SMALLEST = 11
"""Pixels a side of the window of SSIM."""
DCT = "dct"
"""The name of the zonal DCT among the nets."""
OTHERS = (DCT, *lossy.FORMATS)
"""What stands beside the nets."""
PRINTED = {"reconnet": "ReconNet", "dr2net": "DR2-Net", "msrnet": "MSRNet"}
"""The paper's name for a net of others; each other net is held against the paper's own."""


@dataclasses.dataclass(frozen=True)
class Method:
    """A net, or what stands beside the nets: its name, its rate, and what a picture is after it."""

    name: str
    rate: float
    through: Callable[[Picture], Picture | None]


def run(folders: Sequence[Path], nets: Sequence[str], rates: Sequence[float], provider: str) -> list[dict[str, Any]]:
    """Measure every picture of the folders with every net that is asked for.

    Args:
        folders: read without their subfolders.
        nets: names of nets, or how names begin, up to a hyphen, for all of that kind; ``dct`` is the zonal DCT of gray
            pictures, ``jpeg``, ``webp`` and ``avif`` are those formats at a net's bytes. None means all.
        rates: bytes of measurements per sample, as the paper counts them for gray and for color pictures; none means
            the paper's, and for what is no net those of the nets.
        provider: what runs the nets.

    Returns:
        One record for each folder, kind (gray or color), net and rate: ``mean`` and ``pictures``, each with
        ``psnr_db``, ``ssim`` and where the paper prints them ``paper_psnr_db`` and ``paper_ssim``. A gray picture, or
        one of equal channels, is measured as gray alone.

    Raises:
        BenchError: a folder holds no picture, scikit-image is missing, or no net fits.
        ImageError: a picture is not of 8 bits, or too small.
    """
    ssim = _ssim()
    methods = _methods(nets, rates, provider)
    results: list[dict[str, Any]] = []
    for folder in folders:
        paths = _paths(folder)
        measured: dict[tuple[str, Method], list[dict[str, Any]]] = {}
        counts = dict.fromkeys(methods, 0)
        for path in paths:
            for kind, picture in _kinds(path).items():
                counts[kind] += 1
                for method in methods[kind]:
                    if (back := method.through(picture)) is None:
                        continue
                    row = {"name": path.stem, "psnr_db": psnr(picture, back), "ssim": ssim(picture, back)}
                    measured.setdefault((kind, method), []).append(row)
        data_set = _data_set(paths)
        results += [
            _record(folder.resolve().name, data_set, kind, method, rows)
            for (kind, method), rows in measured.items()
            # A mean over those pictures alone that fit would not compare.
            if method.name not in OTHERS or len(rows) == counts[kind]
        ]
    if not results:
        raise BenchError("no net serves these pictures at these rates; leave out --rates to measure all")
    return results


def tables(results: Sequence[dict[str, Any]]) -> Iterator[Table]:
    """Each record picture by picture, then the paper's tables 1 to 3 with ours among the methods."""
    for record in results:
        rows = [_row(row) for row in (*record["pictures"], {"name": "mean", **record["mean"]})]
        yield table(
            f"{record['folder']}: {record['net']}, {record['kind']}, rate {record['rate']:.2f}",
            ["picture", "PSNR dB", "paper", "ours - paper", "SSIM", "paper", "ours - paper"],
            rows,
        )
    yield from _table_1(results)
    yield from _table_2(results)
    yield from _table_3(results)


def _methods(nets: Sequence[str], rates: Sequence[float], provider: str) -> dict[str, list[Method]]:
    """What to measure on gray and on color pictures: of each net's name the newest, then what is no net."""
    known = {entry.name: entry for entry in zoo.entries()}
    for net in nets:
        if not any(_is_named(name, net) for name in (*known, *OTHERS)):
            raise BenchError(f"no net is called {net!r}; choose from {', '.join((*known, *OTHERS))}")
    chosen = [entry for name, entry in known.items() if not nets or any(_is_named(name, net) for net in nets)]
    methods: dict[str, list[Method]] = {}
    for kind, channels in (("gray", 1), ("color", 3)):
        methods[kind] = [
            Method(entry.name, rate, functools.partial(_through, entry=entry, rate=rate, provider=provider))
            for entry in chosen
            for rate in _entry_rates(entry, channels, rates)
        ]
        measured = sorted({method.rate for method in methods[kind]})
        beside = list(rates) or measured or paper.RATES[kind] if nets else measured
        for name in OTHERS:
            if (nets and name not in nets) or (name == DCT and kind == "color"):
                continue
            for rate in beside:
                if not 0 < rate <= 1:
                    raise BenchError(f"{name} cannot be measured at rate {rate}; give one above 0 and up to 1")
                through = (
                    functools.partial(baselines.zonal_dct, rate=rate)
                    if name == DCT
                    else functools.partial(lossy.through, name=name, rate=rate)
                )
                methods[kind].append(Method(name, rate, through))
    return methods


def _entry_rates(entry: zoo.Entry, channels: int, wanted: Sequence[float]) -> list[float]:
    """The rates at which to measure a net: those wanted that it serves, else its own; the paper's if it serves any."""
    own = entry.rate(channels)
    if own is None:
        return []
    if entry.any_rate:
        rates = wanted or paper.RATES["gray" if channels == 1 else "color"]
        return [rate for rate in rates if entry.serves(rate, channels)]
    return [own] if not wanted or any(entry.serves(rate, channels) for rate in wanted) else []


def _is_named(name: str, wanted: str) -> bool:
    return f"{name}-".startswith(f"{wanted}-")


def _paths(folder: Path) -> list[Path]:
    paths = sorted(path for path in folder.glob("*") if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise BenchError(f"there are no pictures in the folder {folder.name!r}; name one that holds picture files")
    return paths


def _kinds(path: Path) -> dict[str, Picture]:
    """The picture in gray (H, W), and in color (H, W, 3) if it has any."""
    try:
        image = pictures.decode(path.read_bytes())
    except ImageError as error:
        raise ImageError(f"{path.name}: {error}") from None
    if image.dtype != np.uint8 or min(image.shape[:2]) < SMALLEST:
        raise ImageError(f"{path.name} is not of 8 bits, or below {SMALLEST} pixels a side; take it out of the folder")
    if image.ndim == 2:
        return {"gray": np.asarray(image, np.uint8)}
    color = np.ascontiguousarray(image[:, :, :3], np.uint8)
    gray = np.asarray(cv2.cvtColor(color, cv2.COLOR_RGB2GRAY), np.uint8)
    return {"gray": gray} if (color == gray[:, :, None]).all() else {"gray": gray, "color": color}


def _through(picture: Picture, entry: zoo.Entry, rate: float, provider: str) -> Picture:
    """Encrypted, and decrypted again."""
    key = imgcrypt.Key.generate()
    blob = imgcrypt.encrypt(picture, key, net=entry.name, rate=rate, provider=provider)
    return np.asarray(imgcrypt.decrypt(blob, key, provider=provider), np.uint8)


def _ssim() -> Callable[[Picture, Picture], float]:
    """SSIM with the Gaussian window of Wang, Bovik, Sheikh and Simoncelli (2004); in color the channels' mean."""
    try:
        from skimage.metrics import structural_similarity
    except ImportError:
        raise BenchError("SSIM needs scikit-image; install it with: pip install imgcrypt[bench]") from None

    def measure(one: Picture, other: Picture) -> float:
        return float(
            structural_similarity(
                one,
                other,
                gaussian_weights=True,
                sigma=1.5,
                use_sample_covariance=False,
                data_range=255,
                channel_axis=2 if one.ndim == 3 else None,
            )
        )

    return measure


def _data_set(paths: Sequence[Path]) -> str | None:
    """Which of the paper's sets of pictures a folder is, by its files' names."""
    names = {path.stem for path in paths}
    count, some = BSDS500_TEST
    if len(paths) == count and some <= names:
        return BSDS500
    return SET11 if len(paths) == len(paper.SET11) and {*map(paper.picture_name, names)} == paper.SET11 else None


def _record(folder: str, data_set: str | None, kind: str, method: Method, rows: list[dict[str, Any]]) -> dict[str, Any]:
    rate = method.rate
    other = PRINTED.get(method.name.partition("-")[0], paper.OWN)
    printed = paper.set11(other, rate) if (data_set, kind) == (SET11, "gray") else {}
    for row in rows:
        name = paper.picture_name(row["name"])
        if name in printed:
            row["paper_psnr_db"] = printed[name]
        elif name == "lena" and other == paper.OWN and (figures := paper.lena(kind, rate)):
            row["paper_psnr_db"], row["paper_ssim"] = figures
    mean = {name: statistics.fmean(row[name] for row in rows) for name in ("psnr_db", "ssim")}
    if "mean" in printed:
        mean["paper_psnr_db"] = printed["mean"]
    if data_set == BSDS500 and (figures := paper.bsds500(other, kind, rate)):
        mean["paper_psnr_db"], mean["paper_ssim"] = figures
    return {
        "folder": folder,
        "data_set": data_set,
        "kind": kind,
        "net": method.name,
        "rate": rate,
        "mean": mean,
        "pictures": rows,
    }


def _row(row: dict[str, Any]) -> list[str]:
    cells = [row["name"]]
    for name, digits in (("psnr_db", 2), ("ssim", 4)):
        ours, printed = row[name], row.get(f"paper_{name}")
        cells.append(f"{ours:.{digits}f}")
        cells += [NONE, NONE] if printed is None else [f"{printed:.{digits}f}", f"{ours - printed:+.{digits}f}"]
    return cells


def _table_1(results: Sequence[dict[str, Any]]) -> Iterator[Table]:
    """The paper's table 1 at the rates that were measured."""
    mine = [record for record in results if (record["data_set"], record["kind"]) == (SET11, "gray")]
    printed = paper.tables()["table1_psnr_gray_set11"]
    rows = []
    for rate in dict.fromkeys(record["rate"] for record in mine):
        for method in printed.get(f"{rate:.2f}", ()):
            rows.append([f"{rate:.2f}", method, *(f"{value:.2f}" for value in paper.set11(method, rate).values())])
        for record in mine:
            if record["rate"] == rate:
                values = {paper.picture_name(row["name"]): row["psnr_db"] for row in record["pictures"]}
                values["mean"] = record["mean"]["psnr_db"]
                ours = (f"{values[column]:.2f}" for column in paper.SET11_COLUMNS)
                rows.append([f"{rate:.2f}", f"{record['net']}, measured", *ours])
    if rows:
        title = "table 1: PSNR in dB, gray, Set11; printed figures, and ours"
        yield table(title, ["rate", "method", *printed["columns"]], rows, left=2)


def _table_2(results: Sequence[dict[str, Any]]) -> Iterator[Table]:
    """The paper's table 2, with a row for every net that was measured."""
    mine = [record for record in results if record["data_set"] == BSDS500]
    printed = paper.tables()["table2_bsd500_test_mean"]
    methods = {name: values for name, values in printed.items() if isinstance(values, dict)}
    for record in mine:
        values = methods.setdefault(f"{record['net']} ({record['kind']}), measured", {})
        values[f"{record['rate']:.2f}"] = [record["mean"]["psnr_db"], record["mean"]["ssim"]]
    if mine:
        rates = sorted({*printed["rates"], *(f"{record['rate']:.2f}" for record in mine)})
        rows = [
            [name, *(f"{values[rate][0]:.2f} {values[rate][1]:.4f}" if rate in values else NONE for rate in rates)]
            for name, values in methods.items()
        ]
        yield table(
            "table 2: mean PSNR in dB and SSIM, BSDS500 test; printed figures, and ours", ["method", *rates], rows
        )


def _table_3(results: Sequence[dict[str, Any]]) -> Iterator[Table]:
    """The paper's table 3: Lena after all the stages, wherever the paper has figures to hold it against."""
    rows = [
        [record["folder"], record["kind"], f"{record['rate']:.2f}", record["net"], *_row(row)[1:]]
        for record in results
        for row in record["pictures"]
        if paper.picture_name(row["name"]) == "lena" and "paper_ssim" in row
    ]
    if rows:
        yield table(
            "table 3: Lena sampled, encrypted, decrypted and rebuilt",
            ["folder", "kind", "rate", "net", "PSNR dB", "paper", "ours - paper", "SSIM", "paper", "ours - paper"],
            rows,
            left=4,
        )
