"""Key slots: they open for their key alone, commit to it, and hostile ones cost little."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import hmac
import os
from collections.abc import Sequence

import independent
import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB
from hypothesis import given
from hypothesis import strategies as st

from imgcrypt import DamagedError, Identity, Key, derivation, primitives, slots
from imgcrypt.container import RecordType
from imgcrypt.keys import RawKey

FILE_KEY, SALT = bytes(range(32)), bytes(range(32, 64))
RAW, PASSPHRASE = RecordType.RAW_KEY_SLOT, RecordType.PASSPHRASE_SLOT
RECIPIENT = RecordType.RECIPIENT_SLOT
HONEST = (64 * 1024, 3)


@pytest.fixture
def counted_argon2id(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Argon2id replaced by a quick hash; the list holds the parameters of every run."""
    runs = []

    def quick(passphrase: bytes, parameters: derivation.Argon2id) -> bytes:
        runs.append(parameters.pack())
        return hashlib.sha256(passphrase + runs[-1]).digest()

    monkeypatch.setattr(derivation, "argon2id", quick)
    return runs


def opened(key: Key, kind: int, body: bytes, salt: bytes = SALT) -> bytes | None:
    return slots.unlock(key, ((kind, body),), salt)


def asking(*costs: tuple[int, int]) -> list[tuple[int, bytes]]:
    """Passphrase slots that ask for so many KiB and passes, and fit no passphrase."""
    return [(PASSPHRASE, derivation.Argon2id(os.urandom(16), *cost).pack() + bytes(80)) for cost in costs]


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
    assert (kind, len(body)) == (RAW, 80)
    assert opened(key, kind, body) == FILE_KEY
    assert opened(RawKey(key.secret), kind, body) == FILE_KEY
    assert opened(Key.generate(), kind, body) is None
    assert opened(key, kind, body, bytes(32)) is None


def test_passphrase_slot_opens_for_its_passphrase_and_salt_alone() -> None:
    kind, body = slots.make(Key.from_passphrase("right"), FILE_KEY, SALT)
    assert (kind, len(body)) == (PASSPHRASE, 104)
    assert derivation.Argon2id.unpack(body[:24])[1:] == HONEST
    assert opened(Key.from_passphrase("right"), kind, body) == FILE_KEY
    assert opened(Key.from_passphrase("wrong"), kind, body) is None
    assert opened(Key.from_passphrase("right"), kind, body, bytes(32)) is None


def test_recipient_slot_opens_for_its_private_key_and_salt_alone() -> None:
    identity = Identity.generate()
    kind, body = slots.make(identity.recipient, FILE_KEY, SALT)
    assert (kind, len(body)) == (RECIPIENT, 112)
    assert opened(identity, kind, body) == FILE_KEY
    assert opened(Identity.generate(), kind, body) is None
    assert opened(identity, kind, body, bytes(32)) is None
    assert opened(RawKey(identity.secret), kind, body) is None
    assert slots.make(identity, FILE_KEY, SALT)[1][:32] != body[:32]


def test_whose_a_slot_is_can_be_told_by_the_file_key_alone() -> None:
    identity, key = Identity.generate(), Key.generate()
    others = [slots.make(each, FILE_KEY, SALT) for each in (Identity.generate(), Key.generate())]
    for slot, whose in (
        (slots.make(identity, FILE_KEY, SALT), identity.recipient),
        (slots.make(key, FILE_KEY, SALT), key),
    ):
        assert slots.owned(whose, [slot, *others], FILE_KEY, SALT) == [slot]
        for other in (Identity.generate(), Identity.generate().recipient, Key.generate()):
            assert slots.owned(other, [slot], FILE_KEY, SALT) == []
        assert slots.owned(whose, [(slot[0], slot[1] + b"\0")], FILE_KEY, SALT) == []
    assert slots.owned(identity.recipient, [slots.make(identity, FILE_KEY, SALT)], bytes(32), SALT) == []


@pytest.mark.parametrize("name", independent.LOW_ORDER)
def test_point_that_opens_with_every_private_key_is_refused(name: str) -> None:
    identity = Identity.generate()
    honest = slots.make(identity, FILE_KEY, SALT)
    with pytest.raises(DamagedError, match="any private key"):
        slots.unlock(identity, [honest, (RECIPIENT, independent.LOW_ORDER[name] + bytes(80))], SALT)
    assert primitives.is_low_order(independent.LOW_ORDER[name])
    assert not primitives.is_low_order(identity.recipient.public)


def test_encapsulated_key_that_occurs_twice_is_refused() -> None:
    identity = Identity.generate()
    honest = slots.make(identity, FILE_KEY, SALT)
    with pytest.raises(DamagedError, match="share an ephemeral key"):
        slots.unlock(identity, [honest, (RECIPIENT, honest[1][:32] + bytes(80))], SALT)
    assert slots.unlock(Key.generate(), [honest, honest], SALT) is None


