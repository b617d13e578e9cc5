"""What ``bench security`` measures: pictures, their payloads, and the ciphers that encrypt these."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import math
import sys
from collections.abc import Callable, Iterator

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

import imgcrypt
from imgcrypt import container, envelope, inputs
from imgcrypt import payload as payloads
from imgcrypt.arrays import Bytes
from imgcrypt.bench.common import BenchError
from imgcrypt.bench.pictures import GRAY
from imgcrypt.container import TAG_BYTES, Content, Header, Layout, Suite
from imgcrypt.envelope import Secrets
from imgcrypt.keys import RawKey
from imgcrypt.runtime import zoo

Encrypt = Callable[["Subject", Bytes, Secrets], Bytes]

KEY = RawKey(bytes(range(32)))
"""What the files' key slots are made for. The ciphertext does not depend on it, but on the file key that it wraps."""
FIGURE_2_NET = "fclbcnn-0.18"
"""The paper's net, measured beside the default one."""
DIRECT = "pixels"
"""What a lossless payload is called here."""
TRIES = 200
"""Changed pixels that may leave a payload as it was, one after the other, before the search ends."""


@dataclasses.dataclass(frozen=True)
class Subject:
    """One picture in one form.

    ``picture`` is uint8 (H, W) or (H, W, 3), ``payload`` uint8 (n,) what of it is encrypted: its samples, or its
    measurements by the net ``entry``. ``content`` and ``layout`` are what envelope.seal takes for it.
    """

    name: str
    kind: str
    picture: Bytes
    entry: zoo.Entry | None
    provider: str
    payload: Bytes
    content: Content
    layout: Layout

    @property
    def form(self) -> str:
        """The net's name, or DIRECT."""
        return self.entry.name if self.entry else DIRECT

    @property
    def rate(self) -> float | None:
        """The net's, for pictures of this kind."""
        return self.entry.rate(1 if self.kind == GRAY else 3) if self.entry else None

    def plane(self, data: Bytes) -> Bytes:
        """A payload or its ciphertext as a picture: the picture's shape, or (H, W) with a tile for each block.

        A block of 576 measurements is a tile of 24 x 24, as in the paper. The payload of a net for any rate is no
        blocks but one string: it is cut into rows, as many as columns, and a last one that is not full is left out.
        """
        if self.entry is None:
            return data.reshape(self.picture.shape)
        if self.entry.any_rate:
            width = math.isqrt(len(data))
            return data[: len(data) // width * width].reshape(-1, width)
        rows, columns = self._blocks()
        size = self.entry.block_bytes
        high = max(side for side in range(1, math.isqrt(size) + 1) if size % side == 0)
        tiles = data.reshape(rows, columns, high, size // high)
        return tiles.transpose(0, 2, 1, 3).reshape(rows * high, columns * size // high)

    def walk(self, rng: np.random.Generator) -> Iterator[tuple[Bytes, int]]:
        """Payloads without end: the picture's, then each of the picture before with one sample changed by one level.

        Measurements are rounded, so that many such changes leave all of them as they were. Then another sample is
        changed instead.

        Yields:
            The payload, uint8 (n,), which the next step overwrites, and how many samples it took.

        Raises:
            BenchError: TRIES samples changed nothing.
        """
        picture, payload, changes = self.picture.copy(), self.payload.copy(), 0
        while True:
            yield payload, changes
            changes = self._step(picture, payload, rng)

    def _step(self, picture: Bytes, payload: Bytes, rng: np.random.Generator) -> int:
        change = self._change_sample if self.entry is None else self._change_measurements
        for changes in range(1, TRIES + 1):
            place = tuple(int(rng.integers(length)) for length in picture.shape)
            level = int(picture[place])
            if change(
                picture, payload, place, level + (1 if level == 0 or (level < 255 and rng.random() < 0.5) else -1)
            ):
                return changes
        raise BenchError(f"no change of one pixel changes the measurements of {self.name}; take it out of the folder")

    def _change_sample(self, picture: Bytes, payload: Bytes, place: tuple[int, ...], level: int) -> bool:
        picture[place] = level
        payload.reshape(picture.shape)[place] = level
        return True

    def _change_measurements(self, picture: Bytes, payload: Bytes, place: tuple[int, ...], level: int) -> bool:
        """Sample the blocks about the place alone, before and after: the net does not reach further.

        A net for any rate shares out the payload among all blocks: it samples the whole picture.
        """
        assert self.entry is not None
        kept = int(picture[place])
        if self.entry.any_rate:
            picture[place] = level
            after = payloads.encode(picture, Suite.CHAOS, rate=self.rate, net=self.entry.name, provider=self.provider)[
                2
            ]
            if (payload == after).all():
                picture[place] = kept
                return False
            payload[:] = after
            return True
        (row, column), side, reach = (at // self.entry.block for at in place[:2]), self.entry.block, self.entry.halo
        top, left = max(row - reach, 0), max(column - reach, 0)
        bottom, right = row + reach + 1, column + reach + 1
        part = picture[top * side : bottom * side, left * side : right * side]
        before = payloads.measure(part, self.entry, self.provider)
        picture[place] = level
        after = payloads.measure(part, self.entry, self.provider)
        if (before == after).all():
            picture[place] = kept
            return False
        rows, columns = self._blocks()
        blocks = payload.reshape(rows, columns, -1)[top:bottom, left:right]
        before, after = before.reshape(blocks.shape), after.reshape(blocks.shape)
        # Only what the change did: a part alone may round other measurements than the whole picture.
        blocks[before != after] = after[before != after]
        return True

    def _blocks(self) -> tuple[int, int]:
        assert self.entry is not None
        return -(-self.picture.shape[0] // self.entry.block), -(-self.picture.shape[1] // self.entry.block)


def chaos(subject: Subject, payload: Bytes, secrets: Secrets) -> Bytes:
    """The ciphertext in a file of the suite chaos: the released key schedule, bound to salt, file key and digest."""
    return ciphertext(seal(subject, payload, secrets))


def aes_ctr(subject: Subject, payload: Bytes, secrets: Secrets) -> Bytes:
    """AES-256 in counter mode, a sound cipher as long as no nonce serves twice. The salt's first half is the nonce."""
    encryptor = Cipher(algorithms.AES(secrets.file_key), modes.CTR(secrets.salt[:16])).encryptor()
    return np.frombuffer(encryptor.update(payload.data), np.uint8)


def toy(subject: Subject, payload: Bytes, secrets: Secrets) -> Bytes:
    """XOR with noise from a seed of 16 bits, hashed from secrets and payload: 65,536 guesses break it."""
    seed = hashlib.sha256(secrets.file_key + secrets.salt + payload.tobytes()).digest()[:2]
    noise = np.random.default_rng(int.from_bytes(seed)).integers(0, 256, len(payload), np.uint8)
    return np.asarray(payload ^ noise, np.uint8)


def load(name: str) -> Encrypt:
    """A cipher of one's own, as ``package.module:function``, looked for in the current folder too.

    It is called with the payload, uint8 (n,), a key and a nonce of 32 bytes each, and returns uint8 (n,).

    Raises:
        BenchError: there is none, or it returns something else.
    """
    module, _, function = name.partition(":")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        encrypt = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise BenchError(f"cannot load the cipher {name!r} ({error}); name it as package.module:function") from None

    def adapted(subject: Subject, payload: Bytes, secrets: Secrets) -> Bytes:
        found = np.asarray(encrypt(payload.copy(), secrets.file_key, secrets.salt))
        if found.dtype != np.uint8 or found.shape != payload.shape:
            raise BenchError(
                f"the cipher {name} does not return as many bytes as it is given; let it return uint8 (n,)"
            )
        return found

    return adapted


def seal(subject: Subject, payload: Bytes, secrets: Secrets) -> bytes:
    """A file of the suite chaos, which KEY opens."""
    return envelope.seal(payload, subject.content, subject.layout, KEY, secrets)


def ciphertext(blob: bytes) -> Bytes:
    """All packets of a file of the suite chaos, without their tags and what fills up shares: uint8 (n,)."""
    header = container.parse(blob)
    grid = _packets(blob, header)
    filling = np.zeros(grid.shape, bool)
    for number, part in enumerate(header.parts):
        if part.needed:
            filling[: part.needed, _columns(header, number)] = (
                np.arange(part.needed * part.share_bytes).reshape(part.needed, -1) >= part.length
            )
    return grid[~filling]


def enciphered(blob: bytes) -> list[Bytes]:
    """The parts of a file of the suite chaos as they were enciphered, without parity: uint8 (n,) each."""
    header = container.parse(blob)
    grid, front = _packets(blob, header), np.frombuffer(blob, np.uint8)[header.header_bytes :]
    return [
        (grid[: part.needed, _columns(header, number)].reshape(-1) if part.needed else front)[: part.length]
        for number, part in enumerate(header.parts)
    ]


def _packets(blob: bytes, header: Header) -> Bytes:
    sealed = np.frombuffer(blob, np.uint8)[header.packet_at(0) : header.trailer_at]
    return sealed.reshape(header.packets, -1)[:, :-TAG_BYTES]


def _columns(header: Header, number: int) -> slice:
    """Where a part's shares lie in their packets."""
    start = sum(part.share_bytes for part in header.parts[:number])
    return slice(start, start + header.parts[number].share_bytes)


def draw(rng: np.random.Generator) -> Secrets:
    """A file key and a salt. From a seeded generator they guard nothing; here nothing is to be guarded."""
    return Secrets(rng.bytes(32), rng.bytes(container.SALT_BYTES))


def flip(secret: bytes, bit: int) -> bytes:
    """The same but for one bit."""
    return (int.from_bytes(secret) ^ 1 << bit).to_bytes(len(secret))


def forms(name: str, kind: str, picture: Bytes, provider: str) -> Iterator[Subject]:
    """The picture as measurements of the default net and of the paper's, and as its own samples."""
    channels = 1 if picture.ndim == 2 else 3
    nets = (zoo.choose(None, None, channels), zoo.choose(FIGURE_2_NET, None, channels))
    for entry in (*dict.fromkeys(nets), None):
        blob = imgcrypt.encrypt(
            picture,
            KEY,
            raw=entry is None,
            rate=entry.rate(channels) if entry else None,
            net=entry.name if entry else None,
            suite="chaos",
            provider=inputs.provider(provider),
        )
        header, payload, _ = envelope.open_(blob, KEY)
        yield Subject(name, kind, picture, entry, provider, payload, header.content, header.layout)
