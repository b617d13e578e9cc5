from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="export needs imgcrypt[train]")
pytest.importorskip("onnx", reason="export needs imgcrypt[train]")

from imgcrypt.errors import NetError  # noqa: E402
from imgcrypt.export import runtime, zoo  # noqa: E402
from imgcrypt.export.__main__ import main  # noqa: E402
from imgcrypt.nets import train  # noqa: E402


@pytest.mark.parametrize(
    ("kind", "name", "block_bytes"), [("fclbcnn", "fclbcnn-gray-0.10", 108), ("msrnet", "msrnet-gray-0.10", 109)]
)
def test_export_writes_a_zoo_that_runs(kind: str, name: str, block_bytes: int, tmp_path: Path) -> None:
    torch.manual_seed(0)
    run, folder = tmp_path / "run", tmp_path / "zoo"
    run.mkdir()
    (run / "record.json").write_text(json.dumps({"net": kind, "rate": 0.10, "gray": True}))
    trainer = train.Trainer(train.build(kind, 0.10, gray=True), "cpu", 1)
    for _ in range(2):  # the second export of a net replaces the first, of other weights
        for weights in trainer.average.parameters():
            weights.mul_(0.99)
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
