"""Pictures in, encrypted bytes out, and back."""

from __future__ import annotations

import dataclasses
from types import ModuleType

import numpy as np

from imgcrypt import boundary, envelope, info, loading, payload
from imgcrypt.arrays import Image as Image  # part of the signatures here
from imgcrypt.container import Suite
from imgcrypt.errors import ImageError, ImgcryptError
from imgcrypt.info import Info
from imgcrypt.keys import Key
from imgcrypt.pictures import Picture, metadata
from imgcrypt.pictures.metadata import Metadata

SUITES = {"hybrid": Suite.HYBRID, "chaos": Suite.CHAOS}
QUALITIES = ("best", "fast")


@boundary.public
def encrypt(
    image: Image | Picture,
    key: Key,
    *,
    lossless: bool = False,
    raw: bool = False,
    rate: float | None = None,
    target_psnr: float | None = None,
    net: str | None = None,
    suite: str = "hybrid",
    provider: str = "auto",
) -> bytes:
    """Encrypt a picture into the bytes of an ``.imgc`` file.

    Args:
        image: uint8 (H, W) gray, (H, W, 3) RGB or (H, W, 4) RGBA; with ``lossless`` or ``raw`` also uint16. Of a
            Picture, as imgcrypt.read returns it, the metadata travel too, encrypted: decrypt_picture gives them back.
        key: who may open it.
        lossless: keep every sample exactly instead of sampling the picture, compressed by JPEG XL. An alpha channel is
            always kept exactly.
        raw: keep every sample exactly and do not compress: the length tells nothing but the picture's size, and what
            is left of a damaged file can be recovered.
        rate: bytes of measurements per sample (a gray pixel is one sample, a color pixel three), from 0.005 to
            0.75 for the default net: the length then tells nothing but the picture's size.
        target_psnr: instead of a rate, the PSNR in dB that the picture is to come back with at least, alpha not
            counted, in about the fewest bytes. It holds for ``fast`` (see decrypt); the net gains some tenths of a dB on
            photographs and may lose as much on drawings. Where neither is given, the default net takes 42 dB.
        net: name or kind of the sampling net; ``None`` takes the default. See imgcrypt.runtime.zoo for all.
        suite: ``hybrid`` (the chaos cipher inside AES-256-GCM) or ``chaos`` (the paper's cipher with
            authentication only, for research; see docs/threat-model.md).
        provider: what runs the net: ``auto``, ``cpu`` or ``cuda``.

    Raises:
        ImageError: a shape or dtype that is not served.
        NetError: no such net or rate, or the PSNR is out of reach.
        ProviderError: the provider does not start.
    """
    if suite not in SUITES:
        raise ImgcryptError(f"no suite is called {suite!r}; choose from {', '.join(SUITES)}")
    if (lossless or raw) and (rate, target_psnr, net) != (None, None, None):
        raise ImgcryptError(
            "lossless and raw keep every sample: leave out rate, target_psnr and net, or leave out lossless and raw"
        )
    if rate is not None and target_psnr is not None:
        raise ImgcryptError("a rate and a PSNR cannot both be kept: leave out rate or target_psnr")
    said = b""
    if isinstance(image, Picture):
        said = metadata.pack(image.metadata)
        image = image.pixels
    _check(image, lossless or raw)
    content, data = payload.encode(
        image,
        SUITES[suite],
        lossless=lossless,
        raw=raw,
        rate=rate,
        target_psnr=target_psnr,
        net=net,
        provider=provider,
    )
    return envelope.seal(data, content, key, envelope.Secrets.fresh(), said)


@boundary.public
def decrypt(blob: bytes | bytearray | memoryview, key: Key, *, provider: str = "auto", quality: str = "best") -> Image:
    """The picture in the bytes of an ``.imgc`` file.

    Args:
        blob: the whole file.
        key: the one it was made with.
        provider: what runs the net of a sampled picture: ``auto``, ``cpu`` or ``cuda``.
        quality: ``best``; or ``fast``, which leaves out the default net: a few tenths of a dB less, in a third of the
            time or so.

    Returns:
        The shape, and if the file is lossless the dtype and every sample, that were encrypted.

    Raises:
        ContainerError: not an imgcrypt file, of a newer version, truncated or damaged (a subclass each).
        WrongKeyError: made for another key.
        ImageError: it holds another file's bytes, as encrypt_bytes keeps them.
        NetError: the net that it needs is not installed.
        ProviderError: the provider does not start.
    """
    return decrypt_picture(blob, key, provider=provider, quality=quality).pixels


