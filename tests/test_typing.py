"""Type checkers in strict mode take README's and the docs' code, and find every fault in tests/typing/misuse.py."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "docs" / "networks.md", ROOT / "docs" / "services.md"]
MISUSE = Path(__file__).parent / "typing" / "misuse.py"

Checker = Callable[[Path], set[int]]


def mypy(file: Path) -> set[int]:
    """The numbers of the lines with which mypy finds fault."""
    pytest.importorskip("mypy", reason="this test needs mypy: pip install imgcrypt[dev]")
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--no-error-summary", "--output=json"]
    done = subprocess.run([*command, file.name], cwd=file.parent, capture_output=True, text=True, timeout=300)
    assert done.stderr == ""
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == bool(found)
    return {each["line"] for each in found if each["severity"] == "error" and Path(each["file"]).name == file.name}


def pyright(file: Path) -> set[int]:
    """The numbers of the lines with which pyright finds fault."""
    pytest.importorskip("pyright", reason="this test needs pyright: pip install imgcrypt[dev]")
    (file.parent / "pyrightconfig.json").write_text('{"typeCheckingMode": "strict"}')
    command = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "--outputjson", file.name]
    done = subprocess.run(command, cwd=file.parent, capture_output=True, text=True, timeout=300)
    assert done.returncode in (0, 1), done.stderr
    found = json.loads(done.stdout)["generalDiagnostics"]
    return {each["range"]["start"]["line"] + 1 for each in found if each["severity"] == "error"}


@pytest.mark.parametrize("checker", [mypy, pyright])
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_code_of_the_pages_passes(checker: Checker, page: Path, tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
    assert blocks
    for i, block in enumerate(blocks):
        file = tmp_path / f"block{i}.py"
        file.write_text(block)
        lines = block.splitlines()
        assert [lines[number - 1] for number in sorted(checker(file))] == []


@pytest.mark.parametrize("checker", [mypy, pyright])
@pytest.mark.parametrize("name", ["camera.py", "service.py", "video.py"])
def test_examples_pass(checker: Checker, name: str, tmp_path: Path) -> None:
    pytest.importorskip("fastapi", reason="this test needs the examples' libraries: pip install imgcrypt[examples]")
    text = (ROOT / "examples" / name).read_text()
    (tmp_path / name).write_text(text)
    assert [text.splitlines()[number - 1] for number in sorted(checker(tmp_path / name))] == []


@pytest.mark.parametrize("checker", [mypy, pyright])
def test_every_misuse_is_found(checker: Checker, tmp_path: Path) -> None:
    text = MISUSE.read_text()
    (tmp_path / MISUSE.name).write_text(text)
    wanted = {number for number, line in enumerate(text.splitlines(), 1) if line.endswith("# error")}
    assert len(wanted) > 10
    assert checker(tmp_path / MISUSE.name) == wanted
