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
from imgcrypt import envelope, pictures, restoration
from imgcrypt.bench import robustness, subjects
from imgcrypt.bench.cli import app
from imgcrypt.bench.common import NONE
from imgcrypt.bench.pictures import waves
from imgcrypt.metrics import psnr

NET = "fclbcnn-0.18"
FEW = {"GAUSSIAN": (0.3,), "SALT_AND_PEPPER": (0.05,), "CUTS": (1 / 16, 1 / 2)}


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer damages and rounds, which take less time."""
    monkeypatch.setattr(restoration, "MEDIANS", (6, 2))
    for name, strengths in FEW.items():
        monkeypatch.setattr(robustness, name, strengths)


@pytest.fixture
def folder(tmp_path: Path, picture: Callable[..., Any]) -> Path:
    """A folder with one picture in color and a smaller one in gray."""
    made = tmp_path / "pictures"
    made.mkdir()
    (made / "color.png").write_bytes(pictures.encode(picture(99, 132), ".png"))
    (made / "gray.png").write_bytes(pictures.encode(picture(66, 66, 1), ".png"))
    return made


def bytes_like(size: int) -> Any:
    return np.random.default_rng(0).integers(0, 256, size, np.uint8)


def test_damages_do_what_they_say() -> None:
    data, rng = bytes_like(100_000), np.random.default_rng(1)
    for deviation, share in zip(robustness.GAUSSIAN, (0.012, 0.096, 0.317, 0.617), strict=True):
        noisy = robustness._gaussian(deviation)(data, rng)
        assert (noisy != data).mean() == pytest.approx(share, rel=0.1)
        assert abs(noisy.astype(int) - data).max() <= 6 * deviation
    for share in robustness.SALT_AND_PEPPER:
        spotted = robustness._salt_and_pepper(share)(data, rng)
        assert (spotted != data).mean() == pytest.approx(share, rel=0.3)
        assert set(spotted[spotted != data]) <= {0, 255}
    for share in robustness.CUTS:
        for place, start in (("beginning", 0), ("end", round((1 - share) * 100_000))):
            cut = robustness._cut(share, robustness.PLACES[place])(data, rng)
            length = round(share * 100_000)
            assert len(cut) == len(data)
            assert not cut[start : start + length].any()
            np.testing.assert_array_equal(
                np.delete(cut, np.s_[start : start + length]), np.delete(data, np.s_[start : start + length])
            )


def test_defaults_cover_the_figures() -> None:
    labels = [damage.label for damage in robustness._damages()]
    assert len(labels) == len(set(labels)) == 1 + 4 + 4 + 12
    assert labels[0] == robustness.UNDAMAGED
    assert {"Gaussian noise 0.2", "salt and pepper 0.01", "cut 1/64, beginning", "cut 1/2, end"} <= set(labels)


def test_files_repeat_with_the_seed_and_open() -> None:
    picture = waves(70, 3)

    def files(seed: int) -> dict[str, bytes]:
        return dict(robustness._files(picture, NET, "cpu", np.random.default_rng(seed)))

    first = files(1)
    assert list(first) == [NET, subjects.DIRECT]
    assert first == files(1)
    assert first[NET] != files(2)[NET]
    np.testing.assert_array_equal(imgcrypt.decrypt(first[subjects.DIRECT], subjects.KEY), picture)
    header, payload = envelope.open_(first[NET], subjects.KEY)
    np.testing.assert_array_equal(
        imgcrypt.decrypt(first[NET], subjects.KEY, provider="cpu"), robustness._believe(first[NET], header, "cpu")
    )
    assert len(payload) == 9 * 576


@pytest.mark.usefixtures("few")
def test_recovery_beats_belief_and_says_what_it_lost(folder: Path) -> None:
    pytest.importorskip("skimage")
    shown: dict[robustness.Shown, Any] = {}
    results = robustness.run(folder, NET, 3, "cpu", shown.__setitem__)
    forms = {(record.picture, record.kind, record.form) for record in results}
    assert forms == {
        (name, kind, form)
        for name, kind in (("color", "gray"), ("color", "color"), ("gray", "gray"))
        for form in (NET, subjects.DIRECT)
    }
    for record in results:
        name = robustness.Shown(record.picture, record.kind, record.form, record.label, robustness.RECOVERED)
        believed = shown[name._replace(path=robustness.BELIEVED)]
        assert believed.ndim == (3 if record.kind == "color" else 2)
        if record.label == robustness.UNDAMAGED:
            assert (record.changed, record.lost) == (0, 0)
            assert record.psnr_db == record.believed_psnr_db > 25
            np.testing.assert_array_equal(shown[name], believed)
        elif record.psnr_db is None:
            # All of a payload of one segment goes with its half.
            assert record.strength == 1 / 2
            assert record.lost == 1
            assert name not in shown
        else:
            assert record.psnr_db > record.believed_psnr_db + 2
            assert record.ssim > record.believed_ssim
            assert 0 < record.changed < 1.5 * record.lost < 1.5
    direct = [record for record in results if record.form == subjects.DIRECT and record.damage == "cut"]
    assert all(record.psnr_db > 28 for record in direct if record.strength == 1 / 16)
    assert len(direct) == 3 * 2 * 3


def test_figures_repeat_with_the_seed(picture: Callable[..., Any]) -> None:
    ssim = pytest.importorskip("skimage.metrics").structural_similarity
    image = picture(66, 66, 1)
    form, blob = list(robustness._files(image, NET, "cpu", np.random.default_rng(0)))[1]
    file = robustness.File("waves", "gray", form, image, blob)
    for damage in robustness._damages():
        if damage.strength in (0.3, 0.05, 1 / 16):
            runs = [robustness._measure(file, damage, seed, "cpu", ssim)[0] for seed in (1, 1, 2)]
            assert runs[0] == runs[1]
            assert (runs[0] == runs[2]) == (damage.name == "cut")


@pytest.mark.usefixtures("few")
def test_command_prints_means_and_writes_json(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("skimage")
    file = tmp_path / "figures.json"
    arguments = ["robustness", "--images", str(folder), "--net", NET, "--provider", "cpu", "--json", str(file)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, (done.output, done.exception)
    document = json.loads(file.read_text())
    assert document["settings"] == {"net": NET, "provider": "cpu", "seed": 0, "images": True}
    assert str(tmp_path) not in file.read_text()
    found = [record for record in document["results"] if record["label"] == "cut 1/16, middle"]
    gray = [record["psnr_db"] for record in found if (record["form"], record["kind"]) == (NET, "gray")]
    assert len(gray) == 2
    assert f"{sum(gray) / 2:.2f}" in done.output
    assert "mean of 2 pictures" in done.output
    assert "color, pixels, 1 picture" in done.output


def test_nothing_left_is_an_empty_cell() -> None:
    record = robustness.Opened(
        "waves", "gray", NET, robustness.CUT, 1 / 2, "end", "cut 1/2, end", 0.5, 1.0, None, None, 8.0, 0.1
    )
    assert robustness._row("cut 1/2, end", [record]) == [
        "cut 1/2, end", "50.00 %", "100.00 %", NONE, "8.00", NONE, NONE, "0.1000",
    ]  # fmt: skip


def test_bundled_picture_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("skimage")
    monkeypatch.setattr(
        robustness, "_damages", lambda: iter([robustness.Damage("none", 0, None, lambda data, _: data)])
    )
    results = robustness.run(None, NET, 0, "cpu")
    assert [(record.picture, record.kind) for record in results] == [("astronaut", "gray")] * 2 + [
        ("astronaut", "color")
    ] * 2
    assert psnr(np.zeros((1, 1), np.uint8), np.zeros((1, 1), np.uint8)) == results[1].psnr_db


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--images", "."], "there are no pictures"),
        (["--net", "other"], "no net is called 'other'"),
        (["--provider", "other"], "no provider is called 'other'"),
    ],
)
def test_command_refuses(options: list[str], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("skimage")
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["robustness", *options])
    assert done.exit_code != 0
    assert sentence in str(done.exception)
