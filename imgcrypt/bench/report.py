"""``bench report``: every table and figure of the paper, measured here, on one page."""

from __future__ import annotations

import contextlib
import itertools
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from imgcrypt import demo_job, pictures
from imgcrypt.bench import attack, cipher, machine, page, paper, quality, report_parts, security, timing
from imgcrypt.bench.common import size_text
from imgcrypt.bench.page import KeyFigure, Section
from imgcrypt.bench.report_parts import Effort, Job

Record = dict[str, Any]

TITLE = "imgcrypt: the paper's tables and figures, measured"
LEAD = (
    "Picture encryption after Chen, Guo and Jing, General image encryption algorithm based on deep learning compressed "
    "sensing and compound chaotic system, Acta Physica Sinica 69 (24), 2020. Tables and figures have the paper's "
    "numbers. What is not marked as the paper's was measured by the run that wrote this page.",
    "Chaos ciphers have no security proof, and no test on this page shows security: secrecy and integrity of the "
    "default suite rest on AES-256-GCM alone.",
)
FEW = 2
"""Pictures whose stages, damage and statistics are shown; quality is measured of all."""
LARGEST = 512
"""Pixels a side of these; of larger ones the middle is taken. It bounds the time that a report takes."""


def run(
    images: Path | None,
    provider: str,
    seed: int,
    effort: Effort | None = None,
    tell: Callable[[str], object] = lambda name: None,
) -> tuple[Record, list[Section]]:
    """Measure everything.

    Args:
        images: folder of pictures; ``None`` takes the bundled one. Lena and Peppers come first where it has them.
        provider: what runs the nets.
        seed: of the pictures, keys and salts.
        effort: how much to measure.
        tell: is told each part's name before its turn.

    Returns:
        The results of every part as its own command has them, by its name; and the page's sections.

    Raises:
        BenchError: the folder holds no picture, or one too small; scikit-image is missing.
        ImageError: a picture is not of 8 bits.
    """
    results: Record = {}
    sections = []
    with _folders(images) as (every, few):
        job = Job(every, few, provider, seed, effort or Effort())
        for name, part in report_parts.PARTS.items():
            tell(name)
            results[name], section = part(job)
            sections.append(section)
    return results, sections


def html(results: Record, sections: Sequence[Section]) -> str:
    """The page, for what :func:`run` gives."""
    return page.render(TITLE, LEAD, list(_key_figures(results)), machine.line(machine.describe()), sections)


@contextlib.contextmanager
def progress() -> Iterator[Callable[[str], object]]:
    """A bar on standard error, and the function that moves it on by one part. Nothing where that is no terminal."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task, done = bar.add_task("", total=len(report_parts.PARTS)), itertools.count()
        yield lambda name: bar.update(task, description=name, completed=next(done))


@contextlib.contextmanager
def _folders(images: Path | None) -> Iterator[tuple[Path, Path]]:
    """The folder of all pictures, and one that holds the first few of them."""
    paths = [Path(str(demo_job.PICTURE))] if images is None else quality._paths(images)
    named = {name.lower(): i for i, name in enumerate(paper.STATISTICS_PICTURES)}
    paths.sort(key=lambda path: named.get(paper.picture_name(path.stem), len(named)))
    stems = list(dict.fromkeys(path.stem for path in paths))[:FEW]  # what they are called, so no two may share it
    with tempfile.TemporaryDirectory() as folder:
        few = Path(folder, "few")
        few.mkdir()
        for stem in stems:
            path = next(path for path in paths if path.stem == stem)
            quality._kinds(path)  # refuses what is no picture of 8 bits, by its name
            image = np.asarray(pictures.decode(path.read_bytes()), np.uint8)
            top, left = (max(0, length - LARGEST) // 2 for length in image.shape[:2])
            middle = np.ascontiguousarray(image[top : top + LARGEST, left : left + LARGEST])
            (few / f"{stem}.png").write_bytes(pictures.encode(middle, ".png"))
        yield images or few, few


def _key_figures(results: Record) -> Iterator[KeyFigure]:
    kinds = {record["kind"] for record in results["stages"]}
    for record in results["stages"]:
        if record["kind"] == "color" or "color" not in kinds:
            printed = f"; the paper: {record['paper_psnr_db']:.2f} dB" if "paper_psnr_db" in record else ""
            yield KeyFigure(
                f"{record['psnr_db']:.2f} dB",
                f"PSNR of {record['picture']} after the job",
                f"{record['kind']}, rate {record['rate']:.2f}, net {record['net']}{printed}",
            )
    timed = results["timing"]["pictures"]
    size = max(record["size"] for record in timed)
    for record in timed:
        if (record["size"], record["kind"]) == (size, "color"):
            part = timing.TOTAL if record["net"] else timing.DIRECT
            printed = record["paper_seconds"].get(part)
            yield KeyFigure(
                f"{record['seconds'][part]['median']:.3g} s",
                f"{size} x {size} color there and back, " + (record["net"] or "cipher directly"),
                "no figure in the paper" if printed is None else f"the paper: {printed:.2f} s, on another machine",
            )
    cold = next(row for row in results["timing"]["cold_start"] if "enc" in row["command"])
    yield KeyFigure(f"{cold['seconds']['median']:.2f} s", cold["command"], "a whole process from a cold start")
    fastest = max(results["cipher"], key=lambda record: record["gb_per_s"]["encrypt"][cipher.CHAOS])
    speeds = fastest["gb_per_s"]["encrypt"]
    yield KeyFigure(
        f"{speeds[cipher.CHAOS]:.2f} GB/s",
        f"chaos layer, encrypting {size_text(fastest['size'])}",
        f"threads: {fastest['threads']}; {cipher.CHACHA}: {speeds[cipher.CHACHA]:.2f} GB/s",
    )
    cuts = [record for record in results["robustness"] if (record["damage"], record["place"]) == ("cut", "middle")]
    quarter = min(cuts, key=lambda record: (abs(record["strength"] - 1 / 4), record["kind"], record["form"]))
    if quarter["psnr_db"] is not None:
        yield KeyFigure(
            f"{quarter['psnr_db']:.2f} dB",
            f"PSNR of {quarter['picture']} recovered without a quarter of its file",
            f"{quarter['kind']}, net {quarter['form']}",
        )
    verdicts = results["security"]["verdicts"]
    mine = [verdict["passed"] for verdict in verdicts if verdict["cipher"] == security.CHAOS]
    toy = [verdict["passed"] for verdict in verdicts if verdict["cipher"] == security.TOY]
    yield KeyFigure(
        f"{sum(mine)} of {len(mine)}",
        "statistical tests that the suite chaos passes",
        f"XOR with noise of a 16-bit seed, which anybody opens, passes {sum(toy)} of {len(toy)}",
    )
    best = {
        bound_to: max(
            record["right_share"] for record in results["attack"]["attacks"] if record["bound_to"] == bound_to
        )
        for bound_to in (attack.RELEASED, attack.BARE)
    }
    yield KeyFigure(
        f"{best[attack.RELEASED]:.1%}",
        "of an unseen picture, the most that an attack has right",
        f"chance is {1 / 256:.1%}; with one key for all pictures it has {best[attack.BARE]:.0%}",
    )
