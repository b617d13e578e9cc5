"""The work on one file: encrypting it, decrypting it, or checking it."""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from imgcrypt import container, files, threads
from imgcrypt.errors import ImgcryptError
from imgcrypt.keys import Key, PassphraseKey
from imgcrypt.pictures import MAX_PIXELS, most_bytes
from imgcrypt.recipients import Recipient

if TYPE_CHECKING:
    from imgcrypt.arrays import Image
    from imgcrypt.context import Codec
    from imgcrypt.inputs import Protection, Provider, Quality, SuiteName
    from imgcrypt.opening import Opened

ENCRYPT, DECRYPT, VERIFY = "encrypt", "decrypt", "verify"


@dataclasses.dataclass(frozen=True)
class Settings:
    """What is done to every file, as the options of ``imgcrypt enc`` and ``dec`` say it."""

    action: str
    lossless: bool = False
    raw: bool = False
    exact: bool = False
    rate: float | None = None
    target_psnr: float | None = None
    net: str | None = None
    strip: bool = False
    frame: int | None = None
    max_pixels: int = MAX_PIXELS
    suite: SuiteName = "hybrid"
    protection: Protection | None = None
    survive: float | None = None
    recipients: str = ""
    """A digest of them, so that a run for others does not take the outputs for its own."""
    zoo: str | None = None
    provider: Provider = "auto"
    quality: Quality = "best"
    written: str | None = None
    """Suffix of decrypted pictures; None takes their own."""

    def text(self) -> str:
        """What the outputs depend on: by it a later run tells whether they are what it would make."""
        # A zoo's folder may move, and be named when a file has failed for want of its net.
        where = ("max_pixels", "provider", "zoo")
        fields = dataclasses.fields(self)
        told = {
            each.name: getattr(self, each.name)
            for each in fields
            if each.name not in where and getattr(self, each.name) != each.default
        }
        return repr(told)


class Made(NamedTuple):
    """An output that is to be written."""

    data: bytes
    suffix: str
    """To add to the name."""
    pixels: int
    decibels: float | None
    repaired: int | None = None
    """As manifest.Result's."""


