"""The battery that is fed with keystream, by a stand-in for it."""

from __future__ import annotations

import hashlib
import json
import sys

import pytest
from typer.testing import CliRunner

from imgcrypt import cipher
from imgcrypt.bench.cli import app
from imgcrypt.bench.common import BenchError
from imgcrypt.bench.randomness import dieharder

KEY = hashlib.sha256(b"keystream").digest()

LINES = b"""\
#=============================================================================#
        test_name   |ntup| tsamples |psamples|  p-value |Assessment
   diehard_birthdays|   0|       100|     100|0.15103486|  PASSED
        rgb_bitdist |  12|    100000|     100|0.99712345|   WEAK
        sts_serial  |  16|    100000|     100|0.00000000|  FAILED
"""


def test_results_are_parsed():
    tests = list(dieharder.parse(LINES.splitlines()))
    assert [(test.name, test.ntuple, test.assessment) for test in tests] == [
        ("diehard_birthdays", 0, "PASSED"),
        ("rgb_bitdist", 12, "WEAK"),
        ("sts_serial", 16, "FAILED"),
    ]
    assert tests[0].p == 0.15103486


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for dieharder is a shell script")
@pytest.mark.parametrize(("size", "complete"), [("0", True), ("10K", False)])
def test_battery_is_fed_and_summed_up(tmp_path, monkeypatch, size, complete):
    program = tmp_path / "dieharder"
    program.write_text(f"#!/bin/sh\nhead -c 20000 > '{tmp_path}/read'\ncat <<'EOF'\n{LINES.decode()}EOF\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    file = tmp_path / "r.json"
    result = CliRunner().invoke(
        app, ["randomness", "--bytes", size, "--seed", str(int.from_bytes(KEY, "big")), "--json", str(file)]
    )
    assert result.exit_code == 0, result.output
    results = json.loads(file.read_text())["results"]
    assert results["counts"] == {"PASSED": 1, "WEAK": 1, "FAILED": 1}
    assert results["complete"] is complete
    read = (tmp_path / "read").read_bytes()
    assert read == cipher.keystream(KEY, 20000 if complete else 10240).tobytes()
    assert "rgb_bitdist" in result.stdout


def test_battery_that_is_missing_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BenchError, match="apt install dieharder"):
        dieharder.run(KEY, 0, lambda test: None)
