"""Keys: their text, their files, and that they keep their secret."""

from __future__ import annotations

import base64
import copy
import hashlib
import hmac
import os
import pickle
import re
import stat
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgcrypt import Key, KeyFileError
from imgcrypt.keys import PREFIX, PassphraseKey, RawKey

SECRET = bytes(range(100, 132))
TEXT = RawKey(SECRET).text()
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
LOOKALIKES = "0189-=_ "

secrets = st.binary(min_size=32, max_size=32)


@given(secrets)
def test_text_comes_back_in_either_case_among_comments(secret: bytes) -> None:
    text = RawKey(secret).text()
    assert text.startswith("imgcrypt-key-1-")
    for variant in (text, text.lower(), text.upper(), f"# a key\r\n\r\n  {text}  \r\n# over\n", f"\n\t{text}"):
        key = Key.parse(variant)
        assert key.secret == secret
        assert isinstance(key, RawKey)


def test_text_is_the_one_of_the_format() -> None:
    check = hashlib.sha256(b"imgcrypt-1 key check" + SECRET).digest()[:4]
    assert "imgcrypt-key-1-" + base64.b32encode(SECRET + check).decode().rstrip("=") == TEXT
    digits = hashlib.sha256(b"imgcrypt-1 fingerprint" + SECRET).hexdigest()
    assert RawKey(SECRET).fingerprint() == f"{digits[:4]}-{digits[4:8]}-{digits[8:12]}-{digits[12:16]}"


def survivors(texts: list[str]) -> list[str]:
    """The texts that parse; each must be of the right key."""
    taken = []
    for text in texts:
        try:
            key = Key.parse(text)
        except KeyFileError:
            continue
        assert key.secret == SECRET, text
        taken.append(text)
    return taken


def test_every_replaced_character_is_detected() -> None:
    at = range(len(TEXT))
    wrong = [TEXT[:i] + c + TEXT[i + 1 :] for i in at for c in ALPHABET + LOOKALIKES if c not in TEXT[i].upper()]
    assert len(wrong) > 2000
    # The last character has two spare bits, which readers ignore.
    spare = [text for text in wrong if text[:-1] == TEXT[:-1]]
    assert survivors([text for text in wrong if text not in spare]) == []
    assert len(survivors(spare)) == 3


def test_every_lost_doubled_or_swapped_character_is_detected() -> None:
    at = range(len(PREFIX), len(TEXT))
    lost = [TEXT[:i] + TEXT[i + 1 :] for i in at]
    doubled = [TEXT[:i] + TEXT[i] + TEXT[i:] for i in at]
    swapped = [TEXT[:i] + TEXT[i + 1] + TEXT[i] + TEXT[i + 2 :] for i in at[:-1] if TEXT[i] != TEXT[i + 1]]
    assert swapped
    assert survivors(lost + doubled + swapped) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        "# nothing but a comment",
        "hello",
        PREFIX,
        TEXT.removeprefix("imgcrypt-"),
        TEXT.replace("key-1", "key-2"),
        f"{TEXT}\n{TEXT}",
        f"{TEXT}\n{RawKey(bytes(32)).text()}",
        f"{TEXT} # comment",
        TEXT + "é",
        TEXT[:40] + "\u017f" + TEXT[41:],
    ],
)
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(KeyFileError):
        Key.parse(text)


@given(st.text(max_size=100))
def test_arbitrary_text_is_refused(text: str) -> None:
    for candidate in (text, PREFIX + text):
        with pytest.raises(KeyFileError):
            Key.parse(candidate)


def test_errors_do_not_show_the_secret() -> None:
    for text in (TEXT[:-5], f"{TEXT}\n{TEXT}", TEXT + "A"):
        with pytest.raises(KeyFileError) as caught:
            Key.parse(text)
        assert TEXT[len(PREFIX) : -6] not in str(caught.value)


def test_repr_shows_no_secret() -> None:
    passphrase = "correct horse"
    for key in (RawKey(SECRET), Key.from_passphrase(passphrase)):
        for shown in (repr(key), str(key), f"{key}", f"{key!r:>80}", "{}".format([key])):  # noqa: UP032
            assert TEXT[len(PREFIX) : -8] not in shown
            assert str(SECRET) not in shown
            assert SECRET.hex() not in shown
            assert passphrase not in shown
    assert RawKey(SECRET).fingerprint() in repr(RawKey(SECRET))


