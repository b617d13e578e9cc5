from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs imgcrypt[train]")

import cv2  # noqa: E402
import typer  # noqa: E402

from imgcrypt.nets import data, train  # noqa: E402


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for i in range(4):
        coarse = rng.integers(0, 256, (8, 9, 3), np.uint8)
        cv2.imwrite(str(tmp_path / f"{i}.png"), cv2.resize(coarse, (140, 120), interpolation=cv2.INTER_CUBIC))
    return tmp_path


def test_crops_depend_on_the_generator_alone(folder: Path) -> None:
    pictures = data.load([folder], 99)
    one = data.crops(pictures, 5, 99, 0.5, np.random.default_rng(1))
    assert one.shape == (5, 3, 99, 99)
    assert 0 <= one.min() < one.max() <= 1
    assert torch.equal(one, data.crops(pictures, 5, 99, 0.5, np.random.default_rng(1)))
    assert not torch.equal(one, data.crops(pictures, 5, 99, 0.5, np.random.default_rng(2)))
    gray = data.crops(pictures, 5, 99, 1.0, np.random.default_rng(1))
    assert torch.equal(gray[:, 0], gray[:, 2])


def test_small_pictures_are_left_out(folder: Path) -> None:
    assert len(data.load([folder], 120)) == 4
    assert data.load([folder], 121) == []


def test_a_stopped_training_goes_on_as_if_it_had_not_stopped(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(train, "BATCH", 2)
    monkeypatch.setattr(train, "warm_start", lambda *_: None)
    torch.manual_seed(0)
    batches = [torch.rand(2, 3, 99, 99) for _ in range(4)]

    def trainer() -> train.Trainer:
        torch.manual_seed(1)
        return train.Trainer(train.build("fclbcnn", 0.01, gray=True), "cpu", 4)

    whole = trainer()
    for batch in batches:
        whole.train(batch)
    stopped = trainer()
    for batch in batches[:2]:
        stopped.train(batch)
    stopped.save(tmp_path / "checkpoint.pt")
    resumed = trainer()
    resumed.load(tmp_path / "checkpoint.pt")
    for batch in batches[2:]:
        resumed.train(batch)
    assert resumed.step == whole.step == 4
    for one, other in zip(whole.average.parameters(), resumed.average.parameters(), strict=True):
        torch.testing.assert_close(one, other)

    train.main("fclbcnn", [folder], tmp_path / "run", 0.01, True, 2, 0, "cpu")
    record = json.loads((tmp_path / "run" / "record.json").read_text())
    assert record["steps"] == 2
    assert record["pictures"] == 3
    assert len(record["curve"]) == 1
    train.main("fclbcnn", [folder], tmp_path / "run", 0.01, True, 2, 0, "cpu")
    assert "going on from step 2" in capsys.readouterr().out


def test_unknown_nets_and_rates_are_refused() -> None:
    with pytest.raises(typer.BadParameter, match="fclbcnn"):
        train.build("resnet", 0.18, gray=False)
    with pytest.raises(typer.BadParameter, match=r"0\.08, 0\.1, 0\.18"):
        train.build("fclbcnn", 0.5, gray=False)


def test_too_few_pictures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(typer.BadParameter, match="0 pictures"):
        train.main("fclbcnn", [tmp_path], tmp_path / "run", 0.18, False, 2, 0, "cpu")
