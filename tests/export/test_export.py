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
from imgcrypt.codec import tables  # noqa: E402
from imgcrypt.errors import NetError  # noqa: E402
from imgcrypt.export.__main__ import main  # noqa: E402
from imgcrypt.nets import train  # noqa: E402
from imgcrypt.runtime import zoo  # noqa: E402
from imgcrypt.runtime.layered import LayeredNet  # noqa: E402


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
    for _ in range(2):  # the second export of a net leaves the first one, of other weights
        for weights in trainer.average.parameters():
            weights.mul_(0.99).add_(1e-4)  # some start at 0
        trainer.save(run / "checkpoint.pt")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the tracer warns of each shape that it records
            main(kind, run, folder)
    before, entry = zoo.read(folder)
    assert before.name == entry.name
    assert before.weights != entry.weights
    assert before.read("reconstructor") != entry.read("reconstructor")
    with zoo.using(folder):
        assert zoo.choose(kind, 0.10, 1) == entry
        assert zoo.find(bytes.fromhex(before.weights), before.name) == before
    assert len(list(folder.iterdir())) == 5
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


def restorer_run(folder: Path) -> Path:
    """A run of the picture code's net in which it changes something."""
    torch.manual_seed(0)
    run = folder / "run"
    run.mkdir()
    (run / "record.json").write_text(json.dumps({"net": "restorer", "rate": 0.18, "gray": False}))
    trainer = train.Trainer(train.build("restorer", 0.18, gray=False), "cpu", 1)
    torch.nn.init.normal_(trainer.average.leave.weight, std=0.02)
    trainer.save(run / "checkpoint.pt")
    return run


def test_export_of_the_picture_codes_net(
    picture: Callable[..., Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, folder = restorer_run(tmp_path), tmp_path / "zoo"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer warns of each shape that it records
        main("restorer", run, folder)
    # Three sizes were held against PyTorch at two steps.
    assert capsys.readouterr().out.count("apart") == 6
    (described,) = json.loads((folder / "manifest.json").read_text())
    entry = zoo.Entry.from_json(described, folder)
    assert (entry.name, entry.any_rate, entry.block_bytes) == (zoo.DEFAULT, True, 0)
    assert entry.weights == tables.sha256()
    net = runtime.load(entry, "cpu")
    image = picture(50, 70)
    payload = net.measure(image, 0.1)
    best, fast = (net.rebuild(payload, None, 50, 70, 3, quality) for quality in ("best", "fast"))
    assert best.shape == fast.shape == image.shape
    assert (best != fast).any()


def test_export_of_what_onnxruntime_runs_otherwise_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    restore = LayeredNet.restore
    monkeypatch.setattr(LayeredNet, "restore", lambda *args: restore(*args) ^ 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(SystemExit, match="disagree"):
            main("restorer", restorer_run(tmp_path), tmp_path / "zoo")
    assert not (tmp_path / "zoo" / "manifest.json").exists()
