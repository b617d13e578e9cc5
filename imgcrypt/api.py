"""Pictures in, encrypted bytes out, and back."""

from __future__ import annotations

import dataclasses
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from imgcrypt import boundary, envelope, info, inputs, loading, payload
from imgcrypt.arrays import Image as Image  # part of the signatures here
from imgcrypt.arrays import ImageLike
from imgcrypt.context import Codec
from imgcrypt.errors import DamagedError
from imgcrypt.info import Info
from imgcrypt.inputs import NetName, Protection, Provider, Quality, SuiteName
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
    protection: Protection | None = None,
    survive: float | None = None,
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
        protection: against loss and damage: ``none``; ``light``, by which everything comes back though a twentieth of
            its packets are lost, and something though three quarters are; or ``strong``, by which less comes back the
            more is lost. ``None`` is ``light``, but ``none`` for raw pictures and the paper's nets.
        survive: instead, the share of the file, up to 0.9, without which everything comes back.
        provider: what runs the net: ``auto``, ``cpu`` or ``cuda``.
        associated_data: bytes that must be given again to decrypt. They are authenticated, and not stored.

    Raises:
        ImageError: a shape or dtype that is not served.
        NetError: no such net or rate, or the PSNR is out of reach.
        ProviderError: the provider does not start.
    """
    return Codec(key, net=net, suite=suite, provider=provider, protection=protection, survive=survive).encrypt(
        image, lossless=lossless, raw=raw, rate=rate, target_psnr=target_psnr, associated_data=associated_data
    )


def decrypt(
    blob: Buffer,
    key: Openers,
    *,
    provider: Provider = "auto",
    quality: Quality = "best",
    allow_loss: bool = False,
    associated_data: Buffer = b"",
) -> Image:
    """The picture in the bytes of an ``.imgc`` file.

    Args:
        blob: the whole file: bytes, or a view of them of any kind.
        key: one that it was made for, or several of which one is; of a Recipient, its Identity.
        provider: what runs the net of a sampled picture: ``auto``, ``cpu`` or ``cuda``.
        quality: ``best``; or ``fast``, which leaves out the default net: a few tenths of a dB less, in a third of the
            time or so.
        allow_loss: of a damaged file that its parity does not mend, take the layers that are proven: a coarser picture,
            authentic. ``recover`` tells which it is, and opens what is not proven, too.
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
    return Codec(key, provider=provider, quality=quality).decrypt(
        blob, allow_loss=allow_loss, associated_data=associated_data
    )


def decrypt_picture(
    blob: Buffer,
    key: Openers,
    *,
    provider: Provider = "auto",
    quality: Quality = "best",
    allow_loss: bool = False,
    associated_data: Buffer = b"",
) -> Picture:
    """As :func:`decrypt`, but with what the picture's file said beside the pixels, if it was encrypted with it.

    ``imgcrypt.pictures.encode(picture.pixels, ".png", picture.metadata)`` makes a file of both.
    """
    return Codec(key, provider=provider, quality=quality).decrypt_picture(
        blob, allow_loss=allow_loss, associated_data=associated_data
    )


@dataclasses.dataclass(frozen=True, eq=False)
class Recovered:
    """A picture from a damaged file, and how much of it is real.

    ``info`` is the header's, and ``metadata`` the picture's, None if they are lost; both are authentic always.
    ``complete`` means that nothing was lost: ``image`` is what decrypt returns. ``authentic`` means that all that it
    shows is proven: of ``parts`` of the payload, the first ``whole`` are, and the picture is made of them alone,
    coarser if they are fewer. Otherwise bytes that anyone may have written are used, and where bytes were lost, their
    neighbors stand in. ``failed_packets`` of ``info.packets`` have no right tag. Of the payload's bytes
    (``info.payload_bytes``), ``lost_bytes`` were missing, found to be wrong or of no use, and ``doubtful_bytes`` more
    are used but not authenticated.
    """

    image: Image = dataclasses.field(repr=False)
    info: Info
    metadata: Metadata | None = dataclasses.field(repr=False)
    complete: bool
    authentic: bool
    parts: int
    whole: int
    failed_packets: int
    lost_bytes: int
    doubtful_bytes: int


@boundary.public
def recover(blob: Buffer, key: Openers, *, provider: Provider = "auto", associated_data: Buffer = b"") -> Recovered:
    """The picture in what is left of a damaged file. **It is authenticated only if the result says so.**

    One copy of the header must be whole. Of a protected picture of the default net comes back what its parity mends:
    all of it, or fewer layers, proven. Of other pictures missing parts, at any place, and overwritten ones cost detail,
    not the picture: what is lost is filled in from what is around it, and nothing of it is proven.

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
    found = recovery.open_damaged(view, keys, inputs.associated_data(associated_data))
    payload.check_picture(found.header.content)
    image, lost, doubtful = restoration.restore(found, provider)
    return Recovered(
        image=image,
        info=info.describe(found.header),
        metadata=None if found.metadata is None else metadata.unpack(found.metadata),
        complete=found.complete,
        authentic=found.authentic or (found.coarser and not doubtful.any()),
        parts=len(found.header.payload_parts),
        whole=found.whole,
        failed_packets=found.damaged,
        lost_bytes=int(lost.sum()),
        doubtful_bytes=int(doubtful.sum()),
    )


@boundary.public
def repair(blob: Buffer, key: Openers, *, associated_data: Buffer = b"") -> bytes:
    """The bytes of a damaged file as they were, if its parity mends it.

    Raises:
        ContainerError: no copy of the header is whole, or the parity does not mend it.
        WrongKeyError: made for another key.
    """
    recovery, _ = loading.whole(_import_recovery)
    found = recovery.open_damaged(inputs.blob(blob), inputs.openers(key), inputs.associated_data(associated_data))
    if not found.complete:
        raise DamagedError("the damage is more than the file's parity mends; recover what is left of the picture")
    said = np.frombuffer(found.metadata, np.uint8)
    return envelope.seal_again(found.header, found.packed, found.payload, said, found.file_key)


def _import_recovery() -> tuple[ModuleType, ModuleType]:
    # They load OpenCV, which nothing else here needs.
    from imgcrypt import recovery, restoration

    return recovery, restoration
