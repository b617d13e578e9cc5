"""Table 3 and figure 3 of the paper: pictures after every stage of the job, and what the net's two branches give."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from imgcrypt import payload, runtime
from imgcrypt.arrays import Bytes
from imgcrypt.bench import paper, pictures, ssim, subjects
from imgcrypt.bench.common import NONE, table
from imgcrypt.metrics import correlation, entropy, ideal_entropy, psnr
from imgcrypt.runtime import zoo

if TYPE_CHECKING:
    from rich.table import Table

STAGES = PICTURE, MEASUREMENTS, CIPHERTEXT, REBUILT = "picture", "measurements", "ciphertext", "rebuilt"
BRANCHES = ("fully connected branch", "bilinear + CNN branch", "both")
BRANCH_OUTPUTS = ("colors", "contours")
"""What the reconstructor of ``fclbcnn`` calls the branches' pictures, (1, 3, 33 h, 33 w), which it adds up."""
LARGEST_BRANCH = 1024
"""Pixels a side of what goes through the branches, which run without tiles."""


class Shown(NamedTuple):
    """What a plane shows: of a picture, its kind, and a net one of the STAGES."""

    picture: str
    kind: str
    net: str
    stage: str


Show = Callable[[Shown, Bytes], object]


@dataclasses.dataclass(frozen=True)
class Stage:
    """``ideal_entropy_bits`` is that of as many random bytes; ``correlation`` that of horizontal neighbors."""

    stage: str
    bytes: int
    entropy_bits: float
    ideal_entropy_bits: float
    correlation: float


@dataclasses.dataclass(frozen=True)
class Job:
    """One picture with one net: its stages, the quality of the rebuilt picture, and the paper's where it prints it."""

    picture: str
    kind: str
    net: str
    rate: float | None
    stages: list[Stage]
    psnr_db: float
    ssim: float
    paper_psnr_db: float | None
    paper_ssim: float | None


def run(loaded: Iterable[tuple[str, str, Bytes]], provider: str, seed: int = 0, show: Show | None = None) -> list[Job]:
    """Take every picture through sampling, the suite ``chaos`` and back, with the paper's net and the default one.

    Args:
        loaded: name, kind and samples of each picture, as pictures.load gives them.
        provider: what runs the nets.
        seed: of file keys and salts.
        show: is given the samples of each stage, uint8 (h, w) or (h, w, 3).

    Returns:
        One for each picture and net.

    Raises:
        BenchError: scikit-image is missing.
    """
    similarity, show = ssim.load(), show or (lambda shown, plane: None)
    rng = np.random.default_rng(seed)
    records = []
    for name, kind, picture in loaded:
        for subject in subjects.forms(name, kind, picture, provider):
            if subject.entry is None:
                continue
            enciphered = subjects.chaos(subject, subject.payload, subjects.draw(rng))
            rebuilt = np.asarray(payload.rebuild(subject.payload, subject.content, provider), np.uint8)
            planes = (picture, subject.plane(subject.payload), subject.plane(enciphered), rebuilt)
            for stage, plane in zip(STAGES, planes, strict=True):
                show(Shown(name, kind, subject.form, stage), plane)
            rate = subject.rate
            printed = paper.lena(kind, rate) if rate and paper.picture_name(name) == "lena" else None
            records.append(
                Job(
                    name,
                    kind,
                    subject.form,
                    rate,
                    [_stage(*each) for each in zip(STAGES, planes, strict=True)],
                    psnr(picture, rebuilt),
                    similarity(picture, rebuilt),
                    *(printed or (None, None)),
                )
            )
    return records


def tables(results: Sequence[Job]) -> Iterator[Table]:
    """Table 3: each stage, and what comes back."""
    rows = []
    for record in results:
        quality = [
            _with_paper(record.psnr_db, record.paper_psnr_db, 2),
            _with_paper(record.ssim, record.paper_ssim, 4),
        ]
        for stage in record.stages:
            rows.append(
                [
                    f"{record.picture} {record.kind}",
                    f"{record.net}, {record.rate:.2f}",
                    stage.stage,
                    f"{stage.bytes:,}",
                    f"{stage.entropy_bits:.4f}",
                    f"{stage.ideal_entropy_bits:.4f}" if stage.stage == CIPHERTEXT else NONE,
                    f"{stage.correlation:+.4f}",
                    *(quality if stage.stage == REBUILT else [NONE, NONE]),
                ]
            )
    yield table(
        "table 3: the stages",
        ["picture", "net, rate", "stage", "bytes", "entropy, bits", "ideal", "correlation", "PSNR dB", "SSIM"],
        rows,
        "Entropy of the histogram in bits a byte, beside the mean of as many random bytes; correlation of horizontal "
        "neighbors. Suite chaos: that ciphertexts look like noise says nothing of their strength.",
        left=3,
    )


def branches(picture: Bytes, provider: str) -> dict[str, NDArray[np.float32]]:
    """What each branch of the reconstructor of subjects.FIGURE_2_NET gives, by BRANCHES: figure 3.

    Args:
        picture: uint8 (H, W) or (H, W, 3); of a larger one the middle LARGEST_BRANCH pixels are taken.
        provider: what runs the net.

    Returns:
        float32 (h, w) or (h, w, 3) in gray levels: the fully connected branch, not clipped, the other one, which is
        added to it, and the sum, clipped to 0 to 255.
    """
    picture = pictures.middle(picture, LARGEST_BRANCH)
    entry = zoo.choose(subjects.FIGURE_2_NET, None, 1 if picture.ndim == 2 else 3)
    rows, columns = (-(-length // entry.block) for length in picture.shape[:2])
    measurements = payload.measure(picture, entry, provider).reshape(rows, columns, entry.block_bytes)
    net = runtime.load(entry, provider)
    inputs = {"measurements": measurements, "valid": np.ones_like(measurements)}
    colors, contours = (
        output[0].transpose(1, 2, 0) * 255 for output in net.run("reconstructor", inputs, list(BRANCH_OUTPUTS))
    )
    found = [
        each[: picture.shape[0], : picture.shape[1]] for each in (colors, contours, (colors + contours).clip(0, 255))
    ]
    if picture.ndim == 2:
        found = [each.mean(2) for each in found]
    return dict(zip(BRANCHES, found, strict=True))


def _stage(stage: str, plane: Bytes) -> Stage:
    return Stage(stage, plane.size, entropy(plane), ideal_entropy(plane.size), correlation(plane))


def _with_paper(ours: float, printed: float | None, digits: int) -> str:
    return f"{ours:.{digits}f}" + ("" if printed is None else f" (paper {printed:.{digits}f})")
