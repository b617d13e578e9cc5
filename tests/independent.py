"""A second implementation of the imgcrypt format, in plain Python.

It was written from docs/format.md alone, without a look at the package, and exists to check the frozen vectors: what
two implementations made apart agree on is what the document says. It is slow, and no part of the package.
independent_picture.py has section 5, and its vectors.

    python tests/independent.py

writes the vectors in tests/vectors anew: byte for byte the same ones, unless the format was changed.
"""

import base64
import hashlib
import hmac
import json
import math
import struct
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from blake3 import blake3
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

# Section 4: the cipher

LANES = 256
ROW = 8 * LANES
ROWS = 35
CELL = 64
BLOCK = 1024
SEGMENT = 65536
MU = 4 * (1 - 2.0**-24)
R0, R1, R2, R3 = 157 / 64, -407 / 64, 689 / 64, -421 / 64


def seed_words(image_key: bytes, stream: int, first: int, count: int) -> tuple[int, ...]:
    """Words `first` to `first + count - 1` of a seed stream (4.1); `first` is even, as a counter block is two words."""
    counter = (stream << 64) + first // 2
    encryptor = Cipher(AES(image_key), CTR(counter.to_bytes(16, "big"))).encryptor()
    return struct.unpack(f"<{count}Q", encryptor.update(bytes(8 * count)))


def bits(number: float) -> int:
    """The 64 bits of a binary64 number, as an integer."""
    (integer,) = struct.unpack("<Q", struct.pack("<d", number))
    return int(integer)


def number(integer: int) -> float:
    """The binary64 number that has these 64 bits."""
    (value,) = struct.unpack("<d", struct.pack("<Q", integer))
    return float(value)


