"""The package from an archive, and what it tells PyInstaller."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import imgcrypt
from imgcrypt import frozen

PACKAGE = Path(imgcrypt.__file__).parent
PROGRAM = """
import sys
import numpy as np, imgcrypt
from imgcrypt import compiled
assert ".zip" in imgcrypt.__file__
key, image = imgcrypt.Key.generate(), np.arange(3000, dtype=np.uint8).reshape(50, 60)
for lossless in (False, True):
    back = imgcrypt.decrypt(imgcrypt.encrypt(image, key, lossless=lossless), key)
    assert back.shape == image.shape
assert (back == image).all()
"""


def test_the_package_runs_from_an_archive(tmp_path: Path) -> None:
    archive = tmp_path / "packages.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in PACKAGE.rglob("*"):
            inside = path.relative_to(PACKAGE.parent)
            if path.is_file() and not {"bench", "nets", "export", "__pycache__"}.intersection(inside.parts):
                file.write(path, inside)
    environment = {**os.environ, "PYTHONPATH": str(archive), "IMGCRYPT_CACHE": str(tmp_path / "cache")}
    subprocess.run([sys.executable, "-c", PROGRAM], env=environment, cwd=tmp_path, check=True, timeout=300)
    assert any((tmp_path / "cache").rglob("*.nbc"))


def test_pyinstaller_is_led_to_the_hook() -> None:
    (folder,) = frozen.hook_folders()
    assert (Path(folder) / "hook-imgcrypt.py").is_file()
