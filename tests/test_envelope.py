"""Sealing and opening: what is written is a function of the secrets, and no forged part of a file passes."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import Any

import independent
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import imgcrypt
from imgcrypt import Identity, Key, WrongKeyError, cipher, container, derivation, envelope, recovery, slots
from imgcrypt.container import Content, Mode, RecordType, Suite
from imgcrypt.envelope import Secrets
from imgcrypt.errors import DamagedError, ImgcryptError, NewerVersionError
from imgcrypt.keys import RawKey
from imgcrypt.pictures.metadata import Metadata

Payload = npt.NDArray[np.uint8]

KEY = RawKey(bytes(range(32)))
SECRETS = Secrets(b"f" * 32, b"s" * 32)
SUITES = pytest.mark.parametrize("suite", list(Suite))


def pattern(size: int) -> Payload:
    return np.random.default_rng(size).integers(0, 256, size, np.uint8)


def seal(payload: Payload, *, secrets: Secrets = SECRETS, key: Key = KEY, **changes: Any) -> bytes:
    content = Content(Suite.HYBRID, Mode.RAW, 1, len(payload), 1, 1, None, 10)
    return envelope.seal(payload, dataclasses.replace(content, **changes), key, secrets)


def with_metadata(metadata: bytes, suite: Suite = Suite.HYBRID) -> bytes:
    """A file as a later release might write it, after docs/format.md, section 3.3."""
    fields = {"height": 1, "width": 100, "suite": suite}
    return independent.seal_file(
        pattern(100).tobytes(), fields, SECRETS.file_key, SECRETS.salt, KEY.secret, metadata=metadata
    )


def with_records(*records: tuple[int, bytes], slot: bool = True) -> bytes:
    """A file that has more records, behind KEY's slot or without it."""
    fields, area = {"height": 1, "width": 50}, b"".join(independent.record(*each) for each in records)
    return independent.seal_file(
        pattern(50).tobytes(), fields, SECRETS.file_key, SECRETS.salt, KEY.secret if slot else None, records=area
    )


