"""What the kernels' source and compiled code must not contain, or results would depend on the machine."""

from __future__ import annotations

import ast
import inspect
import os
import re
import subprocess
import sys

import pytest

from imgcrypt.cipher import kernels

NAMES = [
    *("_copy", "_decompose_segment", "_find", "_gather", "_row", "_scramble_segment", "_seed"),
    *("_slide", "_slide_columns", "_slide_rows", "_source", "_target"),
    *("chaos", "coarse", "decompose", "decompose_serial", "keystream", "keystream_serial"),
    *("scramble", "scramble_serial"),
]


def functions() -> list[ast.FunctionDef]:
    tree = ast.parse(inspect.getsource(kernels))
    return [node for node in tree.body if isinstance(node, ast.FunctionDef)]


def test_every_kernel_is_known_here() -> None:
    assert sorted(function.name for function in functions()) == NAMES


@pytest.mark.parametrize("function", functions(), ids=lambda function: function.name)
def test_kernels_are_compiled_without_fastmath_and_release_the_gil(function: ast.FunctionDef) -> None:
    (decorator,) = function.decorator_list
    assert isinstance(decorator, ast.Call)
    options = {keyword.arg: ast.literal_eval(keyword.value) for keyword in decorator.keywords}
    assert options.pop("nogil")
    assert options.pop("cache")
    assert set(options) <= {"parallel"}


def test_the_only_function_of_mathematics_is_the_square_root() -> None:
    source = inspect.getsource(kernels)
    assert set(re.findall(r"\bmath\.(\w+)", source)) == {"sqrt"}
    assert not re.findall(r"\bnp\.(sin|cos|tan|exp|log|power|arcsin|hypot)\b", source)
    assert "**" not in re.sub(r"2\.0\*\*-52|\"\"\".*?\"\"\"", "", source, flags=re.DOTALL)


def test_compiled_code_has_no_fused_multiply_add() -> None:
    # In a process of its own without a cache: Numba shows nothing of code that it loaded.
    program = """
from imgcrypt import cipher, compiled
compiled.folders = lambda: iter([])
cipher.warm_up()
"""
    dump = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "NUMBA_DUMP_ASSEMBLY": "1"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert len(re.findall("sqrt", dump)) >= 3, "the kernels were not compiled, so this test shows nothing"
    # x86: vfmadd231pd and its kin; arm64: fmadd, fmla, fmad; POWER: xsmaddadp, xvmaddadp.
    assert not re.findall(r"\b(vfn?m(?:add|sub)\w*|fn?m(?:add|sub|ad|sb|la|ls)\w*|x[sv]n?m(?:add|sub)\w*)\b", dump)
