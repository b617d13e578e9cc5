"""What ``bench quality`` measures, and how it lays it out beside the paper's tables 1 to 3."""

from __future__ import annotations

import dataclasses
import io

import numpy as np
import pytest
from rich.console import Console

from imgcrypt.bench import paper, quality
from imgcrypt.bench.common import BenchError
from imgcrypt.runtime import zoo


@pytest.fixture
def entries(monkeypatch):
    """Two nets and one of others in place of the package's."""
    genuine = zoo.choose("fclbcnn-0.18", None, 3)
    made = (
        genuine,
        dataclasses.replace(genuine, name="fclbcnn-gray-0.10", gray_rate=0.10, color_rate=None),
        dataclasses.replace(genuine, name="reconnet-gray-0.25", gray_rate=0.25, color_rate=None),
    )
    monkeypatch.setattr(zoo, "entries", lambda: made)


def at(name, *rates):
    return [f"{name} {rate:g}" for rate in rates]


@pytest.mark.usefixtures("entries")
@pytest.mark.parametrize(
    ("nets", "rates", "gray", "color"),
    [
        (
            [],
            [],
            [
                "fclbcnn-0.18 0.53",
                "fclbcnn-gray-0.10 0.1",
                "reconnet-gray-0.25 0.25",
                *at("dct", 0.1, 0.25, 0.53),
                *at("jpeg", 0.1, 0.25, 0.53),
                *at("webp", 0.1, 0.25, 0.53),
                *at("avif", 0.1, 0.25, 0.53),
            ],
            ["fclbcnn-0.18 0.18", "jpeg 0.18", "webp 0.18", "avif 0.18"],
        ),
        ([], [0.18], [], ["fclbcnn-0.18 0.18", "jpeg 0.18", "webp 0.18", "avif 0.18"]),
        ([], [0.25], ["reconnet-gray-0.25 0.25", "dct 0.25", "jpeg 0.25", "webp 0.25", "avif 0.25"], []),
        (["fclbcnn"], [], ["fclbcnn-0.18 0.53", "fclbcnn-gray-0.10 0.1"], ["fclbcnn-0.18 0.18"]),
        (["fclbcnn-gray"], [], ["fclbcnn-gray-0.10 0.1"], []),
        (["reconnet", "dct"], [0.25], ["reconnet-gray-0.25 0.25", "dct 0.25"], []),
        (["dct"], [0.37, 0.02], ["dct 0.37", "dct 0.02"], []),
        (["dct"], [], at("dct", *paper.RATES["gray"]), []),
        (["jpeg"], [0.5], ["jpeg 0.5"], ["jpeg 0.5"]),
        (["fclbcnn-0.18", "avif"], [], ["fclbcnn-0.18 0.53", "avif 0.53"], ["fclbcnn-0.18 0.18", "avif 0.18"]),
    ],
)
def test_what_is_measured(nets, rates, gray, color):
    found = quality._methods(nets, rates, "cpu")
    assert [f"{method.name} {method.rate:g}" for method in found["gray"]] == gray
    assert [f"{method.name} {method.rate:g}" for method in found["color"]] == color


@pytest.mark.parametrize(
    ("rates", "gray", "color"),
    [
        ([], paper.RATES["gray"], paper.RATES["color"]),
        ([0.37, 0.001, 0.75, 0.8], [0.37, 0.75], [0.37, 0.75]),
    ],
)
def test_a_net_for_any_rate_is_measured_at_those_asked_for_or_the_papers(rates, gray, color):
    found = quality._methods(["picture"], rates, "cpu")
    assert [f"{method.name} {method.rate:g}" for method in found["gray"]] == at("picture", *gray)
    assert [f"{method.name} {method.rate:g}" for method in found["color"]] == at("picture", *color)


@pytest.mark.usefixtures("entries")
@pytest.mark.parametrize(("nets", "rates"), [(["dct"], [0.0]), (["dct"], [1.5]), (["dct"], [float("nan")])])
def test_rates_that_the_dct_cannot_have(nets, rates):
    with pytest.raises(BenchError, match="up to 1"):
        quality._methods(nets, rates, "cpu")