def keystream_segment(image_key: bytes, stream: int, segment: int) -> bytes:
    """All 35 rows of one keystream segment (4.2, 4.3)."""
    u = [(word // 2**12) * 2.0**-52 for word in seed_words(image_key, 0, 0, 6)]
    ex1, ex2 = 2 * u[0] - 1, 2 * u[1] - 1
    en1, en2 = u[2] + 1, u[3] + 1
    he1, he2 = (u[4] + 1) / 8, (u[5] + 1) / 8
    seeds = [(word // 2**12 + 0.5) * 2.0**-52 for word in seed_words(image_key, stream, 512 * segment, 512)]
    words = [0] * (ROWS * LANES)
    for lane in range(LANES):
        a, b = seeds[lane], seeds[LANES + lane]
        h1, h2 = 2 - 4 * a, 2 - 4 * b
        for row in range(ROWS):
            t = a * (1 - a)
            r = ((R3 * b + R2) * b + R1) * b + R0
            g1 = r * (1 - 8 * t)
            g2 = r * ((4 * math.sqrt(t)) * (1 - 2 * a))
            d1 = ex1 + (en1 + he1 * h1) * g1
            d2 = ex2 + (en2 + he2 * h2) * g2
            h1, h2 = g1, g2
            f1 = (bits(d1) ^ (bits(d2) << 20)) % 2**36
            f2 = (bits(d2) ^ (bits(d1) << 20)) % 2**36
            a = number(bits(MU * t) ^ f1)
            b = number(bits(MU * (b * (1 - b))) ^ f2)
            other = bits(d2 + 96)
            rotated = ((other << 32) | (other >> 32)) % 2**64
            words[row * LANES + lane] = ((bits(d1 + 96) ^ rotated) + bits(a)) % 2**64
    return struct.pack(f"<{len(words)}Q", *words)


def raw_keystream(image_key: bytes, size: int) -> bytes:
    """The first bytes of the raw keystream for statistical tests, stream 3."""
    segments = math.ceil(size / (ROWS * ROW))
    return b"".join(keystream_segment(image_key, 3, segment) for segment in range(segments))[:size]


def slide(
    count: int, columns: int, rights: Sequence[int], downs: Sequence[int], right_unit: int, down_unit: int
) -> Iterator[int]:
    """Slide `count` places, written row by row into a matrix, to the right and then down by distance * len // unit.

    Yields the new place of each one, in the old order; the matrix is read row by row.
    """
    full, rest = divmod(count, columns)
    for place in range(count):
        i, j = divmod(place, columns)
        width = columns if i < full else rest
        j = (j + rights[i] * width // right_unit) % width
        height = full + (j < rest)
        i = (i + downs[j] * height // down_unit) % height
        yield columns * i + j


def scrambled_places(size: int, image_key: bytes, segments: Sequence[bytes]) -> list[int]:
    """Where each byte of a message goes in the two rounds of scrambling (4.4, 4.5)."""
    fine: list[int] = []
    for segment, start in zip(segments, range(0, size, SEGMENT), strict=True):
        length = min(SEGMENT, size - start)
        columns = 1
        while 64 * columns < length:
            columns *= 2
        rights = struct.unpack_from(f"<{math.ceil(length / columns)}H", segment, columns)
        fine += [start + place for place in slide(length, columns, rights, segment[:columns], 2**16, 2**8)]
    cells = size // CELL
    if cells == 0:
        return fine
    columns = math.isqrt(cells - 1) + 1
    rows = -(-cells // columns)
    needed = math.ceil(4 * (rows + columns) / (ROWS * ROW))
    stream = b"".join(keystream_segment(image_key, 2, segment) for segment in range(needed))
    words = struct.unpack_from(f"<{rows + columns}I", stream)
    coarse = list(slide(cells, columns, words[:rows], words[rows:], 2**32, 2**32))
    return [coarse[at // CELL] * CELL + at % CELL if at < cells * CELL else at for at in fine]


def basis(segment: bytes, length: int) -> Iterator[tuple[int, int, int, int]]:
    """The places of x and y in a segment of the message, and p and q, for each vector of its blocks (4.6)."""
    for block in range(0, length, BLOCK):
        half = min(BLOCK, length - block) // 2
        for i in range(half):
            at = (block // 2 + i) % ROW
            yield block + i, block + half + i, segment[ROW + at], segment[2 * ROW + at]


def encipher(data: bytes, image_key: bytes) -> bytes:
    """The cipher of section 4."""
    segments = [keystream_segment(image_key, 1, s) for s in range(math.ceil(len(data) / SEGMENT))]
    message = bytearray(len(data))
    for byte, place in zip(data, scrambled_places(len(data), image_key, segments), strict=True):
        message[place] = byte
    for segment, start in zip(segments, range(0, len(data), SEGMENT), strict=True):
        length = min(SEGMENT, len(data) - start)
        for at_x, at_y, p, q in basis(segment, length):
            x, y = message[start + at_x], message[start + at_y]
            x = (x + p * y) % 256
            y = (y + q * x) % 256
            message[start + at_x], message[start + at_y] = x, y
        for i in range(length):
            message[start + i] ^= segment[3 * ROW + i]
    return bytes(message)


def decipher(data: bytes, image_key: bytes) -> bytes:
    """The inverse of `encipher`."""
    segments = [keystream_segment(image_key, 1, s) for s in range(math.ceil(len(data) / SEGMENT))]
    message = bytearray(data)
    for segment, start in zip(segments, range(0, len(data), SEGMENT), strict=True):
        length = min(SEGMENT, len(data) - start)
        for i in range(length):
            message[start + i] ^= segment[3 * ROW + i]
        for at_x, at_y, p, q in basis(segment, length):
            x, y = message[start + at_x], message[start + at_y]
            y = (y - q * x) % 256
            x = (x - p * y) % 256
            message[start + at_x], message[start + at_y] = x, y
    return bytes(message[place] for place in scrambled_places(len(data), image_key, segments))


# Section 3: keys and authentication

PREFIX = "imgcrypt-key-1-"
LOCKED_PREFIX = "imgcrypt-locked-key-1-"
BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
FIELD = 2**255 - 19


class Private(NamedTuple):
    """A private key (3.1)."""

    scalar: bytes


def hkdf(secret: bytes, salt: bytes, purpose: str, size: int) -> bytes:
    """HKDF-SHA256 with the format's info string."""
    return HKDF(SHA256(), size, salt, f"imgcrypt-1 {purpose}".encode("ascii")).derive(secret)


def key_text(key: bytes) -> str:
    """The text of a raw key (3.1)."""
    check = hashlib.sha256(b"imgcrypt-1 key check" + key).digest()[:4]
    return PREFIX + base64.b32encode(key + check).decode("ascii").rstrip("=")


def parse_key(text: str) -> bytes:
    """The raw key that a text stands for; ValueError if it stands for none."""
    encoded = text.removeprefix(PREFIX)
    if encoded == text or len(encoded) != 58 or not encoded.isascii():
        raise ValueError("not the text of a key")
    key = base64.b32decode(encoded.upper() + "======")[:32]
    if key_text(key) != PREFIX + encoded.upper():
        raise ValueError("the key's check bytes are wrong")
    return key


def locked_text(kind: int, secret: bytes, passphrase: str, slot_salt: bytes, memory: int, passes: int) -> str:
    """The text of a key of this kind that a passphrase protects (3.1)."""
    before = bytes([kind]) + slot_salt + struct.pack("<2I", memory, passes)
    body = before + wrap(argon2id(passphrase, slot_salt, memory, passes), "locked key", secret, before)
    return with_check(body)


def parse_locked(text: str, passphrase: str) -> tuple[int, bytes]:
    """The kind and the key in a text of `locked_text`; ValueError if the passphrase does not open it."""
    data = base64.b32decode(text.removeprefix(LOCKED_PREFIX).upper() + "=")
    body, check = data[:-4], data[-4:]
    demand(len(body) == 105, "not the text of a protected key")
    demand(hashlib.sha256(b"imgcrypt-1 key check" + body).digest()[:4] == check, "the key's check bytes are wrong")
    memory, passes = struct.unpack("<2I", body[17:25])
    check_costs([(memory, passes)])
    secret = unwrap(argon2id(passphrase, body[1:17], memory, passes), "locked key", body[25:], body[:25])
    if secret is None or body[0] not in (1, 2):
        raise ValueError("wrong passphrase, or an unknown kind of key")
    return body[0], secret


def bech32_check(prefix: str, values: Sequence[int]) -> int:
    """The checksum of BIP 173 over a prefix and values of 5 bits."""
    check = 1
    for value in [*(ord(c) >> 5 for c in prefix), 0, *(ord(c) & 31 for c in prefix), *values]:
        top, check = check >> 25, ((check & 0x1FFFFFF) << 5) ^ value
        for i, term in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= term if (top >> i) & 1 else 0
    return check


def bech32(prefix: str, data: bytes, flaw: int = 0) -> str:
    """The Bech32 form of bytes, in lower case; `flaw` is set in the spare bits behind them."""
    digits = "".join(f"{byte:08b}" for byte in data)
    digits += f"{flaw:05b}"[5 - (-len(digits) % 5) :] if len(digits) % 5 else ""
    values = [int(digits[i : i + 5], 2) for i in range(0, len(digits), 5)]
    check = bech32_check(prefix, [*values, 0, 0, 0, 0, 0, 0]) ^ 1
    values += [(check >> shift) & 31 for shift in (25, 20, 15, 10, 5, 0)]
    return prefix + "1" + "".join(BECH32[value] for value in values)


def parse_bech32(prefix: str, text: str) -> bytes:
    """The bytes that a text stands for; ValueError if it has another prefix or a mistake."""
    demand(text in (text.lower(), text.upper()) and text.lower().startswith(prefix + "1"), "not Bech32 of this prefix")
    body = text.lower()[len(prefix) + 1 :]
    demand(len(body) >= 6 and all(c in BECH32 for c in body), "not Bech32")
    values = [BECH32.index(c) for c in body]
    demand(bech32_check(prefix, values) == 1, "the checksum is wrong")
    digits = "".join(f"{value:05b}" for value in values[:-6])
    whole = len(digits) // 8 * 8
    demand(len(digits) - whole < 5 and "1" not in digits[whole:], "the spare bits are wrong")
    return bytes(int(digits[i : i + 8], 2) for i in range(0, whole, 8))


def x25519(scalar: bytes, point: bytes) -> bytes:
    """The function of RFC 7748, section 5."""
    k = (int.from_bytes(scalar, "little") & ~7 & (2**254 - 1)) | 2**254
    u = int.from_bytes(point, "little") % 2**255 % FIELD
    x2, z2, x3, z3 = 1, 0, u, 1
    for t in range(254, -1, -1):
        if (k >> t) & 1:
            x2, z2, x3, z3 = x3, z3, x2, z2
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        aa, bb, da, cb = a * a, b * b, d * a, c * b
        e = aa - bb
        x3, z3 = (da + cb) ** 2 % FIELD, u * (da - cb) ** 2 % FIELD
        x2, z2 = aa * bb % FIELD, e * (aa + 121665 * e) % FIELD
        if (k >> t) & 1:
            x2, z2, x3, z3 = x3, z3, x2, z2
    return (x2 * pow(z2, FIELD - 2, FIELD) % FIELD).to_bytes(32, "little")


def public_key(private: Private) -> bytes:
    """The public key of a private one."""
    return x25519(private.scalar, (9).to_bytes(32, "little"))


def is_low_order(point: bytes) -> bool:
    """Whether the point gives the same secret with every private key."""
    return x25519(bytes(32), point) == bytes(32)


def parse_recipient(text: str) -> bytes:
    """The public key that a text stands for; ValueError if it stands for none (3.1)."""
    public = parse_bech32("age", text)
    demand(len(public) == 32, "not 32 bytes")
    demand(int.from_bytes(public, "little") < FIELD and not is_low_order(public), "no public key")
    return public


def identity_text(private: Private) -> str:
    """The text of a private key (3.1)."""
    return bech32("age-secret-key-", private.scalar).upper()


def parse_identity(text: str) -> Private:
    """The private key that a text stands for; ValueError if it stands for none (3.1)."""
    private = parse_bech32("age-secret-key-", text)
    demand(len(private) == 32, "not 32 bytes")
    return Private(private)


def labeled_extract(suite: bytes, salt: bytes, label: bytes, secret: bytes) -> bytes:
    """LabeledExtract of RFC 9180, section 4."""
    return hmac.digest(salt, b"HPKE-v1" + suite + label + secret, "sha256")


def labeled_expand(suite: bytes, secret: bytes, label: bytes, info: bytes, size: int) -> bytes:
    """LabeledExpand of RFC 9180, section 4, for up to 32 bytes."""
    return hmac.digest(secret, size.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info + b"\1", "sha256")[:size]


def kem_secret(shared: bytes, encapsulated: bytes, public: bytes) -> bytes:
    """ExtractAndExpand of RFC 9180, section 4.1, of DHKEM(X25519, HKDF-SHA256)."""
    suite = b"KEM\0\x20"
    extracted = labeled_extract(suite, b"", b"eae_prk", shared)
    return labeled_expand(suite, extracted, b"shared_secret", encapsulated + public, 32)


def hpke_key(secret: bytes, info: bytes) -> tuple[bytes, bytes]:
    """The key and the first nonce of HPKE in base mode with HKDF-SHA256 and AES-256-GCM (RFC 9180, section 5.1)."""
    suite = b"HPKE\0\x20\0\1\0\2"
    hashes = (labeled_extract(suite, b"", label, of) for label, of in ((b"psk_id_hash", b""), (b"info_hash", info)))
    context = b"\0" + b"".join(hashes)
    extracted = labeled_extract(suite, secret, b"secret", b"")
    key = labeled_expand(suite, extracted, b"key", context, 32)
    return key, labeled_expand(suite, extracted, b"base_nonce", context, 12)


def recipient_info(salt: bytes) -> bytes:
    """What HPKE's info is for a recipient slot (3.2)."""
    return b"imgcrypt-1 slot recipient" + salt


def recipient_commitment(file_key: bytes, salt: bytes, public: bytes) -> bytes:
    """The commitment in a recipient slot (3.2)."""
    return hkdf(file_key, salt + public, "slot recipient", 32)


def recipient_slot(public: bytes, file_key: bytes, salt: bytes, ephemeral: bytes) -> bytes:
    """The body of a recipient slot (record type 3)."""
    encapsulated = public_key(Private(ephemeral))
    key, nonce = hpke_key(kem_secret(x25519(ephemeral, public), encapsulated, public), recipient_info(salt))
    commitment = recipient_commitment(file_key, salt, public)
    return encapsulated + commitment + AESGCM(key).encrypt(nonce, file_key, None)


def open_recipient_slot(private: Private, body: bytes, salt: bytes) -> bytes | None:
    """The file key in a recipient slot, or None if it was made for another private key."""
    public, encapsulated = public_key(private), body[:32]
    key, nonce = hpke_key(kem_secret(x25519(private.scalar, encapsulated), encapsulated, public), recipient_info(salt))
    try:
        file_key = AESGCM(key).decrypt(nonce, body[64:], None)
    except InvalidTag:
        return None
    return file_key if hmac.compare_digest(recipient_commitment(file_key, salt, public), body[32:64]) else None


def check_costs(costs: Sequence[tuple[int, int]]) -> None:
    """Refuse passphrase slots by the memory in KiB and the passes that each asks for (3.2)."""
    bounded = all(19456 <= memory <= 262144 and passes >= 2 for memory, passes in costs)
    demand(bounded, "damaged: Argon2id's parameters are out of range")
    demand(sum(memory * passes for memory, passes in costs) <= 786432, "damaged: Argon2id costs too much in all")


def argon2id(passphrase: str, salt: bytes, memory: int, passes: int) -> bytes:
    """The secret behind a passphrase slot (3.2)."""
    kdf = Argon2id(salt=salt, length=32, iterations=passes, lanes=1, memory_cost=memory)
    return kdf.derive(unicodedata.normalize("NFC", passphrase).encode())


def wrap(secret: bytes, purpose: str, file_key: bytes, salt: bytes) -> bytes:
    """The commitment and the wrapped file key of a slot (3.2)."""
    keys = hkdf(secret, salt, purpose, 64)
    return keys[32:] + AESGCM(keys[:32]).encrypt(bytes(12), file_key, None)


def unwrap(secret: bytes, purpose: str, sealed: bytes, salt: bytes) -> bytes | None:
    """The file key in a slot, or None if the commitment is to another secret."""
    keys = hkdf(secret, salt, purpose, 64)
    if not hmac.compare_digest(keys[32:], sealed[:32]):
        return None
    try:
        return AESGCM(keys[:32]).decrypt(bytes(12), sealed[32:], None)
    except InvalidTag:
        raise ValueError("damaged: the wrapped file key") from None


def raw_slot(key: bytes, file_key: bytes, salt: bytes) -> bytes:
    """The body of a raw-key slot (record type 1)."""
    return wrap(key, "slot raw key", file_key, salt)


def passphrase_slot(passphrase: str, file_key: bytes, salt: bytes, slot_salt: bytes, memory: int, passes: int) -> bytes:
    """The body of a passphrase slot (record type 2)."""
    secret = argon2id(passphrase, slot_salt, memory, passes)
    return slot_salt + struct.pack("<2I", memory, passes) + wrap(secret, "slot passphrase", file_key, salt)


def unlock(records: Sequence[tuple[int, bytes]], key: bytes | str | Private, salt: bytes) -> bytes | None:
    """The file key from the first slot that is the key's, or None if none is (3.2)."""
    if isinstance(key, bytes):
        sealed = [body for kind, body in records if kind == RAW and len(body) == 80]
        opened = (unwrap(key, "slot raw key", body, salt) for body in sealed)
    elif isinstance(key, Private):
        bodies = [body for kind, body in records if kind == RECIPIENT and len(body) == 112]
        points = [body[:32] for body in bodies]
        demand(len(set(points)) == len(points), "damaged: an encapsulated key occurs twice")
        demand(not any(map(is_low_order, points)), "damaged: an encapsulated key is of low order")
        opened = (open_recipient_slot(key, body, salt) for body in bodies)
    else:
        bodies = [body for kind, body in records if kind == PASSPHRASE and len(body) == 104]
        costs = [struct.unpack("<2I", body[16:24]) for body in bodies]
        check_costs([(memory, passes) for memory, passes in costs])
        opened = (
            unwrap(argon2id(key, body[:16], *cost), "slot passphrase", body[24:], salt)
            for body, cost in zip(bodies, costs, strict=True)
        )
    return next((file_key for file_key in opened if file_key is not None), None)


def payload_digest(file_key: bytes, salt: bytes, core: bytes, payload: bytes) -> bytes:
    """The digest of section 3.3."""
    return blake3(core + payload, key=hkdf(file_key, salt, "digest", 32)).digest()


def header_mac(file_key: bytes, salt: bytes, packed: bytes, associated: bytes) -> bytes:
    """The header's MAC of section 3.3."""
    return hmac.digest(hkdf(file_key, salt, "header", 32), packed + associated, "sha256")


# Section 2: the container

MAGIC = bytes.fromhex("89696D67630D0A1A")
CORE = struct.Struct("<8sHHBBBBIIQIB3s32s")
HYBRID, CHAOS = 1, 2
SAMPLED, RAW_MODE, EXACT, LOSSLESS = 1, 2, 3, 4
RAW, PASSPHRASE, RECIPIENT, NET = 1, 2, 3, 16


class Core(NamedTuple):
    """The first 72 bytes of a header (2.1)."""

    magic: bytes
    version: int
    header_bytes: int
    suite: int
    mode: int
    sample_bytes: int
    channels: int
    height: int
    width: int
    payload_bytes: int
    metadata_bytes: int
    chunk_exponent: int
    reserved: bytes
    salt: bytes

    @property
    def chunks(self) -> int:
        """The number of chunks."""
        return -(-self.payload_bytes // (1 << self.chunk_exponent))

    @property
    def file_bytes(self) -> int:
        """The length of the whole file (2.3)."""
        metadata = self.metadata_bytes + 16 if self.metadata_bytes else 0
        return 2 * self.header_bytes + self.payload_bytes + 16 * self.chunks + metadata


def demand(condition: bool, reason: str) -> None:
    """Raise ValueError with the reason unless the condition holds."""
    if not condition:
        raise ValueError(reason)


def read_core(data: bytes) -> Core:
    """The checked fields of a file's header (2.1)."""
    demand(data.startswith(MAGIC), "not an imgcrypt file")
    demand(len(data) >= 136, "truncated: the header is cut")
    core = Core(*CORE.unpack_from(data))
    demand(core.version == 1, "newer: unknown version")
    demand(core.suite in (HYBRID, CHAOS), "newer: unknown suite")
    demand(core.mode in (SAMPLED, RAW_MODE, EXACT, LOSSLESS), "newer: unknown mode")
    demand(core.reserved == bytes(3), "newer: reserved bytes are not zero")
    demand(core.header_bytes >= 136, "damaged: header_bytes")
    demand(len(data) >= core.header_bytes, "truncated: the header is cut")
    demand(10 <= core.chunk_exponent <= 24, "damaged: chunk_exponent")
    demand(len(data) >= core.file_bytes, "truncated")
    demand(len(data) <= core.file_bytes, "damaged: the file is too long")
    demand(data[: core.header_bytes] == data[-core.header_bytes :], "damaged: the header's copies differ")
    return core


def check_picture(core: Core) -> None:
    """The checks of a header's fields that come after its records (2.1)."""
    if core.mode == EXACT:
        picture = (core.sample_bytes, core.channels, core.height, core.width)
        demand(picture == (0, 0, 0, 0), "damaged: a picture in exact mode")
        return
    demand(core.sample_bytes in (1, 2), "damaged: sample_bytes")
    demand(core.channels in (1, 3, 4), "damaged: channels")
    demand(core.height >= 1 and core.width >= 1, "damaged: height or width")
    demand(core.payload_bytes >= 1, "damaged: payload_bytes")
    samples = core.height * core.width * core.channels * core.sample_bytes
    demand(core.mode != RAW_MODE or core.payload_bytes == samples, "damaged: payload_bytes do not fit the picture")
    demand(core.mode in (RAW_MODE, LOSSLESS) or core.sample_bytes == 1, "damaged: sample_bytes of a sampled picture")


def record(kind: int, body: bytes) -> bytes:
    """The bytes of a record (2.2)."""
    return struct.pack("<HH", kind, len(body)) + body


def read_records(area: bytes) -> Iterator[tuple[int, bytes]]:
    """The type and the body of each record (2.2)."""
    at = 0
    while at < len(area):
        demand(at + 4 <= len(area), "damaged: a record is cut")
        kind, size = struct.unpack_from("<HH", area, at)
        demand(at + 4 + size <= len(area), "damaged: a record runs over the end")
        demand(kind in (RAW, PASSPHRASE, RECIPIENT, NET) or kind >= 0x8000, "newer: unknown record")
        yield kind, area[at + 4 : at + 4 + size]
        at += 4 + size


def read_net(records: Sequence[tuple[int, bytes]], mode: int) -> dict[str, object] | None:
    """The net record's fields, or None in the other modes."""
    nets = [body for kind, body in records if kind == NET]
    demand(len(nets) == (mode == SAMPLED), "damaged: the number of net records")
    if not nets:
        return None
    demand(len(nets[0]) == 60, "damaged: the net record's length")
    name, digest, block_bytes = struct.unpack("<24s32sI", nets[0])
    characters = name.rstrip(b"\0")
    demand(len(characters) > 0 and all(0x21 <= c <= 0x7E for c in characters), "damaged: the net's name")
    return {"name": name.rstrip(b"\0").decode("ascii"), "sha256": digest, "block_bytes": block_bytes}


# The fields of the metadata (2.5): number -> length of the value, None if it may have any.
FIELDS = {1: None, 2: None, 3: None, 4: 16, 5: 8, 6: 64, 7: 1, 8: 4, 9: None, 10: None}


def write_metadata(fields: Mapping[int, bytes]) -> bytes:
    """Metadata of these fields, filled up to a power of two (2.5)."""
    packed = b"".join(struct.pack("<HI", number, len(value)) + value for number, value in fields.items())
    size = 256
    while size < len(packed):
        size *= 2
    return packed.ljust(size, b"\0") if packed else b""


def read_metadata(data: bytes) -> dict[int, bytes]:
    """The known fields of the metadata (2.5)."""
    fields: dict[int, bytes] = {}
    at = 0
    while len(data) - at >= 6:
        number, size = struct.unpack_from("<HI", data, at)
        if number == 0:
            break
        demand(at + 6 + size <= len(data), "damaged: a field of the metadata runs over the end")
        if number in FIELDS:
            demand(number not in fields, "damaged: a field of the metadata occurs twice")
            demand(FIELDS[number] in (None, size), "damaged: the length of a field of the metadata")
            fields[number] = data[at + 6 : at + 6 + size]
        at += 6 + size
    demand(not any(data[at:]), "damaged: something follows the metadata")
    return fields


def open_file(data: bytes, key: bytes | str | Private, associated: bytes = b"") -> tuple[dict[str, object], bytes]:
    """The header's fields, the metadata's among them, and the payload of a file.

    It is opened with a raw key (bytes), a passphrase (str) or a private key, and the associated data it was made with.

    Raises ValueError with the reason if a check fails.
    """
    core = read_core(data)
    packed, mac = data[: core.header_bytes - 32], data[core.header_bytes - 32 : core.header_bytes]
    records = list(read_records(packed[104:]))
    net = read_net(records, core.mode)
    demand(sum(kind == PASSPHRASE for kind, _ in records) <= 4, "damaged: too many passphrase slots")
    check_picture(core)
    salt, digest = core.salt, packed[72:104]

    file_key = unlock(records, key, salt)
    if file_key is None:
        raise ValueError("wrong key")
    demand(hmac.compare_digest(header_mac(file_key, salt, packed, associated), mac), "damaged: the header's MAC")

    keys = hkdf(file_key, salt + digest, "image", 64)
    seal, size, at = AESGCM(keys[32:]), 2**core.chunk_exponent, core.header_bytes
    enciphered, metadata = bytearray(), b""
    try:
        for number in range(core.chunks):
            end = at + min(size, core.payload_bytes - number * size)
            chunk, tag, nonce = data[at:end], data[end : end + 16], number.to_bytes(12, "big")
            if core.suite == HYBRID:
                chunk = seal.decrypt(nonce, chunk + tag, None)
            else:
                seal.decrypt(nonce, tag, chunk)
            enciphered += chunk
            at = end + 16
        if core.metadata_bytes:
            block = data[at : at + core.metadata_bytes + 16]
            metadata = AESGCM(hkdf(file_key, salt + digest, "metadata", 32)).decrypt(bytes(12), block, None)
    except InvalidTag:
        raise ValueError("damaged: the tag of a chunk or of the metadata") from None
    payload = decipher(bytes(enciphered), keys[:32])
    demand(hmac.compare_digest(payload_digest(file_key, salt, packed[12:72], payload), digest), "damaged: the digest")
    said = read_metadata(metadata)
    return {**core._asdict(), "digest": digest, "net": net, "records": records, "metadata": said}, payload


def seal_file(
    payload: bytes,
    fields: Mapping[str, int | bytes],
    file_key: bytes,
    salt: bytes,
    raw_key: bytes | None,
    *,
    records: bytes = b"",
    metadata: bytes = b"",
    digest: bytes | None = None,
    associated: bytes = b"",
) -> bytes:
    """Make a file of a payload, without any check.

    `fields` are the header's fields by their names: height, width and what differs from the values below. `records`
    follow the slot of `raw_key`, if there is one. A `digest` that is given replaces the right one.
    """
    area = (b"" if raw_key is None else record(RAW, raw_slot(raw_key, file_key, salt))) + records
    values: dict[str, int | bytes] = {
        "magic": MAGIC,
        "version": 1,
        "header_bytes": 136 + len(area),
        "suite": HYBRID,
        "mode": RAW_MODE,
        "sample_bytes": 1,
        "channels": 1,
        "payload_bytes": len(payload),
        "metadata_bytes": len(metadata),
        "chunk_exponent": 20,
        "reserved": bytes(3),
        "salt": salt,
        **fields,
    }
    packed = CORE.pack(*(values[name] for name in Core._fields))
    digest = payload_digest(file_key, salt, packed[12:], payload) if digest is None else digest
    packed += digest + area
    header = packed + header_mac(file_key, salt, packed, associated)

    keys = hkdf(file_key, salt + digest, "image", 64)
    seal, size = AESGCM(keys[32:]), 2 ** int(values["chunk_exponent"])
    enciphered = encipher(payload, keys[:32])
    body = b""
    for number, start in enumerate(range(0, len(payload), size)):
        chunk, nonce = enciphered[start : start + size], number.to_bytes(12, "big")
        if values["suite"] == HYBRID:
            body += seal.encrypt(nonce, chunk, None)
        else:
            body += chunk + seal.encrypt(nonce, b"", chunk)
    if metadata:
        body += AESGCM(hkdf(file_key, salt + digest, "metadata", 32)).encrypt(bytes(12), metadata, None)
    return header + body + header


# The frozen vectors

KEY = bytes(range(32))
OTHER_KEY = bytes(range(1, 33))
IDENTITY, OTHER_IDENTITY = Private(bytes(range(64, 96))), Private(bytes(range(96, 128)))
PHRASE = "correct horse"
LEAST_MEMORY, LEAST_PASSES = 19456, 2
SLOT_SALT = bytes(range(16, 32))
LENGTHS = (
    *(0, 1, 2, 3, 63, 64, 65, 127, 128, 129, 1023, 1024, 1025, 2049),
    *(4095, 4096, 4097, 32768, 32769, 65535, 65536, 65537, 70001, 150001),
)


SELF_TEST = ("hybrid_rgba_16_bit", "chaos_rgb", "metadata", "exact_chaos", "passphrase", "recipient")


MADE_METADATA = {
    1: bytes(range(200)),
    2: b"II*\0\x08\0\0\0\0\0\0\0\0\0",
    3: b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>",
    4: struct.pack("<2d", 300, 299.5),
    5: struct.pack("<d", 0.45455),
    6: struct.pack("<8d", 0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06),
    7: b"\1",
    8: bytes([9, 16, 0, 1]),
    9: b"caf\xc3\xa9 \xff.png",
    10: b"PNG",
}


# Of orders 1, 2, 4 and 8, and two that are the first ones modulo 2^255 - 19: RFC 7748 gives zeros for all of them.
LOW_ORDER = {
    "0": bytes(32),
    "1": (1).to_bytes(32, "little"),
    "8": bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    "8_again": bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
    "minus_1": (FIELD - 1).to_bytes(32, "little"),
    "p": FIELD.to_bytes(32, "little"),
    "p_plus_1": (FIELD + 1).to_bytes(32, "little"),
}


def pattern(size: int) -> bytes:
    """The plaintext of the vectors."""
    return bytes((i * i * 31 + i * 7 + 3) % 256 for i in range(size))


def vector(
    name: str,
    shape: tuple[int, int, int] = (5, 7, 1),
    *,
    fields: Mapping[str, int | bytes] | None = None,
    key: bytes | None = KEY,
    records: bytes = b"",
    metadata: bytes = b"",
    payload: bytes | None = None,
    digest: bytes | None = None,
    associated: bytes = b"",
) -> bytes:
    """A file of `pattern` whose file key and salt come from its name."""
    file_key, salt = secrets_of(name)
    size = {"height": shape[0], "width": shape[1], "channels": shape[2]}
    payload = pattern(math.prod(shape)) if payload is None else payload
    return seal_file(
        payload,
        {**size, **(fields or {})},
        file_key,
        salt,
        key,
        records=records,
        metadata=metadata,
        digest=digest,
        associated=associated,
    )


def secrets_of(name: str) -> tuple[bytes, bytes]:
    """The file key and the salt of the file that `vector` makes under this name."""
    file_key, salt = (hashlib.sha256(f"{name} {part}".encode()).digest() for part in ("file key", "salt"))
    return file_key, salt


def phrase_record(name: str, phrase: str, memory: int, passes: int) -> bytes:
    """A passphrase slot for the file that `vector` makes under this name."""
    return record(PASSPHRASE, passphrase_slot(phrase, *secrets_of(name), SLOT_SALT, memory, passes))


def recipient_record(name: str, private: Private = IDENTITY, ephemeral: bytes = b"e" * 32) -> bytes:
    """A recipient slot for the file that `vector` makes under this name."""
    return record(RECIPIENT, recipient_slot(public_key(private), *secrets_of(name), ephemeral))


def costly_record(memory: int, passes: int) -> bytes:
    """A passphrase slot whose parameters a reader refuses."""
    return record(PASSPHRASE, SLOT_SALT + struct.pack("<2I", memory, passes) + bytes(80))


def bare_slot(name: str) -> bytes:
    """A raw-key slot with the right wrapped key for the file of this name, and no commitment."""
    slot = raw_slot(KEY, *secrets_of(name))
    return bytes(32) + slot[32:]


def flip(data: bytes, *places: int) -> bytes:
    """The data with one bit changed at each place."""
    changed = bytearray(data)
    for place in places:
        changed[place] ^= 1
    return bytes(changed)


def write_key_vectors(folder: Path) -> None:
    """Write keys.json: texts of keys, those that a reader takes and those that it refuses."""
    privates = [IDENTITY, OTHER_IDENTITY, Private(b"\x42" * 32), Private(bytes(32)), Private(b"\xff" * 32)]
    recipient = bech32("age", public_key(IDENTITY))
    identity, key = identity_text(IDENTITY), key_text(KEY)
    costs = SLOT_SALT, LEAST_MEMORY, LEAST_PASSES
    locked = {kind: locked_text(kind, secret, PHRASE, *costs) for kind, secret in ((1, KEY), (2, IDENTITY.scalar))}
    changed = base64.b32decode(locked[1].removeprefix(LOCKED_PREFIX) + "=")[:-4]
    refused = {
        "recipient": {
            "typing error": recipient[:20] + ("q" if recipient[20] != "q" else "p") + recipient[21:],
            "mixed case": recipient.replace("age", "Age"),
            "cut": recipient[:-1],
            "31 bytes": bech32("age", bytes(range(31))),
            "33 bytes": bech32("age", bytes(range(33))),
            "no bytes": bech32("age", b""),
            "spare bits": bech32("age", public_key(IDENTITY), flaw=1),
            "another prefix": bech32("imgcrypt", public_key(IDENTITY)),
            "a plugin's prefix": bech32("age1yubikey", public_key(IDENTITY)),
            "no canonical number": bech32("age", (FIELD + 9).to_bytes(32, "little")),
            "highest bit": bech32(
                "age", (int.from_bytes(public_key(IDENTITY), "little") + 2**255).to_bytes(32, "little")
            ),
            **{f"low order {name}": bech32("age", point) for name, point in LOW_ORDER.items()},
        },
        "key": {
            "typing error": key[:-9] + ("A" if key[-9] != "A" else "B") + key[-8:],
            "cut": key[:-2],
            "identity with a typing error": identity[:40] + ("Q" if identity[40] != "Q" else "P") + identity[41:],
            "identity of mixed case": identity.replace("SECRET", "Secret"),
            "identity of 31 bytes": bech32("age-secret-key-", bytes(31)).upper(),
            "identity of 33 bytes": bech32("age-secret-key-", bytes(33)).upper(),
            "identity with spare bits": bech32("age-secret-key-", IDENTITY.scalar, flaw=8).upper(),
            "recipient": recipient,
            "locked of an unknown kind": with_check(bytes([3]) + changed[1:]),
            "locked under another kind": with_check(bytes([2]) + changed[1:]),
            "locked cheaply": locked_text(1, KEY, PHRASE, SLOT_SALT, 8, 1),
            "locked beyond all means": with_check(changed[:17] + b"\xff" * 8 + changed[25:]),
            "locked by another passphrase": locked_text(1, KEY, "incorrect horse", *costs),
            "locked with a flipped bit": with_check(flip(changed, 60)),
            "locked, a byte short": with_check(changed[:-1]),
        },
    }
    pairs = [{"identity": identity_text(each), "recipient": bech32("age", public_key(each))} for each in privates]
    write_json(
        folder / "keys.json",
        {
            "passphrase": PHRASE,
            "pairs": pairs,
            "locked": [{"text": locked[1], "key": key}, {"text": locked[2], "key": identity}],
            "refused": refused,
        },
    )


def with_check(body: bytes) -> str:
    """The text of a protected key, with the right check bytes."""
    check = hashlib.sha256(b"imgcrypt-1 key check" + body).digest()[:4]
    return LOCKED_PREFIX + base64.b32encode(body + check).decode("ascii").rstrip("=")


def write_cipher_vectors(folder: Path) -> None:
    """Write cipher.json: ciphertexts, and the start of the raw keystream."""
    ciphertexts = []
    for size in LENGTHS:
        ciphertext = encipher(pattern(size), KEY)
        entry: dict[str, object] = {"size": size, "sha256": hashlib.sha256(ciphertext).hexdigest()}
        ciphertexts.append(entry | ({"hex": ciphertext.hex()} if size <= 127 else {}))
    stream = raw_keystream(KEY, 200_000)
    keystream = {"size": len(stream), "sha256": hashlib.sha256(stream).hexdigest(), "first": stream[:64].hex()}
    plaintext = "byte i is (i * i * 31 + i * 7 + 3) % 256"
    write_json(
        folder / "cipher.json",
        {"key": KEY.hex(), "plaintext": plaintext, "ciphertexts": ciphertexts, "keystream": keystream},
    )


def write_json(path: Path, value: object) -> None:
    """Write a value so that it reads well and is always the same bytes."""
    path.write_bytes(json.dumps(value, indent=2, ensure_ascii=True).encode("ascii") + b"\n")


def write_valid(folder: Path) -> None:
    """Write the files that every reader opens, and valid.json."""
    entries: dict[str, object] = {}

    def add(
        name: str,
        shape: tuple[int, int, int],
        *,
        key: bytes | None = KEY,
        phrase: str = "",
        private: Private | None = None,
        records: bytes = b"",
        metadata: bytes = b"",
        payload: bytes | None = None,
        associated: bytes = b"",
        **fields: int,
    ) -> None:
        depth = fields.get("sample_bytes", 1)
        payload = pattern(math.prod(shape) * depth) if payload is None else payload
        (folder / f"{name}.imgc").write_bytes(
            vector(
                name,
                shape,
                fields=fields,
                key=key,
                records=records,
                metadata=metadata,
                payload=payload,
                associated=associated,
            )
        )
        picture = {"shape": shape if shape[2] > 1 else shape[:2], "dtype": f"uint{8 * depth}"} if depth else {}
        said = {str(number): value.hex() for number, value in read_metadata(metadata).items()}
        entries[f"{name}.imgc"] = {
            **(
                {"passphrase": phrase}
                if phrase
                else {"key": key_text(KEY) if private is None else identity_text(private)}
            ),
            **({"associated_data": associated.hex()} if associated else {}),
            **picture,
            **({"metadata": said} if said else {}),
            "payload_sha256": hashlib.sha256(payload).hexdigest(),
        }

    add("hybrid_gray", (5, 7, 1))
    add("hybrid_one_pixel", (1, 1, 1))
    add("hybrid_rgba_16_bit", (3, 3, 4), sample_bytes=2)
    add("hybrid_chunks", (200, 150, 3), chunk_exponent=10)
    add("chaos_rgb", (9, 4, 3), suite=CHAOS)
    add("chaos_whole_chunks", (32, 64, 1), suite=CHAOS, chunk_exponent=10)
    add("metadata", (5, 7, 1), metadata=write_metadata(MADE_METADATA))
    later = struct.pack("<HI", 11, 3) + b"new"
    add("metadata_of_a_newer_release", (5, 7, 1), metadata=later + struct.pack("<HI", 10, 3) + b"PNG")
    named = write_metadata({9: "clip \u56f3.gif".encode()})
    add("exact", (0, 0, 0), metadata=named, payload=pattern(70_000), mode=EXACT, sample_bytes=0, chunk_exponent=16)
    add("exact_chaos", (0, 0, 0), payload=b"GIF89a", mode=EXACT, sample_bytes=0, suite=CHAOS)
    add("exact_empty", (0, 0, 0), payload=b"", mode=EXACT, sample_bytes=0)
    add("associated_data", (5, 7, 1), associated=b"account 7")
    add("associated_data_empty_file", (0, 0, 0), associated=b"\0", payload=b"", mode=EXACT, sample_bytes=0)
    add("unknown_optional_record", (5, 7, 1), records=record(0x8001, b"from a newer release"))
    name = "passphrase"
    add(name, (5, 7, 1), key=None, phrase=PHRASE, records=phrase_record(name, PHRASE, LEAST_MEMORY, LEAST_PASSES))
    # valid.json has the decomposed form of the passphrase, the file was made with the composed one.
    name, phrase = "passphrase_normalized", "cafe\u0301"
    add(name, (5, 7, 1), key=None, phrase=phrase, records=phrase_record(name, "caf\u00e9", 20480, 3))
    others = record(RAW, bytes(79)) + record(RAW, bytes(80)) + record(PASSPHRASE, bytes(103)) + record(RAW, b"")
    name = "slots_of_others"
    add(name, (5, 7, 1), key=None, records=others + record(RAW, raw_slot(KEY, *secrets_of(name))))
    # Costs of passphrase slots are no affair of a reader with a raw key.
    add("passphrase_slot_of_others", (5, 7, 1), records=costly_record(8, 1))
    # Four slots that ask for 786,432 in all: the most.
    name = "passphrase_slots_4"
    others = 3 * phrase_record(name, "incorrect horse", LEAST_MEMORY, LEAST_PASSES)
    ours = phrase_record(name, PHRASE, 55808, 12)
    add(name, (5, 7, 1), key=None, phrase=PHRASE, records=others + ours)
    name = "recipient"
    add(name, (5, 7, 1), key=None, private=IDENTITY, records=recipient_record(name))
    # Skipped: those of others, of other lengths, and one that HPKE opens but that is committed to another file key.
    name = "recipients_of_others"
    ours = recipient_record(name)
    uncommitted = recipient_record(name, ephemeral=b"f" * 32)
    others = recipient_record(name, OTHER_IDENTITY, b"g" * 32) + flip(uncommitted, 4 + 40)
    lengths = record(RECIPIENT, ours[4:-1]) + record(RECIPIENT, ours[4:] + b"\0") + record(RECIPIENT, b"")
    add(name, (5, 7, 1), key=None, private=IDENTITY, records=others + lengths + ours)
    # Encapsulated keys are no affair of a reader with a raw key.
    twice = 2 * record(RECIPIENT, bytes(112))
    add("recipients_that_others_refuse", (5, 7, 1), records=twice)
    for name, opener in {
        "every_kind_of_key_by_key": {},
        "every_kind_of_key_by_private_key": {"private": IDENTITY},
        "every_kind_of_key_by_passphrase": {"phrase": PHRASE},
    }.items():
        records = recipient_record(name) + phrase_record(name, PHRASE, LEAST_MEMORY, LEAST_PASSES)
        add(name, (5, 7, 1), records=records, **opener)  # type: ignore[arg-type]
    write_json(folder / "valid.json", entries)


def write_invalid(folder: Path) -> None:
    """Write the files that every reader refuses, one fault each, and invalid.json with the package's error classes."""
    not_imgc, newer, truncated, damaged, wrong_key = (
        f"{name}Error" for name in ("NotImgc", "NewerVersion", "Truncated", "Damaged", "WrongKey")
    )
    net = record(NET, b"none".ljust(24, b"\0") + bytes(32) + struct.pack("<I", 35))
    sampled, exact = {"mode": SAMPLED}, {"mode": EXACT, "sample_bytes": 0}
    good = vector("good")
    size = int.from_bytes(good[10:12], "little")
    two = vector("two chunks", (32, 64, 1), fields={"chunk_exponent": 10})
    other = vector("two other chunks", (32, 64, 1), fields={"chunk_exponent": 10})
    first, second, end = size, size + 1040, size + 2080
    described = vector("described", metadata=b"metadata")
    files = {
        "empty_file": (not_imgc, b""),
        "bad_magic": (not_imgc, vector("bad_magic", fields={"magic": MAGIC.replace(b"\r\n", b"\n\n")})),
        "version_0": (newer, vector("version_0", fields={"version": 0})),
        "version_2": (newer, vector("version_2", fields={"version": 2})),
        "unknown_suite": (newer, vector("unknown_suite", fields={"suite": 3})),
        "unknown_mode": (newer, vector("unknown_mode", fields={"mode": 5})),
        "unknown_record": (newer, vector("unknown_record", records=record(0x7FFF, b""))),
        "unknown_record_4": (newer, vector("unknown_record_4", records=record(4, bytes(80)))),
        "reserved_nonzero": (newer, vector("reserved_nonzero", fields={"reserved": b"\0\0\1"})),
        "magic_only": (truncated, good[:8]),
        "cut_header": (truncated, good[:100]),
        "cut_records": (truncated, good[: size - 40]),
        "cut_chunk": (truncated, two[: second + 99]),
        "cut_tail": (truncated, good[:-1]),
        "chunk_missing": (truncated, two[:first] + two[second:]),
        "trailing_garbage": (damaged, good + b"\0"),
        "header_bytes_135": (damaged, vector("header_bytes_135", fields={"header_bytes": 135})),
        "sample_bytes_0": (damaged, vector("sample_bytes_0", fields={"sample_bytes": 0} | sampled, records=net)),
        "sample_bytes_3": (damaged, vector("sample_bytes_3", fields={"sample_bytes": 3}, payload=pattern(105))),
        "channels_2": (damaged, vector("channels_2", (5, 7, 2))),
        "zero_height": (damaged, vector("zero_height", (0, 7, 1), fields=sampled, records=net, payload=pattern(35))),
        "zero_width": (damaged, vector("zero_width", (5, 0, 1), fields=sampled, records=net, payload=pattern(35))),
        "zero_payload": (damaged, vector("zero_payload", fields=sampled, records=net, payload=b"")),
        "payload_too_short": (damaged, vector("payload_too_short", payload=pattern(34))),
        "payload_too_long": (damaged, vector("payload_too_long", payload=pattern(36))),
        "chunk_exponent_9": (damaged, vector("chunk_exponent_9", fields={"chunk_exponent": 9})),
        "chunk_exponent_25": (damaged, vector("chunk_exponent_25", fields={"chunk_exponent": 25})),
        "header_copy_differs": (damaged, flip(good, len(good) - 1)),
        "record_overrun": (damaged, vector("record_overrun", records=record(0x8001, bytes(9))[:-1])),
        "record_cut": (damaged, vector("record_cut", records=record(0x8001, b"")[:-1])),
        "sampled_without_net": (damaged, vector("sampled_without_net", fields=sampled)),
        "sampled_with_two_nets": (damaged, vector("sampled_with_two_nets", fields=sampled, records=net + net)),
        "lossless_with_net": (damaged, vector("lossless_with_net", records=net)),
        "net_record_short": (
            damaged,
            vector("net_record_short", fields=sampled, records=record(NET, net[4:-1])),
        ),
        "net_name_control": (
            damaged,
            vector("net_name_control", fields=sampled, records=record(NET, b"\x1b[31m".ljust(24, b"\0") + net[28:])),
        ),
        "net_name_empty": (
            damaged,
            vector("net_name_empty", fields=sampled, records=record(NET, bytes(24) + net[28:])),
        ),
        "sampled_16_bit": (damaged, vector("sampled_16_bit", fields={"sample_bytes": 2} | sampled, records=net)),
        "passphrase_slots_5": (
            damaged,
            vector("passphrase_slots_5", records=5 * record(PASSPHRASE, bytes(104))),
        ),
        "other_key": (wrong_key, vector("other_key", key=OTHER_KEY)),
        "no_slot": (wrong_key, vector("no_slot", key=None)),
        "slot_commitment_flipped": (wrong_key, flip(good, 108, len(good) - size + 108)),
        "slot_bit_flipped": (damaged, flip(good, 140, len(good) - size + 140)),
        "slot_without_commitment": (
            wrong_key,
            vector("slot_without_commitment", key=None, records=record(RAW, bare_slot("slot_without_commitment"))),
        ),
        "mac_wrong": (damaged, flip(good, size - 1, len(good) - 1)),
        "height_and_width_swapped": (
            damaged,
            (swapped := good[:16] + good[20:24] + good[16:20] + good[24:size]) + good[size:-size] + swapped,
        ),
        "chunk_bit_flipped": (damaged, flip(two, second + 512)),
        "tag_bit_flipped": (damaged, flip(two, end - 1)),
        "chunks_swapped": (damaged, two[:first] + two[second:end] + two[first:second] + two[end:]),
        "chunk_of_another_file": (damaged, two[:first] + other[first:second] + two[second:]),
        "chaos_chunk_bit_flipped": (damaged, flip(vector("chaos_bit_flipped", fields={"suite": CHAOS}), size)),
        "chaos_tag_bit_flipped": (damaged, flip(vector("chaos_tag_flipped", fields={"suite": CHAOS}), size + 35)),
        "metadata_bit_flipped": (damaged, flip(described, size + 35 + 16)),
        "exact_with_height": (damaged, vector("exact_with_height", (1, 0, 0), fields=exact, payload=b"file")),
        "exact_with_channels": (damaged, vector("exact_with_channels", (0, 0, 1), fields=exact, payload=b"file")),
        "exact_with_depth": (
            damaged,
            vector("exact_with_depth", (0, 0, 0), fields=exact | {"sample_bytes": 1}, payload=b"file"),
        ),
        "exact_with_net": (damaged, vector("exact_with_net", (0, 0, 0), fields=exact, records=net, payload=b"file")),
        "metadata_field_cut": (damaged, vector("metadata_field_cut", metadata=struct.pack("<HI", 9, 5) + b"a.pn")),
        "metadata_field_twice": (
            damaged,
            vector("metadata_field_twice", metadata=2 * (struct.pack("<HI", 10, 3) + b"PNG")),
        ),
        "metadata_field_length": (damaged, vector("metadata_field_length", metadata=struct.pack("<HIH", 7, 2, 0))),
        "metadata_followed": (damaged, vector("metadata_followed", metadata=bytes(200) + b"\1")),
        "digest_wrong": (damaged, vector("digest_wrong", digest=bytes(32))),
        "associated_data_missing": (damaged, vector("associated_data_missing", associated=b"account 7")),
        "associated_data_wrong": (damaged, vector("associated_data_wrong", associated=b"account 7\0")),
        "associated_data_of_an_empty_file": (
            damaged,
            vector("associated_data_of_an_empty_file", (0, 0, 0), fields=exact, payload=b"", associated=b"account 7"),
        ),
    }
    limits = {
        "memory_too_much": [(262145, 2)],
        "memory_too_little": [(LEAST_MEMORY - 1, 40)],
        "memory_0": [(0, 3)],
        "passes_0": [(65536, 0)],
        "passes_too_few": [(65536, LEAST_PASSES - 1)],
        "passes_too_many": [(65536, 13)],
        "cost_of_unequal_slots_too_much": [(262144, 2), (65536, 4), (LEAST_MEMORY, 2)],
        "cost_in_all_too_much": [(65536, 3), (65536, 3), (65536, 3), (65536, 4)],
        "last_slot_too_cheap": [(65536, 3), (8, 1)],
        "most": [(2**32 - 1, 2**32 - 1)],
    }
    for name, slots in limits.items():
        records = b"".join(costly_record(*numbers) for numbers in slots)
        files[f"argon2_{name}"] = damaged, vector(f"argon2_{name}", key=None, records=records)
    name = "argon2_other_passphrase"
    records = phrase_record(name, "incorrect horse", LEAST_MEMORY, LEAST_PASSES)
    files[name] = wrong_key, vector(name, key=None, records=records)

    def for_recipients(name: str, error: str, *slots: bytes) -> None:
        files[f"recipient_{name}"] = error, vector(f"recipient_{name}", key=None, records=b"".join(slots))

    for_recipients("other", wrong_key, recipient_record("recipient_other", OTHER_IDENTITY))
    for_recipients("slot_of_another_file", wrong_key, recipient_record("another"))
    for part, at in {"encapsulated_key": 0, "commitment": 32, "ciphertext": 64, "tag": 111}.items():
        name = f"{part}_flipped"
        for_recipients(name, wrong_key, flip(recipient_record(f"recipient_{name}"), 4 + at))
    name = "committed_to_another"
    slot = recipient_record(f"recipient_{name}")
    other = recipient_record(f"recipient_{name}", OTHER_IDENTITY)
    for_recipients(name, wrong_key, slot[: 4 + 32] + other[4 + 32 : 4 + 64] + slot[4 + 64 :])
    name = "not_committed"
    slot = recipient_record(f"recipient_{name}")
    for_recipients(name, wrong_key, slot[: 4 + 32] + bytes(32) + slot[4 + 64 :])
    for size, name in ((111, "slot_short"), (113, "slot_long")):
        body = recipient_record(f"recipient_{name}")[4:]
        for_recipients(name, wrong_key, record(RECIPIENT, body.ljust(size, b"\0")[:size]))
    for name, point in LOW_ORDER.items():
        ours = recipient_record(f"recipient_low_order_{name}")
        for_recipients(f"low_order_{name}", damaged, ours, record(RECIPIENT, point + bytes(80)))
        # What a reader that does not refuse it would open: all but the point is right for a shared secret of zeros.
        secret = kem_secret(bytes(32), point, public_key(IDENTITY))
        name = f"recipient_open_to_all_{name}"
        file_key, salt = secrets_of(name)
        key, nonce = hpke_key(secret, recipient_info(salt))
        body = (
            point
            + recipient_commitment(file_key, salt, public_key(IDENTITY))
            + AESGCM(key).encrypt(nonce, file_key, None)
        )
        files[name] = damaged, vector(name, key=None, records=record(RECIPIENT, body))
    name = "twice"
    for_recipients(name, damaged, 2 * recipient_record(f"recipient_{name}"))
    name = "encapsulated_key_twice"
    ours = recipient_record(f"recipient_{name}")
    for_recipients(name, damaged, ours, record(RECIPIENT, ours[4 : 4 + 32] + bytes(80)))

    entries: dict[str, object] = {}
    for name, (error, data) in files.items():
        (folder / f"{name}.imgc").write_bytes(data)
        opener = {"passphrase": PHRASE} if name.startswith("argon2") else {"key": key_text(KEY)}
        opener = {"key": identity_text(IDENTITY)} if name.startswith("recipient") else opener
        given = {"associated_data": b"account 7".hex()} if name == "associated_data_wrong" else {}
        entries[f"{name}.imgc"] = {"error": error, **opener, **given}
    write_json(folder / "invalid.json", entries)


def write_self_test(vectors: Path, folder: Path) -> None:
    """Write selftest.json, for the package's own: a few of the vectors in `vectors`."""
    valid = json.loads((vectors / "valid.json").read_text("ascii"))
    cipher = json.loads((vectors / "cipher.json").read_text("ascii"))
    files = {
        name: {**valid[name], "file": base64.b64encode((vectors / name).read_bytes()).decode("ascii")}
        for name in (f"{each}.imgc" for each in SELF_TEST)
    }
    longest = {"key": cipher["key"], **cipher["ciphertexts"][-1]}
    write_json(folder / "selftest.json", {"cipher": longest, "files": files})


def main(
    folder: Path = Path(__file__).parent / "vectors", package_data: Path = Path(__file__).parents[1] / "imgcrypt/data"
) -> None:
    """Write all the vectors into a folder, and a few of them into the package."""
    (folder / "invalid").mkdir(parents=True, exist_ok=True)
    write_cipher_vectors(folder)
    write_key_vectors(folder)
    write_valid(folder)
    write_invalid(folder / "invalid")
    write_self_test(folder, package_data)


if __name__ == "__main__":
    main()
