"""The OpenCV that is really there is what counts, and what needs none works without it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from imgcrypt import opencv

IMPORT = """
from imgcrypt.errors import ImgcryptError
try:
    from imgcrypt import opencv
except ImgcryptError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("module", "sentence"),
    [
        ("", "installed only in part"),
        ("__version__ = '4.13.0'", "installed only in part"),
        ("__version__ = '4.11.0'\ndef imencode(): ...", "OpenCV 4.11.0 is installed where 4.13 or newer is needed"),
        ("__version__ = '4.9.0-dev'\ndef imencode(): ...", "OpenCV 4.9.0-dev is installed where"),
        ("raise ImportError('libGL.so.1: no such file')", "does not load (libGL.so.1: no such file)"),
    ],
)
def test_what_cannot_serve_is_refused_in_a_sentence(tmp_path: Path, module: str, sentence: str) -> None:
    (tmp_path / "cv2").mkdir()
    (tmp_path / "cv2" / "__init__.py").write_text(module)
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{IMPORT}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert sentence in done.stdout
    assert "pip install -U opencv-python-headless" in done.stdout
    assert done.stdout.count("\n") == 1


def test_empty_folder_that_an_uninstall_left_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cv2").mkdir()
    program = f"import sys; sys.path = [{str(tmp_path)!r}, *(p for p in sys.path if 'site-packages' not in p)]\n"
    program += f"sys.path.append({str(Path(opencv.__file__).parents[1])!r})\n{IMPORT}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert "installed only in part" in done.stdout


@pytest.mark.parametrize("version", ["4.13.0", "4.13.0-dev", "5.0.0", "10.1"])
def test_newer_ones_are_taken(version: str) -> None:
    module = type(sys)("cv2")
    module.__version__, module.imencode = version, lambda: None  # type: ignore[attr-defined]
    opencv.check(module)


def test_bound_is_the_one_that_pip_is_told() -> None:
    pyproject = (Path(__file__).parents[1] / "pyproject.toml").read_text()
    (bound,) = re.findall(r'"opencv-python-headless>=([\d.]+)"', pyproject)
    assert bound == ".".join(map(str, opencv.OLDEST))


def test_arrays_are_encrypted_and_decrypted_without_opencv() -> None:
    program = """
import sys
sys.modules["cv2"] = None
import numpy as np, imgcrypt
key, image = imgcrypt.Key.generate(), np.full((40, 30, 3), 77, np.uint8)
assert np.abs(imgcrypt.decrypt(imgcrypt.encrypt(image, key), key).astype(int) - 77).max() < 9
assert (imgcrypt.decrypt(imgcrypt.encrypt(image, key, lossless=True), key) == 77).all()
"""
    subprocess.run([sys.executable, "-c", program], timeout=120, check=True)