@boundary.public
def decrypt_picture(
    blob: bytes | bytearray | memoryview, key: Key, *, provider: str = "auto", quality: str = "best"
) -> Picture:
    """As :func:`decrypt`, but with what the picture's file said beside the pixels, if it was encrypted with it.

    ``imgcrypt.pictures.encode(picture.pixels, ".png", picture.metadata)`` makes a file of both.
    """
    if quality not in QUALITIES:
        raise ImgcryptError(f"no quality is called {quality!r}; choose from {', '.join(QUALITIES)}")
    header, data, said = envelope.open_whole(blob, key)
    found = metadata.unpack(said)
    pixels = payload.decode(data, header.content, provider, quality)
    return Picture(pixels, found.format, 8 * header.sample_bytes, metadata=found)


@dataclasses.dataclass(frozen=True, eq=False)
class Recovered:
    """A picture from a damaged file, and how much of it is real.

    ``image`` is what decrypt would return; where bytes were lost, their neighbors stand in. ``info`` is the header's,
    and ``metadata`` the picture's, None if they are damaged; both are authentic always. ``authentic`` means that every
    byte of the picture is: nothing was lost, and decrypt would have returned the same if both copies of the header are
    whole. Otherwise ``failed_chunks`` of ``chunks`` have no right tag, and anyone may have written what is in them. Of
    the payload's bytes (``info.payload_bytes``), ``lost_bytes`` were missing or found to be wrong, and
    ``doubtful_bytes`` more are used but not authenticated.
    """

    image: Image = dataclasses.field(repr=False)
    info: Info
    metadata: Metadata | None = dataclasses.field(repr=False)
    authentic: bool
    chunks: int
    failed_chunks: int
    lost_bytes: int
    doubtful_bytes: int


@boundary.public
def recover(blob: bytes | bytearray | memoryview, key: Key, *, provider: str = "auto") -> Recovered:
    """The picture in what is left of a damaged file. **It is not authenticated** unless the result says so.

    One copy of the header must be whole. Missing parts, at any place, and overwritten ones cost detail, not the
    picture: what is lost is filled in from what is around it.

    Args:
        blob: the file, or what is there of it.
        key: the one it was made with.
        provider: what runs the net of a sampled picture: ``auto``, ``cpu`` or ``cuda``.

    Raises:
        ContainerError: no copy of the header is whole, or too little is left of the picture.
        WrongKeyError: made for another key.
        NetError: the net that it needs is not installed.
        ProviderError: the provider does not start.
    """
    recovery, restoration = loading.whole(_import_recovery)
    opened = recovery.open_damaged(blob, key)
    payload.check_picture(opened.header.content)
    image, lost = restoration.restore(opened, provider)
    return Recovered(
        image=image,
        info=info.describe(opened.header),
        metadata=None if opened.metadata is None else metadata.unpack(opened.metadata),
        authentic=opened.authentic,
        chunks=opened.header.chunks,
        failed_chunks=len(opened.failed),
        lost_bytes=int(lost.sum()),
        doubtful_bytes=int((opened.doubtful & ~lost).sum()),
    )


def _import_recovery() -> tuple[ModuleType, ModuleType]:
    # They load OpenCV, which nothing else here needs.
    from imgcrypt import recovery, restoration

    return recovery, restoration


def _check(image: Image, lossless: bool) -> None:
    if not isinstance(image, np.ndarray):
        raise ImageError(f"a picture is a NumPy array, not {type(image).__name__}")
    if image.dtype.newbyteorder("=") not in (np.dtype("u1"), np.dtype("u2")):
        raise ImageError(f"samples of dtype {image.dtype} are not served; convert the picture to uint8 or uint16")
    if not (image.ndim == 2 or (image.ndim == 3 and image.shape[2] in (3, 4))):
        raise ImageError(f"a picture of shape {image.shape} is not served; give (H, W), (H, W, 3) or (H, W, 4)")
    if image.size == 0 or max(image.shape) >= 2**32:
        raise ImageError(f"a picture of shape {image.shape} has no pixels or too many")
    if image.dtype.itemsize > 1 and not lossless:
        raise ImageError("the nets sample 8-bit pictures only; keep it lossless, or convert it to 8 bits")
