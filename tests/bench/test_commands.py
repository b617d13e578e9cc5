"""The commands run on tiny inputs, and what they write is sane."""

from __future__ import annotations

import dataclasses
import json
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from imgcrypt import pictures
from imgcrypt.bench import common, machine
from imgcrypt.bench.cli import app
from imgcrypt.bench.pictures import waves


def run(tmp_path, *arguments):
    """The JSON that a command writes, and what it prints."""
    file = tmp_path / "figures.json"
    result = CliRunner().invoke(app, [*arguments, "--json", str(file)])
    assert result.exit_code == 0, (result.output, result.exception)
    document = json.loads(file.read_text())
    assert document["command"] == arguments[0]
    assert document["machine"]["python"] == platform.python_version()
    assert str(tmp_path) not in file.read_text()
    return document["results"], result.stdout


def test_cipher(tmp_path):
    results, printed = run(tmp_path, "cipher", "--sizes", "1K,5000", "--threads", "1,all", "--repeats", "2")
    assert [result["size"] for result in results][:2] == [1024, 5000]
    for result in results:
        for way in ("encrypt", "decrypt"):
            contenders = result["seconds"][way]
            assert list(contenders) == ["chaos layer", "hybrid path", "AES-256-GCM", "ChaCha20-Poly1305"]
            for name, taken in contenders.items():
                assert 0 < taken["low"] <= taken["median"] <= taken["high"]
                assert result["ns_per_byte"][way][name] == pytest.approx(taken["median"] / result["size"] * 1e9)
                assert result["gb_per_s"][way][name] == pytest.approx(1 / result["ns_per_byte"][way][name])
            assert len(result["speed_ratio"][way]) == 4
        assert {"seed stream", "keystream", "sliding bytes", "decomposition, inverse", "digest", "sealing"} <= set(
            result["stages"]
        )
    assert "1 KiB" in printed
    assert "5000 bytes" in printed


@pytest.mark.parametrize("options", [["--sizes", "0"], ["--sizes", "x"], ["--threads", "0"], ["--threads", "many"]])
def test_cipher_refuses(options):
    assert CliRunner().invoke(app, ["cipher", *options]).exit_code != 0


def write_picture(folder, name, picture):
    (folder / name).write_bytes(pictures.encode(picture, Path(name).suffix))


def test_quality(tmp_path):
    pytest.importorskip("skimage")
    folder = tmp_path / "pictures"
    folder.mkdir()
    color = waves(48, 3)
    write_picture(folder, "lena_40.png", color[:40])
    write_picture(folder, "equal.png", np.repeat(color[:, :, :1], 3, 2))
    write_picture(folder, "gray.tif", np.ascontiguousarray(color[:, :, 0]))
    results, printed = run(tmp_path, "quality", "--images", str(folder), "--rates", "0.53,0.18")
    found = {result["kind"]: result for result in results if result["net"] == "fclbcnn-0.18"}
    assert [row["name"] for row in found["gray"]["pictures"]] == ["equal", "gray", "lena_40"]
    assert [row["name"] for row in found["color"]["pictures"]] == ["lena_40"]
    equal, gray, lena = found["gray"]["pictures"]
    assert (equal["psnr_db"], equal["ssim"]) == (gray["psnr_db"], gray["ssim"])
    assert (lena["paper_psnr_db"], lena["paper_ssim"]) == (36.4387, 0.9715)
    assert gray["paper_psnr_db"] is None
    for result in found.values():
        assert all(15 < row["psnr_db"] < 60 and 0 < row["ssim"] <= 1 for row in result["pictures"])
        mean = sum(row["psnr_db"] for row in result["pictures"]) / len(result["pictures"])
        assert result["mean"]["psnr_db"] == pytest.approx(mean)
    assert "32.55" in printed


def test_quality_refuses(tmp_path):
    pytest.importorskip("skimage")
    runner = CliRunner()
    empty = runner.invoke(app, ["quality", "--images", str(tmp_path)])
    assert "there are no pictures" in str(empty.exception)
    write_picture(tmp_path, "a.png", waves(48, 3))
    unknown = runner.invoke(app, ["quality", "--images", str(tmp_path), "--nets", "other"])
    assert "choose from" in str(unknown.exception)
    unserved = runner.invoke(app, ["quality", "--images", str(tmp_path), "--rates", "0.9"])
    assert "leave out --rates" in str(unserved.exception)
    (tmp_path / "b.png").write_bytes(b"no picture")
    broken = runner.invoke(app, ["quality", "--images", str(tmp_path)])
    assert "cannot read b.png" in str(broken.exception)


def test_missing_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage.metrics", None)
    result = CliRunner().invoke(app, ["quality", "--images", str(tmp_path)])
    assert "pip install imgcrypt[bench]" in str(result.exception)


@pytest.mark.parametrize(("text", "size"), [("0", 0), ("36K", 36 << 10), ("3m", 3 << 20), ("16G", 16 << 30)])
def test_sizes(text, size):
    assert common.parse_size(text) == size
    assert common.parse_size(str(size)) == size


@pytest.mark.parametrize(
    ("size", "text"), [(36 << 10, "36 KiB"), (3 << 20, "3 MiB"), (1 << 30, "1 GiB"), (1000, "1000 bytes")]
)
def test_size_texts(size, text):
    assert common.size_text(size) == text


def test_machine_is_described_without_names():
    described = machine.describe()
    text = json.dumps(dataclasses.asdict(described))
    assert described.versions["numpy"] == np.__version__
    for private in (platform.node(), str(Path.home()), str(Path.cwd())):
        assert len(private) < 3 or private not in text
    assert "\n" not in described.line()


@dataclasses.dataclass(frozen=True)
class Found:
    psnr_db: float
    by_level: dict[float, int]
    by_pair: dict[tuple[str, str], int]


def test_json_has_objects_for_dataclasses_and_no_infinity(tmp_path):
    file = tmp_path / "f.json"
    found = [Found(float("inf"), {0.05: 1}, {("a", "b"): 2}), {"ssim": (1.0, float("nan"))}]
    common.finish("test", {}, found, [], str(file))
    assert json.loads(file.read_text())["results"] == [
        {"psnr_db": None, "by_level": {"0.05": 1}, "by_pair": {"a / b": 2}},
        {"ssim": [1.0, None]},
    ]


def test_expected_errors_are_one_line():
    ran = subprocess.run(
        [sys.executable, "-m", "imgcrypt.bench.cli", "cipher", "--sizes", "1Q"], capture_output=True, text=True
    )
    assert ran.returncode == 1
    assert ran.stdout == ""
    assert ran.stderr.startswith("bench: '1Q' is no size")
    assert ran.stderr.count("\n") == 1


def test_help_loads_nothing_heavy():
    code = "import sys, imgcrypt.bench.cli; print([m for m in ('numpy', 'numba', 'cv2', 'rich') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_batch(tmp_path):
    results, printed = run(tmp_path, "batch", "--size", "64", "--count", "6", "--no-dask", "--growth", "4,8")
    assert [each["files"] for each in results["growth"]] == [4, 8]
    for each in [*results["runs"], *results["growth"]]:
        assert 0 < each["first_seconds"] <= each["seconds"]
        assert each["files_per_second"] == pytest.approx(each["files"] / each["seconds"])
        assert each["megapixels_per_second"] == pytest.approx(each["files_per_second"] * 64 * 64 / 1e6)
    assert results["aes"]["median"] > results["single"]["median"] > 0
    assert "computed" in printed
