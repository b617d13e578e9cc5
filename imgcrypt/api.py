"""Pictures in, encrypted bytes out, and back."""

from __future__ import annotations

import dataclasses
from types import ModuleType
from typing import TYPE_CHECKING

from imgcrypt import boundary, info, inputs, loading, payload
from imgcrypt.arrays import Image as Image  # part of the signatures here
from imgcrypt.arrays import ImageLike
from imgcrypt.context import Codec
from imgcrypt.info import Info
from imgcrypt.inputs import NetName, Provider, Quality, SuiteName
from imgcrypt.keys import Keys, Openers
from imgcrypt.pictures import Picture, metadata
from imgcrypt.pictures.metadata import Metadata

if TYPE_CHECKING:
    from typing_extensions import Buffer


def encrypt(
    image: ImageLike | Picture,
    key: Keys,
    *,
    lossless: bool = False,
    raw: bool = False,
    rate: float | None = None,
    target_psnr: float | None = None,
    net: NetName | None = None,
    suite: SuiteName = "hybrid",
    provider: Provider = "auto",
    associated_data: Buffer = b"",
) -> bytes:
    """Encrypt a picture into the bytes of an ``.imgc`` file. For many pictures there is imgcrypt.Codec.

    Args:
        image: uint8 (H, W) or (H, W, 1) gray, (H, W, 3) RGB or (H, W, 4) RGBA; with ``lossless`` or ``raw`` also
            uint16. A NumPy array in any memory layout, a Pillow picture, or whatever else has an array interface. Of a
            Picture, as imgcrypt.read returns it, the metadata travel too, encrypted: decrypt_picture gives them back.
        key: who may open it: a Key, a Recipient, or several of them.
        lossless: keep every sample exactly instead of sampling the picture, compressed by JPEG XL. An alpha channel is
            always kept exactly.
        raw: keep every sample exactly and do not compress: the length tells nothing but the picture's size, and what
            is left of a damaged file can be recovered.
        rate: bytes of measurements per sample (a gray pixel is one sample, a color pixel three), from 0.005 to
            0.75 for the default net: the length then tells nothing but the picture's size.
        target_psnr: instead of a rate, the PSNR in dB that the picture is to come back with at least, alpha not
            counted, in about the fewest bytes. It holds for ``fast`` (see decrypt); the net gains some tenths of a dB
            on photographs and may lose as much on drawings. Where neither is given, the default net takes 42 dB.
        net: name or kind of the sampling net; ``None`` takes the default. See imgcrypt.runtime.zoo for all.
        suite: ``hybrid`` (the chaos cipher inside AES-256-GCM) or ``chaos`` (the paper's cipher with
            authentication only, for research; see docs/threat-model.md).
        provider: what runs the net: ``auto``, ``cpu`` or ``cuda``.
        associated_data: bytes that must be given again to decrypt. They are authenticated, and not stored.

    Raises:
        ImageError: a shape or dtype that is not served.
        NetError: no such net or rate, or the PSNR is out of reach.
        ProviderError: the provider does not start.
    """
    return Codec(key, net=net, suite=suite, provider=provider).encrypt(
        image, lossless=lossless, raw=raw, rate=rate, target_psnr=target_psnr, associated_data=associated_data
    )


def decrypt(
    blob: Buffer,
    key: Openers,
    *,
    provider: Provider = "auto",
    quality: Quality = "best",
    associated_data: Buffer = b"",
) -> Image:
    """The picture in the bytes of an ``.imgc`` file.

    Args:
        blob: the whole file: bytes, or a view of them of any kind.
        key: one that it was made for, or several of which one is; of a Recipient, its Identity.
        provider: what runs the net of a sampled picture: ``auto``, ``cpu`` or ``cuda``.
        quality: ``best``; or ``fast``, which leaves out the default net: a few tenths of a dB less, in a third of the
            time or so.
        associated_data: the bytes that it was made with.

    Returns:
        The shape, (H, W) for (H, W, 1), and if the file is lossless the dtype and every sample, that were encrypted.

    Raises:
        ContainerError: not an imgcrypt file, of a newer version, truncated or damaged (a subclass each).
        WrongKeyError: made for another key.
        ImageError: it holds another file's bytes, as encrypt_bytes keeps them.
        NetError: the net that it needs is not installed.
        ProviderError: the provider does not start.
    """
    return Codec(key, provider=provider, quality=quality).decrypt(blob, associated_data=associated_data)


def decrypt_picture(
    blob: Buffer,
    key: Openers,
    *,
    provider: Provider = "auto",
    quality: Quality = "best",
    associated_data: Buffer = b"",
) -> Picture:
    """As :func:`decrypt`, but with what the picture's file said beside the pixels, if it was encrypted with it.

    ``imgcrypt.pictures.encode(picture.pixels, ".png", picture.metadata)`` makes a file of both.
    """
    return Codec(key, provider=provider, quality=quality).decrypt_picture(blob, associated_data=associated_data)


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
def recover(blob: Buffer, key: Openers, *, provider: Provider = "auto", associated_data: Buffer = b"") -> Recovered:
    """The picture in what is left of a damaged file. **It is not authenticated** unless the result says so.

    One copy of the header must be whole. Missing parts, at any place, and overwritten ones cost detail, not the
    picture: what is lost is filled in from what is around it.

    Args:
        blob: the file, or what is there of it.
        key: one that it was made for, or several of which one is; of a Recipient, its Identity.
        provider: what runs the net of a sampled picture: ``auto``, ``cpu`` or ``cuda``.
        associated_data: the bytes that it was made with.

    Raises:
        ContainerError: no copy of the header is whole, or too little is left of the picture.
        WrongKeyError: made for another key.
        NetError: the net that it needs is not installed.
        ProviderError: the provider does not start.
    """
    view, keys, provider = inputs.blob(blob), inputs.openers(key), inputs.provider(provider)
    recovery, restoration = loading.whole(_import_recovery)
    opened = recovery.open_damaged(view, keys, inputs.associated_data(associated_data))
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
