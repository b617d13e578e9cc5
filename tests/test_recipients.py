"""Recipients and identities: their texts, their files, and who opens what."""

from __future__ import annotations

import copy
import pickle
import stat
from pathlib import Path

import numpy as np
import pytest

import imgcrypt
from imgcrypt import Identity, ImgcryptError, Key, KeyFileError, KeyLockedError, Recipient, WrongKeyError
from imgcrypt.keys import RawKey

SECRET = bytes(range(100, 132))
ME, FRIEND = Identity(SECRET), Identity(bytes(32))
IMAGE = np.arange(77, dtype=np.uint8).reshape(7, 11)


def test_recipient_is_public_and_an_identity_is_not(tmp_path: Path) -> None:
    recipient = ME.recipient
    assert str(recipient) == recipient.text() == ME.recipient.text()
    assert repr(recipient) == f"Recipient({recipient})"
    assert pickle.loads(pickle.dumps(recipient)) == recipient
    assert len({recipient, Recipient(recipient.public), FRIEND.recipient}) == 2
    for shown in (repr(ME), str(ME), f"{[ME]}"):
        assert str(recipient) in shown
        assert "SECRET" not in shown
        assert ME.text()[20:40] not in shown
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(ME)
    assert copy.deepcopy(ME) is ME
    assert Identity(SECRET) == ME != RawKey(SECRET)
    assert len({ME, Identity(SECRET), RawKey(SECRET)}) == 2


def test_identity_file_is_its_owners_alone_and_names_the_public_key(tmp_path: Path) -> None:
    path = tmp_path / "me.key"
    ME.save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert f"# public key: {ME.recipient}" in path.read_text()
    assert Key.load(path) == Identity.load(path) == ME
    with pytest.raises(KeyFileError, match=r"no imgcrypt\.RawKey"):
        RawKey.load(path)


def test_file_that_age_keygen_wrote_is_read() -> None:
    # The pair of age's own examples.
    text = (
        "# created: 2026-01-03T15:04:05+01:00\n"
        "# public key: age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj\n"
        "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX\n"
    )
    assert str(Identity.parse(text).recipient) in text
    with pytest.raises(KeyFileError, match="one line"):
        Key.parse(2 * text)


@pytest.mark.parametrize("key", [ME, RawKey(SECRET)])
def test_protected_key_file_opens_with_its_passphrase_alone(key: Key, tmp_path: Path) -> None:
    path = tmp_path / "key.txt"
    key.save(path, passphrase="caf\u00e9 words")
    assert key.text() not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert Key.load(path, "cafe\u0301 words") == type(key).load(path, "caf\u00e9 words") == key
    with pytest.raises(KeyLockedError, match=r"key\.txt: .*protected by a passphrase"):
        Key.load(path)
    with pytest.raises(KeyFileError, match=r"key\.txt: this is not the passphrase"):
        Key.load(path, "other words")
    with pytest.raises(KeyFileError, match="empty"):
        key.text("")


def test_two_protected_texts_of_one_key_differ() -> None:
    assert len({ME.text("words") for _ in range(2)}) == 2


def test_passphrase_for_a_key_that_has_none_is_no_hindrance() -> None:
    assert Key.parse(ME.text(), "words") == ME


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (ME.text(), "secret key"),
        (RawKey(SECRET).text(), "secret key"),
        ("", "begins with age1"),
        ("ssh-ed25519 AAAA", "begins with age1"),
        ("age1pq1" + "q" * 60, "other kinds"),
        (ME.recipient.text()[:-1], "typing error"),
    ],
)
def test_other_texts_are_no_recipients(text: str, sentence: str) -> None:
    with pytest.raises(KeyFileError, match=sentence) as caught:
        Recipient.parse(text)
    assert text[20:] not in str(caught.value) or len(text) < 21


@pytest.mark.parametrize("public", [b"", bytes(31), bytes(33), bytes(32), b"\xff" * 32, (1).to_bytes(32, "little")])
def test_bytes_that_are_no_public_key(public: bytes) -> None:
    with pytest.raises(KeyFileError, match="no public key"):
        Recipient(public)


def test_wrong_types_are_type_errors() -> None:
    for call in (lambda: Recipient("age1"), lambda: Recipient.parse(b"age1"), lambda: Identity("x")):  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            call()
    with pytest.raises(KeyFileError, match="32 bytes"):
        Identity(bytes(31))