def test_generated_keys_differ() -> None:
    keys = [Key.generate() for _ in range(20)]
    assert len({key.secret for key in keys}) == len({key.fingerprint() for key in keys}) == 20
    assert {len(key.secret) for key in keys} == {32}


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_secret_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(KeyFileError, match="32 bytes"):
        RawKey(bytes(length))


def test_saved_key_loads_and_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "key.txt"
    RawKey(SECRET).save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["key.txt"]
    assert Key.load(path).secret == SECRET
    assert Key.load(str(path)).secret == SECRET
    assert RawKey(SECRET).fingerprint() in path.read_text()


def test_saved_key_and_its_folder_are_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    fsync = os.fsync

    def counted(handle: int) -> None:
        synced.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")
        if synced == ["file"]:
            assert not (tmp_path / "key.txt").exists()
        fsync(handle)

    monkeypatch.setattr(os, "fsync", counted)
    Key.generate().save(tmp_path / "key.txt")
    assert synced == ["file", "folder"]


def test_saving_never_overwrites(tmp_path: Path) -> None:
    path, dangling = tmp_path / "key.txt", tmp_path / "link"
    path.write_text("precious")
    dangling.symlink_to(tmp_path / "nowhere")
    for taken in (path, dangling, tmp_path):
        with pytest.raises(KeyFileError, match="left alone"):
            Key.generate().save(taken)
    assert path.read_text() == "precious"
    assert not (tmp_path / "nowhere").exists()


def test_saving_into_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="cannot write"):
        Key.generate().save(tmp_path / "nowhere" / "key.txt")


def test_saving_that_fails_half_way_raises_and_leaves_nothing(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="needs POSIX limits")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, limits[1]))
    try:
        with pytest.raises(KeyFileError, match="cannot write"):
            Key.generate().save(tmp_path / "key.txt")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content",
    {
        "binary": bytes(range(256)),
        "empty": b"",
        "utf-16": TEXT.encode("utf-16"),
        "two keys": f"{TEXT}\n{TEXT}\n".encode(),
        "typing error": TEXT[:-10].encode(),
    }.values(),
)
def test_bad_key_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key.txt"
    path.write_bytes(content)
    with pytest.raises(KeyFileError):
        Key.load(path)


def test_utf_16_key_file_gets_its_remedy(tmp_path: Path) -> None:
    path = tmp_path / "key.txt"
    for encoding in ("utf-16", "utf-16-be"):
        text = TEXT if encoding == "utf-16" else "\ufeff" + TEXT
        path.write_bytes(text.encode(encoding))
        with pytest.raises(KeyFileError, match="save it as UTF-8"):
            Key.load(path)


@pytest.mark.parametrize("name", ["a\0b", "\0", "\ud800", "a" * 5000])
def test_name_that_no_file_can_have_is_refused(name: str, tmp_path: Path) -> None:
    for call in (Key.load, Key.generate().save):
        for path in (tmp_path / name, str(tmp_path / name)):
            with pytest.raises(KeyFileError, match="cannot"):
                call(path)
    assert list(tmp_path.iterdir()) == []


def test_key_file_of_64_kib_loads_and_a_longer_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key.txt"
    content = TEXT.encode() + b"\n#"
    path.write_bytes(content.ljust(2**16, b"#"))
    assert Key.load(path).secret == SECRET
    path.write_bytes(content.ljust(2**16 + 1, b"#"))
    with pytest.raises(KeyFileError, match="longer than 65,536 bytes"):
        Key.load(path)
    with path.open("wb") as file:
        file.truncate(10**12)  # sparse
    with pytest.raises(KeyFileError, match="longer than 65,536 bytes"):
        Key.load(path)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no devices here")
def test_device_is_no_key_file() -> None:
    for device in ("/dev/zero", "/dev/null"):
        with pytest.raises(KeyFileError, match="device"):
            Key.load(device)


