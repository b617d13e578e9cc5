"""Pictures in, encrypted bytes out, and back."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from imgcrypt import container, envelope
from imgcrypt.container import Header, Mode, NetRecord, Suite
from imgcrypt.errors import DamagedError, ImageError, ImgcryptError, NetError
from imgcrypt.keys import Key

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from imgcrypt.export.zoo import Entry

    Image = NDArray[np.uint8] | NDArray[np.uint16]

CHUNK_EXPONENT = 16
SUITES = {"hybrid": Suite.HYBRID, "chaos": Suite.CHAOS}


def encrypt(
    image: Image,
    key: Key,
    *,
    lossless: bool = False,
    rate: float | None = None,
    target_psnr: float | None = None,
    net: str | None = None,
    suite: str = "hybrid",
    provider: str = "auto",
) -> bytes:
    """Encrypt a picture into the bytes of an ``.imgc`` file.

    Args:
        image: uint8 (H, W) gray, (H, W, 3) RGB or (H, W, 4) RGBA; with ``lossless`` also uint16.
        key: who may open it.
        lossless: keep every sample exactly instead of sampling the picture. An alpha channel is always
            kept exactly.
        rate: bytes of measurements per sample (a gray pixel is one sample, a color pixel three), from 0.005 to
            0.75 for the default net; ``None`` takes 0.18.
        target_psnr: instead of a rate, the PSNR in dB that the picture is to come back with, alpha not counted:
            the smallest rate that reaches it is searched, which takes some ten reconstructions.
        net: name or kind of the sampling net; ``None`` takes the default. See imgcrypt.export.zoo for all.
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
    if lossless and (rate, target_psnr, net) != (None, None, None):
        raise ImgcryptError("lossless keeps every sample: leave out rate, target_psnr and net, or leave out lossless")
    if rate is not None and target_psnr is not None:
        raise ImgcryptError("a rate and a PSNR cannot both be kept: leave out rate or target_psnr")
    _check(image, lossless)
    channels = 1 if image.ndim == 2 else image.shape[2]
    records: tuple[tuple[int, bytes], ...] = ()
    if lossless:
        payload = _to_bytes(image)
    else:
        entry = _choose(net, rate, channels)
        if target_psnr is None:
            payload = _sample(image, entry, provider, rate)
        else:
            payload = _reach(image, entry, provider, target_psnr)
        records = (
            container.net_record(NetRecord(entry.name, bytes.fromhex(entry.reconstructor_sha256), entry.block_bytes)),
        )
    header = Header(
        suite=SUITES[suite],
        mode=Mode.LOSSLESS if lossless else Mode.SAMPLED,
        sample_bytes=image.dtype.itemsize,
        channels=channels,
        height=image.shape[0],
        width=image.shape[1],
        payload_bytes=len(payload),
        metadata_bytes=0,
        chunk_exponent=CHUNK_EXPONENT,
        salt=b"",
        digest=b"",
        records=records,
    )
    return envelope.seal(payload, header, key, envelope.Secrets.fresh())


def decrypt(blob: bytes | bytearray | memoryview, key: Key, *, provider: str = "auto") -> Image:
    """The picture in the bytes of an ``.imgc`` file.

    Args:
        blob: the whole file.
        key: the one it was made with.
        provider: what runs the net of a sampled picture: ``auto``, ``cpu`` or ``cuda``.

    Returns:
        The shape, and if the file is lossless the dtype and every sample, that were encrypted.

    Raises:
        ContainerError: not an imgcrypt file, of a newer version, truncated or damaged (a subclass each).
        WrongKeyError: made for another key.
        NetError: the net that it needs is not installed.
        ProviderError: the provider does not start.
    """
    header, payload = envelope.open_(memoryview(blob), key)
    return _from_bytes(payload, header) if header.mode is Mode.LOSSLESS else _reconstruct(payload, header, provider)


@dataclasses.dataclass(frozen=True)
class Info:
    """What a file's header says, none of it authenticated: that needs the key.

    ``rate`` is bytes of measurements per sample (a gray pixel is one sample, a color pixel three), alpha
    not counted; ``None`` for lossless files. ``file_bytes`` is the length the whole file should have.
    """

    version: int
    suite: str
    mode: str
    height: int
    width: int
    channels: int
    bits: int
    net: str | None
    net_weights: str | None
    rate: float | None
    keys: tuple[str, ...]
    payload_bytes: int
    chunk_bytes: int
    file_bytes: int


def inspect(blob: bytes | bytearray | memoryview) -> Info:
    """What the header of a file says. No key is needed, and nothing is proven.

    Raises:
        ContainerError: not an imgcrypt file, of a newer version, or its header is truncated or damaged.
    """
    return _info(container.parse(memoryview(blob), whole=False))


def _info(header: Header) -> Info:
    net = header.net
    pixels = header.height * header.width
    alpha = pixels if header.channels == 4 else 0
    colors = min(header.channels, 3)
    names = {container.RecordType.RAW_KEY_SLOT: "key file", container.RecordType.PASSPHRASE_SLOT: "passphrase"}
    return Info(
        version=container.VERSION,
        suite=header.suite.name.lower(),
        mode=header.mode.name.lower(),
        height=header.height,
        width=header.width,
        channels=header.channels,
        bits=8 * header.sample_bytes,
        net=net.name if net else None,
        net_weights=net.weights.hex() if net else None,
        rate=round((header.payload_bytes - alpha) / (pixels * colors), 4) if net else None,
        keys=tuple(name for kind, _ in header.records for known, name in names.items() if kind == known),
        payload_bytes=header.payload_bytes,
        chunk_bytes=header.chunk_bytes,
        file_bytes=header.file_bytes,
    )