def test_file_of_recipients(tmp_path: Path) -> None:
    path = tmp_path / "team.txt"
    path.write_text(f"\ufeff# us\n\n{ME.recipient}\r\n  {FRIEND.recipient.text().upper()}  \n", "utf-8")
    assert Recipient.load(path) == [ME.recipient, FRIEND.recipient]
    for content, sentence in (
        (b"# nobody\n", "holds no recipient"),
        (f"{ME.recipient}\n{ME.text()}\n".encode(), "line 2: .*secret"),
        (b"\xff", "not text"),
        (b"age1" * 2**19, "longer"),
    ):
        path.write_bytes(content)
        with pytest.raises(KeyFileError, match=sentence):
            Recipient.load(path)
    with pytest.raises(KeyFileError, match="cannot read"):
        Recipient.load(tmp_path / "nowhere")


def test_file_for_several_opens_for_each_and_for_nobody_else() -> None:
    key, phrase = Key.generate(), Key.from_passphrase("words")
    blob = imgcrypt.encrypt(IMAGE, [key, ME.recipient, phrase, FRIEND], raw=True)
    assert imgcrypt.inspect(blob).keys == ("key file", "private key", "passphrase", "private key")
    other = Identity.generate()
    for opener in (key, ME, phrase, FRIEND, [other, ME], (Key.generate(), phrase)):
        np.testing.assert_array_equal(imgcrypt.decrypt(blob, opener), IMAGE)
    for opener in (other, [other, Key.generate()], RawKey(SECRET), Key.from_passphrase("other words")):
        with pytest.raises(WrongKeyError, match="is not the one"):
            imgcrypt.decrypt(blob, opener)


def test_whoever_is_named_twice_has_one_slot() -> None:
    key = Key.generate()
    for whom in (
        [ME, ME.recipient],
        [ME.recipient, ME],
        [ME.recipient, ME.recipient],
        [key, key],
        (key, RawKey(key.secret)),
    ):
        assert len(imgcrypt.inspect(imgcrypt.encrypt_bytes(b"a", whom)).keys) == 1


def test_kind_of_key_that_is_missing_is_named() -> None:
    blob = imgcrypt.encrypt_bytes(b"a", [ME.recipient, Key.generate()])
    with pytest.raises(WrongKeyError, match="private key or key file; give that instead of a passphrase"):
        imgcrypt.decrypt_bytes(blob, Key.from_passphrase("words"))


@pytest.mark.parametrize("whom", [None, "words", b"k" * 32, [None], ["words"], {"a": 1}])
def test_what_is_no_key_is_a_type_error(whom: object) -> None:
    with pytest.raises(TypeError, match=r"imgcrypt\.Key"):
        imgcrypt.encrypt_bytes(b"", whom)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"imgcrypt\.Key"):
        imgcrypt.encrypt(IMAGE, whom)  # type: ignore[arg-type]


def test_nobody_and_too_many_are_refused() -> None:
    with pytest.raises(ImgcryptError, match="at least one"):
        imgcrypt.encrypt_bytes(b"", [])
    with pytest.raises(ImgcryptError, match="256"):
        imgcrypt.encrypt_bytes(b"", [Key.generate() for _ in range(257)])
    with pytest.raises(ImgcryptError, match="4 passphrases"):
        imgcrypt.encrypt_bytes(b"", [Key.from_passphrase(f"words {n}") for n in range(5)])


def test_most_recipients_fit_into_the_header() -> None:
    blob = imgcrypt.encrypt_bytes(b"a", [*(Identity.generate().recipient for _ in range(255)), ME])
    assert imgcrypt.decrypt_bytes(blob, ME).data == b"a"


def test_recipient_opens_nothing() -> None:
    blob = imgcrypt.encrypt_bytes(b"a", ME.recipient)
    for opener in (ME.recipient, [ME.recipient], []):
        with pytest.raises(TypeError, match="Identity"):
            imgcrypt.decrypt_bytes(blob, opener)  # type: ignore[arg-type]
    # The list that a file was made with opens it.
    assert imgcrypt.decrypt_bytes(blob, [FRIEND.recipient, ME]).data == b"a"  # type: ignore[list-item]


def test_codec_takes_several_and_opens_with_what_opens() -> None:
    with imgcrypt.Codec([FRIEND.recipient, ME]) as codec:
        blob = codec.encrypt(IMAGE, raw=True)
        np.testing.assert_array_equal(codec.decrypt(blob), IMAGE)
        np.testing.assert_array_equal(codec.decrypt(blob, key=FRIEND), IMAGE)
    with imgcrypt.Codec(ME.recipient) as camera:
        blob = camera.encrypt(IMAGE, raw=True)
        with pytest.raises(TypeError, match="Identity"):
            camera.decrypt(blob)
        np.testing.assert_array_equal(camera.decrypt(blob, key=ME), IMAGE)
    assert (imgcrypt.recover(blob[:-20], [FRIEND, ME]).image == IMAGE).all()
