from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="export needs imgcrypt[train]")
pytest.importorskip("onnx", reason="export needs imgcrypt[train]")

from imgcrypt import runtime  # noqa: E402
from imgcrypt.errors import NetError  # noqa: E402
from imgcrypt.export.__main__ import main  # noqa: E402
from imgcrypt.nets import train  # noqa: E402
from imgcrypt.nets.anyrate import Anyrate  # noqa: E402
from imgcrypt.runtime import zoo  # noqa: E402
from imgcrypt.runtime.anyrate import AnyrateNet  # noqa: E402


@pytest.mark.parametrize(
    ("kind", "name", "block_bytes"),
    [
        ("fclbcnn", "fclbcnn-gray-0.10", 108),
        ("msrnet", "msrnet-gray-0.10", 109),
        # Has batch normalization, which must not be in training any more.
        ("dr2net", "dr2net-gray-0.10", 109),
    ],
)
def test_export_writes_a_zoo_that_runs(kind: str, name: str, block_bytes: int, tmp_path: Path) -> None:
    torch.manual_seed(0)
    run, folder = tmp_path / "run", tmp_path / "zoo"
    run.mkdir()
    (run / "record.json").write_text(json.dumps({"net": kind, "rate": 0.10, "gray": True}))
    trainer = train.Trainer(train.build(kind, 0.10, gray=True), "cpu", 1)
    for _ in range(2):  # the second export of a net replaces the first, of other weights
        for weights in trainer.average.parameters():
            weights.mul_(0.99).add_(1e-4)  # some start at 0
        trainer.save(run / "checkpoint.pt")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the tracer warns of each shape that it records
            main(kind, run, folder)
    (described,) = json.loads((folder / "manifest.json").read_text())
    entry = zoo.Entry.from_json(described, folder)
    assert (entry.name, entry.kind) == (name, kind)
    assert (entry.color_rate, entry.gray_rate, entry.block_bytes) == (None, 0.10, block_bytes)
    net = runtime.load(entry, "cpu")
    picture = np.random.default_rng(0).integers(0, 256, (66, 99, 3), np.uint8)
    measured = net.sample(picture)
    assert measured.shape == (2, 3, block_bytes)
    assert measured.dtype == np.uint8
    assert net.reconstruct(measured, np.ones_like(measured)).shape == picture.shape
    # An invalid measurement counts for nothing, whatever its byte.
    valid = np.ones_like(measured)
    valid[1, 1, ::2] = 0
    changed = np.where(valid == 0, ~measured, measured)
    assert not np.array_equal(measured, changed)
    np.testing.assert_array_equal(net.reconstruct(measured, valid), net.reconstruct(changed, valid))

    entry.reconstructor.write_bytes(entry.reconstructor.read_bytes() + b"x")
    with pytest.raises(NetError, match="install imgcrypt again"):
        entry.read("reconstructor")


def any_rate(folder: Path, channels: int) -> Path:
    """A run of one step of a small net for any rate."""
    torch.manual_seed(0)
    run = folder / "run"
    run.mkdir()
    (run / "record.json").write_text(json.dumps({"net": "anyrate", "rate": 0.18, "gray": channels == 1}))
    coarse = torch.rand(40, 3, 16, 16)
    pictures = torch.nn.functional.interpolate(coarse, (128, 128), mode="bicubic").clamp(0, 1)
    trainer = train.Trainer(Anyrate(channels, stages=2, width=4), "cpu", 1)
    trainer.net.warm_start(pictures)
    for stage in trainer.net.reconstructor.stages:
        torch.nn.init.normal_(stage.say.weight, std=0.02)
    trainer.average.load_state_dict(trainer.net.state_dict())
    trainer.save(run / "checkpoint.pt")
    return run


def small(_: str, __: float, gray: bool) -> Anyrate:
    return Anyrate(1 if gray else 3, stages=2, width=4)


@pytest.mark.parametrize("channels", [1, 3])
def test_export_of_a_net_for_any_rate(
    channels: int,
    picture: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("imgcrypt.export.__main__.build", small)
    run, folder = any_rate(tmp_path, channels), tmp_path / "zoo"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer warns of each shape that it records
        main("anyrate", run, folder)
    # Three sizes were held against PyTorch at two rates.
    assert capsys.readouterr().out.count("100.0% of the classes the same") == 6
    (described,) = json.loads((folder / "manifest.json").read_text())
    entry = zoo.Entry.from_json(described, folder)
    assert entry.name == ("anyrate-gray" if channels == 1 else "anyrate-color")
    assert (entry.any_rate, entry.block_bytes, entry.rate(channels)) == (True, 0, 0.18)
    assert entry.rate(3 if channels == 1 else 1) is None
    net = runtime.load(entry, "cpu")
    assert isinstance(net, AnyrateNet)
    assert net.tables.channels == channels
    image = np.ascontiguousarray(picture(50, 70)[:, :, :channels])
    backs = [net.rebuild(net.measure(image, rate), None, 50, 70) for rate in (0.02, 0.2, 0.6)]
    assert all((back.shape, back.dtype) == (image.shape, np.uint8) for back in backs)
    errors = [np.square(back - image.astype(float)).mean() for back in backs]
    assert 4000 > errors[0] > errors[1] > errors[2]
    # What the reconstructor's SHA-256 stands for.
    assert described["tables"]["sha256"].encode() in entry.read("reconstructor")


def test_export_of_what_onnxruntime_runs_otherwise_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imgcrypt.export.__main__.build", small)
    picture = AnyrateNet.picture
    monkeypatch.setattr(AnyrateNet, "picture", lambda *args: picture(*args) ^ 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(SystemExit, match="disagree"):
            main("anyrate", any_rate(tmp_path, 1), tmp_path / "zoo")
    assert not (tmp_path / "zoo" / "manifest.json").exists()
