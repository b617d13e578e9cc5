"""Who may open a file changes; the picture's bytes do not."""

from __future__ import annotations

import os
import stat
import tracemalloc
from pathlib import Path

import independent
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import imgcrypt
from imgcrypt import (
    DamagedError,
    Identity,
    ImgcryptError,
    Key,
    NotImgcError,
    TruncatedError,
    WrongKeyError,
    container,
    derivation,
    envelope,
    files,
    rewrapping,
)
from imgcrypt.rewrapping import Change, Done

IMAGE = np.random.default_rng(0).integers(0, 256, (70, 50, 3), np.uint8)
KEY, ME, FRIEND = Key.generate(), Identity.generate(), Identity.generate()
WORDS = Key.from_passphrase("words")
EXACT = {"mode": independent.EXACT, "height": 0, "width": 0, "channels": 0, "sample_bytes": 0}
EVERYBODY = (KEY, ME, FRIEND, WORDS, Key.generate())


def between(blob: bytes) -> bytes:
    """What is between the two copies of the header."""
    header = container.parse(blob)
    return blob[header.header_bytes : header.trailer_at]


def opens(blob: bytes, key: Key) -> bool:
    try:
        return bool((imgcrypt.decrypt(blob, key) == IMAGE).all())
    except WrongKeyError:
        return False


@pytest.mark.parametrize("suite", ["hybrid", "chaos"])
@pytest.mark.parametrize("options", [{"raw": True}, {"lossless": True}])
def test_added_opens_removed_does_not_and_the_rest_is_untouched(suite: str, options: dict[str, bool]) -> None:
    blob = imgcrypt.encrypt(IMAGE, [KEY, FRIEND.recipient], suite=suite, **options)  # type: ignore[call-overload]
    changed = imgcrypt.rewrap(blob, KEY, add=[ME.recipient, WORDS], remove=[FRIEND.recipient])
    assert between(changed) == between(blob)
    assert [opens(changed, key) for key in EVERYBODY] == [True, True, False, True, False]
    assert imgcrypt.inspect(changed).keys == ("key file", "private key", "passphrase")
    again = imgcrypt.rewrap(changed, ME, remove=[KEY, WORDS])
    assert [opens(again, key) for key in EVERYBODY] == [False, True, False, False, False]
    assert between(again) == between(blob)


@settings(max_examples=25, deadline=None)
@given(
    first=st.sets(st.sampled_from([KEY, ME, FRIEND, EVERYBODY[4]]), min_size=1),
    add=st.sets(st.sampled_from([KEY, ME, FRIEND, EVERYBODY[4]])),
    remove=st.sets(st.sampled_from([KEY, ME, FRIEND, EVERYBODY[4]])),
)
def test_whoever_is_named_is_in_or_out(first: set[Key], add: set[Key], remove: set[Key]) -> None:
    blob = imgcrypt.encrypt_bytes(b"file", list(first))
    left = (first - remove) | add
    if not left:
        with pytest.raises(ImgcryptError, match="nobody"):
            imgcrypt.rewrap(blob, list(first), add=list(add), remove=list(remove))
        return
    changed = imgcrypt.rewrap(blob, list(first), add=list(add), remove=list(remove))
    assert len(imgcrypt.inspect(changed).keys) == len(left)
    for key in left:
        assert imgcrypt.decrypt_bytes(changed, key).data == b"file"
    for key in {KEY, ME, FRIEND, EVERYBODY[4]} - left:
        with pytest.raises(WrongKeyError):
            imgcrypt.decrypt_bytes(changed, key)


def test_nothing_to_do_changes_no_byte() -> None:
    blob = imgcrypt.encrypt_bytes(b"file", [KEY, ME.recipient, WORDS])
    assert imgcrypt.rewrap(blob, KEY) == blob
    assert imgcrypt.rewrap(blob, KEY, add=[ME, WORDS, KEY], remove=[FRIEND.recipient, Key.generate()]) == blob


def test_associated_data_and_other_records_stay() -> None:
    blob = imgcrypt.encrypt(IMAGE, KEY, rate=0.1, associated_data=b"account 7")
    with pytest.raises(DamagedError):
        imgcrypt.rewrap(blob, KEY, add=[ME])
    changed = imgcrypt.rewrap(blob, KEY, add=[ME], associated_data=b"account 7")
    assert container.parse(changed).net == container.parse(blob).net
    assert imgcrypt.decrypt(changed, ME, associated_data=b"account 7").shape == IMAGE.shape


def test_old_copy_and_the_file_key_still_open() -> None:
    # As the command and the threat model say.
    blob = imgcrypt.encrypt(IMAGE, [KEY, ME], raw=True)
    header = container.parse(blob)
    file_key = envelope.unlock(header, memoryview(blob)[: header.header_bytes], ME)
    changed = imgcrypt.rewrap(blob, KEY, remove=[ME])
    new = container.parse(changed)
    assert envelope.unlock(new, memoryview(changed)[: new.header_bytes], KEY) == file_key
    assert opens(blob, ME)
    assert not opens(changed, ME)


