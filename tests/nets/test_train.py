from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs imgcrypt[train]")

import cv2  # noqa: E402
import typer  # noqa: E402

import imgcrypt  # noqa: E402
from imgcrypt.errors import NetError  # noqa: E402
from imgcrypt.nets import data, train  # noqa: E402
from imgcrypt.nets.fclbcnn import Fclbcnn  # noqa: E402


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


def test_a_stopped_training_goes_on_as_if_it_had_not_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


@pytest.fixture
def command(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """The whole command on a small batch, without the warm start; returns the record."""
    monkeypatch.setattr(Fclbcnn, "WARM_CROPS", 1)
    monkeypatch.setattr(Fclbcnn, "warm_start", lambda *_: None)

    def call(rate: float = 0.01, steps: int = 2, device: str = "cpu", **options: Any) -> dict[str, Any]:
        train.main("fclbcnn", [folder], tmp_path / "run", rate, True, steps=steps, batch=2, device=device, **options)
        record: dict[str, Any] = json.loads((tmp_path / "run" / "record.json").read_text())
        return record

    return call


def test_the_command_leaves_a_record_and_goes_on_when_told_to(
    command: Callable[..., dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    record = command()
    assert record["steps"] == 2
    assert record["pictures"] == 3
    assert len(record["curve"]) == 1
    assert record["command"].endswith("--steps 2 --batch 2 --seed 0")
    said = capsys.readouterr().out
    assert said.startswith("fclbcnn, rate 0.01, for gray alone: 3 pictures to train with, 1 held out, on cpu")
    assert "step 0/2: validation" in said
    assert "step 2/2, 100% done: loss" in said
    assert " dB color" not in said
    assert list(record["curve"][0][1]) == ["gray"]
    assert record["version"] == imgcrypt.__version__
    assert len(record["data_sha256"]) == 64
    assert record["commit"] is None or len(record["commit"]) == 40
    with pytest.raises(typer.BadParameter, match="--resume"):
        command()
    assert command(steps=3, resume=True)["steps"] == 3
    assert "going on from step 2" in capsys.readouterr().out
    with pytest.raises(typer.BadParameter, match="another net"):
        command(rate=0.04, resume=True)
    with pytest.raises(typer.BadParameter, match="no device 'tpu'"):
        command(device="tpu", resume=True)


def test_minutes_end_the_training_and_count_over_its_parts(
    command: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    now, rates = 100.0, []
    monkeypatch.setattr(train.time, "monotonic", lambda: now)
    step = train.Trainer.train

    def slow(trainer: train.Trainer, batch: torch.Tensor) -> float:
        nonlocal now
        now += 6
        loss = step(trainer, batch)
        rates.append(
            trainer.optimizer.param_groups[1]["lr"] / min(1, (trainer.step - 1) / 200) if trainer.step > 1 else 1
        )
        return loss

    monkeypatch.setattr(train.Trainer, "train", slow)
    record = command(steps=1000, minutes=0.5)
    assert (record["steps"], record["seconds"]) == (5, 30)
    assert record["command"].endswith("--seed 0 --minutes 0.5")
    # The cosine has come down with the minutes, not with the steps.
    assert rates[1:] == pytest.approx(
        [train.LEARNING_RATE * (0.5 + 0.5 * math.cos(math.pi * share)) for share in (0.4, 0.6, 0.8, 1)]
    )
    now += 1000  # nobody trains between the parts
    record = command(steps=1000, minutes=0.7, resume=True)
    assert (record["steps"], record["seconds"]) == (7, 42)


def test_the_last_validation_is_counted_in(
    command: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(train.time, "monotonic", lambda: now)

    def step(trainer: train.Trainer, batch: torch.Tensor) -> float:
        nonlocal now
        now += 1
        trainer.step += 1
        return 0.0

    def check(net: Fclbcnn, picture: torch.Tensor) -> dict[str, float]:
        nonlocal now
        now += 12
        return {"gray": 20.0}

    monkeypatch.setattr(train.Trainer, "train", step)
    monkeypatch.setattr(Fclbcnn, "validate", check)
    record = command(steps=1000, minutes=1)
    assert now - 100 == record["seconds"] == 60
    assert record["steps"] == 36


def test_noise_reaches_the_measurements_and_changes_with_the_step(command: Callable[..., dict[str, Any]]) -> None:
    net, pictures = train.build("fclbcnn", 0.01, gray=True), torch.rand(2, 3, 99, 99)
    assert isinstance(net, Fclbcnn)
    plain = net.loss(pictures, 0, mixed=False)
    net.noise = 0.1
    noisy, again, other = (net.loss(pictures, seed, mixed=False) for seed in (0, 0, 1))
    assert noisy == again != other
    assert noisy != plain
    record = command(noise=0.1)
    assert record["noise"] == 0.1
    assert "--gray --noise 0.1 --data" in record["command"]


def test_unknown_nets_and_rates_are_refused() -> None:
    with pytest.raises(NetError, match="fclbcnn"):
        train.build("resnet", 0.18, gray=False)
    with pytest.raises(NetError, match=r"0\.08, 0\.1, 0\.18"):
        train.build("fclbcnn", 0.5, gray=False)


def test_too_few_pictures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(typer.BadParameter, match="0 pictures"):
        train.main("fclbcnn", [tmp_path], tmp_path / "run")
