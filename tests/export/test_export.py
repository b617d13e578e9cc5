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


@pytest.fixture
def run(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    net = train.build("fclbcnn", 0.10, gray=True)
    train.Trainer(net, "cpu", 1).save(tmp_path / "checkpoint.pt")
    (tmp_path / "record.json").write_text(json.dumps({"net": "fclbcnn", "rate": 0.10, "gray": True}))
    return tmp_path


def test_export_writes_a_zoo_that_runs(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "zoo"
    folder.mkdir()
    for _ in range(2):  # a second export of the same weights replaces the first
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the tracer warns of each shape that it records
            main("fclbcnn", run, folder)
    (described,) = json.loads((folder / "manifest.json").read_text())
    entry = zoo.Entry.from_json(described, folder)
    assert entry.name == "fclbcnn-gray-0.10"
    assert (entry.color_rate, entry.gray_rate, entry.block_bytes) == (None, 0.10, 108)
    net = runtime.load(entry, "cpu")
    picture = np.random.default_rng(0).integers(0, 256, (66, 99, 3), np.uint8)
    measured = net.sample(picture)
    assert measured.shape == (2, 3, 108)
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
