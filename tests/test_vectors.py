"""The package and the second implementation against the frozen vectors, and against each other."""

import hashlib
import json
from pathlib import Path
from typing import Any

import independent
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from test_metadata import EVERYTHING

import imgcrypt
from imgcrypt import cipher, doctor
from imgcrypt.pictures import metadata

VECTORS = Path(__file__).parent / "vectors"
CIPHER = json.loads((VECTORS / "cipher.json").read_text("ascii"))
VALID = json.loads((VECTORS / "valid.json").read_text("ascii"))
KEYS = json.loads((VECTORS / "keys.json").read_text("ascii"))
INVALID = json.loads((VECTORS / "invalid" / "invalid.json").read_text("ascii"))
REASONS = {
    "NotImgcError": "not an imgcrypt file",
    "NewerVersionError": "newer",
    "TruncatedError": "truncated",
    "DamagedError": "damaged",
    "WrongKeyError": "wrong key",
}


def package_key(entry: dict[str, Any]) -> imgcrypt.Key:
    """The package's key for an entry of valid.json or invalid.json."""
    if "passphrase" in entry:
        return imgcrypt.Key.from_passphrase(entry["passphrase"])
    return imgcrypt.Key.parse(entry["key"])


def independent_key(entry: dict[str, Any]) -> bytes | str | independent.Private:
    """The second implementation's key for such an entry."""
    if "passphrase" in entry:
        return str(entry["passphrase"])
    return independent_parse(entry["key"])


def independent_parse(text: str) -> bytes | independent.Private:
    """The second implementation's key for a text."""
    parse = independent.parse_identity if text.upper().startswith("AGE-") else independent.parse_key
    return parse(text)


def associated_data(entry: dict[str, Any]) -> bytes:
    """What an entry says that its file was made with, or is to be refused with."""
    return bytes.fromhex(entry.get("associated_data", ""))


def metadata_fields(found: metadata.Metadata) -> dict[str, str]:
    """The fields by their numbers, as valid.json has them."""
    return {str(number): value.hex() for number, value in independent.read_metadata(metadata.pack(found)).items()}