def test_wrong_keys_and_damaged_files_are_refused() -> None:
    blob = imgcrypt.encrypt_bytes(b"file", KEY)
    with pytest.raises(WrongKeyError):
        imgcrypt.rewrap(blob, Key.generate(), add=[ME])
    with pytest.raises(TypeError, match="Identity"):
        imgcrypt.rewrap(blob, ME.recipient, add=[ME])  # type: ignore[arg-type]
    for at in (20, 60, 90, 120):
        header = container.parse(blob)
        changed = bytearray(blob)
        for place in (at, header.trailer_at + at):
            changed[place] ^= 1
        with pytest.raises(ImgcryptError):
            imgcrypt.rewrap(bytes(changed), KEY, add=[ME])
    for whom, sentence in (
        ([Key.generate() for _ in range(256)], "256"),
        ([Key.from_passphrase(f"words {n}") for n in range(5)], "4 passphrases"),
    ):
        with pytest.raises(ImgcryptError, match=sentence):
            imgcrypt.rewrap(blob, KEY, add=whom)


def test_hostile_passphrase_slot_is_refused_before_argon2_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    hostile = independent.costly_record(2**32 - 1, 2**32 - 1)
    blob = independent.seal_file(b"file", EXACT, bytes(32), bytes(32), KEY.secret, records=hostile)
    monkeypatch.setattr(derivation, "argon2id", lambda *_: pytest.fail("Argon2id ran"))
    for change in ({"add": [WORDS]}, {"remove": [WORDS]}):
        with pytest.raises(DamagedError, match="Argon2id"):
            imgcrypt.rewrap(blob, KEY, **change)
    path_less = imgcrypt.rewrap(blob, KEY, add=[ME])
    assert imgcrypt.decrypt_bytes(path_less, ME).data == b"file"


def test_slots_that_a_newer_release_made_stay() -> None:
    later = independent.record(0x8001, b"later") + independent.record(1, b"short")
    blob = independent.seal_file(b"file", EXACT, bytes(32), bytes(32), KEY.secret, records=later)
    changed = imgcrypt.rewrap(blob, KEY, add=[ME])
    assert {(0x8001, b"later"), (1, b"short")} <= set(container.parse(changed).records)
    assert independent.open_file(changed, independent.Private(ME.secret))[1] == b"file"


# --- files ------------------------------------------------------------------------------------------------------------


def test_file_is_replaced_as_a_whole_with_its_permissions(tmp_path: Path) -> None:
    path, link = tmp_path / "a.imgc", tmp_path / "link.imgc"
    blob = imgcrypt.encrypt(IMAGE, [KEY, WORDS], raw=True)
    path.write_bytes(blob)
    path.chmod(0o640)
    link.symlink_to(path.name)
    done = rewrapping.rewrap_file(link, KEY, Change(add=(ME.recipient,), remove_passphrases=True))
    assert done == Done(added=1, removed=1, keys=("key file", "private key"))
    assert link.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.imgc", "link.imgc"]
    changed = path.read_bytes()
    assert between(changed) == between(blob)
    assert [opens(changed, key) for key in EVERYBODY] == [True, True, False, False, False]
    before = path.stat()
    assert rewrapping.rewrap_file(path, KEY, Change(add=(ME.recipient,))).added == 0
    assert path.stat() == before or path.stat().st_mtime_ns == before.st_mtime_ns


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.imgc"
    path.write_bytes(imgcrypt.encrypt_bytes(bytes(50_000_000), KEY))
    tracemalloc.start()
    try:
        rewrapping.rewrap_file(path, KEY, Change(add=(ME.recipient,)))
        assert tracemalloc.get_traced_memory()[1] < 3 * files.PIECE_BYTES
    finally:
        tracemalloc.stop()
    assert imgcrypt.decrypt_bytes(path.read_bytes(), ME).data == bytes(50_000_000)


def test_file_that_is_refused_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.imgc"
    blob = imgcrypt.encrypt(IMAGE, KEY, raw=True)
    for content, error in (
        (blob[:-1], TruncatedError),
        (blob[:100], TruncatedError),
        (blob[:-1] + b"x", DamagedError),
        (blob + b"x", DamagedError),
        (b"", NotImgcError),
        (b"picture", NotImgcError),
    ):
        path.write_bytes(content)
        with pytest.raises(error):
            rewrapping.rewrap_file(path, KEY, Change(add=(ME.recipient,)))
        assert path.read_bytes() == content
        assert len(list(tmp_path.iterdir())) == 1
    for missing in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(files.FileError, match="cannot rewrap"):
            rewrapping.rewrap_file(missing, KEY, Change(add=(ME.recipient,)))


@pytest.mark.skipif(os.name != "posix" or not Path("/dev/full").exists(), reason="needs Linux")
def test_file_that_cannot_be_written_is_left_alone(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    path = tmp_path / "a.imgc"
    blob = imgcrypt.encrypt(IMAGE, KEY, raw=True)
    path.write_bytes(blob)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, limits[1]))
    try:
        with pytest.raises(files.FileError, match="cannot rewrap"):
            rewrapping.rewrap_file(path, KEY, Change(add=(ME.recipient,)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == blob
    assert len(list(tmp_path.iterdir())) == 1
