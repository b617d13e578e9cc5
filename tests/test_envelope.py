"""Sealing and opening: what is written is a function of the secrets, and no forged part of a file passes."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
from collections.abc import Callable
from typing import Any

import independent
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import imgcrypt
from imgcrypt import Identity, Key, WrongKeyError, cipher, container, derivation, envelope, recovery, slots
from imgcrypt.container import Content, Layout, Mode, Part, RecordType, Suite
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


def layout(*parts: tuple[int, int], packets: int = 5, front: bool = False, metadata_needed: int = 2) -> Layout:
    return Layout(packets, tuple(Part(*part) for part in parts), front, metadata_needed)


def seal(
    payload: Payload,
    laid: Layout | None = None,
    *,
    secrets: Secrets = SECRETS,
    key: Key = KEY,
    metadata: bytes = b"",
    **changes: Any,
) -> bytes:
    """The payload as a raw picture of one row; in 5 packets, 3 of which give it back, if there is no layout."""
    content = Content(Suite.HYBRID, Mode.RAW, 1, len(payload), 1, 1, None)
    content = dataclasses.replace(content, **changes)
    return envelope.seal(payload, content, laid or layout((len(payload), 3)), key, secrets, metadata)


def reseal(file: bytes, change: Callable[[Payload], None], key: Key = KEY) -> bytes:
    """The file with its packets, uint8 (packets, bytes), changed beneath their tags, as a holder of the key can."""
    header = container.parse(file)
    sealer = envelope.packet_cipher(header, envelope.unlock(header, memoryview(file)[: header.header_bytes], key))
    grid = np.empty((header.packets, header.packet_bytes - container.TAG_BYTES), np.uint8)
    view = memoryview(bytearray(file))
    places = [slice(header.packet_at(i), header.packet_at(i + 1)) for i in range(header.packets)]
    for i, place in enumerate(places):
        sealer.open(i, view[place], grid[i].data)
    change(grid)
    for i, place in enumerate(places):
        sealer.seal(i, grid[i].data, view[place])
    return bytes(view)


def with_records(*records: tuple[int, bytes], slot: bool = True) -> bytes:
    """A file that has more records, behind KEY's slot or without it."""
    fields, area = {"height": 1, "width": 50}, b"".join(independent.record(*each) for each in records)
    return independent.seal_file(
        pattern(50).tobytes(), fields, SECRETS.file_key, SECRETS.salt, KEY.secret if slot else None, records=area
    )