@SUITES
@pytest.mark.parametrize("size", [1, 2, 63, 1023, 1024, 1025, 3 * 1024, 10_000])
def test_payload_of_any_number_of_chunks_comes_back(suite: Suite, size: int) -> None:
    file = seal(pattern(size), suite=suite)
    header, payload = envelope.open_(file, KEY)
    np.testing.assert_array_equal(payload, pattern(size))
    assert (header.suite, header.payload_bytes, header.salt) == (suite, size, SECRETS.salt)
    assert len(file) == header.file_bytes == 2 * 220 + size + 16 * -(-size // 1024)


@given(size=st.integers(1, 5000), exponent=st.integers(10, 24), suite=st.sampled_from(Suite))
def test_payload_in_chunks_of_any_size_comes_back(size: int, exponent: int, suite: Suite) -> None:
    file = seal(pattern(size), suite=suite, chunk_exponent=exponent)
    np.testing.assert_array_equal(envelope.open_(file, KEY)[1], pattern(size))


@SUITES
def test_same_secrets_give_the_same_bytes(suite: Suite) -> None:
    assert seal(pattern(3000), suite=suite) == seal(pattern(3000), suite=suite)


def test_fresh_secrets_never_repeat() -> None:
    drawn = [Secrets.fresh() for _ in range(20)]
    values = {value for secrets in drawn for value in (secrets.file_key, secrets.salt)}
    assert len(values) == 40
    assert {len(value) for value in values} == {32}


def share_equal(one: bytes, other: bytes) -> float:
    return float(np.mean(np.frombuffer(one, np.uint8) == np.frombuffer(other, np.uint8)))


@SUITES
@pytest.mark.parametrize(
    ("payload", "secrets"),
    [
        (pattern(8192) ^ (np.arange(8192) == 8000), SECRETS),
        (pattern(8192), Secrets(SECRETS.file_key, b"t" * 32)),
        (pattern(8192), Secrets(b"g" * 32, SECRETS.salt)),
    ],
    ids=["one bit of the payload", "salt", "file key"],
)
def test_any_change_changes_every_chunk(suite: Suite, payload: Payload, secrets: Secrets) -> None:
    before, after = seal(pattern(8192), suite=suite), seal(payload, suite=suite, secrets=secrets)
    header = container.parse(before)
    for number in range(header.chunks):
        at, length = header.chunk_at(number)
        assert share_equal(before[at : at + length + 16], after[at : at + length + 16]) < 0.05
    assert share_equal(before[72:104], after[72:104]) < 0.2


def test_suites_share_no_chunk() -> None:
    hybrid, chaos = seal(pattern(8192)), seal(pattern(8192), suite=Suite.CHAOS)
    assert share_equal(hybrid[220:-220], chaos[220:-220]) < 0.05


@SUITES
def test_chunks_show_nothing_of_a_flat_payload(suite: Suite) -> None:
    file = seal(np.zeros(65536, np.uint8), suite=suite, chunk_exponent=16)
    counts = np.bincount(np.frombuffer(file[220 : 220 + 65536], np.uint8), minlength=256)
    # Chi-squared with 255 degrees of freedom: 400 is beyond one in 10**7, a structured byte far beyond.
    assert ((counts - 256) ** 2 / 256).sum() < 400


@SUITES
def test_forged_payload_under_right_tags_is_refused_by_the_digest(
    suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    encipher = cipher.encipher

    def forge(data: Payload, *rest: Any, **options: Any) -> Payload:
        return encipher(data ^ (np.arange(len(data)) == 7), *rest, **options)

    with monkeypatch.context() as patch:
        patch.setattr(cipher, "encipher", forge)
        forged = seal(pattern(100), suite=suite)
    with pytest.raises(DamagedError):
        envelope.open_(forged, KEY)
    np.testing.assert_array_equal(envelope.open_(seal(pattern(100), suite=suite), KEY)[1], pattern(100))


@SUITES
def test_byte_changed_in_both_copies_of_the_header_is_refused(suite: Suite) -> None:
    file = seal(pattern(100), suite=suite)
    size = container.parse(file).header_bytes
    for at in range(size):
        for bit in range(8):
            forged = bytearray(file)
            forged[at] ^= 1 << bit
            forged[at - size] ^= 1 << bit
            with pytest.raises(ImgcryptError):
                envelope.open_(bytes(forged), KEY)


@SUITES
def test_chunks_cannot_move_within_or_between_files(suite: Suite) -> None:
    file, other = seal(pattern(2048), suite=suite), seal(pattern(2048)[::-1].copy(), suite=suite)
    first, second = slice(220, 220 + 1040), slice(220 + 1040, 220 + 2080)
    swapped = file[:220] + file[second] + file[first] + file[-220:]
    borrowed = file[:220] + file[first] + other[second] + file[-220:]
    for forged in (swapped, borrowed):
        assert len(forged) == len(file)
        with pytest.raises(DamagedError):
            envelope.open_(forged, KEY)


def test_header_of_another_file_is_refused() -> None:
    file, other = seal(pattern(100)), seal(pattern(100), secrets=Secrets(b"g" * 32, b"t" * 32))
    with pytest.raises(DamagedError):
        envelope.open_(other[:220] + file[220:-220] + other[-220:], KEY)


@SUITES
def test_file_with_metadata_opens(suite: Suite) -> None:
    header, payload = envelope.open_(with_metadata(b"taken on a Monday", suite=suite), KEY)
    np.testing.assert_array_equal(payload, pattern(100))
    assert header.metadata_bytes == 17


def test_metadata_changed_anywhere_is_refused() -> None:
    file = with_metadata(b"taken on a Monday")
    header = container.parse(file)
    assert header.trailer_at - header.metadata_at == 17 + 16
    for at in range(header.metadata_at, header.trailer_at):
        forged = bytearray(file)
        forged[at] ^= 1
        with pytest.raises(DamagedError):
            envelope.open_(bytes(forged), KEY)


def test_file_with_two_slots_opens_for_either_key_alone() -> None:
    friend, passphrase = Key.generate(), Key.from_passphrase("words")
    others = tuple(slots.make(key, SECRETS.file_key, SECRETS.salt) for key in (friend, passphrase))
    file = with_records(*others)
    for key in (KEY, friend, passphrase, Key.from_passphrase("words")):
        np.testing.assert_array_equal(envelope.open_(file, key)[1], pattern(50))
    for key in (Key.generate(), Key.from_passphrase("other words")):
        with pytest.raises(WrongKeyError, match="is not the one"):
            envelope.open_(file, key)


def test_every_wrong_key_ends_in_one_error() -> None:
    passphrase = Key.from_passphrase("words")
    file = with_records(slots.make(passphrase, SECRETS.file_key, SECRETS.salt))
    sentences = set()
    for wrong in (Key.generate(), Key.from_passphrase("other words"), RawKey(bytes(32))):
        with pytest.raises(WrongKeyError) as caught:
            envelope.open_(file, wrong)
        sentences.add(str(caught.value))
    assert len(sentences) == 1


def test_slot_with_another_file_key_does_not_pass_the_header() -> None:
    friend = Key.generate()
    file = with_records(slots.make(friend, bytes(32), SECRETS.salt))
    np.testing.assert_array_equal(envelope.open_(file, KEY)[1], pattern(50))
    with pytest.raises(DamagedError):
        envelope.open_(file, friend)


def test_nothing_that_holds_secrets_or_plaintext_shows_them() -> None:
    data = b"GPS 48.137154" * 5
    picture = imgcrypt.Picture(np.frombuffer(data, np.uint8).reshape(5, 13), metadata=Metadata(exif=data))
    blob = imgcrypt.encrypt(picture, KEY, raw=True)
    opened = recovery.open_damaged(blob, KEY)
    exact = imgcrypt.decrypt_bytes(imgcrypt.encrypt_bytes(data, KEY, name="home.jpg"), KEY)
    holders = (SECRETS, KEY, opened, imgcrypt.recover(blob, KEY), imgcrypt.decrypt_picture(blob, KEY), exact)
    for holder in holders:
        for secret in (SECRETS.file_key, KEY.secret, opened.image_key, data):
            assert str(secret[:20])[2:-1] not in repr(holder)
            assert secret[:20].hex() not in repr(holder)
        assert "home.jpg" not in repr(holder)
        assert str(data[0]) + ", " + str(data[1]) not in repr(holder)


def test_slots_of_other_lengths_are_skipped() -> None:
    real = slots.make(KEY, SECRETS.file_key, SECRETS.salt)
    raw, passphrase = RecordType.RAW_KEY_SLOT, RecordType.PASSPHRASE_SLOT
    file = with_records((raw, b"short"), (passphrase, b""), (raw, bytes(200)), real, slot=False)
    np.testing.assert_array_equal(envelope.open_(file, KEY)[1], pattern(50))


def test_unknown_record_is_ignored_from_0x8000_on_and_refused_below() -> None:
    file = with_records((0x8000, b"later"), (0xFFFF, b""))
    np.testing.assert_array_equal(envelope.open_(file, KEY)[1], pattern(50))
    with pytest.raises(NewerVersionError, match="upgrade"):
        envelope.open_(with_records((0x7FFF, b"later")), KEY)


def test_hostile_argon2_parameters_in_a_file_are_refused_before_argon2_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    hostile = (RecordType.PASSPHRASE_SLOT, derivation.Argon2id(bytes(16), 2**31, 3).pack() + bytes(80))
    file = with_records(hostile)
    monkeypatch.setattr(derivation, "argon2id", lambda *_: pytest.fail("Argon2id ran"))
    with pytest.raises(DamagedError, match="Argon2id"):
        envelope.open_(file, Key.from_passphrase("words"))
    np.testing.assert_array_equal(envelope.open_(file, KEY)[1], pattern(50))


FIELDS = {
    "suite": st.integers(0, 3),
    "mode": st.integers(0, 4),
    "sample_bytes": st.integers(0, 3),
    "channels": st.integers(0, 5),
    "height": st.integers(0, 6) | st.just(2**32 - 1),
    "width": st.integers(0, 6) | st.just(2**32 - 1),
    "payload_bytes": st.integers(0, 60) | st.just(2**64 - 1),
    "metadata_bytes": st.integers(0, 9) | st.just(2**32 - 1),
    "chunk_exponent": st.integers(9, 26),
    "header_bytes": st.integers(0, 2**16 - 1),
}
RECORDS = st.tuples(st.sampled_from([1, 2, 3, 16, 0x8000]), st.binary(max_size=110))


@given(
    fields=st.fixed_dictionaries({}, optional=FIELDS),
    records=st.lists(RECORDS, max_size=3),
    payload=st.binary(max_size=60),
    metadata=st.binary(max_size=9),
)
@settings(max_examples=60)
def test_whatever_a_holder_of_the_key_seals_raises_no_other_error(
    fields: dict[str, int], records: list[tuple[int, bytes]], payload: bytes, metadata: bytes
) -> None:
    area = b"".join(independent.record(*each) for each in records)
    size = {"height": 1, "width": len(payload)}
    file = independent.seal_file(
        payload, size | fields, bytes(32), bytes(32), KEY.secret, records=area, metadata=metadata
    )
    for key in (KEY, Key.from_passphrase("words"), Identity(KEY.secret)):
        for call in (imgcrypt.decrypt, imgcrypt.recover):
            with contextlib.suppress(ImgcryptError):
                call(file, key)
    with contextlib.suppress(ImgcryptError):
        imgcrypt.inspect(file)


def test_opening_changes_no_byte_of_the_file() -> None:
    file = bytearray(seal(pattern(5000), suite=Suite.CHAOS))
    before = bytes(file)
    assert imgcrypt.decrypt(file, KEY).shape == (1, 5000)
    assert file == before