def sha256(data: bytes) -> str:
    """SHA-256, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def stored(image: npt.NDArray[Any]) -> bytes:
    """The samples as a lossless payload holds them."""
    return image.astype(image.dtype.newbyteorder("<")).tobytes()


def test_sets_are_whole() -> None:
    assert len(CIPHER["ciphertexts"]) == len(independent.LENGTHS)
    assert {path.name for path in VECTORS.glob("*.imgc")} == set(VALID) != set()
    assert {path.name for path in (VECTORS / "invalid").glob("*.imgc")} == set(INVALID) != set()
    assert {entry["error"] for entry in INVALID.values()} == set(REASONS)


def test_second_implementation_writes_the_same_vectors(tmp_path: Path) -> None:
    independent.main(tmp_path, tmp_path)
    assert (tmp_path / "selftest.json").read_bytes() == doctor.VECTORS.read_bytes()
    (tmp_path / "selftest.json").unlink()
    written = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    frozen = {
        path.relative_to(VECTORS): path.read_bytes()
        for path in VECTORS.rglob("*")
        if path.suffix != ".md" and path.name != "picture.json" and path.is_file()
    }
    assert written == frozen


@pytest.mark.parametrize("pair", KEYS["pairs"])
def test_pairs_of_keys(pair: dict[str, str]) -> None:
    identity, private = imgcrypt.Identity.parse(pair["identity"]), independent.parse_identity(pair["identity"])
    assert identity.secret == private.scalar
    assert identity.text() == independent.identity_text(private) == pair["identity"]
    assert identity.recipient == imgcrypt.Recipient.parse(pair["recipient"])
    assert identity.recipient.text() == pair["recipient"]
    assert (
        identity.recipient.public == independent.public_key(private) == independent.parse_recipient(pair["recipient"])
    )


@pytest.mark.parametrize("entry", KEYS["locked"])
def test_protected_keys(entry: dict[str, str]) -> None:
    assert imgcrypt.Key.parse(entry["text"], KEYS["passphrase"]) == imgcrypt.Key.parse(entry["key"])
    kind, secret = independent.parse_locked(entry["text"], KEYS["passphrase"])
    assert [secret, independent.Private(secret)][kind - 1] == independent_parse(entry["key"])
    made = imgcrypt.Key.parse(entry["key"]).text("caf\u00e9")
    assert independent.parse_locked(made, "cafe\u0301") == (kind, secret)


@pytest.mark.parametrize("name", KEYS["refused"]["recipient"])
def test_texts_that_are_no_recipients(name: str) -> None:
    text = KEYS["refused"]["recipient"][name]
    with pytest.raises(imgcrypt.KeyFileError):
        imgcrypt.Recipient.parse(text)
    with pytest.raises(ValueError, match=r"."):
        independent.parse_recipient(text)


@pytest.mark.parametrize("name", KEYS["refused"]["key"])
def test_texts_that_are_no_keys(name: str) -> None:
    text = KEYS["refused"]["key"][name]
    with pytest.raises(imgcrypt.KeyFileError) as caught:
        imgcrypt.Key.parse(text, KEYS["passphrase"])
    assert type(caught.value) is imgcrypt.KeyFileError
    locked = text.startswith(independent.LOCKED_PREFIX)
    with pytest.raises(ValueError, match=r"."):
        independent.parse_locked(text, KEYS["passphrase"]) if locked else independent_parse(text)


def test_second_implementation_has_the_numbers_of_rfc_9180() -> None:
    # Appendix A.1.1: the first two parts of HPKE, which do not depend on the cipher.
    ephemeral, private = (
        independent.Private(bytes.fromhex(text))
        for text in (
            "52c4a758a802cd8b936eceea314432798d5baf2d7e9235dc084ab1b9cfa2f736",
            "4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8",
        )
    )
    encapsulated, public = independent.public_key(ephemeral), independent.public_key(private)
    assert encapsulated.hex() == "37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431"
    assert public.hex() == "3948cfe0ad1ddb695d780e59077195da6c56506b027329794ab02bca80815c4d"
    for scalar, point in ((ephemeral.scalar, public), (private.scalar, encapsulated)):
        secret = independent.kem_secret(independent.x25519(scalar, point), encapsulated, public)
        assert secret.hex() == "fe0e18c9f024ce43799ae393c7e8fe8fce9d218875e8227b0187c04e7d2ea1fc"


def test_both_agree_on_recipients() -> None:
    image = np.arange(35, dtype=np.uint8).reshape(5, 7)
    identity, key = imgcrypt.Identity.generate(), imgcrypt.Key.generate()
    private = independent.Private(identity.secret)
    blob = imgcrypt.encrypt(image, [key, identity.recipient], raw=True)
    for opener in (private, key.secret):
        assert independent.open_file(blob, opener)[1] == image.tobytes()
    with pytest.raises(ValueError, match=r"^wrong key"):
        independent.open_file(blob, independent.Private(key.secret))
    salt, file_key = bytes(32), bytes(range(32))
    slot = independent.recipient_slot(identity.recipient.public, file_key, salt, bytes(range(1, 33)))
    area = independent.record(independent.RECIPIENT, slot)
    size = {"height": 5, "width": 7}
    blob = independent.seal_file(image.tobytes(), size, file_key, salt, None, records=area)
    np.testing.assert_array_equal(imgcrypt.decrypt(blob, identity), image)


@pytest.mark.parametrize("entry", CIPHER["ciphertexts"], ids=lambda entry: str(entry["size"]))
def test_ciphertexts(entry: dict[str, Any]) -> None:
    key = bytes.fromhex(CIPHER["key"])
    plaintext = np.frombuffer(independent.pattern(entry["size"]), np.uint8)
    ciphertext = cipher.encipher(plaintext, key)
    assert sha256(ciphertext.tobytes()) == entry["sha256"]
    if "hex" in entry:
        assert ciphertext.tobytes().hex() == entry["hex"]
    np.testing.assert_array_equal(cipher.decipher(ciphertext, key), plaintext)


def test_keystream() -> None:
    entry = CIPHER["keystream"]
    stream = cipher.keystream(bytes.fromhex(CIPHER["key"]), entry["size"])
    assert stream[:64].tobytes().hex() == entry["first"]
    assert sha256(stream.tobytes()) == entry["sha256"]


@pytest.mark.parametrize("name", VALID)
def test_package_opens(name: str) -> None:
    entry = VALID[name]
    blob, key = (VECTORS / name).read_bytes(), package_key(entry)
    if "shape" not in entry:
        data, called = imgcrypt.decrypt_bytes(blob, key, associated_data=associated_data(entry))
        assert sha256(data) == entry["payload_sha256"]
        assert ({} if called is None else {"9": called.encode().hex()}) == entry.get("metadata", {})
        return
    picture = imgcrypt.decrypt_picture(blob, key, associated_data=associated_data(entry))
    assert metadata_fields(picture.metadata) == entry.get("metadata", {})
    image = picture.pixels
    assert image.shape == tuple(entry["shape"])
    assert image.dtype == entry["dtype"]
    assert stored(image) == independent.pattern(image.nbytes)
    assert sha256(stored(image)) == entry["payload_sha256"]


@pytest.mark.parametrize("name", VALID)
def test_second_implementation_opens(name: str) -> None:
    entry = VALID[name]
    blob, key = (VECTORS / name).read_bytes(), independent_key(entry)
    fields, payload = independent.open_file(blob, key, associated_data(entry))
    assert [fields["height"], fields["width"], fields["channels"]] == ([*entry.get("shape", [0, 0, 0]), 1])[:3]
    assert fields["sample_bytes"] == (np.dtype(entry["dtype"]).itemsize if "dtype" in entry else 0)
    assert {str(number): value.hex() for number, value in fields["metadata"].items()} == entry.get("metadata", {})
    assert sha256(payload) == entry["payload_sha256"]


@pytest.mark.parametrize("name", INVALID)
def test_package_refuses(name: str) -> None:
    entry = INVALID[name]
    blob = (VECTORS / "invalid" / name).read_bytes()
    with pytest.raises(imgcrypt.ImgcryptError) as caught:
        imgcrypt.decrypt(blob, package_key(entry), associated_data=associated_data(entry))
    assert type(caught.value).__name__ == entry["error"]


@pytest.mark.parametrize("name", INVALID)
def test_second_implementation_refuses(name: str) -> None:
    entry = INVALID[name]
    blob = (VECTORS / "invalid" / name).read_bytes()
    with pytest.raises(ValueError, match=f"^{REASONS[entry['error']]}"):
        independent.open_file(blob, independent_key(entry), associated_data(entry))


@pytest.mark.parametrize("suite", ["hybrid", "chaos"])
@pytest.mark.parametrize("shape", [(1, 1), (33, 33, 3), (7, 1000, 4), (130, 257)])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_both_agree_on_fresh_files(suite: str, shape: tuple[int, ...], dtype: str) -> None:
    rng = np.random.default_rng(list(shape))
    image = rng.integers(0, np.iinfo(dtype).max + 1, shape, dtype)
    key = imgcrypt.Key.generate()
    raw = independent.parse_key(key.text())
    assert independent.key_text(raw) == key.text()

    fields, payload = independent.open_file(imgcrypt.encrypt(image, key, raw=True, suite=suite), raw)
    assert payload == stored(image)

    size = {"height": shape[0], "width": shape[1], "channels": shape[2] if len(shape) == 3 else 1}
    given = {**size, "sample_bytes": image.itemsize, "suite": {"hybrid": 1, "chaos": 2}[suite]}
    assert given.items() <= fields.items()
    blob = independent.seal_file(payload, given, rng.bytes(32), rng.bytes(32), raw)
    opened = imgcrypt.decrypt(blob, key)
    assert opened.dtype == image.dtype
    np.testing.assert_array_equal(opened, image)


@given(said=EVERYTHING)
def test_both_agree_on_metadata(said: metadata.Metadata) -> None:
    packed = metadata.pack(said)
    fields = independent.read_metadata(packed)
    assert independent.write_metadata(fields) == packed
    assert metadata.unpack(independent.write_metadata(dict(reversed(fields.items())))) == said


@pytest.mark.parametrize("suite", ["hybrid", "chaos"])
@pytest.mark.parametrize("data", [b"", b"a", bytes(range(256)) * 300])
def test_both_agree_on_files_kept_exactly(data: bytes, suite: str) -> None:
    key = imgcrypt.Key.generate()
    raw = independent.parse_key(key.text())
    fields, payload = independent.open_file(imgcrypt.encrypt_bytes(data, key, name="a/b.gif", suite=suite), raw)
    assert (payload, fields["metadata"]) == (data, {9: b"b.gif"})
    given = {name: fields[name] for name in ("height", "width", "channels", "sample_bytes", "mode", "suite")}
    blob = independent.seal_file(data, given, bytes(32), bytes(32), raw)
    assert imgcrypt.decrypt_bytes(blob, key) == (data, None)


def test_both_agree_on_a_passphrase() -> None:
    image = np.arange(35, dtype=np.uint8).reshape(5, 7)
    blob = imgcrypt.encrypt(image, imgcrypt.Key.from_passphrase("cafe\u0301"), raw=True)
    assert independent.open_file(blob, "caf\u00e9")[1] == image.tobytes()