@pytest.mark.usefixtures("entries")
@pytest.mark.parametrize("net", ["fclbcnn-0.1", "fcl", "dct-0.25", ""])
def test_other_names_are_refused(net):
    with pytest.raises(BenchError, match=r"choose from fclbcnn-0\.18, fclbcnn-gray-0\.10, reconnet-gray-0\.25, dct"):
        quality._methods([net], [], "cpu")


def record(net, rate, kind="gray", data_set=quality.SET11, pictures=(), offset=0.0):
    method = quality.Method(net, rate, np.copy)
    rows = [quality.PictureScore(name=name, psnr_db=30.0 + i + offset, ssim=0.9) for i, name in enumerate(pictures)]
    return quality._record("folder", data_set, kind, method, rows)


def printed(results):
    console = Console(file=io.StringIO(), width=200)
    for table in quality.tables(results):
        console.print(table)
    return [" ".join(line.split()) for line in console.file.getvalue().splitlines()]


SET11 = ("Monarch", "flinstones", "lena256", *sorted(paper.SET11 - {"monarch", "flinstones", "lena"}))


def test_table_1_has_each_method_printed_and_measured():
    results = [record(net, 0.25, pictures=SET11) for net in ("fclbcnn-0.08", "reconnet-gray-0.25", "dct")]
    lines = printed(results)
    assert "0.25 ReconNet 26.54 24.31 22.45 25.54" in lines
    assert "0.25 FCLBCNN 31.09 29.97 27.57 29.71" in lines
    for net in ("fclbcnn-0.08", "reconnet-gray-0.25", "dct"):
        assert f"0.25 {net}, measured 32.00 30.00 31.00 35.00" in lines
    # Each is held against its own printed figure.
    assert [result.mean.paper_psnr_db for result in results] == [29.71, 25.54, 29.71]
    assert results[1].pictures[0].paper_psnr_db == 24.31


def test_table_2_has_a_column_for_each_rate():
    results = [
        record("fclbcnn-0.18", 0.53, data_set=quality.BSDS500, pictures=["a"]),
        record("fclbcnn-0.18", 0.18, "color", quality.BSDS500, ["a"]),
        record("fclbcnn-0.10", 0.30, data_set=quality.BSDS500, pictures=["a"]),
        record("dr2net-gray-0.25", 0.25, data_set=quality.BSDS500, pictures=["a"]),
    ]
    lines = printed(results)
    assert "method 0.08 0.10 0.18 0.25 0.30 0.53" in lines
    assert "DR2-Net (gray) - 24.26 0.6603 - 27.56 0.7961 - -" in lines
    assert "dr2net-gray-0.25 (gray), measured - - - 30.00 0.9000 - -" in lines
    assert "fclbcnn-0.18 (gray), measured - - - - - 30.00 0.9000" in lines
    assert "fclbcnn-0.18 (color), measured - - 30.00 0.9000 - - -" in lines
    assert [result.mean.paper_psnr_db for result in results] == [32.87, 32.07, None, 27.56]


def test_table_3_has_lena_where_the_paper_has_it():
    results = [
        record("fclbcnn-0.18", 0.53, data_set=None, pictures=["lena256", "other"]),
        record("fclbcnn-0.18", 0.18, "color", None, ["Lena"]),
        record("fclbcnn-0.08", 0.25, data_set=None, pictures=["lena256"]),
    ]
    lines = printed(results)
    table = lines[lines.index("table 3: Lena sampled, encrypted, decrypted and rebuilt") :]
    assert [line for line in table if line.startswith("folder ")] == [
        "folder kind rate net PSNR dB paper ours - paper SSIM paper ours - paper",
        "folder gray 0.53 fclbcnn-0.18 30.00 36.44 -6.44 0.9000 0.9715 -0.0715",
        "folder color 0.18 fclbcnn-0.18 30.00 32.55 -2.55 0.9000 0.9456 -0.0456",
    ]
