"""Key slots: they open for their key alone, and hostile ones cost nothing."""

from __future__ import annotations

import hashlib
import hmac
import os
import subprocess
import sys

import pytest
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from hypothesis import given
from hypothesis import strategies as st

from imgcrypt import DamagedError, Key, keys, slots
from imgcrypt.container import RecordType
from imgcrypt.keys import RawKey

FILE_KEY, SALT = bytes(range(32)), bytes(range(32, 64))


@pytest.fixture
def counted_argon2id(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Argon2id replaced by a quick hash; the list holds the parameters of every run."""
    runs = []

    def quick(passphrase: bytes, parameters: keys.Argon2id) -> bytes:
        runs.append(slots.PASSPHRASE.pack(*parameters))
        return hashlib.sha256(passphrase + runs[-1]).digest()

    monkeypatch.setattr(keys, "argon2id", quick)
    return runs


@given(
    secret=st.binary(min_size=1, max_size=80),
    salt=st.binary(min_size=1, max_size=80),
    purpose=st.binary(max_size=20),
    length=st.integers(1, 100),
)
def test_hkdf_is_rfc_5869s(secret: bytes, salt: bytes, purpose: bytes, length: int) -> None:
    extracted = hmac.digest(salt, secret, "sha256")
    expanded, block = b"", b""
    for number in range(1, 5):
        block = hmac.digest(extracted, block + b"imgcrypt-1 " + purpose + bytes([number]), "sha256")
        expanded += block
    assert slots.hkdf(secret, salt, purpose, length) == expanded[:length]


def test_raw_key_slot_opens_for_its_key_and_salt_alone() -> None:
    key = Key.generate()
    kind, body = slots.make(key, FILE_KEY, SALT)
    assert (kind, len(body)) == (RecordType.RAW_KEY_SLOT, 48)
    assert slots.open_slot(key, kind, body, SALT) == FILE_KEY
    assert slots.open_slot(RawKey(key.secret), kind, body, SALT) == FILE_KEY
    assert slots.open_slot(Key.generate(), kind, body, SALT) is None
    assert slots.open_slot(key, kind, body, bytes(32)) is None


def test_passphrase_slot_opens_for_its_passphrase_and_salt_alone() -> None:
    kind, body = slots.make(Key.from_passphrase("right"), FILE_KEY, SALT)
    assert (kind, len(body)) == (RecordType.PASSPHRASE_SLOT, 76)
    assert slots.PASSPHRASE.unpack(body[:28])[1:] == (64 * 1024, 3, 4)
    assert slots.open_slot(Key.from_passphrase("right"), kind, body, SALT) == FILE_KEY
    assert slots.open_slot(Key.from_passphrase("wrong"), kind, body, SALT) is None
    assert slots.open_slot(Key.from_passphrase("right"), kind, body, bytes(32)) is None


def test_passphrase_slots_never_share_a_salt(counted_argon2id: list[bytes]) -> None:
    key = Key.from_passphrase("words")
    bodies = [slots.make(key, FILE_KEY, SALT)[1] for _ in range(20)]
    assert len({body[:16] for body in bodies}) == len(counted_argon2id) == 20


def test_slot_of_the_other_kind_is_skipped_without_argon2(counted_argon2id: list[bytes]) -> None:
    key, passphrase = Key.generate(), Key.from_passphrase("words")
    for_key, for_passphrase = slots.make(key, FILE_KEY, SALT), slots.make(passphrase, FILE_KEY, SALT)
    counted_argon2id.clear()
    assert slots.open_slot(passphrase, *for_key, SALT) is None
    assert slots.open_slot(key, *for_passphrase, SALT) is None
    # The bytes of a passphrase must not serve as a raw key, nor the other way round.
    raw, derived = RawKey(b"p" * 32), Key.from_passphrase("p" * 32)
    assert slots.open_slot(raw, *slots.make(derived, FILE_KEY, SALT), SALT) is None
    assert slots.open_slot(derived, *slots.make(raw, FILE_KEY, SALT), SALT) is None
    assert len(counted_argon2id) == 1


@pytest.mark.parametrize("kind", [RecordType.RAW_KEY_SLOT, RecordType.PASSPHRASE_SLOT, RecordType.NET, 0x8000, 3])
@pytest.mark.parametrize("length", [0, 1, 47, 49, 75, 77, 1000])
def test_slot_of_another_length_or_record_is_skipped(kind: int, length: int, counted_argon2id: list[bytes]) -> None:
    for key in (Key.generate(), Key.from_passphrase("words")):
        assert slots.open_slot(key, kind, bytes(length), SALT) is None
    assert counted_argon2id == []


@pytest.mark.parametrize(
    ("memory", "passes", "lanes"),
    [
        (1024 * 1024 + 1, 3, 4),
        (2**32 - 1, 1, 1),
        (65536, 17, 4),
        (65536, 2**32 - 1, 4),
        (65536, 3, 17),
        (65536, 0, 4),
        (65536, 3, 0),
        (0, 3, 4),
        (31, 3, 4),
        (0, 0, 0),
        (2**32 - 1, 2**32 - 1, 2**32 - 1),
    ],
)
def test_hostile_parameters_are_refused_before_argon2_runs(
    memory: int, passes: int, lanes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "argon2id", lambda *_: pytest.fail("Argon2id ran"))
    body = slots.PASSPHRASE.pack(bytes(16), memory, passes, lanes) + bytes(48)
    with pytest.raises(DamagedError, match="Argon2id"):
        slots.open_slot(Key.from_passphrase("words"), RecordType.PASSPHRASE_SLOT, body, SALT)
    assert slots.open_slot(Key.generate(), RecordType.PASSPHRASE_SLOT, body, SALT) is None


@pytest.mark.parametrize(("memory", "passes", "lanes"), [(1024 * 1024, 16, 16), (8, 1, 1), (128, 1, 16)])
def test_parameters_up_to_the_limits_are_tried(
    memory: int, passes: int, lanes: int, counted_argon2id: list[bytes]
) -> None:
    body = slots.PASSPHRASE.pack(bytes(16), memory, passes, lanes) + bytes(48)
    assert slots.open_slot(Key.from_passphrase("words"), RecordType.PASSPHRASE_SLOT, body, SALT) is None
    assert len(counted_argon2id) == 1


def test_argon2id_takes_the_parameters_in_the_order_of_the_format() -> None:
    parameters = b"0123456789abcdef" + bytes.fromhex("60000000 02000000 03000000")
    expected = Argon2id(salt=b"0123456789abcdef", length=32, iterations=2, lanes=3, memory_cost=96).derive(b"words")
    assert keys.argon2id(b"words", keys.Argon2id(*slots.PASSPHRASE.unpack(parameters))) == expected


def test_argon2_runs_once_to_seal_and_open_again_but_anew_for_another_file(counted_argon2id: list[bytes]) -> None:
    key, other_salt = Key.from_passphrase("words"), os.urandom(32)
    first = slots.make(key, FILE_KEY, SALT)
    assert slots.open_slot(key, *first, SALT) == FILE_KEY
    assert len(counted_argon2id) == 1
    second = slots.make(key, FILE_KEY, other_salt)
    assert slots.open_slot(key, *first, SALT) == FILE_KEY
    assert slots.open_slot(key, *second, other_salt) == FILE_KEY
    assert len(counted_argon2id) == 4


def test_threads_derive_at_once_without_waiting_for_each_other_forever() -> None:
    program = """
import threading
from imgcrypt import Key, slots

opened = []

def work():
    record = slots.make(Key.from_passphrase("words"), bytes(32), bytes(32))
    opened.append(slots.open_slot(Key.from_passphrase("words"), *record, bytes(32)) == bytes(32))

threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(opened)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    assert done.stdout == "[True, True, True, True]\n"