def test_passphrase_slots_never_share_a_salt(counted_argon2id: list[bytes]) -> None:
    key = Key.from_passphrase("words")
    bodies = [slots.make(key, FILE_KEY, SALT)[1] for _ in range(20)]
    assert len({body[:16] for body in bodies}) == len(counted_argon2id) == 20


def test_slot_of_the_other_kind_is_skipped_without_argon2(counted_argon2id: list[bytes]) -> None:
    key, passphrase = Key.generate(), Key.from_passphrase("words")
    for_key, for_passphrase = slots.make(key, FILE_KEY, SALT), slots.make(passphrase, FILE_KEY, SALT)
    counted_argon2id.clear()
    assert opened(passphrase, *for_key) is None
    assert opened(key, *for_passphrase) is None
    # The bytes of a passphrase must not serve as a raw key, nor the other way round.
    raw, derived = RawKey(b"p" * 32), Key.from_passphrase("p" * 32)
    assert opened(raw, *slots.make(derived, FILE_KEY, SALT)) is None
    assert opened(derived, *slots.make(raw, FILE_KEY, SALT)) is None
    assert len(counted_argon2id) == 1


@pytest.mark.parametrize("kind", [RAW, PASSPHRASE, RECIPIENT, RecordType.NET, 0x8000, 4])
@pytest.mark.parametrize("length", [0, 1, 48, 76, 79, 81, 103, 105, 111, 113, 1000])
def test_slot_of_another_length_or_record_is_skipped(kind: int, length: int, counted_argon2id: list[bytes]) -> None:
    for key in (Key.generate(), Key.from_passphrase("words"), Identity.generate()):
        assert opened(key, kind, bytes(length)) is None
    assert counted_argon2id == []


@pytest.mark.parametrize("given", [None, "words", b"k" * 32])
def test_what_is_no_key_is_refused(given: object) -> None:
    with pytest.raises(TypeError, match=r"imgcrypt\.Key"):
        slots.make(given, FILE_KEY, SALT)
    with pytest.raises(TypeError, match=r"imgcrypt\.Key"):
        slots.unlock(given, (), SALT)


@pytest.mark.parametrize(
    "costs",
    [
        [(256 * 1024 + 1, 2)],
        [(2**32 - 1, 1)],
        [(2**32 - 1, 2**32 - 1)],
        [(65536, 13)],
        [(65536, 2**32 - 1)],
        [(65536, 1)],
        [(65536, 0)],
        [(19 * 1024 - 1, 40)],
        [(8, 1)],
        [(0, 0)],
        [HONEST, (8, 1)],
        [HONEST, HONEST, HONEST, (65536, 4)],
        [(256 * 1024, 3), (19 * 1024, 2)],
    ],
)
def test_hostile_parameters_are_refused_before_argon2_runs(
    costs: Sequence[tuple[int, int]], counted_argon2id: list[bytes]
) -> None:
    honest = slots.make(Key.from_passphrase("words"), FILE_KEY, SALT)
    counted_argon2id.clear()
    for records in (asking(*costs), [honest, *asking(*costs)]):
        with pytest.raises(DamagedError, match="Argon2id"):
            slots.unlock(Key.from_passphrase("words"), records, SALT)
        assert slots.unlock(Key.generate(), records, SALT) is None
    assert counted_argon2id == []


@pytest.mark.parametrize("costs", [[(256 * 1024, 3)], [(19 * 1024, 2)] * 4, [HONEST] * 4, [(65536, 12)]])
def test_parameters_up_to_the_limits_are_tried(costs: Sequence[tuple[int, int]], counted_argon2id: list[bytes]) -> None:
    assert slots.unlock(Key.from_passphrase("words"), asking(*costs), SALT) is None
    assert len(counted_argon2id) == len(costs)


@given(
    kind=st.sampled_from([RAW, PASSPHRASE, RECIPIENT]),
    body=st.binary(max_size=120),
    salt=st.binary(min_size=32, max_size=32),
)
def test_arbitrary_slots_open_for_nobody_and_raise_nothing_else(kind: int, body: bytes, salt: bytes) -> None:
    for key in (RawKey(bytes(32)), Key.from_passphrase("words"), Identity(bytes(32))):
        # Of the length of a passphrase slot, it asks for an impossible amount of memory, all but surely.
        with contextlib.suppress(DamagedError):
            assert opened(key, kind, body, salt) is None


def test_argon2_runs_once_to_seal_and_open_again_but_anew_for_another_file(counted_argon2id: list[bytes]) -> None:
    key, other_salt = Key.from_passphrase("words"), os.urandom(32)
    first = slots.make(key, FILE_KEY, SALT)
    assert opened(key, *first) == FILE_KEY
    assert len(counted_argon2id) == 1
    second = slots.make(key, FILE_KEY, other_salt)
    assert opened(key, *first) == FILE_KEY
    assert opened(key, *second, other_salt) == FILE_KEY
    assert len(counted_argon2id) == 4


