"""Raw keystream piece by piece."""

from __future__ import annotations

import hashlib
import itertools
import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from imgcrypt import cipher
from imgcrypt.bench.cli import app
from imgcrypt.bench.randomness import keystream
from imgcrypt.cipher.layout import ROW_BYTES, SEGMENT_ROWS

KEY = hashlib.sha256(b"keystream").digest()
SEGMENT_BYTES = SEGMENT_ROWS * ROW_BYTES
BENCH = [sys.executable, "-m", "imgcrypt.bench.cli"]


@pytest.mark.parametrize("segments", [1, 2, 7])
def test_blocks_are_the_keystream(segments):
    whole = cipher.keystream(KEY, 14 * SEGMENT_BYTES)
    blocks = itertools.islice(cipher.keystream_blocks(KEY, 0, segments), 14 // segments)
    assert (np.concatenate(list(blocks)) == whole).all()


def test_blocks_from_a_later_segment_on():
    whole = cipher.keystream(KEY, 9 * SEGMENT_BYTES)
    block = next(cipher.keystream_blocks(KEY, 5, 4))
    assert (block == whole[5 * SEGMENT_BYTES :]).all()


@pytest.mark.parametrize("size", [1, 64 * SEGMENT_BYTES, 64 * SEGMENT_BYTES + 1])
def test_parts_end_where_they_should(size):
    assert b"".join(keystream.parts(KEY, size)) == cipher.keystream(KEY, size).tobytes()


def test_command_writes_the_keystream():
    ran = subprocess.run(
        [*BENCH, "keystream", "--bytes", "3K", "--seed", str(int.from_bytes(KEY, "big"))],
        capture_output=True,
        check=True,
    )
    assert ran.stdout == cipher.keystream(KEY, 3072).tobytes()
    assert ran.stderr == b""


def test_command_stops_quietly_when_the_reader_has_enough():
    with subprocess.Popen(
        [*BENCH, "keystream", "--bytes", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(100) == cipher.keystream(bytes(32), 100).tobytes()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


@pytest.mark.parametrize(
    "options", [["--bytes", "3X"], ["--bytes", "1", "--seed", "-1"], ["--bytes", "1", "--suite", "hybrid"]]
)
def test_command_refuses(options):
    result = CliRunner().invoke(app, ["keystream", *options])
    assert result.exit_code != 0
    assert not result.stdout
