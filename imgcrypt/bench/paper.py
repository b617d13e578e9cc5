"""What the paper prints, as data: Chen, Guo and Jing, Acta Physica Sinica 69 (24), 2020, tables 1 to 9."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

OWN = "FCLBCNN"
"""The paper's name for its own method."""
SET11_COLUMNS = ("lena", "monarch", "flinstones", "mean")
"""What table 1 prints for each method and rate, in its order."""
SET11 = frozenset(
    {
        "barbara",
        "boats",
        "cameraman",
        "fingerprint",
        "flinstones",
        "foreman",
        "house",
        "lena",
        "monarch",
        "parrots",
        "peppers",
    }
)
"""The pictures of Set11, as :func:`picture_name` calls them."""
RATES = {"gray": (0.01, 0.04, 0.10, 0.25, 0.53), "color": (0.08, 0.10, 0.18)}
"""The sampling rates of tables 1 to 3, by kind of picture."""
FIGURE_2_RATES = {1: 0.53, 3: 0.18}
"""Rate by channels of the net in the paper's figure 2, one net for gray and color."""
TIMED = ("sampling + reconstruction", "encryption + decryption", "total", "cipher directly")
"""Table 9's columns, in its order."""

STATISTICS_PICTURES = ("Lena", "Peppers")
"""The pictures of tables 4 to 8."""


@functools.cache
def tables() -> dict[str, Any]:
    """Every printed figure, as ``paper.json`` has it."""
    data: dict[str, Any] = json.loads(Path(__file__).with_name("paper.json").read_text("utf-8"))
    return data


def picture_name(stem: str) -> str:
    """The name under which a file's picture is known: lena for Lena, lena256 and lena_color_512."""
    return stem.lower().split("_")[0].rstrip("0123456789") or stem


def set11(method: str, rate: float) -> dict[str, float]:
    """Table 1: PSNR in dB of a method at a gray rate, by SET11_COLUMNS; empty if it is not printed."""
    printed = tables()["table1_psnr_gray_set11"].get(_text(rate), {})
    return dict(zip(SET11_COLUMNS, printed.get(method, ()), strict=False))


def bsds500(method: str, kind: str, rate: float) -> tuple[float, float] | None:
    """Table 2: mean PSNR in dB and SSIM of a method over BSDS500's test pictures, ``gray`` or ``color``."""
    figures = tables()["table2_bsd500_test_mean"].get(f"{method} ({kind})", {}).get(_text(rate))
    return None if figures is None else (figures[0], figures[1])


def lena(kind: str, rate: float) -> tuple[float, float] | None:
    """Table 3: PSNR in dB and SSIM of Lena, ``gray`` at 0.53 or ``color`` at 0.18."""
    figures = tables()["table3_lena_stages"].get(f"{kind} {_text(rate)}")
    return None if figures is None else (figures["psnr_db"], figures["ssim"])


def correlations(picture: str) -> dict[str, tuple[float, ...]]:
    """Table 4: correlation of neighbors (horizontal, vertical, diagonal) of STATISTICS_PICTURES, by its columns."""
    printed = tables()["table4_adjacent_correlation"]
    by_column = zip(*(printed[picture][direction] for direction in ("horizontal", "vertical", "diagonal")), strict=True)
    return dict(zip(printed["columns"], by_column, strict=True))


def entropies(picture: str) -> dict[str, float]:
    """Table 5: entropy in bits of STATISTICS_PICTURES, by its columns."""
    printed = tables()["table5_entropy_bits"]
    return dict(zip(printed["columns"], printed[picture], strict=True))


def local_entropies(picture: str) -> dict[str, float]:
    """Table 6: local entropy in bits of STATISTICS_PICTURES, ``gray`` and ``color``."""
    return dict(zip(("gray", "color"), tables()["table6_local_entropy"][f"{picture} gray/color"], strict=True))


def differential(measure: str, picture: str) -> dict[str, float]:
    """Tables 7 and 8: ``npcr`` or ``uaci`` of STATISTICS_PICTURES, ``gray``, ``color``, and the ciphers compared."""
    printed = tables()[{"npcr": "table7_npcr", "uaci": "table8_uaci"}[measure]]
    own = dict(zip(("gray", "color"), printed[f"{picture} gray/color"], strict=True))
    return own | {name: values[picture] for name, values in printed.items() if picture in values}


def seconds(side: int, kind: str) -> dict[str, float]:
    """Table 9: seconds for a square picture, ``gray`` or ``color``, by TIMED; empty if it is not printed."""
    printed = tables()["table9_seconds"].get(str(side), {}).get(kind, ())
    return dict(zip(TIMED, printed, strict=False))


def _text(rate: float) -> str:
    return f"{rate:.2f}"
