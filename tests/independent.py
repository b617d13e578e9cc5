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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import reduce
from operator import xor
from pathlib import Path
from typing import Any, NamedTuple

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


def keystream_segment(image_key: bytes, stream: int, segment: int, rows: int = ROWS) -> bytes:
    """The rows of one keystream segment, or the first of them (4.2, 4.3)."""
    u = [(word // 2**12) * 2.0**-52 for word in seed_words(image_key, 0, 0, 6)]
    ex1, ex2 = 2 * u[0] - 1, 2 * u[1] - 1
    en1, en2 = u[2] + 1, u[3] + 1
    he1, he2 = (u[4] + 1) / 8, (u[5] + 1) / 8
    seeds = [(word // 2**12 + 0.5) * 2.0**-52 for word in seed_words(image_key, stream, 512 * segment, 512)]
    words = [0] * (rows * LANES)
    for lane in range(LANES):
        a, b = seeds[lane], seeds[LANES + lane]
        h1, h2 = 2 - 4 * a, 2 - 4 * b
        for row in range(rows):
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
    needed = math.ceil(4 * (rows + columns) / ROW)
    parts = range(0, needed, ROWS)
    stream = b"".join(keystream_segment(image_key, 2, i, min(ROWS, needed - row)) for i, row in enumerate(parts))
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


def message_segments(size: int, image_key: bytes) -> list[bytes]:
    """The keystream segments of a message, as far as it needs them: slides, basis, mask."""
    lengths = [min(SEGMENT, size - start) for start in range(0, size, SEGMENT)]
    return [keystream_segment(image_key, 1, i, 3 + math.ceil(length / ROW)) for i, length in enumerate(lengths)]


def encipher(data: bytes, image_key: bytes) -> bytes:
    """The cipher of section 4."""
    segments = message_segments(len(data), image_key)
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
    segments = message_segments(len(data), image_key)
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


def part_digest(file_key: bytes, salt: bytes, core: bytes, number: int, part: bytes) -> bytes:
    """The digest of a part (3.3)."""
    return blake3(core + bytes([number]) + part, key=hkdf(file_key, salt, "digest", 32)).digest()


def header_mac(file_key: bytes, salt: bytes, packed: bytes, associated: bytes) -> bytes:
    """The header's MAC of section 3.3."""
    return hmac.digest(hkdf(file_key, salt, "header", 32), packed + associated, "sha256")


# Section 2: the container

MAGIC = bytes.fromhex("89696D67630D0A1A")
FIXED = struct.Struct("<8sHHBBBBIIBBBB32s")
HYBRID, CHAOS = 1, 2
SAMPLED, RAW_MODE, EXACT, LOSSLESS = 1, 2, 3, 4
FRONT, METADATA = 1, 2
RAW, PASSPHRASE, RECIPIENT, NET = 1, 2, 3, 16
TAG = 16


class Fixed(NamedTuple):
    """The first 60 bytes of a header (2.1)."""

    magic: bytes
    version: int
    header_bytes: int
    suite: int
    mode: int
    sample_bytes: int
    channels: int
    height: int
    width: int
    packets: int
    parts: int
    flags: int
    reserved: int
    salt: bytes


class Part(NamedTuple):
    """A line of the table of parts (2.1)."""

    length: int
    needed: int

    @property
    def share(self) -> int:
        """The length of each of its shares (2.3)."""
        return -(-self.length // self.needed) if self.needed else 0


class Header(NamedTuple):
    """A header's fields and its bytes."""

    fixed: Fixed
    table: list[Part]
    digests: list[bytes]
    records: list[tuple[int, bytes]]
    net: dict[str, object] | None
    packed: bytes
    mac: bytes

    @property
    def core(self) -> bytes:
        """What the digests cover beside the parts (3.3)."""
        return self.packed[12 : 60 + 9 * len(self.table)]

    @property
    def payload_parts(self) -> int:
        """How many parts are the payload's."""
        return len(self.table) - (self.fixed.flags & METADATA != 0)

    @property
    def payload_bytes(self) -> int:
        """The payload's length."""
        return sum(part.length for part in self.table[: self.payload_parts])

    @property
    def front(self) -> int:
        """The length of the front."""
        return self.table[0].length + TAG if self.fixed.flags & FRONT else 0

    @property
    def packet(self) -> int:
        """The length of a packet with its tag."""
        return sum(part.share for part in self.table) + TAG

    def packet_at(self, number: int) -> int:
        """Where a packet begins."""
        return self.fixed.header_bytes + self.front + number * self.packet

    @property
    def file_bytes(self) -> int:
        """The length of the whole file."""
        return self.packet_at(self.fixed.packets) + self.fixed.header_bytes


def demand(condition: bool, reason: str) -> None:
    """Raise ValueError with the reason unless the condition holds."""
    if not condition:
        raise ValueError(reason)


def read_header(data: bytes) -> Header:
    """The header that the bytes begin with, checked by itself: 1 to 7 of section 2.1."""
    demand(data.startswith(MAGIC), "not an imgcrypt file")
    demand(len(data) >= FIXED.size, "truncated: the header is cut")
    fixed = Fixed(*FIXED.unpack_from(data))
    demand(fixed.version == 1, "newer: unknown version")
    demand(fixed.suite in (HYBRID, CHAOS), "newer: unknown suite")
    demand(fixed.mode in (SAMPLED, RAW_MODE, EXACT, LOSSLESS), "newer: unknown mode")
    demand(fixed.flags <= (FRONT | METADATA), "newer: unknown flag")
    demand(fixed.reserved == 0, "newer: the reserved byte is not zero")
    count = fixed.parts
    demand(fixed.header_bytes >= 60 + 41 * count + 32, "damaged: header_bytes")
    demand(len(data) >= fixed.header_bytes, "truncated: the header is cut")
    packed, mac = data[: fixed.header_bytes - 32], data[fixed.header_bytes - 32 : fixed.header_bytes]
    table = [Part(*struct.unpack_from("<QB", packed, 60 + 9 * i)) for i in range(count)]
    digests = [packed[60 + 9 * count + 32 * i :][:32] for i in range(count)]
    records = list(read_records(packed[60 + 41 * count :]))
    header = Header(fixed, table, digests, records, read_net(records), packed, mac)
    check_parts(header)
    check_picture(header)
    demand(sum(kind == PASSPHRASE for kind, _ in records) <= 4, "damaged: too many passphrase slots")
    demand(sum(kind == NET for kind, _ in records) == (fixed.mode == SAMPLED), "damaged: the number of net records")
    return header


def read_file(data: bytes) -> Header:
    """The header of a whole file: all the checks of section 2.1."""
    header = read_header(data)
    demand(len(data) >= header.file_bytes, "truncated")
    demand(len(data) <= header.file_bytes, "damaged: the file is too long")
    size = header.fixed.header_bytes
    demand(data[:size] == data[-size:], "damaged: the header's copies differ")
    return header


def check_parts(header: Header) -> None:
    """Check 6 of section 2.1."""
    fixed, table, several = header.fixed, header.table, header.payload_parts > 1
    demand(fixed.packets >= 1, "damaged: no packets")
    demand(1 <= fixed.parts <= 16 and header.payload_parts >= 1, "damaged: the number of parts")
    for i, part in enumerate(table):
        demand(part.needed <= fixed.packets, "damaged: a part needs more packets than there are")
        alone = i == 0 and several and fixed.flags & FRONT != 0
        demand(part.needed > 0 or alone, "damaged: a part needs no packets")
        empty = fixed.mode == EXACT and i == 0 and not several
        demand(part.length > 0 or empty, "damaged: a part is empty")


def check_picture(header: Header) -> None:
    """Check 7 of section 2.1, without the counts of records."""
    fixed = header.fixed
    if fixed.mode == EXACT:
        picture = (fixed.sample_bytes, fixed.channels, fixed.height, fixed.width)
        demand(picture == (0, 0, 0, 0), "damaged: a picture in exact mode")
        return
    demand(fixed.sample_bytes in ((1,) if fixed.mode == SAMPLED else (1, 2)), "damaged: sample_bytes")
    demand(fixed.channels in (1, 3, 4), "damaged: channels")
    demand(fixed.height >= 1 and fixed.width >= 1, "damaged: height or width")
    samples = fixed.height * fixed.width * fixed.channels * fixed.sample_bytes
    demand(
        fixed.mode != RAW_MODE or header.payload_bytes == samples, "damaged: the payload's length is not the picture's"
    )


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


def read_net(records: Sequence[tuple[int, bytes]]) -> dict[str, object] | None:
    """The last net record's fields, after a check of all, or None if there is none."""
    net = None
    for body in (body for kind, body in records if kind == NET):
        demand(len(body) == 60, "damaged: the net record's length")
        name, digest, block_bytes = struct.unpack("<24s32sI", body)
        characters = name.rstrip(b"\0")
        demand(len(characters) > 0 and all(0x21 <= c <= 0x7E for c in characters), "damaged: the net's name")
        net = {"name": characters.decode("ascii"), "sha256": digest, "block_bytes": block_bytes}
    return net


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


# Section 3.5: shares

EXP = [1]
while len(EXP) < 255:
    EXP.append(EXP[-1] << 1 ^ (0x11D if EXP[-1] >= 128 else 0))
LOG = {power: exponent for exponent, power in enumerate(EXP)}


def times(a: int, b: int) -> int:
    """The product in GF(256)."""
    return EXP[(LOG[a] + LOG[b]) % 255] if a and b else 0


def inverse(a: int) -> int:
    """1 / a in GF(256)."""
    return EXP[-LOG[a] % 255]


def xored(numbers: Iterable[int]) -> int:
    """The sum in GF(256)."""
    return reduce(xor, numbers, 0)


def product(a: Sequence[int], b: Sequence[int]) -> list[int]:
    """Of two polynomials, each the coefficients from x^0 on."""
    found = [0] * (len(a) + len(b) - 1)
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            found[i + j] ^= times(x, y)
    return found


def value(polynomial: Sequence[int], x: int) -> int:
    """Of a polynomial at x."""
    found = 0
    for coefficient in reversed(polynomial):
        found = times(found, x) ^ coefficient
    return found


def add_parity(shares: Sequence[bytes], packets: int) -> list[bytes]:
    """All the shares of which these are the first: division by the polynomial with the roots 2^0, 2^1, ..."""
    size, count = len(shares[0]), packets - len(shares)
    divisor = reduce(product, ([EXP[i], 1] for i in range(count)), [1])
    tables = [bytes(times(factor, x) for x in range(256)) for factor in reversed(divisor[:-1])]
    rest = [0] * count
    for share in shares:
        # A share is a number of base 256 with a digit for each word, so that xor adds all of them at once.
        first = (int.from_bytes(share, "big") ^ (rest[0] if rest else 0)).to_bytes(size, "big")
        shifted = [*rest[1:], 0]
        rest = [
            old ^ int.from_bytes(first.translate(table), "big") for old, table in zip(shifted, tables, strict=False)
        ]
    return [*shares, *(number.to_bytes(size, "big") for number in rest)]


def correct(word: Sequence[int | None], needed: int) -> list[int] | None:
    """The word with its missing bytes (None) filled in and its wrong ones put right, or None if they are too many.

    Berlekamp's and Massey's algorithm, begun with the missing places (Blahut 1983), and Forney's.
    """
    count = len(word) - needed
    missing = [j for j, byte in enumerate(word) if byte is None]
    if len(missing) > count:
        return None
    points = [EXP[(len(word) - 1 - j) % 255] for j in range(len(word))]
    found = [byte or 0 for byte in word]

    def syndromes() -> list[int]:
        return [value(found[::-1], EXP[i]) for i in range(count)]

    sums = syndromes()
    if not any(sums):
        return found
    locator = reduce(product, ([1, points[j]] for j in missing), [1])
    before, size = locator, len(missing)
    for r in range(len(missing), count):
        delta = xored(times(locator[i], sums[r - i]) for i in range(min(len(locator), r + 1)))
        before = [0, *before]
        if delta:
            longer = max(len(locator), len(before))
            pairs = zip(padded(locator, longer), padded(before, longer), strict=True)
            changed = [a ^ times(delta, b) for a, b in pairs]
            if 2 * size <= r + len(missing):
                size = r + 1 + len(missing) - size
                before = [times(inverse(delta), a) for a in locator]
            locator = changed
    wrong = [j for j, point in enumerate(points) if value(locator, inverse(point)) == 0]
    if len(wrong) != size or 2 * size - len(missing) > count:
        return None
    values = product(sums, locator)[:count]
    slope = [coefficient if i % 2 == 0 else 0 for i, coefficient in enumerate(locator[1:])]
    for j in wrong:
        at = inverse(points[j])
        if (steep := value(slope, at)) == 0:
            return None
        found[j] ^= times(points[j], times(value(values, at), inverse(steep)))
    return None if any(syndromes()) else found


def padded(numbers: Sequence[int], size: int) -> list[int]:
    """The numbers with zeros behind them."""
    return [*numbers, *[0] * (size - len(numbers))]


# Sections 3.3 and 3.5: whole files, and damaged ones


class Keys:
    """What the file key and the digests make of a header (3.3)."""

    def __init__(self, header: Header, file_key: bytes) -> None:
        self.header, self.file_key, self.salt = header, file_key, header.fixed.salt
        self.packets = self.derive(b"".join(header.digests), "packets")
        self.front = self.derive(header.digests[0], "front")

    def derive(self, digests: bytes, purpose: str) -> bytes:
        """A key that is bound to digests."""
        return hkdf(self.file_key, self.salt + digests, purpose, 32)

    def image(self, part: int) -> bytes:
        """The image key of a part."""
        return self.derive(self.header.digests[part], "image")

    def proves(self, part: int, data: bytes) -> bool:
        """Whether a part's digest is that of the data."""
        right = part_digest(self.file_key, self.salt, self.header.core, part, data)
        return hmac.compare_digest(right, self.header.digests[part])

    def seal(self, key: bytes, number: int, data: bytes) -> bytes:
        """A packet or the front as it is in the file."""
        nonce = number.to_bytes(12, "big")
        if self.header.fixed.suite == HYBRID:
            return AESGCM(key).encrypt(nonce, data, None)
        return data + AESGCM(key).encrypt(nonce, b"", data)

    def open(self, key: bytes, number: int, sealed: bytes) -> bytes | None:
        """What is in a packet or the front, or None if its tag is wrong."""
        nonce = number.to_bytes(12, "big")
        data, tag = sealed[:-TAG], sealed[-TAG:]
        try:
            if self.header.fixed.suite == HYBRID:
                return AESGCM(key).decrypt(nonce, sealed, None)
            AESGCM(key).decrypt(nonce, tag, data)
            return data
        except InvalidTag:
            return None

    def open_doubtful(self, key: bytes, number: int, sealed: bytes) -> bytes:
        """As `open`, whatever the tag (appendix, Bytes)."""
        if self.header.fixed.suite == CHAOS:
            return sealed[:-TAG]
        counter = number.to_bytes(12, "big") + bytes([0, 0, 0, 2])
        return Cipher(AES(key), CTR(counter)).decryptor().update(sealed[:-TAG])

    def part(self, number: int, enciphered: bytes) -> bytes | None:
        """A part from its enciphered bytes, if the digest proves it."""
        data = decipher(enciphered[: self.header.table[number].length], self.image(number))
        return data if self.proves(number, data) else None


def authenticate(header: Header, key: bytes | str | Private, associated: bytes) -> Keys:
    """The keys behind a header, by a slot and the MAC."""
    salt = header.fixed.salt
    file_key = unlock(header.records, key, salt)
    if file_key is None:
        raise ValueError("wrong key")
    mac = header_mac(file_key, salt, header.packed, associated)
    demand(hmac.compare_digest(mac, header.mac), "damaged: the header's MAC")
    return Keys(header, file_key)


def cut(header: Header, packets: Sequence[bytes]) -> list[list[bytes]]:
    """The shares of each part in packets without their tags, [part][packet]."""
    shares, at = [], 0
    for part in header.table:
        shares.append([packet[at : at + part.share] for packet in packets])
        at += part.share
    return shares


def said(header: Header, metadata: bytes) -> dict[str, object]:
    """The header's fields by their names, and those of the metadata."""
    fields = {"table": header.table, "digests": header.digests, "net": header.net, "records": header.records}
    return {**header.fixed._asdict(), **fields, "metadata": read_metadata(metadata)}


def open_file(data: bytes, key: bytes | str | Private, associated: bytes = b"") -> tuple[dict[str, object], bytes]:
    """The header's fields, the metadata's among them, and the payload of an undamaged file.

    It is opened with a raw key (bytes), a passphrase (str) or a private key, and the associated data it was made with.

    Raises ValueError with the reason if a check fails.
    """
    header = read_file(data)
    keys = authenticate(header, key, associated)
    packets = []
    for number in range(header.fixed.packets):
        packet = keys.open(keys.packets, number, data[header.packet_at(number) :][: header.packet])
        if packet is None:
            raise ValueError("damaged: the tag of a packet")
        packets.append(packet)
    front = b""
    if header.front:
        opened = keys.open(keys.front, 0, data[header.fixed.header_bytes :][: header.front])
        if opened is None:
            raise ValueError("damaged: the front's tag")
        front = opened
    parts = []
    for number, (part, shares) in enumerate(zip(header.table, cut(header, packets), strict=True)):
        enciphered = b"".join(shares[: part.needed])[: part.length] if part.needed else front
        demand(number > 0 or not header.front or enciphered == front, "damaged: the front is not its part")
        opened = keys.part(number, enciphered)
        if opened is None:
            raise ValueError("damaged: a digest")
        parts.append(opened)
    count = header.payload_parts
    return said(header, b"".join(parts[count:])), b"".join(parts[:count])


def places_of_magic(data: bytes) -> list[int]:
    """Every place of the magic, from both ends inwards (appendix, Header)."""
    places, at = [], data.find(MAGIC)
    while at >= 0:
        places.append(at)
        at = data.find(MAGIC, at + 1)
    inwards = sorted(range(len(places)), key=lambda i: min(i, len(places) - 1 - i))
    return [places[i] for i in inwards]


def find_header(data: bytes, key: bytes | str | Private, associated: bytes) -> Keys:
    """The keys behind the first copy of a header that is right (appendix, Header)."""
    tried: set[bytes] = set()
    reason = ValueError("damaged: no copy of the header is whole")
    for at in places_of_magic(data):
        try:
            header = read_header(data[at : at + 2**16])
            if header.packed + header.mac not in tried and len(tried) < 8:
                tried.add(header.packed + header.mac)
                keys = authenticate(header, key, associated)
                demand(header.file_bytes <= 16 * len(data), "damaged: too little is left")
                return keys
        except ValueError as error:
            reason = error
    raise reason


def origins(data: bytes, header: Header) -> list[int]:
    """Where the file may begin in the data, from every copy of its header as first and second (appendix, Packets)."""
    whole = header.packed + header.mac
    found = []
    for at in places_of_magic(data):
        right = sum(a == b for a, b in zip(whole, data[at:], strict=False))
        if 2 * right >= len(whole):
            found += [at, at + len(whole) - header.file_bytes]
    return list(dict.fromkeys(found))


def window(data: bytes, start: int, size: int) -> tuple[bytes, list[bool]]:
    """Bytes of the data, and which of them are there: within it, and in no run of 16 equal ones (appendix, Bytes)."""
    there = [False] * size
    for i in range(size):
        at = start + i
        if 0 <= at < len(data):
            near = data[max(at - 15, 0) : at + 16]
            there[i] = bytes([data[at]]) * 16 not in near
    return bytes(data[start + i] if 0 <= start + i < len(data) else 0 for i in range(size)), there


def mend_file(data: bytes, key: bytes | str | Private, associated: bytes = b"") -> tuple[Header, list[bytes | None]]:
    """The header and the proven parts of a damaged file, None for those that are lost (3.5).

    What is put together from bytes without right tags is tried where it all lies as one copy of the header says.

    Raises ValueError if no copy of the header is whole, or none is the key's.
    """
    keys = find_header(data, key, associated)
    header = keys.header
    starts = origins(data, header)

    def look(key: bytes, number: int, at: int, size: int) -> bytes | None:
        return keys.open(key, number, data[at : at + size]) if at >= 0 else None

    numbers = range(header.fixed.packets)
    looked = {
        start: [look(keys.packets, i, start + header.packet_at(i), header.packet) for i in numbers] for start in starts
    }
    proven = [next((row[i] for row in looked.values() if row[i] is not None), None) for i in numbers]
    # Bytes without a right tag are taken from where most of the packets are right.
    start = max(starts, key=lambda start: sum(packet is not None for packet in looked[start]))
    packets, there = [], []
    for number, packet in enumerate(proven):
        sealed, known = window(data, start + header.packet_at(number), header.packet)
        packets.append(keys.open_doubtful(keys.packets, number, sealed) if packet is None else packet)
        there.append(known if packet is None else [True] * header.packet)
    fronts = [look(keys.front, 0, start + header.fixed.header_bytes, header.front) for start in starts if header.front]
    front = next((opened for opened in fronts if opened is not None), None)

    parts: list[bytes | None] = []
    at = 0
    for number, (part, shares) in enumerate(zip(header.table, cut(header, packets), strict=True)):
        enciphered = None
        if number == 0 and front is not None:
            enciphered = front
        elif part.needed == 0:
            sealed, known = window(data, start + header.fixed.header_bytes, header.front)
            enciphered = keys.open_doubtful(keys.front, 0, sealed) if all(known[:-TAG]) else None
        else:
            certain = [packet is not None for packet in proven]
            enough = sum(certain) >= part.needed
            words = [
                [share[c] if (certain[i] if enough else there[i][at + c]) else None for i, share in enumerate(shares)]
                for c in range(part.share)
            ]
            right = [correct(word, part.needed) for word in words]
            whole = [word for word in right if word is not None]
            if len(whole) == len(right):
                enciphered = b"".join(bytes(word[i] for word in whole) for i in range(part.needed))
        at += part.share
        parts.append(None if enciphered is None else keys.part(number, enciphered))
    return header, parts


def seal_file(
    payload: bytes,
    fields: Mapping[str, int | bytes],
    file_key: bytes,
    salt: bytes,
    raw_key: bytes | None,
    *,
    parts: Sequence[tuple[int, int]] | None = None,
    packets: int = 1,
    metadata: bytes = b"",
    metadata_needed: int | None = None,
    front: bool = False,
    records: bytes = b"",
    table: bytes | None = None,
    digests: Sequence[bytes] | None = None,
    associated: bytes = b"",
    change: Callable[[int, int, bytes], bytes] = lambda part, share, data: data,
) -> bytes:
    """Make a file of a payload, without any check.

    `fields` are the header's fields by their names: height, width and what differs from the values below. `parts` are
    the payload's, by length and needed; one that needs all packets if it is None. Metadata that are not empty are one
    part more. `records` follow the slot of `raw_key`, if there is one. A `table` of parts or `digests` that are given
    replace the right ones. What `change` makes of share j of part i, or of the front for j = -1, goes into the file.
    """
    lengths = [Part(*part) for part in parts or [(len(payload), packets)]]
    data, at = [], 0
    for part in lengths:
        data.append(payload[at : at + part.length])
        at += part.length
    if metadata:
        lengths.append(Part(len(metadata), metadata_needed or packets))
        data.append(metadata)
    area = (b"" if raw_key is None else record(RAW, raw_slot(raw_key, file_key, salt))) + records
    values: dict[str, int | bytes] = {
        "magic": MAGIC,
        "version": 1,
        "header_bytes": 60 + 41 * len(lengths) + len(area) + 32,
        "suite": HYBRID,
        "mode": RAW_MODE,
        "sample_bytes": 1,
        "channels": 1,
        "packets": packets,
        "parts": len(lengths),
        "flags": FRONT * front + METADATA * bool(metadata),
        "reserved": 0,
        "salt": salt,
        **fields,
    }
    fixed = Fixed(**{name: values[name] for name in Fixed._fields})  # type: ignore[arg-type]
    packed = FIXED.pack(*fixed)
    packed += b"".join(struct.pack("<QB", *part) for part in lengths) if table is None else table
    if digests is None:
        digests = [part_digest(file_key, salt, packed[12:], i, part) for i, part in enumerate(data)]
    packed += b"".join(digests) + area
    header = Header(fixed, lengths, list(digests), [], None, packed, header_mac(file_key, salt, packed, associated))
    keys = Keys(header, file_key)

    bodies = [b""] * packets
    body = b""
    for i, part in enumerate(lengths):
        enciphered = encipher(data[i], keys.image(i))
        if i == 0 and front:
            body = keys.seal(keys.front, 0, change(0, -1, enciphered))
        if part.needed:
            filled = enciphered.ljust(part.needed * part.share, b"\0")
            shares = add_parity([filled[part.share * j :][: part.share] for j in range(part.needed)], packets)
            bodies = [old + change(i, j, share) for j, (old, share) in enumerate(zip(bodies, shares, strict=True))]
    body += b"".join(keys.seal(keys.packets, number, packet) for number, packet in enumerate(bodies))
    return packed + header.mac + body + packed + header.mac


# The frozen vectors

KEY = bytes(range(32))
OTHER_KEY = bytes(range(1, 33))
IDENTITY, OTHER_IDENTITY = Private(bytes(range(64, 96))), Private(bytes(range(96, 128)))
PHRASE = "correct horse"
LEAST_MEMORY, LEAST_PASSES = 19456, 2
SLOT_SALT = bytes(range(16, 32))
NONE = (0, 0, 0)
EXACT_FIELDS = {"mode": EXACT, "sample_bytes": 0}
LENGTHS = (
    *(0, 1, 2, 3, 63, 64, 65, 127, 128, 129, 1023, 1024, 1025, 2049),
    *(4095, 4096, 4097, 32768, 32769, 65535, 65536, 65537, 70001, 150001),
)


SELF_TEST = (
    *("hybrid_rgba_16_bit", "chaos_rgb", "front_chaos", "metadata_and_parity"),
    *("exact_chaos", "passphrase", "recipient"),
)


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
    payload: bytes | None = None,
    fields: Mapping[str, int | bytes] | None = None,
    key: bytes | None = KEY,
    **options: Any,
) -> bytes:
    """A file of `pattern` whose file key and salt come from its name; the options are those of `seal_file`."""
    size = {"height": shape[0], "width": shape[1], "channels": shape[2]}
    payload = pattern(math.prod(shape)) if payload is None else payload
    return seal_file(payload, {**size, **(fields or {})}, *secrets_of(name), key, **options)


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


def lines(*parts: tuple[int, int]) -> bytes:
    """A table of parts, each a length and how many packets it needs (2.1)."""
    return b"".join(struct.pack("<QB", *part) for part in parts)


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
        shape: tuple[int, int, int] = (5, 7, 1),
        *,
        phrase: str = "",
        private: Private | None = None,
        metadata: bytes = b"",
        payload: bytes | None = None,
        associated: bytes = b"",
        fields: Mapping[str, int | bytes] | None = None,
        **options: Any,
    ) -> None:
        fields = {**(fields or {}), **(EXACT_FIELDS if shape == NONE else {})}
        depth = int(fields.get("sample_bytes", 1))
        payload = pattern(math.prod(shape) * depth) if payload is None else payload
        given = {"payload": payload, "fields": fields, "metadata": metadata, "associated": associated}
        (folder / f"{name}.imgc").write_bytes(vector(name, shape, **given, **options))
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

    chaos, named = {"suite": CHAOS}, write_metadata({9: "clip \u56f3.gif".encode()})
    add("hybrid_gray")
    add("hybrid_one_pixel", (1, 1, 1))
    add("hybrid_rgba_16_bit", (3, 3, 4), fields={"sample_bytes": 2})
    add("hybrid_packets", (40, 30, 3), packets=7)
    add("chaos_rgb", (9, 4, 3), fields=chaos)
    add("chaos_packets", (32, 64, 1), fields=chaos, packets=3)
    add("parity", packets=9, parts=[(35, 5)])
    add("parity_chaos", packets=9, parts=[(35, 5)], fields=chaos)
    add(
        "parity_wrong",
        packets=9,
        parts=[(35, 5)],
        change=lambda part, share, data: flip(data, 0) if share > 4 else data,
    )
    add("needed_1", packets=4, parts=[(35, 1)])
    add("needed_more_than_bytes", (1, 2, 1), packets=7, parts=[(2, 5)])
    add("packets_255", (20, 20, 3), packets=255, parts=[(1200, 150)])
    add("packets_255_needed", (20, 20, 3), packets=255)
    add("parts", (12, 25, 1), packets=12, parts=[(40, 3), (140, 8), (120, 12)])
    add("parts_16", packets=5, parts=[(1 + i % 3, 1 + i % 5) for i in range(15)] + [(5, 5)])
    add("front", packets=9, parts=[(35, 5)], front=True)
    add("front_chaos", packets=9, parts=[(12, 2), (23, 5)], front=True, fields=chaos)
    add("front_and_parts", packets=9, parts=[(9, 1), (11, 3), (15, 7)], front=True)
    add("needed_0", packets=9, parts=[(9, 0), (11, 3), (15, 7)], front=True)
    add("metadata", metadata=write_metadata(MADE_METADATA))
    everything = {"metadata": write_metadata(MADE_METADATA), "metadata_needed": 4}
    add("metadata_and_parity", packets=11, parts=[(9, 0), (26, 6)], front=True, **everything)
    later = struct.pack("<HI", 11, 3) + b"new"
    add("metadata_of_a_newer_release", metadata=later + struct.pack("<HI", 10, 3) + b"PNG")
    add("exact", NONE, metadata=named, payload=pattern(20_000), packets=20, parts=[(20_000, 17)])
    add("exact_chaos", NONE, payload=b"GIF89a", fields=chaos)
    add("exact_empty", NONE, payload=b"")
    add(
        "exact_empty_named", NONE, payload=b"", metadata=named, front=True, packets=5, parts=[(0, 2)], metadata_needed=3
    )
    add("associated_data", associated=b"account 7")
    add("associated_data_empty_file", NONE, associated=b"\0", payload=b"")
    add("unknown_optional_record", records=record(0x8001, b"from a newer release"))
    name = "passphrase"
    add(name, key=None, phrase=PHRASE, records=phrase_record(name, PHRASE, LEAST_MEMORY, LEAST_PASSES))
    # valid.json has the decomposed form of the passphrase, the file was made with the composed one.
    name, phrase = "passphrase_normalized", "cafe\u0301"
    add(name, key=None, phrase=phrase, records=phrase_record(name, "caf\u00e9", 20480, 3))
    others = record(RAW, bytes(79)) + record(RAW, bytes(80)) + record(PASSPHRASE, bytes(103)) + record(RAW, b"")
    name = "slots_of_others"
    add(name, key=None, records=others + record(RAW, raw_slot(KEY, *secrets_of(name))))
    # Costs of passphrase slots are no affair of a reader with a raw key.
    add("passphrase_slot_of_others", records=costly_record(8, 1))
    # Four slots that ask for 786,432 in all: the most.
    name = "passphrase_slots_4"
    others = 3 * phrase_record(name, "incorrect horse", LEAST_MEMORY, LEAST_PASSES)
    ours = phrase_record(name, PHRASE, 55808, 12)
    add(name, key=None, phrase=PHRASE, records=others + ours)
    name = "recipient"
    add(name, key=None, private=IDENTITY, records=recipient_record(name))
    # Skipped: those of others, of other lengths, and one that HPKE opens but that is committed to another file key.
    name = "recipients_of_others"
    ours = recipient_record(name)
    uncommitted = recipient_record(name, ephemeral=b"f" * 32)
    others = recipient_record(name, OTHER_IDENTITY, b"g" * 32) + flip(uncommitted, 4 + 40)
    lengths = record(RECIPIENT, ours[4:-1]) + record(RECIPIENT, ours[4:] + b"\0") + record(RECIPIENT, b"")
    add(name, key=None, private=IDENTITY, records=others + lengths + ours)
    # Encapsulated keys are no affair of a reader with a raw key.
    twice = 2 * record(RECIPIENT, bytes(112))
    add("recipients_that_others_refuse", records=twice)
    for name, opener in {
        "every_kind_of_key_by_key": {},
        "every_kind_of_key_by_private_key": {"private": IDENTITY},
        "every_kind_of_key_by_passphrase": {"phrase": PHRASE},
    }.items():
        records = recipient_record(name) + phrase_record(name, PHRASE, LEAST_MEMORY, LEAST_PASSES)
        add(name, records=records, **opener)
    write_json(folder / "valid.json", entries)


def write_damaged(folder: Path) -> None:
    """Write the files that are refused as they are, but of which parts are proven, and damaged.json.

    It says why each is refused, and the SHA-256 of every part, that of the metadata last, or null if it is lost.
    """
    entries: dict[str, object] = {}

    def add(
        name: str,
        error: str,
        damage: Callable[[bytes, Header], bytes],
        lost: Sequence[int] = (),
        *,
        payload: bytes,
        **options: Any,
    ) -> None:
        good = vector(name, NONE, payload=payload, **{"fields": EXACT_FIELDS, **options})
        header = read_file(good)
        parts, at = [], 0
        for part in header.table[: header.payload_parts]:
            parts.append(payload[at : at + part.length])
            at += part.length
        parts += [options["metadata"]] if "metadata" in options else []
        hashes = [None if i in lost else hashlib.sha256(part).hexdigest() for i, part in enumerate(parts)]
        (folder / f"{name}.imgc").write_bytes(damage(good, header))
        key = key_text(KEY) if options.get("key", KEY) else identity_text(IDENTITY)
        entries[f"{name}.imgc"] = {"error": error, "key": key, "parts": hashes}

    def without(*numbers: int, size: int | None = None) -> Callable[[bytes, Header], bytes]:
        """Packets are overwritten with zeros, or their first `size` bytes are."""

        def change(data: bytes, header: Header) -> bytes:
            for number in numbers:
                at, length = header.packet_at(number), header.packet if size is None else size
                data = data[:at] + bytes(length) + data[at + length :]
            return data

        return change

    def wrong(numbers: Sequence[int], places: int) -> Callable[[bytes, Header], bytes]:
        """One byte of each of these packets is wrong, at the first `places` places in turn."""
        return lambda data, header: flip(data, *(header.packet_at(number) + number % places for number in numbers))

    def first_copy(data: bytes, header: Header) -> bytes:
        return bytes(header.fixed.header_bytes) + data[header.fixed.header_bytes :]

    def second_copy(data: bytes, header: Header) -> bytes:
        return data[: -header.fixed.header_bytes] + bytes(header.fixed.header_bytes)

    def cut_out(start: int, end: int) -> Callable[[bytes, Header], bytes]:
        """What lies from 5 bytes into one packet to the beginning of another is gone."""
        return lambda data, header: data[: header.packet_at(start) + 5] + data[header.packet_at(end) :]

    damaged, truncated, not_imgc, newer = (
        f"{name}Error" for name in ("Damaged", "Truncated", "NotImgc", "NewerVersion")
    )
    one: dict[str, Any] = {"payload": pattern(101), "packets": 9, "parts": [(101, 5)]}
    whole: dict[str, Any] = {"payload": pattern(60), "packets": 6}
    chaos = EXACT_FIELDS | {"suite": CHAOS}
    named = write_metadata({9: b"clip.gif"})
    layers: dict[str, Any] = {
        "payload": pattern(300),
        "packets": 12,
        "parts": [(20, 0), (60, 3), (100, 6), (120, 11)],
        "front": True,
        "fields": {"mode": SAMPLED, "height": 10, "width": 30, "channels": 1, "sample_bytes": 1},
        "records": record(NET, b"none".ljust(24, b"\0") + bytes(36)),
    }

    add("packets_lost", damaged, without(0, 2, 5, 8), **one)
    add("packets_lost_chaos", damaged, without(1, 2, 3, 4), **one, fields=chaos)
    add("packets_lost_half", damaged, without(3, 7, size=10), **one)
    add("packets_lost_255", damaged, without(*range(40, 167)), payload=pattern(500), packets=255, parts=[(500, 128)])
    add("packets_lost_metadata", damaged, without(0, 6), metadata=named, metadata_needed=7, **one)
    add("packets_cut_out", truncated, cut_out(2, 5), **one)
    add("packet_inserted", damaged, lambda d, h: d[: h.packet_at(4)] + pattern(77) + d[h.packet_at(4) :], **one)
    add("packets_swapped", damaged, lambda d, h: swapped(d, h, 3, 4), **one)
    add("end_cut", truncated, lambda d, h: d[: h.packet_at(5) + 3], **one)
    add("last_byte_cut", truncated, lambda d, h: d[:-1], **whole)
    add("beginning_cut", not_imgc, lambda d, h: d[h.packet_at(4) - 3 :], **one)
    add("something_before", not_imgc, lambda d, h: b"X-Header: 7\r\n\r\n" + d, **whole)
    add("something_behind", damaged, lambda d, h: d + b"\0", **whole)
    add("first_header_lost", not_imgc, first_copy, **whole)
    add("second_header_lost", damaged, second_copy, **whole)
    add("first_header_flipped", newer, lambda d, h: flip(d, 8), **whole)
    add("second_header_flipped", damaged, lambda d, h: flip(d, len(d) - 1), **whole)
    name = "header_and_packets_lost_recipient"
    records = recipient_record(name, OTHER_IDENTITY, b"g" * 32) + recipient_record(name)
    add(name, not_imgc, lambda d, h: first_copy(without(0, 1, 2, 3)(d, h), h), **one, key=None, records=records)
    add("header_and_packets_lost", not_imgc, lambda d, h: first_copy(without(0, 1, 2, 3)(d, h), h), **one)
    add("bytes_wrong", damaged, wrong(range(9), 5), **one)
    add("bytes_wrong_chaos", damaged, wrong(range(9), 5), **one, fields=chaos)
    add("bytes_wrong_255", damaged, wrong(range(255), 5), payload=pattern(745), packets=255, parts=[(745, 149)])
    add("bytes_wrong_and_packets_lost", damaged, lambda d, h: without(3, 8)(wrong(range(9), 9)(d, h), h), **one)
    add("tags_wrong", damaged, lambda d, h: flip(d, *(h.packet_at(i + 1) - 1 for i in range(6))), **whole)
    add(
        "tags_wrong_chaos",
        damaged,
        lambda d, h: flip(d, *(h.packet_at(i + 1) - 1 for i in range(6))),
        **whole,
        fields=chaos,
    )
    other = {"payload": pattern(35), "packets": 3, "front": True}
    add("front_right", damaged, lambda d, h: d, **other, change=lambda part, j, data: flip(data, 0) if j == 0 else data)
    add(
        "front_lost",
        damaged,
        lambda d, h: bytes(h.front).join([d[: h.packet_at(0) - h.front], d[h.packet_at(0) :]]),
        **other,
    )
    add("front_serves", damaged, without(0, 1, 2), **other)
    add("front_tag_wrong", damaged, lambda d, h: flip(d, h.packet_at(0) - 1), **layers)
    add("layers_4", damaged, without(7), **layers)
    add("layers_3", damaged, without(0, 1, 2, 3, 4, 11), [3], **layers)
    add("layers_2", damaged, without(*range(3, 12)), [2, 3], **layers)
    add("layers_1", truncated, lambda d, h: d[: h.packet_at(1)], [1, 2, 3], **layers)
    add("layers_1_of_the_front", damaged, without(*range(12)), [1, 2, 3], **layers)
    add(
        "layers_without_the_first",
        truncated,
        lambda d, h: d[: h.packet_at(0) - 20] + d[h.packet_at(0) :],
        [0],
        **layers,
    )
    layers["parts"] = [(20, 5), (60, 12), (100, 6), (120, 12)]
    add("layers_1_and_3", damaged, without(2, 4), [1, 3], **layers)
    add("metadata_lost", damaged, without(4), [1], metadata=named, metadata_needed=9, **one)
    write_json(folder / "damaged.json", entries)


def swapped(data: bytes, header: Header, first: int, second: int) -> bytes:
    """The file with the places of two packets exchanged."""
    packets = [data[header.packet_at(i) :][: header.packet] for i in range(header.fixed.packets)]
    packets[first], packets[second] = packets[second], packets[first]
    return data[: header.packet_at(0)] + b"".join(packets) + data[header.packet_at(len(packets)) :]


def write_invalid(folder: Path) -> None:
    """Write the files that every reader refuses, one fault each, and invalid.json with the package's error classes.

    They are in the order in which section 2.1 has the checks. A file of two faults is refused for the first.
    """
    not_imgc, newer, truncated, damaged, wrong_key = (
        f"{name}Error" for name in ("NotImgc", "NewerVersion", "Truncated", "Damaged", "WrongKey")
    )
    files: dict[str, tuple[str, bytes]] = {}

    def add(name: str, error: str, *shape: tuple[int, int, int], **options: Any) -> None:
        """A file that `vector` makes."""
        files[name] = error, vector(name, *shape, **options)

    net = record(NET, b"none".ljust(24, b"\0") + bytes(32) + struct.pack("<I", 35))
    sampled, lossless, chaos = {"mode": SAMPLED}, {"mode": LOSSLESS}, {"suite": CHAOS}
    file: dict[str, Any] = {"fields": EXACT_FIELDS, "payload": b"file"}
    good = vector("good")
    size = len(read_file(good).packed) + 32
    huge = 2**64 - 1

    files["empty_file"] = not_imgc, b""
    files["magic_cut"] = not_imgc, good[:7]
    add("bad_magic", not_imgc, fields={"magic": MAGIC.replace(b"\r\n", b"\n\n")})
    files["magic_only"] = truncated, good[:8]
    files["fixed_part_cut"] = truncated, good[:59]
    files["version_2_cut"] = truncated, vector("version_2_cut", fields={"version": 2})[:59]

    add("version_0", newer, fields={"version": 0})
    add("version_2", newer, fields={"version": 2})
    files["version_2_of_60_bytes"] = newer, vector("version_2_of_60_bytes", fields={"version": 2})[:60]
    add("suite_0", newer, fields={"suite": 0})
    add("unknown_suite", newer, fields={"suite": 3})
    add("mode_0", newer, fields={"mode": 0})
    add("unknown_mode", newer, fields={"mode": 5})
    add("unknown_flag", newer, fields={"flags": 4})
    add("reserved_nonzero", newer, fields={"reserved": 1})
    add("newer_and_short", newer, fields={"reserved": 1, "header_bytes": 0})

    add("header_bytes_0", damaged, fields={"header_bytes": 0})
    add("header_bytes_132", damaged, fields={"header_bytes": 132})
    add("header_bytes_of_fewer_parts", damaged, key=None, fields={"header_bytes": 133 + 40}, parts=[(20, 1), (15, 1)])
    files["cut_header"] = truncated, good[:100]
    files["cut_records"] = truncated, good[: size - 40]
    files["cut_header_of_no_packets"] = truncated, vector("cut_header_of_no_packets", fields={"packets": 0})[:100]

    add("unknown_record", newer, records=record(0x7FFF, b""))
    add("unknown_record_4", newer, records=record(4, bytes(80)))
    add("unknown_record_and_no_packets", newer, records=record(0x7FFF, b""), fields={"packets": 0})
    add("record_overrun", damaged, records=record(0x8001, bytes(9))[:-1])
    add("record_cut", damaged, records=record(0x8001, b"")[:-1])
    add("net_record_short", damaged, fields=sampled, records=record(NET, net[4:-1]))
    control = record(NET, b"\x1b[31m".ljust(24, b"\0") + net[28:])
    add("net_name_control", damaged, fields=sampled, records=control)
    add("net_name_empty", damaged, fields=sampled, records=record(NET, bytes(24) + net[28:]))
    add("net_name_gap", damaged, fields=sampled, records=record(NET, b"a\0b".ljust(24, b"\0") + net[28:]))

    add("packets_0", damaged, fields={"packets": 0})
    add("parts_0", damaged, key=None, fields={"parts": 0, "header_bytes": 92}, table=b"", digests=[b""])
    add("parts_17", damaged, parts=[(2, 1)] * 16 + [(3, 1)])
    add("metadata_without_payload", damaged, fields={"flags": METADATA})
    add("needed_above_packets", damaged, table=lines((35, 2)))
    add("needed_above_packets_of_metadata", damaged, metadata=bytes(256), table=lines((35, 1), (256, 2)))
    add("needed_0_without_front", damaged, parts=[(20, 0), (15, 1)])
    add("needed_0_of_the_second_part", damaged, parts=[(20, 1), (15, 0)], front=True)
    add("needed_0_of_one_part", damaged, parts=[(35, 0)], front=True)
    add("needed_0_beside_metadata", damaged, parts=[(35, 0)], front=True, metadata=bytes(256))
    add("needed_0_of_metadata", damaged, front=True, metadata=bytes(256), table=lines((35, 1), (256, 0)))
    add("empty_part", damaged, parts=[(35, 1), (0, 1)])
    add("empty_first_part", damaged, parts=[(0, 1), (35, 1)])
    add("empty_payload", damaged, fields=lossless, payload=b"")
    add("empty_metadata", damaged, fields={"flags": METADATA}, parts=[(35, 1), (0, 1)])
    empty: dict[str, Any] = {"fields": EXACT_FIELDS, "payload": b""}
    add("exact_empty_parts", damaged, NONE, **empty, parts=[(0, 1), (0, 1)])
    add(
        "exact_empty_metadata",
        damaged,
        NONE,
        fields=EXACT_FIELDS | {"flags": METADATA},
        payload=b"",
        parts=[(0, 1)] * 2,
    )

    add("sample_bytes_0", damaged, fields={"sample_bytes": 0} | sampled, records=net)
    add("sample_bytes_3", damaged, fields={"sample_bytes": 3}, payload=pattern(105))
    add("sampled_16_bit", damaged, fields={"sample_bytes": 2} | sampled, records=net)
    add("channels_0", damaged, (5, 7, 0), fields=lossless, payload=pattern(35))
    add("channels_2", damaged, (5, 7, 2))
    add("channels_5", damaged, (5, 7, 5))
    add("zero_height", damaged, (0, 7, 1), fields=sampled, records=net, payload=pattern(35))
    add("zero_width", damaged, (5, 0, 1), fields=sampled, records=net, payload=pattern(35))
    add("payload_too_short", damaged, payload=pattern(34))
    add("payload_too_long", damaged, payload=pattern(36))
    add("payload_of_parts_too_long", damaged, payload=pattern(36), parts=[(18, 1), (18, 1)])
    add("exact_with_height", damaged, (1, 0, 0), **file)
    add("exact_with_width", damaged, (0, 1, 0), **file)
    add("exact_with_channels", damaged, (0, 0, 1), **file)
    add("exact_with_depth", damaged, NONE, payload=b"file", fields=EXACT_FIELDS | {"sample_bytes": 1})
    add("exact_with_net", damaged, NONE, **file, records=net)
    add("sampled_without_net", damaged, fields=sampled)
    add("sampled_with_two_nets", damaged, fields=sampled, records=net + net)
    add("lossless_with_net", damaged, fields=lossless, records=net)
    add("passphrase_slots_5", damaged, records=5 * record(PASSPHRASE, bytes(104)))

    # Lengths whose sums and products are more than 64 bits hold, and come to what is there if they are cut to 64.
    add("length_most", truncated, fields=lossless, table=lines((huge, 1)))
    add("length_most_of_16", truncated, fields=lossless, parts=[(2, 1)] * 15 + [(5, 1)], table=lines((huge, 1)) * 16)
    described = {"metadata": bytes(256)}
    add("length_most_of_metadata", truncated, **described, table=lines((35, 1), (huge, 1)))
    add("length_most_in_the_front", truncated, fields=lossless, front=True, table=lines((huge, 1)))
    add(
        "length_of_a_picture",
        truncated,
        (2**32 - 1, 2**32 - 1, 1),
        payload=pattern(35),
        table=lines(((2**32 - 1) ** 2, 1)),
    )
    add("length_wrapped", damaged, parts=[(18, 1), (17, 1)], table=lines((2**64 - 1, 1), (36, 1)))
    wrapped = {"packets": 16, "payload": pattern(16), "fields": lossless}
    add("file_length_wrapped", truncated, **wrapped, table=lines((2**60 + 1, 1)))

    whole = {"packets": 3}
    files["packet_cut_out"] = truncated, without_packet(vector("packet_cut_out", **whole), 1)
    files["packet_cut"] = truncated, (data := vector("packet_cut", **whole))[: read_file(data).packet_at(2) + 5]

    files["header_copies_wrong"] = damaged, flip(vector("header_copies_wrong"), 30, -size + 31)
    add("other_key", wrong_key, key=OTHER_KEY)
    add("no_slot", wrong_key, key=None)
    bare = record(RAW, bare_slot("slot_without_commitment"))
    add("slot_without_commitment", wrong_key, key=None, records=bare)
    files["slot_commitment_flipped"] = wrong_key, flip(good, 105, 105 - size)
    files["slot_bit_flipped"] = damaged, flip(good, 137, 137 - size)
    files["mac_wrong"] = damaged, flip(good, size - 1, -1)
    files["digest_bit_flipped"] = damaged, flip(good, 69, 69 - size)
    files["salt_bit_flipped"] = wrong_key, flip(good, 28, 28 - size)
    turned = good[:16] + good[20:24] + good[16:20] + good[24:size]
    files["height_and_width_swapped"] = damaged, turned + good[size:-size] + turned
    two = vector("parts_exchanged", packets=2, parts=[(17, 1), (18, 1)])
    turned = two[:60] + lines((18, 1), (17, 1)) + two[78:][: read_file(two).fixed.header_bytes - 78]
    files["parts_exchanged"] = damaged, turned + two[len(turned) : -len(turned)] + turned
    add("associated_data_missing", damaged, associated=b"account 7")
    add("associated_data_wrong", damaged, associated=b"account 7\0")
    add("associated_data_of_an_empty_file", damaged, NONE, **empty, associated=b"account 7")

    data = vector("packet_bit_flipped", **whole)
    files["packet_bit_flipped"] = damaged, flip(data, read_file(data).packet_at(1) + 3)
    data = vector("packet_bit_flipped_chaos", **whole, fields=chaos)
    files["packet_bit_flipped_chaos"] = damaged, flip(data, read_file(data).packet_at(1) + 3)
    data = vector("packets_exchanged", **whole)
    files["packets_exchanged"] = damaged, swapped(data, read_file(data), 0, 2)
    data, other = (vector(name, **whole) for name in ("packet_of_another_file", "another_file"))
    at, end = read_file(data).packet_at(1), read_file(data).packet_at(2)
    files["packet_of_another_file"] = damaged, data[:at] + other[at:end] + data[end:]
    parity = {"packets": 9, "parts": [(35, 5)]}
    data = vector("packets_lost_5_of_4", **parity)
    at, end = read_file(data).packet_at(2), read_file(data).packet_at(7)
    files["packets_lost_5_of_4"] = damaged, data[:at] + bytes(end - at) + data[end:]
    data = vector("bytes_wrong_3_of_2", **parity)
    files["bytes_wrong_3_of_2"] = damaged, flip(data, *(read_file(data).packet_at(i) for i in range(1, 9)))
    data = vector("front_lost", packets=2, parts=[(5, 0), (30, 2)], front=True)
    files["front_lost"] = damaged, flip(data, read_file(data).packet_at(0) - 20)
    both = {"packets": 3, "front": True}
    add("front_wrong", damaged, **both, change=lambda part, share, data: flip(data, 0) if share < 0 else data)
    add("front_and_shares_wrong", damaged, **both, change=lambda part, share, data: flip(data, max(share, 0)))
    data = vector("front_bit_flipped_and_packets", **both)
    files["front_bit_flipped_and_packets"] = damaged, flip(data, *(read_file(data).packet_at(i) - 20 for i in range(4)))

    add("digest_wrong", damaged, digests=[bytes(32)])
    name, parts = "digest_of_the_second_part_wrong", [(17, 1), (18, 1)]
    first = read_file(vector(name, parts=parts)).digests[0]
    add(name, damaged, parts=parts, digests=[first, bytes(32)])
    name, parts = "digests_exchanged", [(5, 1), (5, 1)]
    digests = read_file(vector(name, (1, 10, 1), payload=2 * pattern(5), parts=parts)).digests
    add(name, damaged, (1, 10, 1), payload=2 * pattern(5), parts=parts, digests=digests[::-1])
    add("data_share_wrong", damaged, **parity, change=lambda part, share, data: flip(data, 0) if share < 5 else data)
    add("metadata_digest_wrong", damaged, metadata=bytes(256), digests=[first, first])
    add("metadata_field_cut", damaged, metadata=struct.pack("<HI", 9, 5) + b"a.pn")
    add("metadata_field_twice", damaged, metadata=2 * (struct.pack("<HI", 10, 3) + b"PNG"))
    add("metadata_field_length", damaged, metadata=struct.pack("<HIH", 7, 2, 0))
    add("metadata_followed", damaged, metadata=bytes(200) + b"\1")

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
        add(f"argon2_{name}", damaged, key=None, records=b"".join(costly_record(*numbers) for numbers in slots))
    name = "argon2_other_passphrase"
    records = phrase_record(name, "incorrect horse", LEAST_MEMORY, LEAST_PASSES)
    add(name, wrong_key, key=None, records=records)

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


def without_packet(data: bytes, number: int) -> bytes:
    """The file with one packet gone."""
    header = read_file(data)
    return data[: header.packet_at(number)] + data[header.packet_at(number + 1) :]


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
    write_cipher_vectors(folder)
    write_key_vectors(folder)
    for name, write in {".": write_valid, "damaged": write_damaged, "invalid": write_invalid}.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        write(folder / name)
    write_self_test(folder, package_data)


if __name__ == "__main__":
    main()
