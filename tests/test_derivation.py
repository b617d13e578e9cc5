"""Argon2id: the same bytes as the format says, at once in many threads, within a bound on memory."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.kdf import argon2

from imgcrypt import ImgcryptError, Key, derivation
from imgcrypt.derivation import Argon2id
from imgcrypt.errors import DependencyError

SALT = b"0123456789abcdef"


@pytest.fixture(autouse=True)
def _usual_limit() -> Iterator[None]:
    yield
    derivation.limit(derivation.AT_ONCE_KIB)


def test_argon2id_is_that_of_the_format() -> None:
    # The reference implementation's: echo -n words | argon2 0123456789abcdef -id -t 2 -k 96 -p 1 -l 32 -r
    expected = argon2.Argon2id(salt=SALT, length=32, iterations=2, lanes=1, memory_cost=96).derive(b"words")
    assert derivation.argon2id(b"words", Argon2id(SALT, 96, 2)) == expected
    assert derivation.argon2id(b"words", Argon2id(SALT, 96, 3)) != expected
    assert derivation.argon2id(b"words", Argon2id(SALT, 97, 2)) != expected


def run_at_once(count: int, monkeypatch: pytest.MonkeyPatch, kib: int) -> int:
    """The most derivations that ran at once out of so many threads, all of which must come to an end."""
    running, most, lock = 0, 0, threading.Lock()

    class Slow:
        def __init__(self, **_: object) -> None:
            pass

        def derive(self, _: bytes) -> bytes:
            nonlocal running, most
            with lock:
                running += 1
                most = max(most, running)
            time.sleep(0.02)
            with lock:
                running -= 1
            return bytes(32)

    monkeypatch.setattr(argon2, "Argon2id", Slow)
    threads = [
        threading.Thread(target=derivation.argon2id, args=(b"words", Argon2id(SALT, kib, 3))) for _ in range(count)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert running == 0
    return most


@pytest.mark.parametrize(("limit", "most"), [(400, 4), (399, 3), (100, 1)])
def test_memory_of_those_that_run_at_once_is_bounded(limit: int, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    derivation.limit(limit)
    assert run_at_once(12, monkeypatch, 100) <= most


def test_derivations_run_side_by_side_even_of_the_costliest_files(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 2 <= run_at_once(8, monkeypatch, 256 * 1024) <= 4


def test_more_than_the_limit_is_refused_with_a_sentence() -> None:
    derivation.limit(64 * 1024 - 1)
    with pytest.raises(ImgcryptError, match="64 MiB of memory"):
        Key.from_passphrase("words").derive(Argon2id(SALT, 64 * 1024, 3))


def test_failed_derivation_gives_its_memory_back(monkeypatch: pytest.MonkeyPatch) -> None:
    derivation.limit(100)

    def fail(**_: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(argon2, "Argon2id", fail)
        for _ in range(3):
            with pytest.raises(ImgcryptError, match="memory"):
                derivation.argon2id(b"words", Argon2id(SALT, 100, 2))
    assert len(derivation.argon2id(b"words", Argon2id(SALT, 100, 2))) == 32


def test_want_of_memory_is_an_error_of_ours() -> None:
    pytest.importorskip("resource", reason="needs POSIX limits")
    program = """
import resource
from imgcrypt import ImgcryptError, derivation
derivation.argon2id(b"words", derivation.Argon2id(bytes(16), 96, 2))
resource.setrlimit(resource.RLIMIT_AS, (200 << 20, 200 << 20))
try:
    derivation.argon2id(b"words", derivation.Argon2id(bytes(16), 256 * 1024, 2))
except ImgcryptError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=200)
    assert done.stderr == ""
    assert "256 MiB of memory" in done.stdout


def test_openssl_without_argon2id_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(**_: object) -> None:
        raise UnsupportedAlgorithm("no Argon2id")

    monkeypatch.setattr(derivation, "_argon2", derivation._load)
    monkeypatch.setattr(argon2, "Argon2id", unsupported)
    with pytest.raises(DependencyError, match="use a key file"):
        derivation.argon2id(b"words", Argon2id(SALT, 96, 2))


def test_threads_and_forked_children_derive_at_once() -> None:
    program = """
import os, threading
from imgcrypt import Key, slots

opened = []

def work():
    record = slots.make(Key.from_passphrase("words"), bytes(32), bytes(32))
    opened.append(slots.unlock(Key.from_passphrase("words"), [record], bytes(32)) == bytes(32))

threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads:
    thread.start()
if hasattr(os, "fork"):
    child = os.fork()
    if not child:
        opened.clear()
        work()
        os._exit(0 if opened == [True] else 1)
    assert os.waitpid(child, 0)[1] == 0
for thread in threads:
    thread.join()
print(opened)
"""
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.stderr == ""
    assert done.stdout == "[True, True, True, True]\n"
