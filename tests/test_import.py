"""What importing the package and asking for help load: nothing heavy."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ["blake3", "cryptography", "cv2", "numba", "numpy", "onnx", "onnxruntime", "torch", "typer"]
LOADED = f"import sys; print(sorted(set(sys.modules).intersection({HEAVY})))"


def loaded_by(program: str) -> str:
    """The heavy modules that are loaded after ``program``, as the text of a list; it may print nothing itself."""
    done = subprocess.run(
        [sys.executable, "-c", f"{program}\n{LOADED}"], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stderr == ""
    return done.stdout.strip()


def command(*arguments: str) -> str:
    """A program that runs the shell command in its process, its output thrown away."""
    return f"""
import io, sys
from imgcrypt import cli
sys.argv = ["imgcrypt", *{arguments!r}]
streams, sys.stdout, sys.stderr = (sys.stdout, sys.stderr), io.StringIO(), io.StringIO()
try:
    cli.main()
except SystemExit:
    sys.stdout, sys.stderr = streams
"""


def test_the_probe_sees_what_is_loaded() -> None:
    assert loaded_by("import numpy") == "['numpy']"


@pytest.mark.parametrize("program", ["import imgcrypt", "import imgcrypt; imgcrypt.WrongKeyError, dir(imgcrypt)"])
def test_import_loads_nothing_heavy(program: str) -> None:
    assert loaded_by(program) == "[]"


@pytest.mark.parametrize(
    "program",
    ["imgcrypt.Key.generate()", "imgcrypt.Info, imgcrypt.inspect", "imgcrypt.Identity.generate(), imgcrypt.Recipient"],
)
def test_keys_and_inspection_load_nothing_heavy(program: str) -> None:
    assert loaded_by(f"import imgcrypt; {program}") == "[]"


def test_names_alone_load_neither_the_kernels_nor_the_nets() -> None:
    assert loaded_by("from imgcrypt import *") == "['blake3', 'cryptography', 'numpy']"


@pytest.mark.parametrize("arguments", [["--help"], ["enc", "--help"], ["keygen"], ["enc", "picture.png"]])
def test_help_and_usage_errors_load_no_compiler_and_no_net(arguments: list[str]) -> None:
    loaded = loaded_by(command(*arguments))
    assert "typer" in loaded
    for module in ("numba", "onnx", "torch"):
        assert f"'{module}'" not in loaded
    assert "onnxruntime" not in loaded


def test_encrypting_and_decrypting_never_loads_torch() -> None:
    program = """
import numpy as np, imgcrypt
key = imgcrypt.Key.generate()
image = np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)
imgcrypt.decrypt(imgcrypt.encrypt(image, key, rate=0.05), key)
"""
    loaded = loaded_by(program)
    assert "numba" in loaded
    assert "onnxruntime" in loaded
    for module in ("torch", "onnx", "cv2", "typer"):
        assert f"'{module}'" not in loaded


def test_lossless_loads_no_net() -> None:
    program = """
import numpy as np, imgcrypt
key = imgcrypt.Key.generate()
imgcrypt.decrypt(imgcrypt.encrypt(np.zeros((4, 4), np.uint8), key, lossless=True), key)
"""
    assert "onnxruntime" not in loaded_by(program)