def _check(image: Image, lossless: bool) -> None:
    import numpy as np

    if not isinstance(image, np.ndarray):
        raise ImageError(f"a picture is a NumPy array, not {type(image).__name__}")
    if image.dtype.newbyteorder("=") not in (np.dtype("u1"), np.dtype("u2")):
        raise ImageError(f"samples of dtype {image.dtype} are not served; convert the picture to uint8 or uint16")
    if not (image.ndim == 2 or (image.ndim == 3 and image.shape[2] in (3, 4))):
        raise ImageError(f"a picture of shape {image.shape} is not served; give (H, W), (H, W, 3) or (H, W, 4)")
    if image.size == 0 or max(image.shape) >= 2**32:
        raise ImageError(f"a picture of shape {image.shape} has no pixels or too many")
    if image.dtype.itemsize > 1 and not lossless:
        raise ImageError("the nets sample 8-bit pictures only; give --lossless (lossless=True) or convert to 8 bits")


def _to_bytes(image: Image) -> NDArray[np.uint8]:
    """The samples, row by row, 16-bit ones little-endian: uint8 (n,)."""
    import numpy as np

    return np.ascontiguousarray(image, f"<u{image.dtype.itemsize}").reshape(-1).view(np.uint8)


def _from_bytes(payload: NDArray[np.uint8], header: Header) -> Image:
    """Inverse of :func:`_to_bytes`."""
    shape = (header.height, header.width) + ((header.channels,) if header.channels > 1 else ())
    return payload.view(f"<u{header.sample_bytes}").astype(f"u{header.sample_bytes}", copy=False).reshape(shape)


def _choose(net: str | None, rate: float | None, channels: int) -> Entry:
    from imgcrypt.export import zoo

    return zoo.choose(net, rate, channels)


def _sample(image: Image, entry: Entry, provider: str, rate: float | None = None) -> NDArray[np.uint8]:
    """Measurements of the picture, then its alpha plane if it has one: uint8 (n,)."""
    from imgcrypt.export import runtime

    return _with_alpha(runtime.load(entry, provider).measure(_colors(image), rate), image)


def _reach(image: Image, entry: Entry, provider: str, target: float) -> NDArray[np.uint8]:
    """As :func:`_sample`, at the smallest rate, within one hundredth of it, that comes back with ``target`` dB."""
    from imgcrypt.export import runtime, zoo
    from imgcrypt.export.anyrate import AnyrateNet
    from imgcrypt.metrics import psnr

    net = runtime.load(entry, provider)
    if not isinstance(net, AnyrateNet):
        raise NetError(f"the net {entry.name} has but one rate; leave out the net to aim at a PSNR")
    colors = _colors(image)
    at_rate = net.at_rates(colors)

    def quality(payload: NDArray[np.uint8]) -> float:
        return psnr(colors, net.rebuild(payload, None, *colors.shape[:2]))

    low, high = zoo.RATES
    best = at_rate(high)
    if not (reached := quality(best)) >= target:
        raise NetError(
            f"this picture comes back with {reached:.2f} dB at the highest rate; give a lower PSNR, or keep it lossless"
        )
    while high > 1.01 * low:
        middle = (low * high) ** 0.5
        payload = at_rate(middle)
        if quality(payload) >= target:
            high, best = middle, payload
        else:
            low = middle
    return _with_alpha(best, image)


def _colors(image: Image) -> NDArray[np.uint8]:
    """The picture without alpha: uint8 (H, W, 1) or (H, W, 3)."""
    import numpy as np

    return np.asarray(image[:, :, :3] if image.ndim == 3 else image[:, :, None], np.uint8)


def _with_alpha(measurements: NDArray[np.uint8], image: Image) -> NDArray[np.uint8]:
    import numpy as np

    if image.ndim == 3 and image.shape[2] == 4:
        return np.concatenate([measurements, _to_bytes(image[:, :, 3])])
    return measurements


def _reconstruct(
    payload: NDArray[np.uint8], header: Header, provider: str, valid: NDArray[np.uint8] | None = None
) -> NDArray[np.uint8]:
    """The picture of a sampled payload. ``valid`` is uint8 (n,), 1 where a byte is known, 0 where it is lost."""
    import numpy as np

    from imgcrypt.export import runtime, zoo

    net = header.net
    assert net is not None  # container.parse saw to it
    entry = zoo.find(net.weights, net.name)
    alpha = header.height * header.width if header.channels == 4 else 0
    size = len(payload) - alpha
    if net.block_bytes != entry.block_bytes or size < 0 or entry.rate(header.channels) is None:
        raise DamagedError("the file's payload does not fit its picture; it was not made by imgcrypt")
    colors = runtime.load(entry, provider).rebuild(
        payload[:size], None if valid is None else valid[:size], header.height, header.width
    )
    if colors.shape[2] == 1:
        return np.ascontiguousarray(colors[:, :, 0])
    if header.channels == 1:
        # The mean of the three channels, rounded half up.
        return np.asarray((colors.sum(2, dtype=np.uint16) * 2 + 3) // 6, np.uint8)
    if header.channels == 4:
        return np.dstack([colors, payload[size:].reshape(header.height, header.width)])
    return np.ascontiguousarray(colors)