class Worker:
    """Does what the settings say to one file after the other: nets and kernels are loaded once."""

    def __init__(self, settings: Settings, whom: Sequence[Key | Recipient], threads: int) -> None:
        import imgcrypt

        self.settings = settings
        self._whom = tuple(whom)
        self._keys = tuple(each for each in whom if isinstance(each, Key))
        self._threads = threads
        self._codec: Codec = imgcrypt.Codec(
            net=settings.net,
            suite=settings.suite,
            provider=settings.provider,
            protection=settings.protection,
            survive=settings.survive,
            zoo=settings.zoo,
            threads=threads,
            max_pixels=settings.max_pixels if settings.action == ENCRYPT else None,
        )

    def identity(self) -> str | None:
        """What tells the first key from others and gives nothing of it away; None if there is but a passphrase."""
        key = self._random_key()
        return None if key is None else key.fingerprint()

    def _random_key(self) -> Key | None:
        # A passphrase could be guessed by what is made of it.
        return next((each for each in self._keys if not isinstance(each, PassphraseKey)), None)

    def most_bytes(self) -> int:
        """Of a file that is worth reading."""
        plain = self.settings.action == ENCRYPT and not self.settings.exact
        return most_bytes(self.settings.max_pixels) if plain else files.MOST_BYTES

    def digest(self, data: bytes) -> str | None:
        """Of a source. A plain one of a picture would let everybody who sees the manifest test which picture it is."""
        if self.settings.action != ENCRYPT:
            return hashlib.sha256(data).hexdigest()
        key = self._random_key()
        if key is None:
            return None
        own = hmac.digest(key.secret, b"imgcrypt-1 batch: digest of a source", "sha256")
        return hmac.new(own, data, "sha256").hexdigest()

    def encrypt(self, data: bytes, name: str) -> Made:
        """A picture's or file's ciphertext, which was opened again to prove it good.

        Raises:
            ImgcryptError: no picture, or not one that the settings serve.
        """
        import imgcrypt
        from imgcrypt import proving

        wanted = self.settings
        own, keys = proving.provers(self._whom)
        whom = [*own, *self._whom]
        if wanted.exact:
            blob = imgcrypt.encrypt_bytes(
                data, whom, name=name, suite=wanted.suite, protection=wanted.protection, survive=wanted.survive
            )
            if imgcrypt.decrypt_bytes(blob, keys).data != data:
                raise ImgcryptError("the encrypted file does not open to the same bytes; report this")
            return Made(proving.finished(blob, own), ".imgc", 0, None)
        read = imgcrypt.read(data, name=name, frame=wanted.frame, max_pixels=wanted.max_pixels)
        blob = self._codec.encrypt(
            read.pixels if wanted.strip else read,
            lossless=wanted.lossless,
            raw=wanted.raw,
            rate=wanted.rate,
            target_psnr=wanted.target_psnr,
            key=whom,
        )
        back = self._codec.decrypt_picture(blob, key=keys)
        keeps = wanted.lossless or wanted.raw
        if (keeps and not (back.pixels == read.pixels).all()) or (not wanted.strip and back.metadata != read.metadata):
            raise ImgcryptError("the encrypted picture does not open to the same again; report this")
        decibels = None if keeps else self._decibels(read.pixels, back.pixels)
        return Made(proving.finished(blob, own), ".imgc", read.pixels.shape[0] * read.pixels.shape[1], decibels)

    def decrypt(self, data: bytes, name: str) -> Made:
        """What a ciphertext holds, as a file.

        Raises:
            ImgcryptError: it does not open, or what is in it cannot be written.
        """
        import imgcrypt
        from imgcrypt import naming, pictures
        from imgcrypt.info import describe
        from imgcrypt.pictures import metadata

        opened, pixels = self._open(data)
        if pixels is None:
            return Made(opened.payload.tobytes(), "", 0, None, opened.damaged)
        info, said = describe(opened.header), metadata.unpack(opened.metadata)
        if self.settings.written is not None:
            suffixes = [self.settings.written]
        else:
            found = naming.targets(name, said, lossless=info.net is None, channels=info.channels, bits=info.bits)
            suffixes = [each.suffix for each in found]
        for suffix in suffixes:
            try:
                content = pictures.encode(pixels, suffix, said)
            except imgcrypt.ImageError:
                # Some formats cannot hold sides as long.
                if suffix == suffixes[-1]:
                    raise
                continue
            # The whole name stays before another suffix, so that no two files of a tree get the same.
            added = "" if naming.renamed(name, suffix) == name else suffix
            return Made(content, added, info.height * info.width, None, opened.damaged)
        raise AssertionError("there is always a format")

    def check(self, data: bytes, sealed: str | None) -> int | None:
        """Refuse a file that is not as its manifest has it or, where there is a key, does not open.

        With a key, one that was damaged since and whose parity gives back every byte is not refused.

        Returns:
            As manifest.Result's ``repaired``.

        Raises:
            ImgcryptError: it is not.
        """
        if sealed is not None and not _is(data, sealed):
            if not self._is_mended(data, sealed):
                raise ImgcryptError("it is not the file that the manifest has: it was changed, or damaged")
        elif not self._keys or not data.startswith(container.MAGIC):
            return None
        return self._open(data)[0].damaged

    def _is_mended(self, data: bytes, sealed: str) -> bool:
        import imgcrypt

        try:
            return bool(self._keys) and _is(imgcrypt.repair(data, self._keys), sealed)
        except ImgcryptError:
            return False

    def _open(self, data: bytes) -> tuple[Opened, Image | None]:
        """What is in a ciphertext, and the picture, if it is one."""
        from imgcrypt import boundary, opening, payload
        from imgcrypt.container import Mode
        from imgcrypt.runtime import zoo

        wanted = self.settings

        @boundary.public
        def open_() -> tuple[Opened, Image | None]:
            opened = opening.open_(data, self._keys)
            content = opened.header.content
            if content.mode is Mode.EXACT:
                return opened, None
            return opened, payload.decode(opened.payload, content, wanted.provider, wanted.quality)

        with threads.limited(self._threads), zoo.using(wanted.zoo):
            return open_()

    def _decibels(self, one: object, other: object) -> float | None:
        import numpy as np

        from imgcrypt.metrics import psnr

        colors = [
            np.asarray(each)[..., :3] if np.asarray(each).ndim == 3 else np.asarray(each) for each in (one, other)
        ]
        found = float(psnr(*colors))
        # JSON has no infinity.
        return None if math.isinf(found) else round(found, 2)


def _is(data: bytes, digest: str) -> bool:
    return hmac.compare_digest(hashlib.sha256(data).hexdigest(), digest)
