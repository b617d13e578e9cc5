"""Pictures as payloads, the bytes that are encrypted, and back. docs/format.md, section 2.4."""

from __future__ import annotations

import numpy as np

from imgcrypt import padding, runtime
from imgcrypt.arrays import Bytes, Image
from imgcrypt.codec import lossless as lossless_codec
from imgcrypt.container import CHUNK_EXPONENT, Content, Mode, NetRecord, Suite
from imgcrypt.errors import DamagedError, ImageError, NetError
from imgcrypt.runtime import zoo
from imgcrypt.runtime.layered import LayeredNet
from imgcrypt.runtime.zoo import Entry

DEFAULT_PSNR = 42.0
"""dB of pictures for which nothing is asked: hard to tell from the original, in a third of a JPEG's bytes or so."""


def encode(
    image: Image,
    suite: Suite,
    *,
    lossless: bool,
    raw: bool,
    rate: float | None,
    target_psnr: float | None,
    net: str | None,
    provider: str,
) -> tuple[Content, Bytes]:
    """What a file is to hold, and its payload, uint8 (n,). For the arguments see imgcrypt.encrypt.

    Raises:
        NetError: no such net or rate, or the PSNR is out of reach.
        ProviderError: the provider does not start.
    """
    channels = 1 if image.ndim == 2 else image.shape[2]
    record = None
    if lossless or raw:
        payload = pack_samples(image)
        mode = Mode.RAW
        # What does not get smaller, noise for example, stays as it is.
        if not raw and len(smaller := _with_padding(lossless_codec.encode(image))) < len(payload):
            mode, payload = Mode.LOSSLESS, smaller
    else:
        mode = Mode.SAMPLED
        entry = zoo.choose(net, rate, channels)
        if rate is None and target_psnr is None and entry.any_rate:
            target_psnr = DEFAULT_PSNR
        record = NetRecord(entry.name, bytes.fromhex(entry.weights), entry.block_bytes)
        if target_psnr is None:
            payload = measure(image, entry, provider, rate)
        else:
            payload = measure_for_psnr(image, entry, provider, target_psnr)
    content = Content(
        suite=suite,
        mode=mode,
        height=image.shape[0],
        width=image.shape[1],
        channels=channels,
        sample_bytes=image.dtype.itemsize,
        net=record,
        chunk_exponent=CHUNK_EXPONENT,
    )
    return content, payload


def decode(payload: Bytes, content: Content, provider: str, quality: str = "best") -> Image:
    """The picture of a payload; for ``quality`` see imgcrypt.decrypt.

    Raises:
        DamagedError: the payload does not fit its picture.
        ImageError: it is another file's bytes.
        NetError: the net that it needs is not installed.
        ProviderError: the provider does not start.
    """
    check_picture(content)
    if content.mode is Mode.RAW:
        return unpack_samples(payload, content)
    if content.mode is Mode.LOSSLESS:
        return lossless_codec.decode(payload.tobytes(), _shape(content), f"u{content.sample_bytes}")
    return rebuild(payload, content, provider, quality=quality)


def check_picture(content: Content) -> None:
    """Refuse what holds another file's bytes.

    Raises:
        ImageError: it does.
    """
    if content.mode is Mode.EXACT:
        raise ImageError("there is another file in the file, as it was, not a picture: open it with decrypt_bytes")


def pack_samples(image: Image) -> Bytes:
    """The samples, row by row, 16-bit ones little-endian: uint8 (n,)."""
    return np.ascontiguousarray(image, f"<u{image.dtype.itemsize}").reshape(-1).view(np.uint8)


def unpack_samples(payload: Bytes, content: Content) -> Image:
    """The inverse of :func:`pack_samples`."""
    samples = payload.view(f"<u{content.sample_bytes}").astype(f"u{content.sample_bytes}", copy=False)
    return samples.reshape(_shape(content))


def measure(image: Image, entry: Entry, provider: str, rate: float | None = None) -> Bytes:
    """Measurements of the picture, then its alpha plane if it has one: uint8 (n,)."""
    return _with_alpha(runtime.load(entry, provider).measure(_colors(image), rate), image)


def measure_for_psnr(image: Image, entry: Entry, provider: str, target: float) -> Bytes:
    """As :func:`measure`, with about the fewest bytes that come back with ``target`` dB.

    Raises:
        NetError: the net has but one rate, or the PSNR is out of reach.
    """
    net = runtime.load(entry, provider)
    if not isinstance(net, LayeredNet):
        raise NetError(f"the net {entry.name} has but one rate; leave out the net to aim at a PSNR")
    return _with_alpha(net.measure_for_psnr(_colors(image), target), image)


def rebuild(
    payload: Bytes, content: Content, provider: str, valid: Bytes | None = None, quality: str = "best"
) -> Bytes:
    """The picture of a sampled payload: uint8 (H, W), (H, W, 3) or (H, W, 4).

    Args:
        payload: uint8 (n,).
        content: what the file holds, a net among it.
        provider: what runs the net.
        valid: uint8 (n,), 1 where a byte is known, 0 where it is lost; ``None`` if all are known.
        quality: ``best`` or ``fast``.

    Raises:
        DamagedError: the payload does not fit the picture.
        NetError: the net is not installed.
        ProviderError: the provider does not start.
    """
    net, height, width = content.net, content.height, content.width
    assert net is not None  # container.parse saw to it
    entry = zoo.find(net.weights, net.name)
    size = len(payload) - (height * width if content.channels == 4 else 0)
    if net.block_bytes != entry.block_bytes or size < 0 or entry.rate(content.channels) is None:
        raise DamagedError("the file's payload does not fit its picture; it was not made by imgcrypt")
    colors = runtime.load(entry, provider).rebuild(
        payload[:size],
        None if valid is None else valid[:size],
        height,
        width,
        min(content.channels, 3),
        quality,
    )
    if colors.shape[2] == 1:
        return np.ascontiguousarray(colors[:, :, 0])
    if content.channels == 1:
        # The mean of the three channels, rounded half up.
        return np.asarray((colors.sum(2, dtype=np.uint16) * 2 + 3) // 6, np.uint8)
    if content.channels == 4:
        return np.dstack([colors, payload[size:].reshape(height, width)])
    return np.ascontiguousarray(colors)


def _shape(content: Content) -> tuple[int, ...]:
    return (content.height, content.width) + ((content.channels,) if content.channels > 1 else ())


def _with_padding(data: bytes) -> Bytes:
    return np.frombuffer(data.ljust(padding.padded(len(data)), b"\0"), np.uint8)


def _colors(image: Image) -> Bytes:
    """The picture without alpha: uint8 (H, W, 1) or (H, W, 3)."""
    return np.asarray(image[:, :, :3] if image.ndim == 3 else image[:, :, None], np.uint8)


def _with_alpha(measurements: Bytes, image: Image) -> Bytes:
    if image.ndim == 3 and image.shape[2] == 4:
        return np.concatenate([measurements, pack_samples(image[:, :, 3])])
    return measurements
