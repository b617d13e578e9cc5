"""What ``bench quality`` measures, and how it lays it out beside the paper's tables 1 to 3."""

from __future__ import annotations

import dataclasses
import io

import numpy as np
import pytest
from rich.console import Console

from imgcrypt.bench import paper, quality, ssim
from imgcrypt.bench.common import BenchError
from imgcrypt.bench.pictures import waves
from imgcrypt.pictures import encode
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
                *at("jpegxl", 0.1, 0.25, 0.53),
            ],
            ["fclbcnn-0.18 0.18", "jpeg 0.18", "webp 0.18", "avif 0.18", "jpegxl 0.18"],
        ),
        ([], [0.18], [], ["fclbcnn-0.18 0.18", "jpeg 0.18", "webp 0.18", "avif 0.18", "jpegxl 0.18"]),
        ([], [0.25], ["reconnet-gray-0.25 0.25", "dct 0.25", "jpeg 0.25", "webp 0.25", "avif 0.25", "jpegxl 0.25"], []),
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


def printed(results, summary=None):
    console = Console(file=io.StringIO(), width=200)
    for table in quality.tables(results, summary):
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
        "folder kind rate net PSNR dB paper ours - paper SSIM paper ours - paper MS-SSIM bytes a sample",
        "folder gray 0.53 fclbcnn-0.18 30.00 36.44 -6.44 0.9000 0.9715 -0.0715 - -",
        "folder color 0.18 fclbcnn-0.18 30.00 32.55 -2.55 0.9000 0.9456 -0.0456 - -",
    ]


def scores(*points):
    return [quality.Score(psnr_db=decibels, ssim=1.0, bytes_per_sample=size) for decibels, size in points]


def test_bd_rate_is_the_share_of_bytes_at_the_same_psnr():
    other = scores((30, 0.01), (33, 0.02), (36, 0.04), (40, 0.1))
    assert quality.bd_rate(other, other) == pytest.approx(0)
    smaller = scores((30, 0.008), (33, 0.016), (36, 0.032), (40, 0.08))
    assert quality.bd_rate(smaller, other) == pytest.approx(-0.2)
    assert quality.bd_rate(other, smaller) == pytest.approx(0.25)
    # Only where both are.
    assert quality.bd_rate(smaller[1:], other[:3]) == pytest.approx(-0.2, abs=0.01)
    assert quality.bd_rate(smaller, scores((50, 0.2), (60, 0.4))) is None
    assert quality.bd_rate(smaller, other[:1]) is None


def test_bd_rate_is_told_in_one_line_for_each_kind():
    points = ((0.04, 0.0, 0.05), (0.1, 3.0, 0.1), (0.25, 8.0, 0.25))
    results = []
    for net, factor in (("picture", 0.9), ("avif", 1.0)):
        for rate, offset, size in points:
            made = record(net, rate, data_set=None, pictures=["a"], offset=offset)
            mean = dataclasses.replace(made.mean, bytes_per_sample=size * factor)
            results.append(dataclasses.replace(made, mean=mean))
    assert "folder gray picture -10.0%" in printed(results)


def test_pictures_of_large_folders_are_left_out_unless_they_are_asked_for():
    names = [f"picture{i}" for i in range(quality.SHOWN + 1)]
    results = [record("avif", 0.1, data_set=None, pictures=names)]
    assert not any(line.startswith("picture7 ") for line in printed(results))
    assert any(line.startswith("picture7 ") for line in printed(results, summary=False))
    few = [record("avif", 0.1, data_set=None, pictures=names[:8])]
    assert any(line.startswith("picture7 ") for line in printed(few))
    assert not any(line.startswith("picture7 ") for line in printed(few, summary=True))


def test_an_exact_picture_does_not_make_the_mean_infinite():
    rows = [
        quality.PictureScore(name="a", psnr_db=40.0, ssim=1.0),
        quality.PictureScore(name="b", psnr_db=float("inf"), ssim=1.0),
    ]
    assert quality._mean(rows).psnr_db == 70


def test_formats_get_the_bytes_of_our_whole_file(picture, tmp_path):
    (tmp_path / "one.png").write_bytes(encode(picture(180, 200), ".png"))
    results = quality.run([tmp_path], ["picture", "jpeg", "avif", "jpegxl"], [0.1], "cpu")
    mean = {(each.kind, each.net): each.mean for each in results}
    for kind, samples in (("gray", 36_000), ("color", 108_000)):
        ours = mean[kind, "picture"].bytes_per_sample
        assert 0.1 < ours < 0.1 + 1500 / samples
        for net in ("jpeg", "avif", "jpegxl"):
            assert 0.5 * ours < mean[kind, net].bytes_per_sample <= ours
            assert 0.5 < mean[kind, net].ms_ssim <= 1


def test_ms_ssim():
    plain = waves(200, 3)
    noisy = (plain.astype(int) + np.random.default_rng(0).integers(-20, 21, plain.shape)).clip(0, 255).astype(np.uint8)
    assert ssim.multi_scale(plain, plain) == pytest.approx(1)
    found = ssim.multi_scale(plain, noisy)
    assert found == pytest.approx(np.mean([ssim.multi_scale(plain[:, :, i], noisy[:, :, i]) for i in range(3)]))
    assert 0.5 < found < 0.999
    # Of one scale it is SSIM.
    one, other = (each[:, :, 0].astype(np.float64) for each in (plain, noisy))
    assert ssim._similarity(one, other, True) == pytest.approx(ssim.load()(plain[:, :, 0], noisy[:, :, 0]))
    assert ssim.multi_scale(plain[: ssim.SMALLEST - 1], plain[: ssim.SMALLEST - 1]) is None
