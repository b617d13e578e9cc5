"""Pictures as payloads, the bytes that are encrypted, and back. docs/format.md, section 2.4."""

from __future__ import annotations

import itertools

import numpy as np

from imgcrypt import padding, profiles, runtime
from imgcrypt.arrays import Bytes, Image
from imgcrypt.codec import lossless as lossless_codec
from imgcrypt.container import Content, Layout, Mode, NetRecord, Suite
from imgcrypt.errors import DamagedError, ImageError, NetError
from imgcrypt.profiles import Profile
from imgcrypt.runtime import layered as layered_code
from imgcrypt.runtime import zoo
from imgcrypt.runtime.layered import LayeredNet
from imgcrypt.runtime.zoo import Entry

LAYERED = 30_000
"""Samples from which on a picture has layers: of a smaller one, the first would be no picture."""
DEFAULT_PSNR = 42.0
"""dB of pictures for which nothing is asked: hard to tell from the original."""


def encode(
    image: Image,
    suite: Suite,
    *,
    lossless: bool = False,
    raw: bool = False,
    rate: float | None = None,
    target_psnr: float | None = None,
    net: str | None = None,
    provider: str,
    profile: Profile | None = None,
) -> tuple[Content, Layout, Bytes]:
    """What a file is to hold, how it is laid out, and its payload, uint8 (n,). For the arguments see imgcrypt.encrypt.

    ``profile`` says what it is to stand; ``None`` takes the default, which is nothing for what is of use in pieces: raw
    pictures and the paper's nets.

    Raises:
        NetError: no such net or rate, or the PSNR is out of reach.
        ProviderError: the provider does not start.
    """
    channels = 1 if image.ndim == 2 else image.shape[2]
    record = None
    layered = False
    if lossless or raw:
        payload = pack_samples(image)
        mode = Mode.RAW
        # What does not get smaller, noise for example, stays as it is.
        if not raw and len(smaller := _with_padding(lossless_codec.encode(image))) < len(payload):
            mode, payload = Mode.LOSSLESS, smaller
        chosen = profile or (profiles.NONE if raw else profiles.NAMES[profiles.DEFAULT])
    else:
        mode = Mode.SAMPLED
        entry = zoo.choose(net, rate, channels)
        if rate is None and target_psnr is None and entry.any_rate:
            target_psnr = DEFAULT_PSNR
        record = NetRecord(entry.name, bytes.fromhex(entry.weights), entry.block_bytes)
        chosen = profile or (profiles.NAMES[profiles.DEFAULT] if entry.any_rate else profiles.NONE)
        if entry.any_rate:
            payload, layered = _measure_layered(image, entry, provider, rate, target_psnr, chosen)
        elif target_psnr is None:
            payload = measure(image, entry, provider)
        else:
            raise NetError(f"the net {entry.name} has but one rate; leave out the net to aim at a PSNR")
    content = Content(
        suite=suite,
        mode=mode,
        height=image.shape[0],
        width=image.shape[1],
        channels=channels,
        sample_bytes=image.dtype.itemsize,
        net=record,
    )
    return content, profiles.lay_out(chosen, len(payload), layered), payload


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


def decode_first(payload: Bytes, proven: int, content: Content, provider: str, quality: str = "best") -> Image:
    """The picture of the first ``proven`` bytes of a payload alone, coarser than that of all; alpha is opaque then.

    Raises:
        DamagedError: they show none.
    """
    if proven == len(payload):
        return decode(payload, content, provider, quality)
    if content.net is None or content.net.block_bytes:
        raise DamagedError
    valid = (np.arange(len(payload)) < proven).astype(np.uint8)
    image = rebuild(payload, content, provider, valid, quality)
    if content.channels == 4:
        image[:, :, 3] = 255
    return image


def decode_front(first: Bytes, content: Content) -> Image:
    """The picture that the first part of a payload shows, in full size, without a net; alpha is opaque.

    Raises:
        ImageError: it shows none.
    """
    if content.net is None or content.net.block_bytes:
        raise ImageError("the file has no preview: its picture is in one piece; decrypt it")
    try:
        layers = layered_code.beginning(first.tobytes())
    except DamagedError:
        raise ImageError("the file has no preview: its first layer is too long for one; decrypt it") from None
    colors = layered_code.show(layers, content.height, content.width, min(content.channels, 3))
    return _image(colors, np.full_like(colors[:, :, 0], 255) if content.channels == 4 else None)


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


def measure(image: Image, entry: Entry, provider: str) -> Bytes:
    """Measurements of the picture by a net for one rate, then its alpha plane if it has one: uint8 (n,)."""
    return _with_alpha(runtime.load(entry, provider).measure(_colors(image), None), image)


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
    if content.channels == 1 and colors.shape[2] == 3:
        # The mean of the three channels, rounded half up.
        return np.asarray((colors.sum(2, dtype=np.uint16) * 2 + 3) // 6, np.uint8)
    return _image(colors, payload[size:].reshape(height, width) if content.channels == 4 else None)


def _measure_layered(
    image: Image, entry: Entry, provider: str, rate: float | None, target_psnr: float | None, profile: Profile
) -> tuple[Bytes, bool]:
    """As :func:`measure` by the picture code, and whether it has a first layer of its own."""
    net, colors = runtime.load(entry, provider), _colors(image)
    assert isinstance(net, LayeredNet)
    layered = colors.size >= LAYERED

    def ends(length: int) -> list[int]:
        """Where parts end that layers should not cross, in a payload of so many bytes without alpha."""
        parts = profiles.lay_out(profile, length + alpha, layered).parts
        return list(itertools.accumulate(part.length for part in parts[:-1]))

    alpha = image.shape[0] * image.shape[1] if image.ndim == 3 and image.shape[2] == 4 else 0
    if target_psnr is not None:
        return _with_alpha(net.measure_for_psnr(colors, target_psnr, ends), image), layered
    room = int((rate or entry.rate(colors.shape[2]) or 0) * colors.size)
    # What protects the alpha plane comes on top, as the plane itself does.
    length = profiles.fitting(profile, room, layered)
    return _with_alpha(net.fill(colors, length, ends(length)), image), layered


def _shape(content: Content) -> tuple[int, ...]:
    return (content.height, content.width) + ((content.channels,) if content.channels > 1 else ())


def _with_padding(data: bytes) -> Bytes:
    return np.frombuffer(data.ljust(padding.padded(len(data)), b"\0"), np.uint8)


def _colors(image: Image) -> Bytes:
    """The picture without alpha: uint8 (H, W, 1) or (H, W, 3)."""
    return np.asarray(image[:, :, :3] if image.ndim == 3 else image[:, :, None], np.uint8)


def _image(colors: Bytes, alpha: Bytes | None) -> Bytes:
    """Colors (H, W, 1) or (H, W, 3), and alpha (H, W) if there is one, as a picture."""
    if alpha is not None:
        return np.dstack([colors, alpha])
    return np.ascontiguousarray(colors[:, :, 0] if colors.shape[2] == 1 else colors)


def _with_alpha(measurements: Bytes, image: Image) -> Bytes:
    if image.ndim == 3 and image.shape[2] == 4:
        return np.concatenate([measurements, pack_samples(image[:, :, 3])])
    return measurements
