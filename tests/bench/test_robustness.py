"""``bench robustness``: what it does to files, what it measures, and that its figures repeat."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import imgcrypt
from imgcrypt import pictures, restoration
from imgcrypt.bench import robustness, subjects
from imgcrypt.bench.cli import app
from imgcrypt.bench.common import NONE

NET = "fclbcnn-0.18"
BELIEVED = f"{NET}, {robustness.BELIEVED}"
FORMS = ["none", "light", "strong", robustness.SURVIVE, robustness.LOSSLESS, NET, BELIEVED, *robustness.PARITIES]
FEW = {"LOSSES": (1 / 20, 1 / 4), "WRONG": (0.1,), "GAUSSIAN": (0.3,), "SALT_AND_PEPPER": (0.05,)}
SPANS = np.array([(at, at + 1000) for at in range(0, 100_000, 1000)])


@pytest.fixture
def folder(tmp_path: Path, picture: Callable[..., Any]) -> Path:
    """A folder with one picture, large enough for layers."""
    made = tmp_path / "pictures"
    made.mkdir()
    (made / "color.png").write_bytes(pictures.encode(picture(132, 165), ".png"))
    return made


def bytes_like(size: int) -> Any:
    return np.random.default_rng(0).integers(1, 256, size, np.uint8)


def test_noise_does_what_it_says() -> None:
    data, rng = bytes_like(100_000), np.random.default_rng(1)
    for deviation, share in zip(robustness.GAUSSIAN, (0.012, 0.096, 0.317, 0.617), strict=True):
        noisy = robustness._gaussian(deviation)(data, SPANS, rng)
        assert (noisy != data).mean() == pytest.approx(share, rel=0.1)
        assert abs(noisy.astype(int) - data).max() <= 6 * deviation
    for share in robustness.SALT_AND_PEPPER:
        spotted = robustness._salt_and_pepper(share)(data, SPANS, rng)
        assert (spotted != data).mean() == pytest.approx(share, rel=0.3)
        assert set(spotted[spotted != data]) <= {0, 255}
    for share in robustness.WRONG:
        wrong = robustness._wrong(share)(data, SPANS, rng)
        assert (wrong != data).mean() == pytest.approx(share, rel=0.3)


@pytest.mark.parametrize("share", robustness.LOSSES)
def test_losses_lose_their_share(share: float) -> None:
    data, rng = bytes_like(100_000), np.random.default_rng(1)
    for place, start in (("beginning", 0), ("end", round((1 - share) * 100_000))):
        cut = robustness._cut(share, robustness.PLACES[place])(data, SPANS, rng)
        gone = np.flatnonzero(cut != data)
        assert (gone == np.arange(start, start + round(share * 100_000))).all()
    bursts = robustness._bursts(share)(data, SPANS, rng)
    assert (bursts == 0).mean() == pytest.approx(share, abs=1e-3)
    edges = np.count_nonzero(np.diff((bursts == 0).astype(int)))
    assert 2 < edges <= 2 * round(share * 100)
    packets = robustness._packets(share)(data, SPANS, rng).reshape(100, 1000)
    assert set((packets == 0).mean(1)) == {0, 1}
    assert (packets == 0).all(1).sum() == int(share * 100)


def test_defaults_cover_the_figures() -> None:
    damages = list(robustness._damages())
    assert len(damages) == len({(each.label, each.place) for each in damages}) == 1 + 7 * 3 + 7 + 7 + 3 + 4 + 4
    labels = {each.label for each in damages}
    assert {"none", "cut 75.0%", "bursts 25.0%", "packets lost 5.0%", "Gaussian noise 0.2"} < labels


def test_files_repeat_with_the_seed(picture: Callable[..., Any]) -> None:
    def files(seed: int) -> list[robustness.File]:
        return list(robustness.files(picture(132, 165), NET, "cpu", np.random.default_rng(seed)))

    first, again, other = files(1), files(1), files(2)
    assert [file.form for file in first] == FORMS
    for one, two, three in zip(first, again, other, strict=True):
        assert (one.data == two.data).all()
        assert len(one.data) != len(three.data) or (one.data != three.data).any()
        # Packets follow each other from the first byte to the last.
        assert one.packets[0, 0] == 0
        assert one.packets[-1, 1] == len(one.data)
        assert (one.packets[1:, 0] == one.packets[:-1, 1]).all()
    strong = next(file for file in first if file.form == "strong")
    for file in first[-len(robustness.PARITIES) :]:
        assert 0 <= len(strong.data) - len(file.data) < 2 * robustness.AVIF_PACKETS


def test_command_measures_what_comes_back(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restoration, "MEDIANS", (6, 2))
    for name, strengths in FEW.items():
        monkeypatch.setattr(robustness, name, strengths)
    file = tmp_path / "figures.json"
    arguments = ["robustness", "--images", str(folder), "--net", NET, "--provider", "cpu", "--json", str(file)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, (done.output, done.exception)
    assert "1 picture" in done.output
    document = json.loads(file.read_text())
    assert document["settings"] == {"net": NET, "provider": "cpu", "seed": 0, "images": True}
    assert str(tmp_path) not in file.read_text()
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for record in document["results"]:
        found.setdefault(record["form"], {}).setdefault(record["label"], []).append(record)
    assert list(found) == FORMS
    assert all(records["none"][0]["authentic"] for records in found.values())
    # As undamaged, though a twentieth is lost, wherever.
    for form in ("light", "strong", robustness.SURVIVE):
        for label in ("cut 5.0%", "packets lost 5.0%"):
            assert {each["psnr_db"] for each in found[form][label]} == {found[form]["none"][0]["psnr_db"]}
            assert all(each["authentic"] and each["whole"] == each["parts"] for each in found[form][label])
    quarter = {form: records["packets lost 25.0%"][0] for form, records in found.items()}
    assert quarter["strong"]["authentic"]
    assert 0 < quarter["strong"]["whole"] < quarter["strong"]["parts"]
    assert quarter["strong"]["psnr_db"] > quarter["light"]["psnr_db"]
    assert quarter[robustness.SURVIVE]["psnr_db"] == found[robustness.SURVIVE]["none"][0]["psnr_db"]
    assert quarter[robustness.LOSSLESS]["psnr_db"] is None  # infinite, as JSON has it
    assert quarter[robustness.LOSSLESS]["authentic"]
    assert not quarter[NET]["authentic"]
    assert quarter[NET]["psnr_db"] > quarter[BELIEVED]["psnr_db"] + 2
    assert quarter["AVIF + 1/4"]["psnr_db"] == found["AVIF + 1/4"]["none"][0]["psnr_db"]
    assert quarter["AVIF + 1/20"]["psnr_db"] is None
    assert not quarter["AVIF + 1/20"]["authentic"]


def test_believing_a_whole_file_opens_it(picture: Callable[..., Any]) -> None:
    image = picture(66, 99)
    blob = imgcrypt.encrypt(image, subjects.KEY, net=NET, provider="cpu")
    data = np.frombuffer(blob, np.uint8)[robustness._inside(blob)]
    outcome = robustness._believing(blob, "cpu")(data)
    np.testing.assert_array_equal(outcome.image, imgcrypt.decrypt(blob, subjects.KEY, provider="cpu"))


def test_cells_say_the_worst() -> None:
    def record(decibels: float | None, authentic: bool, whole: int) -> robustness.Opened:
        where = robustness.CUT, 1 / 2, "end", "cut 50.0%"
        return robustness.Opened("waves", "color", "strong", *where, 0.5, decibels, authentic, 4, whole)

    assert robustness.cell([record(30.0, True, 2), record(32.0, True, 3)]) == "31.0 2/4"
    assert robustness.cell([record(30.0, True, 2), record(20.0, False, 0)]) == "25.0 ?"
    assert robustness.cell([record(30.0, True, 2), record(None, False, 0)]) == NONE
    assert robustness.cell([record(float("inf"), True, 4)]) == "exact 4/4"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--images", "."], "there are no pictures"),
        (["--net", "other"], "no net is called 'other'"),
        (["--provider", "other"], "no provider is called 'other'"),
    ],
)
def test_command_refuses(options: list[str], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["robustness", *options])
    assert done.exit_code != 0
    assert sentence in str(done.exception)
