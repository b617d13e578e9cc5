"""``bench report``: every table and figure of the paper, measured here, on one page."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from imgcrypt.bench import attack, cipher, machine, paper, pictures, security, steps, timing
from imgcrypt.bench.common import size_text
from imgcrypt.bench.report import page, sections
from imgcrypt.bench.report.page import KeyFigure, Section
from imgcrypt.bench.report.sections import Effort, Job, Results
from imgcrypt.pictures import encode, read

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
) -> tuple[Results, list[Section]]:
    """Measure everything.

    Args:
        images: folder of pictures; ``None`` takes the bundled one. Lena and Peppers come first where it has them.
        provider: what runs the nets.
        seed: of the pictures, keys and salts.
        effort: how much to measure.

    Returns:
        The results, and the page's sections.

    Raises:
        BenchError: the folder holds no picture, or one too small; scikit-image is missing.
        ImageError: a picture is not of 8 bits.
    """
    results: dict[str, Any] = {}
    made = []
    with _folders(images) as (every, few):
        job = Job(every, few, provider, seed, effort or Effort())
        for name, part in steps.through(list(sections.PARTS.items()), "parts of the report"):
            results[name], section = part(job)
            made.append(section)
    return Results(**results), made


def html(results: Results, made: Sequence[Section]) -> str:
    """The page, for what :func:`run` gives."""
    return page.render(TITLE, LEAD, list(_key_figures(results)), machine.describe().line(), made)


@contextlib.contextmanager
def _folders(images: Path | None) -> Iterator[tuple[Path, Path]]:
    """The folder of all pictures, and one that holds the first few of them."""
    paths = pictures.paths(images)
    named = {name.lower(): i for i, name in enumerate(paper.STATISTICS_PICTURES)}
    paths.sort(key=lambda path: named.get(paper.picture_name(path.stem), len(named)))
    stems = list(dict.fromkeys(path.stem for path in paths))[:FEW]  # what they are called, so no two may share it
    with tempfile.TemporaryDirectory() as folder:
        few = Path(folder, "few")
        few.mkdir()
        for stem in stems:
            path = next(path for path in paths if path.stem == stem)
            pictures.read(path)  # refuses what is no picture of 8 bits, by its name
            image = np.asarray(read(path).pixels, np.uint8)
            middle = np.ascontiguousarray(pictures.middle(image, LARGEST))
            (few / f"{stem}.png").write_bytes(encode(middle, ".png"))
        yield images or few, few


def _key_figures(results: Results) -> Iterator[KeyFigure]:
    kinds = {record.kind for record in results.stages}
    for record in results.stages:
        if record.kind == pictures.COLOR or pictures.COLOR not in kinds:
            printed = "" if record.paper_psnr_db is None else f"; the paper: {record.paper_psnr_db:.2f} dB"
            yield KeyFigure(
                f"{record.psnr_db:.2f} dB",
                f"PSNR of {record.picture} after the job",
                f"{record.kind}, rate {record.rate:.2f}, net {record.net}{printed}",
            )
    timed = results.timing.pictures
    size = max(each.size for each in timed)
    for each in timed:
        if (each.size, each.kind) == (size, pictures.COLOR):
            part = timing.TOTAL if each.net else timing.DIRECT
            seconds = each.paper_seconds.get(part)
            yield KeyFigure(
                f"{each.seconds[part].median:.3g} s",
                f"{size} x {size} color there and back, " + (each.net or "cipher directly"),
                "no figure in the paper" if seconds is None else f"the paper: {seconds:.2f} s, on another machine",
            )
    cold = next(each for each in results.timing.cold_start if "enc" in each.command)
    yield KeyFigure(f"{cold.seconds.median:.2f} s", cold.command, "a whole process from a cold start")
    fastest = max(results.cipher, key=lambda each: each.gb_per_s[cipher.ENCRYPT][cipher.CHAOS])
    speeds = fastest.gb_per_s[cipher.ENCRYPT]
    yield KeyFigure(
        f"{speeds[cipher.CHAOS]:.2f} GB/s",
        f"chaos layer, encrypting {size_text(fastest.size)}",
        f"threads: {fastest.threads}; {cipher.CHACHA}: {speeds[cipher.CHACHA]:.2f} GB/s",
    )
    cuts = [each for each in results.robustness if (each.form, each.place) == ("strong", "middle")]
    quarter = min(cuts, key=lambda each: abs(each.strength - 1 / 4))
    if quarter.psnr_db is not None:
        yield KeyFigure(
            f"{quarter.psnr_db:.2f} dB",
            f"PSNR of {quarter.picture} from {1 - quarter.strength:.0%} of its file, authentic",
            f"{quarter.kind}, protection strong",
        )
    verdicts = results.security.verdicts
    mine = [verdict.passed for verdict in verdicts if verdict.cipher == security.CHAOS]
    toy = [verdict.passed for verdict in verdicts if verdict.cipher == security.TOY]
    yield KeyFigure(
        f"{sum(mine)} of {len(mine)}",
        "statistical tests that the suite chaos passes",
        f"XOR with noise of a 16-bit seed, which anybody opens, passes {sum(toy)} of {len(toy)}",
    )
    best = {
        bound_to: max(each.right_share for each in results.attack.attacks if each.bound_to == bound_to)
        for bound_to in (attack.RELEASED, attack.BARE)
    }
    yield KeyFigure(
        f"{best[attack.RELEASED]:.1%}",
        "of an unseen picture, the most that an attack has right",
        f"chance is {1 / 256:.1%}; with one key for all pictures it has {best[attack.BARE]:.0%}",
    )
