"""Table 3 and figure 3 of the paper: pictures after every stage of the job, and what the net's two branches give."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from imgcrypt import payload, runtime
from imgcrypt.bench import paper, quality, subjects
from imgcrypt.bench.common import NONE, table
from imgcrypt.metrics import correlation, entropy, ideal_entropy, psnr
from imgcrypt.runtime import zoo

if TYPE_CHECKING:
    from rich.table import Table


Bytes = NDArray[np.uint8]
Show = Callable[[str, Bytes], object]

STAGES = ("picture", "measurements", "ciphertext", "rebuilt")
QUALITY = (("psnr_db", 2), ("ssim", 4))
"""What is measured of the last stage, and its digits."""
BRANCHES = ("fully connected branch", "bilinear + CNN branch", "both")
BRANCH_OUTPUTS = ("colors", "contours")
"""What the reconstructor of ``fclbcnn`` calls the branches' pictures, (1, 3, 33 h, 33 w), which it adds up."""
LARGEST_BRANCH = 1024
"""Pixels a side of what goes through the branches, which run without tiles."""


def run(
    pictures: Iterable[tuple[str, str, Bytes]], provider: str, seed: int = 0, show: Show | None = None
) -> list[dict[str, Any]]:
    """Take every picture through sampling, the suite ``chaos`` and back, with the paper's net and the default one.

    Args:
        pictures: name, kind (``gray`` or ``color``) and samples, as subjects.load gives them.
        provider: what runs the nets.
        seed: of file keys and salts.
        show: is given the samples of each stage, uint8 (h, w) or (h, w, 3), as ``NAME KIND, NET: STAGE``.

    Returns:
        One record for each picture and net: ``picture``, ``kind``, ``net``, ``rate``; ``stages``, each with ``stage``,
        ``bytes``, ``entropy_bits``, ``ideal_entropy_bits`` of as many random bytes, ``correlation`` of horizontal
        neighbors; ``psnr_db`` and ``ssim`` of the rebuilt picture; ``paper_psnr_db`` and ``paper_ssim`` where printed.

    Raises:
        BenchError: scikit-image is missing.
    """
    ssim, show = quality._ssim(), show or (lambda name, picture: None)
    rng = np.random.default_rng(seed)
    records = []
    for name, kind, picture in pictures:
        for subject in subjects.forms(name, kind, picture, provider):
            if subject.entry is None:
                continue
            enciphered = subjects.chaos(subject, subject.payload, subjects.draw(rng))
            rebuilt = np.asarray(payload.rebuild(subject.payload, subject.content, provider), np.uint8)
            planes = (picture, subject.plane(subject.payload), subject.plane(enciphered), rebuilt)
            for stage, plane in zip(STAGES, planes, strict=True):
                show(f"{name} {kind}, {subject.form}: {stage}", plane)
            rate = subject.entry.rate(1 if kind == "gray" else 3)
            record = {
                "picture": name,
                "kind": kind,
                "net": subject.form,
                "rate": rate,
                "stages": [_stage(*each) for each in zip(STAGES, planes, strict=True)],
                "psnr_db": psnr(picture, rebuilt),
                "ssim": ssim(picture, rebuilt),
            }
            printed = paper.lena(kind, rate) if rate and paper.picture_name(name) == "lena" else None
            if printed:
                record["paper_psnr_db"], record["paper_ssim"] = printed
            records.append(record)
    return records


def tables(results: Sequence[dict[str, Any]]) -> Iterator[Table]:
    """Table 3: each stage, and what comes back."""
    rows = []
    for record in results:
        for stage in record["stages"]:
            is_last = stage["stage"] == STAGES[-1]
            rows.append(
                [
                    f"{record['picture']} {record['kind']}",
                    f"{record['net']}, {record['rate']:.2f}",
                    stage["stage"],
                    f"{stage['bytes']:,}",
                    f"{stage['entropy_bits']:.4f}",
                    f"{stage['ideal_entropy_bits']:.4f}" if stage["stage"] == "ciphertext" else NONE,
                    f"{stage['correlation']:+.4f}",
                    *(_with_paper(record, name, digits) if is_last else NONE for name, digits in QUALITY),
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
    top, left = (max(0, length - LARGEST_BRANCH) // 2 for length in picture.shape[:2])
    picture = picture[top : top + LARGEST_BRANCH, left : left + LARGEST_BRANCH]
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


def _stage(stage: str, plane: Bytes) -> dict[str, Any]:
    return {
        "stage": stage,
        "bytes": plane.size,
        "entropy_bits": entropy(plane),
        "ideal_entropy_bits": ideal_entropy(plane.size),
        "correlation": correlation(plane),
    }


def _with_paper(record: dict[str, Any], name: str, digits: int) -> str:
    printed = record.get(f"paper_{name}")
    return f"{record[name]:.{digits}f}" + ("" if printed is None else f" (paper {printed:.{digits}f})")
