"""The work on one file: encrypting it, decrypting it, or checking it."""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import math
from typing import TYPE_CHECKING, NamedTuple

from imgcrypt import container, files
from imgcrypt.errors import ImgcryptError
from imgcrypt.keys import Key, RawKey
from imgcrypt.pictures import MAX_PIXELS, most_bytes

if TYPE_CHECKING:
    from imgcrypt.context import Codec
    from imgcrypt.inputs import Provider, Quality, SuiteName

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
    provider: Provider = "auto"
    quality: Quality = "best"
    written: str | None = None
    """Suffix of decrypted pictures; None takes their own."""

    def text(self) -> str:
        """What the outputs depend on: by it a later run tells whether they are what it would make."""
        where = ("max_pixels", "provider")
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


class Worker:
    """Does what the settings say to one file after the other: nets and kernels are loaded once."""

    def __init__(self, settings: Settings, key: Key | None, threads: int) -> None:
        import imgcrypt

        self.settings = settings
        self._key = key
        self._codec: Codec = imgcrypt.Codec(
            key,
            net=settings.net,
            suite=settings.suite,
            provider=settings.provider,
            quality=settings.quality,
            threads=threads,
            max_pixels=settings.max_pixels if settings.action == ENCRYPT else None,
        )

    def identity(self) -> str | None:
        """What tells the key from others and gives nothing of it away; None for a passphrase."""
        return self._key.fingerprint() if isinstance(self._key, RawKey) else None

    def most_bytes(self) -> int:
        """Of a file that is worth reading."""
        plain = self.settings.action == ENCRYPT and not self.settings.exact
        return most_bytes(self.settings.max_pixels) if plain else files.MOST_BYTES

    def digest(self, data: bytes) -> str | None:
        """Of a source. A plain one of a picture would let everybody who sees the manifest test which picture it is."""
        if self.settings.action != ENCRYPT:
            return hashlib.sha256(data).hexdigest()
        if not isinstance(self._key, RawKey):
            return None
        own = hmac.digest(self._key.secret, b"imgcrypt-1 batch: digest of a source", "sha256")
        return hmac.new(own, data, "sha256").hexdigest()

    def encrypt(self, data: bytes, name: str) -> Made:
        """A picture's or file's ciphertext, which was opened again to prove it good.

        Raises:
            ImgcryptError: no picture, or not one that the settings serve.
        """
        import imgcrypt

        wanted, key = self.settings, self._key
        assert key is not None
        if wanted.exact:
            blob = imgcrypt.encrypt_bytes(data, key, name=name, suite=wanted.suite)
            if imgcrypt.decrypt_bytes(blob, key).data != data:
                raise ImgcryptError("the encrypted file does not open to the same bytes; report this")
            return Made(blob, ".imgc", 0, None)
        read = imgcrypt.read(data, name=name, frame=wanted.frame, max_pixels=wanted.max_pixels)
        blob = self._codec.encrypt(
            read.pixels if wanted.strip else read,
            lossless=wanted.lossless,
            raw=wanted.raw,
            rate=wanted.rate,
            target_psnr=wanted.target_psnr,
        )
        back = self._codec.decrypt_picture(blob)
        keeps = wanted.lossless or wanted.raw
        if (keeps and not (back.pixels == read.pixels).all()) or (not wanted.strip and back.metadata != read.metadata):
            raise ImgcryptError("the encrypted picture does not open to the same again; report this")
        decibels = None if keeps else self._decibels(read.pixels, back.pixels)
        return Made(blob, ".imgc", read.pixels.shape[0] * read.pixels.shape[1], decibels)

    def decrypt(self, data: bytes, name: str) -> Made:
        """What a ciphertext holds, as a file.

        Raises:
            ImgcryptError: it does not open, or what is in it cannot be written.
        """
        import imgcrypt
        from imgcrypt import naming, pictures

        key = self._key
        assert key is not None
        info = imgcrypt.inspect(data)
        if info.mode == "exact":
            return Made(imgcrypt.decrypt_bytes(data, key).data, "", 0, None)
        picture = self._codec.decrypt_picture(data)
        if self.settings.written is not None:
            suffixes = [self.settings.written]
        else:
            found = naming.targets(
                name, picture.metadata, lossless=info.net is None, channels=info.channels, bits=info.bits
            )
            suffixes = [each.suffix for each in found]
        for suffix in suffixes:
            try:
                content = pictures.encode(picture.pixels, suffix, picture.metadata)
            except imgcrypt.ImageError:
                # Some formats cannot hold sides as long.
                if suffix == suffixes[-1]:
                    raise
                continue
            # The whole name stays before another suffix, so that no two files of a tree get the same.
            added = "" if naming.renamed(name, suffix) == name else suffix
            return Made(content, added, info.height * info.width, None)
        raise AssertionError("there is always a format")

    def check(self, data: bytes, sealed: str | None) -> None:
        """Refuse a file that is not as its manifest has it or, where there is a key, does not open.

        Raises:
            ImgcryptError: it is not.
        """
        import imgcrypt

        if sealed is not None and not hmac.compare_digest(hashlib.sha256(data).hexdigest(), sealed):
            raise ImgcryptError("it is not the file that the manifest has: it was changed, or damaged")
        if self._key is None or not data.startswith(container.MAGIC):
            return
        if imgcrypt.inspect(data).mode == "exact":
            imgcrypt.decrypt_bytes(data, self._key)
        else:
            self._codec.decrypt(data)

    def _decibels(self, one: object, other: object) -> float | None:
        import numpy as np

        from imgcrypt.metrics import psnr

        colors = [
            np.asarray(each)[..., :3] if np.asarray(each).ndim == 3 else np.asarray(each) for each in (one, other)
        ]
        found = float(psnr(*colors))
        # JSON has no infinity.
        return None if math.isinf(found) else round(found, 2)