@SUITES
@pytest.mark.parametrize("size", [1, 2, 3, 4, 63, 1023, 1024, 1025, 10_000])
def test_payload_of_any_length_comes_back(suite: Suite, size: int) -> None:
    file = seal(pattern(size), suite=suite)
    header, payload, metadata = envelope.open_(file, KEY)
    np.testing.assert_array_equal(payload, pattern(size))
    assert (header.suite, header.payload_bytes, header.salt) == (suite, size, SECRETS.salt)
    assert metadata == b""
    assert len(file) == header.file_bytes == 2 * 217 + 5 * (-(-size // 3) + 16)


@st.composite
def layouts(draw: st.DrawFn) -> Layout:
    packets, front = draw(st.integers(1, 255)), draw(st.booleans())
    lengths = draw(st.lists(st.integers(1, 700), min_size=1, max_size=15))
    needed = st.integers(1, packets)
    least = st.just(0) | needed if front and len(lengths) > 1 else needed
    parts = tuple(Part(length, draw(needed if i else least)) for i, length in enumerate(lengths))
    return Layout(packets, parts, front, draw(needed))


@given(laid=layouts(), suite=st.sampled_from(Suite), metadata=st.binary(max_size=300))
def test_every_layout_comes_back(laid: Layout, suite: Suite, metadata: bytes) -> None:
    payload = pattern(sum(part.length for part in laid.parts))
    file = seal(payload, laid, suite=suite, metadata=metadata)
    header, opened, said = envelope.open_(file, KEY)
    np.testing.assert_array_equal(opened, payload)
    assert said == metadata
    assert header.layout == (laid if metadata else dataclasses.replace(laid, metadata_needed=laid.packets))
    if header.front:
        file_key = envelope.unlock(header, memoryview(file)[: header.header_bytes], KEY)
        first = envelope.open_front(file[: header.packet_at(0)], header, file_key)
        np.testing.assert_array_equal(first, payload[: laid.parts[0].length])


@given(laid=layouts(), suite=st.sampled_from(Suite), metadata=st.binary(max_size=30))
@settings(max_examples=10)
def test_second_implementation_seals_the_same_bytes(laid: Layout, suite: Suite, metadata: bytes) -> None:
    payload = pattern(sum(part.length for part in laid.parts))
    fields = {"height": 1, "width": len(payload), "suite": suite}
    assert seal(payload, laid, suite=suite, metadata=metadata) == independent.seal_file(
        payload.tobytes(),
        fields,
        SECRETS.file_key,
        SECRETS.salt,
        KEY.secret,
        parts=laid.parts,
        packets=laid.packets,
        front=laid.front,
        metadata=metadata,
        metadata_needed=laid.metadata_needed,
    )


def test_file_is_written_to_given_memory() -> None:
    whole = seal(pattern(100))
    content = Content(Suite.HYBRID, Mode.RAW, 1, 100, 1, 1, None)
    memory = memoryview(bytearray(len(whole) + 10))
    written = envelope.seal(pattern(100), content, layout((100, 3)), KEY, SECRETS, b"", b"", memory)
    assert bytes(written) == whole == bytes(memory[: len(whole)])
    assert bytes(memory[len(whole) :]) == bytes(10)
    with pytest.raises(ImgcryptError, match=f"the file takes {len(whole)}; give more"):
        envelope.seal(pattern(100), content, layout((100, 3)), KEY, SECRETS, b"", b"", memory[: len(whole) - 1])


def test_sealing_again_gives_the_same_bytes() -> None:
    laid = layout((30, 0), (70, 4), packets=7, front=True)
    file = seal(pattern(100), laid, metadata=b"taken on a Monday")
    header, payload, metadata = envelope.open_(file, KEY)
    packed = file[: header.header_bytes]
    file_key = envelope.unlock(header, memoryview(packed), KEY)
    said = np.frombuffer(metadata, np.uint8)
    assert envelope.seal_again(header, packed, payload, said, file_key) == file


def test_many_threads_seal_and_open_at_once() -> None:
    laid = layout((3000, 50), (90_000, 200), packets=255, front=True)

    def there_and_back(number: int) -> bool:
        payload = pattern(93_000) ^ np.uint8(number)
        return bool((envelope.open_(seal(payload, laid), KEY)[1] == payload).all())

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert all(pool.map(there_and_back, range(24)))


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
def test_any_change_changes_every_packet(suite: Suite, payload: Payload, secrets: Secrets) -> None:
    laid = layout((4096, 4), (4096, 3))
    before, after = seal(pattern(8192), laid, suite=suite), seal(payload, laid, suite=suite, secrets=secrets)
    header = container.parse(before)
    # A part that is the same, under the same secrets, has the same key: only what seals it in the suite hybrid has not.
    same = suite is Suite.CHAOS and secrets == SECRETS
    for number in range(header.packets):
        place = slice(header.packet_at(number), header.packet_at(number + 1))
        assert share_equal(before[place], after[place]) < (0.6 if same else 0.05)
    assert (
        before[header.packet_at(1) - 16 : header.packet_at(1)] != after[header.packet_at(1) - 16 : header.packet_at(1)]
    )


def test_suites_share_no_packet() -> None:
    hybrid, chaos = seal(pattern(8192)), seal(pattern(8192), suite=Suite.CHAOS)
    assert share_equal(hybrid[217:-217], chaos[217:-217]) < 0.05


@SUITES
def test_packets_and_front_show_nothing_of_a_flat_payload(suite: Suite) -> None:
    file = seal(np.zeros(65536, np.uint8), layout((16384, 4), (49152, 5), front=True), suite=suite)
    body = np.frombuffer(file[container.parse(file).header_bytes :][:65536], np.uint8)
    counts = np.bincount(body, minlength=256)
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
def test_byte_changed_anywhere_behind_the_header_is_refused(suite: Suite) -> None:
    file = seal(pattern(100), layout((30, 1), (70, 4), front=True), suite=suite, metadata=b"taken on a Monday")
    header = container.parse(file)
    for at in range(header.header_bytes, header.trailer_at):
        forged = bytearray(file)
        forged[at] ^= 1
        with pytest.raises(DamagedError):
            envelope.open_(bytes(forged), KEY)


@SUITES
def test_packets_cannot_move_within_or_between_files(suite: Suite) -> None:
    file, other = seal(pattern(2048), suite=suite), seal(pattern(2048)[::-1].copy(), suite=suite)
    header = container.parse(file)
    first, second, rest = (slice(header.packet_at(i), header.packet_at(j)) for i, j in ((0, 1), (1, 2), (2, 5)))
    swapped = file[:217] + file[second] + file[first] + file[rest] + file[-217:]
    borrowed = file[:217] + file[first] + other[second] + file[rest] + file[-217:]
    for forged in (swapped, borrowed):
        assert len(forged) == len(file)
        with pytest.raises(DamagedError):
            envelope.open_(forged, KEY)


@SUITES
def test_front_of_another_file_or_from_a_packet_is_refused(suite: Suite) -> None:
    laid = layout((60, 1), packets=2, front=True)
    file, other = (seal(pattern(60) ^ np.uint8(i), laid, suite=suite) for i in range(2))
    header = container.parse(file)
    place = slice(header.header_bytes, header.packet_at(0))
    # Both hold the same bytes as number 0 and have the same length; their keys differ.
    packet = file[header.packet_at(0) : header.packet_at(1)]
    for front in (other[place], packet):
        with pytest.raises(DamagedError):
            envelope.open_(file[: place.start] + front + file[place.stop :], KEY)


@SUITES
def test_shares_that_are_not_the_front_are_refused(suite: Suite) -> None:
    file = seal(pattern(100), layout((30, 2), (70, 4), front=True), suite=suite)
    with pytest.raises(DamagedError):
        envelope.open_(reseal(file, lambda grid: grid.__setitem__((0, 0), grid[0, 0] ^ 1)), KEY)
    np.testing.assert_array_equal(envelope.open_(reseal(file, lambda grid: None), KEY)[1], pattern(100))


@SUITES
def test_shares_that_the_digest_does_not_prove_are_refused_and_parity_is_not_looked_at(suite: Suite) -> None:
    file = seal(pattern(100), layout((40, 2), (60, 4)), suite=suite)
    for row, column in ((0, 0), (1, 19), (0, 20), (3, 34)):
        with pytest.raises(DamagedError):
            envelope.open_(reseal(file, lambda grid, at=(row, column): grid.__setitem__(at, grid[at] ^ 1)), KEY)
    for row, column in ((2, 0), (4, 19), (4, 34)):
        changed = reseal(file, lambda grid, at=(row, column): grid.__setitem__(at, grid[at] ^ 1))
        assert changed != file
        np.testing.assert_array_equal(envelope.open_(changed, KEY)[1], pattern(100))


def test_memory_that_was_given_holds_nothing_of_a_file_that_is_refused() -> None:
    file = seal(pattern(100), layout((40, 2), (60, 4)))
    out = np.full(100, 7, np.uint8)
    assert envelope.open_(file, KEY, b"", out)[1] is out
    np.testing.assert_array_equal(out, pattern(100))
    forged = reseal(file, lambda grid: grid.__setitem__((0, 20), grid[0, 20] ^ 1))
    with pytest.raises(DamagedError):
        envelope.open_(forged, KEY, b"", out)
    assert not out.any()


def test_associated_data_must_be_the_same() -> None:
    content = Content(Suite.HYBRID, Mode.RAW, 1, 100, 1, 1, None)
    file = envelope.seal(pattern(100), content, layout((100, 3)), KEY, SECRETS, b"", b"of account 7")
    np.testing.assert_array_equal(envelope.open_(file, KEY, b"of account 7")[1], pattern(100))
    for other in (b"", b"of account 8", b"of account 7\0"):
        with pytest.raises(DamagedError, match="associated data"):
            envelope.open_(file, KEY, other)


def test_header_of_another_file_is_refused() -> None:
    file, other = seal(pattern(100)), seal(pattern(100), secrets=Secrets(b"g" * 32, b"t" * 32))
    with pytest.raises(DamagedError):
        envelope.open_(other[:217] + file[217:-217] + other[-217:], KEY)


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
        for secret in (SECRETS.file_key, KEY.secret, opened.file_key, opened.packed, data):
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
    "packets": st.integers(0, 255),
    "parts": st.integers(0, 17),
    "flags": st.integers(0, 4),
    "header_bytes": st.integers(0, 2**16 - 1),
}
RECORDS = st.tuples(st.sampled_from([1, 2, 3, 16, 0x8000]), st.binary(max_size=110))
LENGTHS = st.integers(0, 30) | st.sampled_from([1000, 2**20, 2**40, 2**63, 2**64 - 1])


@given(
    fields=st.fixed_dictionaries({}, optional=FIELDS),
    records=st.lists(RECORDS, max_size=3),
    payload=st.binary(max_size=60),
    metadata=st.binary(max_size=9),
    packets=st.integers(1, 9),
    front=st.booleans(),
    table=st.none() | st.lists(st.tuples(LENGTHS, st.integers(0, 9)), min_size=1, max_size=2),
)
@settings(max_examples=60)
def test_whatever_a_holder_of_the_key_seals_raises_no_other_error(
    fields: dict[str, int],
    records: list[tuple[int, bytes]],
    payload: bytes,
    metadata: bytes,
    packets: int,
    front: bool,
    table: list[tuple[int, int]] | None,
) -> None:
    options: dict[str, Any] = {"packets": packets, "front": front, "metadata": metadata}
    if table is not None:
        options["table"] = independent.lines(*table)
    area = b"".join(independent.record(*each) for each in records)
    size = {"height": 1, "width": len(payload)}
    file = independent.seal_file(payload, size | fields, bytes(32), bytes(32), KEY.secret, records=area, **options)
    for key in (KEY, Key.from_passphrase("words"), Identity(KEY.secret)):
        for call in (imgcrypt.decrypt, imgcrypt.recover, imgcrypt.repair, imgcrypt.preview, imgcrypt.decrypt_bytes):
            with contextlib.suppress(ImgcryptError):
                call(file, key)
    with contextlib.suppress(ImgcryptError):
        imgcrypt.inspect(file)


def test_opening_changes_no_byte_of_the_file() -> None:
    file = bytearray(seal(pattern(5000), suite=Suite.CHAOS))
    before = bytes(file)
    assert imgcrypt.decrypt(file, KEY).shape == (1, 5000)
    assert file == before