# --- commitment -------------------------------------------------------------------------------------------------------


def test_changed_commitment_is_another_key_and_changed_wrapping_is_damage() -> None:
    key = Key.generate()
    kind, body = slots.make(key, FILE_KEY, SALT)
    for at in range(len(body)):
        forged = bytearray(body)
        forged[at] ^= 1
        if at < 32:
            assert opened(key, kind, bytes(forged)) is None
            continue
        with pytest.raises(DamagedError):
            opened(key, kind, bytes(forged))
        assert opened(Key.generate(), kind, bytes(forged)) is None


# GCM's field, GF(2^128): NIST SP 800-38D, section 6.3. An element is a block as a big-endian integer, whose highest bit
# is the coefficient of 1.
ONE = 1 << 127


def product(x: int, y: int) -> int:
    total = 0
    for bit in range(128):
        if x >> (127 - bit) & 1:
            total ^= y
        y = y >> 1 ^ (0xE1 << 120 if y & 1 else 0)
    return total


def power(x: int, exponent: int) -> int:
    result = ONE
    while exponent:
        if exponent & 1:
            result = product(result, x)
        x, exponent = product(x, x), exponent >> 1
    return result


def solve(rows: list[list[int]]) -> list[int]:
    """Gauss and Jordan: the solution of linear equations, each its coefficients and then its right side."""
    for at in range(len(rows)):
        pivot = next(number for number in range(at, len(rows)) if rows[number][at])
        rows[at], rows[pivot] = rows[pivot], rows[at]
        inverse = power(rows[at][at], 2**128 - 2)
        rows[at] = [product(inverse, each) for each in rows[at]]
        for number, row in enumerate(rows):
            if number != at and row[at]:
                rows[number] = [each ^ product(row[at], own) for each, own in zip(row, rows[at], strict=True)]
    return [row[-1] for row in rows]


def fitting_all(keys_and_nonces: Sequence[tuple[bytes, bytes]]) -> bytes:
    """48 bytes that AES-GCM opens under each of three keys, with its nonce: two blocks of ciphertext and the tag.

    The tag is C1 H^3 + C2 H^2 + (lengths) H + E(nonce ‖ 1): three equations for three unknown blocks.
    """
    rows = []
    for key, nonce in keys_and_nonces:
        block = Cipher(AES(key), ECB()).encryptor()
        h, mask = (int.from_bytes(block.update(each)) for each in (bytes(16), nonce + b"\0\0\0\x01"))
        right = product(8 * 32, h) ^ mask
        rows.append([power(h, 3), power(h, 2), ONE, right])
    return b"".join(each.to_bytes(16) for each in solve(rows))


def test_slot_that_aes_gcm_would_open_under_three_keys_opens_for_one_at_most() -> None:
    keys = [Key.generate() for _ in range(3)]
    derived = [slots.hkdf(key.secret, SALT, b"slot raw key", 64) for key in keys]
    collision = fitting_all([(each[:32], bytes(12)) for each in derived])
    # So it was with AES-GCM alone: three keys fit.
    file_keys = {AESGCM(each[:32]).decrypt(bytes(12), collision, None) for each in derived}
    assert len(file_keys) == 3
    with pytest.raises(InvalidTag):
        AESGCM(bytes(32)).decrypt(bytes(12), collision, None)
    for chosen in range(3):
        slot = RAW, derived[chosen][32:] + collision
        fits = [opened(key, *slot) is not None for key in keys]
        assert fits == [number == chosen for number in range(3)]
    mixed = bytes(functools.reduce(lambda x, y: x ^ y, each) for each in zip(*(d[32:] for d in derived), strict=True))
    assert [opened(key, RAW, mixed + collision) for key in keys] == [None] * 3


def test_slot_that_hpke_would_open_for_three_recipients_opens_for_one_at_most() -> None:
    ephemeral, people = Identity.generate(), [Identity.generate() for _ in range(3)]
    encapsulated = ephemeral.recipient.public
    info = independent.recipient_info(SALT)
    derived = []
    for each in people:
        shared = independent.x25519(ephemeral.secret, each.recipient.public)
        derived.append(independent.hpke_key(independent.kem_secret(shared, encapsulated, each.recipient.public), info))
    collision = fitting_all(derived)
    # HPKE's cipher does not commit to its key either: all three open it, each to another file key.
    file_keys = [primitives.open_with(each.secret, encapsulated + collision, info) for each in people]
    assert None not in file_keys
    assert len(set(file_keys)) == 3
    for chosen, file_key in enumerate(file_keys):
        assert file_key is not None
        commitment = independent.recipient_commitment(file_key, SALT, people[chosen].recipient.public)
        body = encapsulated + commitment + collision
        assert [opened(each, RECIPIENT, body) for each in people] == [
            file_key if number == chosen else None for number in range(3)
        ]