def test_errors_of_a_key_file_name_it(tmp_path: Path) -> None:
    path = tmp_path / "key.txt"
    for content in (b"", TEXT[:-1].encode(), b"\x80", b"\x89PNG\r\n\x1a\n\0\0"):
        path.write_bytes(content)
        with pytest.raises(KeyFileError, match=re.escape(str(path))):
            Key.load(path)


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_no_key_file(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "key.txt"
        for each in (content, PREFIX.encode() + content):
            path.write_bytes(each)
            with pytest.raises(KeyFileError):
                Key.load(path)


@given(st.text(st.characters()))
def test_arbitrary_names_are_no_key_files(name: str) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.raises(KeyFileError):
        Key.load(f"{folder}/{name}")


@pytest.mark.parametrize("value", [None, 5, b"words", ["words"]])
def test_what_is_of_another_type_is_a_type_error(value: Any) -> None:
    for call in (Key.from_passphrase, Key.parse):
        with pytest.raises(TypeError, match="is a str"):
            call(value)
    if not isinstance(value, bytes):
        with pytest.raises(TypeError, match="bytes"):
            RawKey(value)


def test_keys_compare_by_kind_and_value() -> None:
    raw, words = RawKey(b"w" * 32), Key.from_passphrase("w" * 32)
    assert raw == RawKey(b"w" * 32)
    assert words == Key.from_passphrase("w" * 32)
    assert Key.from_passphrase("caf\u00e9") == Key.from_passphrase("cafe\u0301")
    others = [RawKey(b"v" * 32), Key.from_passphrase("w" * 31), Key.from_passphrase("v" * 32), b"w" * 32, None]
    for key in (raw, words):
        assert all(key != other for other in others)
    assert raw != words
    assert len({raw, RawKey(b"w" * 32), words, Key.from_passphrase("w" * 32), *others[:3]}) == 5


def test_keys_compare_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []
    monkeypatch.setattr(hmac, "compare_digest", lambda *both: bool(compared.append(both)) or both[0] == both[1])
    assert RawKey(SECRET) != RawKey(bytes(32))
    assert compared == [(SECRET, bytes(32))]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_keys_are_not_pickled_but_copied_as_themselves(protocol: int) -> None:
    for key in (RawKey(SECRET), Key.from_passphrase("words")):
        for holder in (key, [key], {"key": key}):
            with pytest.raises(TypeError, match=r"hand on its text\(\) or the passphrase"):
                pickle.dumps(holder, protocol)
        assert copy.copy(key) is key
        assert copy.deepcopy({"key": key})["key"] is key


def test_missing_key_file_or_folder_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere", tmp_path / "a" / "b", ""):
        with pytest.raises(KeyFileError, match="cannot read"):
            Key.load(path)


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b""])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
def test_key_file_of_any_editor_loads(tmp_path: Path, mark: bytes, end: bytes) -> None:
    path = tmp_path / "key.txt"
    path.write_bytes(mark + b"# comment \xc3\xa9" + (end or b"\n") + TEXT.encode() + end)
    assert Key.load(path).secret == SECRET


def test_equal_passphrases_in_any_unicode_form_are_one_key() -> None:
    composed, decomposed = Key.from_passphrase("Caf\u00e9 \u212b"), Key.from_passphrase("Cafe\u0301 A\u030a")
    assert composed.secret == decomposed.secret
    assert isinstance(composed, PassphraseKey)
    assert Key.from_passphrase("a").secret != Key.from_passphrase("A").secret
    assert Key.from_passphrase(" a").secret != Key.from_passphrase("a").secret


@pytest.mark.parametrize("text", ["", "\udcff", "ok \ud800"])
def test_passphrase_that_is_no_text_is_refused(text: str) -> None:
    with pytest.raises(KeyFileError, match="passphrase"):
        Key.from_passphrase(text)


def test_passphrase_has_neither_text_nor_file_nor_fingerprint(tmp_path: Path) -> None:
    key = Key.from_passphrase("words")
    for call in (key.text, key.fingerprint, lambda: key.save(tmp_path / "key.txt")):
        with pytest.raises(KeyFileError, match="passphrase"):
            call()
    assert list(tmp_path.iterdir()) == []
