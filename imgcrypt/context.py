"""A key and settings for many pictures: :class:`Codec`, by which imgcrypt.encrypt and imgcrypt.decrypt work, too."""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar, overload

import numpy as np

from imgcrypt import boundary, cipher, container, envelope, idle, inputs, opening, payload, progress, runtime
from imgcrypt import threads as cores
from imgcrypt.arrays import Bytes, Image, ImageLike
from imgcrypt.container import Header, Mode, Suite
from imgcrypt.errors import ContainerError, ImageError, ImgcryptError, NetError, TooLargeError
from imgcrypt.inputs import NetName, Protection, Provider, Quality, SuiteName
from imgcrypt.keys import Key, Keys, Openers
from imgcrypt.pictures import Picture, metadata
from imgcrypt.progress import Event, Report
from imgcrypt.runtime import zoo as nets

if TYPE_CHECKING:
    from typing import Self

    from typing_extensions import Buffer

Out = TypeVar("Out", bound=np.ndarray[Any, Any])
Given = TypeVar("Given")
Made = TypeVar("Made")

AHEAD = 2
"""Pictures for each thread that ``encrypt_many`` and ``decrypt_many`` have begun and not yet handed out, at most."""


class Codec:
    """Encrypts and decrypts pictures with one key and the same settings. Safe to use from many threads at once.

    As a context manager it is closed at the end.

    Args:
        key: who may open what is made, and opens what is given: a Key, a Recipient (which opens nothing), or several
            of them; ``None`` if every call names one.
        net: name or kind of the sampling net; ``None`` takes the default. See imgcrypt.runtime.zoo for all.
        suite: ``hybrid`` (the chaos cipher inside AES-256-GCM) or ``chaos`` (the paper's cipher with authentication
            only, for research; see docs/threat-model.md).
        provider: what runs the net: ``auto`` (CUDA where it starts, else the CPU), ``cpu`` or ``cuda``.
        quality: of what is decrypted: ``best``; or ``fast``, which leaves out the default net: a few tenths of a dB
            less, in a third of the time or so.
        protection: of what is encrypted, against loss and damage: ``none``; ``light``, by which everything comes back
            though a twentieth of its packets are lost, and something though three quarters are; or ``strong``, by which
            less comes back the more is lost. ``None`` is ``light``, but ``none`` for raw pictures and the paper's nets.
        survive: instead, the share of the file, up to 0.9, without which everything comes back.
        zoo: folder of nets of one's own (see imgcrypt.export), beside those of the package; ``None`` takes what
            ``IMGCRYPT_ZOO`` names, if anything.
        threads: to compute with; ``None`` takes as many as the process may use, see imgcrypt.threads.
        max_pixels: a picture with more is refused before it is worked on; ``None`` takes all.
    """

    def __init__(
        self,
        key: Keys | None = None,
        *,
        net: NetName | None = None,
        suite: SuiteName = "hybrid",
        provider: Provider = "auto",
        quality: Quality = "best",
        protection: Protection | None = None,
        survive: float | None = None,
        zoo: str | os.PathLike[str] | None = None,
        threads: int | None = None,
        max_pixels: int | None = None,
    ) -> None:
        self._keys = None if key is None else inputs.key_list(key)
        self._net = inputs.net(net)
        self._suite = Suite[inputs.suite(suite).upper()]
        self._provider = inputs.provider(provider)
        self._quality = inputs.quality(quality)
        self._profile = inputs.profile(protection, survive)
        self._zoo = None if zoo is None else os.fspath(zoo)
        self._threads = inputs.count(threads, "threads")
        self._max_pixels = inputs.count(max_pixels, "max_pixels")
        self._closed = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Cancel what still runs, at its next tile, and give back the memory that the process keeps between calls.

        Other codecs go on, and take such memory anew. A closed codec refuses every call but this.
        """
        self._closed.set()
        idle.release()

    @boundary.public
    def warm_up(self) -> None:
        """Load and compile now what the first picture would wait for: the cipher, and the net in color and gray.

        Raises:
            NetError: the net is not installed.
            ProviderError: the provider does not start.
        """
        key, refusals = Key.generate(), []
        with self._call(None, None):
            cipher.warm_up()
            for shape in ((1, 1), (1, 1, 3)):
                try:
                    self.decrypt(self.encrypt(np.zeros(shape, np.uint8), key=key), key=key)
                    # Which so small a picture may not have needed.
                    entry = nets.choose(self._net, None, 1 if len(shape) == 2 else 3)
                    runtime.load(entry, self._provider).session("reconstructor")
                except NetError as error:  # it serves either color or gray
                    refusals.append(error)
            if len(refusals) > 1:
                raise refusals[0]

    @overload
    def encrypt(
        self,
        image: ImageLike | Picture,
        out: None = None,
        *,
        key: Keys | None = None,
        lossless: bool = False,
        raw: bool = False,
        rate: float | None = None,
        target_psnr: float | None = None,
        associated_data: Buffer = b"",
        progress: Report | None = None,
        cancel: Event | None = None,
    ) -> bytes: ...
    @overload
    def encrypt(
        self,
        image: ImageLike | Picture,
        out: Buffer,
        *,
        key: Keys | None = None,
        lossless: bool = False,
        raw: bool = False,
        rate: float | None = None,
        target_psnr: float | None = None,
        associated_data: Buffer = b"",
        progress: Report | None = None,
        cancel: Event | None = None,
    ) -> memoryview: ...
    @boundary.public
    def encrypt(
        self,
        image: ImageLike | Picture,
        out: Buffer | None = None,
        *,
        key: Keys | None = None,
        lossless: bool = False,
        raw: bool = False,
        rate: float | None = None,
        target_psnr: float | None = None,
        associated_data: Buffer = b"",
        progress: Report | None = None,
        cancel: Event | None = None,
    ) -> bytes | memoryview:
        """Encrypt a picture into the bytes of an ``.imgc`` file.

        Args:
            image: uint8 (H, W) or (H, W, 1) gray, (H, W, 3) RGB or (H, W, 4) RGBA; with ``lossless`` or ``raw`` also
                uint16. A NumPy array in any memory layout, a Pillow picture, or whatever else has an array interface.
                Of a Picture, as imgcrypt.read returns it, the metadata travel too, encrypted: decrypt_picture gives
                them back.
            out: memory to write the file to; ``None`` makes new bytes.
            key: who may open it, instead of the codec's.
            lossless: keep every sample exactly instead of sampling the picture, compressed by JPEG XL. An alpha channel
                is always kept exactly.
            raw: keep every sample exactly and do not compress: the length tells nothing but the picture's size, what is
                left of a damaged file can be recovered, and nothing is faster.
            rate: bytes of measurements per sample (a gray pixel is one sample, a color pixel three), from 0.005 to
                0.75 for the default net: the length then tells nothing but the picture's size.
            target_psnr: instead of a rate, the PSNR in dB that the picture is to come back with at least, alpha not
                counted, in about the fewest bytes. Where neither is given, the default net takes 42 dB.
            associated_data: bytes that must be given again to decrypt: an account's name, for example. They are
                authenticated, and not stored.
            progress: is called in this thread after each tile, with the number of tiles that are done and of all.
                What it raises ends the call.
            cancel: an event, such as ``threading.Event``: once it is set, the call ends at the next tile.

        Returns:
            bytes; with ``out``, the part of it that was written.

        Raises:
            ImageError: a shape or dtype that is not served.
            TooLargeError: too many pixels.
            NetError: no such net or rate, or the PSNR is out of reach.
            ProviderError: the provider does not start.
            CancelledError: the event was set, or the codec closed.
        """
        keys = inputs.keys(self._keys if key is None and self._keys is not None else key)
        associated_data = inputs.associated_data(associated_data)
        lossless, raw = inputs.flag(lossless, "lossless"), inputs.flag(raw, "raw")
        rate, target_psnr = inputs.number(rate, "rate"), inputs.number(target_psnr, "target_psnr")
        if (lossless or raw) and (rate, target_psnr, self._net) != (None, None, None):
            raise ImgcryptError(
                "lossless and raw keep every sample: leave out rate, target_psnr and net, or leave out lossless and raw"
            )
        if rate is not None and target_psnr is not None:
            raise ImgcryptError("a rate and a PSNR cannot both be kept: leave out rate or target_psnr")
        space = None if out is None else inputs.writable(out)
        said = metadata.pack(image.metadata) if isinstance(image, Picture) else b""
        picture = inputs.picture(image.pixels if isinstance(image, Picture) else image)
        if picture.dtype.itemsize > 1 and not (lossless or raw):
            raise ImageError("the nets sample 8-bit pictures only; keep it lossless, or convert it to 8 bits")
        self._check_size(*picture.shape[:2])
        with self._call(progress, cancel):
            content, layout, data = payload.encode(
                picture,
                self._suite,
                lossless=lossless,
                raw=raw,
                rate=rate,
                target_psnr=target_psnr,
                net=self._net,
                provider=self._provider,
                profile=self._profile,
            )
            return envelope.seal(data, content, layout, keys, envelope.Secrets.fresh(), said, associated_data, space)

    @overload
    def decrypt(
        self,
        blob: Buffer,
        out: None = None,
        *,
        key: Openers | None = None,
        allow_loss: bool = False,
        associated_data: Buffer = b"",
        progress: Report | None = None,
        cancel: Event | None = None,
    ) -> Image: ...
    @overload
    def decrypt(
        self,
        blob: Buffer,
        out: Out,
        *,
        key: Openers | None = None,
        allow_loss: bool = False,
        associated_data: Buffer = b"",
        progress: Report | None = None,
        cancel: Event | None = None,
    ) -> Out: ...
    @boundary.public
    def decrypt(
        self,
        blob: Buffer,
        out: Out | None = None,
        *,
        key: Openers | None = None,
        allow_loss: bool = False,
        associated_data: Buffer = b"",
        progress: Report | None = None,
        cancel: Event | None = None,
    ) -> Image | Out:
        """The picture in the bytes of an ``.imgc`` file.

        Args:
            blob: the whole file: bytes, or a view of them of any kind.
            out: an array of the picture's shape and dtype to write it to, for gray also (H, W, 1); ``None`` makes a
                new one. If the call fails, anything may be in it but no part of a picture that is not authentic.
            key: one that it was made for, or several of which one is, instead of the codec's.
            allow_loss: of a damaged file that its parity does not mend, take the layers that are proven: a coarser
                picture, authentic. ``recover`` tells which it is, and opens what is not proven, too.
            associated_data: the bytes that it was made with.
            progress: is called in this thread after each tile, with the number of tiles that are done and of all.
                What it raises ends the call.
            cancel: an event, such as ``threading.Event``: once it is set, the call ends at the next tile.

        Returns:
            The shape, (H, W) for (H, W, 1), and if the file is lossless the dtype and every sample, that were
            encrypted; with ``out``, that array.

        Raises:
            ContainerError: not an imgcrypt file, of a newer version, truncated or damaged (a subclass each).
            WrongKeyError: made for another key.
            ImageError: ``out`` does not fit, or it holds another file's bytes.
            TooLargeError: too many pixels.
            NetError: the net that it needs is not installed.
            ProviderError: the provider does not start.
            CancelledError: the event was set, or the codec closed.
        """
        with self._call(progress, cancel):
            picture = self._open(blob, out, key, allow_loss, associated_data)
        return picture.pixels if out is None else out

    @boundary.public
    def decrypt_picture(
        self,
        blob: Buffer,
        *,
        key: Openers | None = None,
        allow_loss: bool = False,
        associated_data: Buffer = b"",
        progress: Report | None = None,
        cancel: Event | None = None,
    ) -> Picture:
        """As :meth:`decrypt`, but with what the picture's file said beside the pixels, if it was encrypted with it."""
        with self._call(progress, cancel):
            return self._open(blob, None, key, allow_loss, associated_data)

    def encrypt_many(
        self,
        images: Iterable[ImageLike | Picture],
        *,
        key: Keys | None = None,
        lossless: bool = False,
        raw: bool = False,
        rate: float | None = None,
        target_psnr: float | None = None,
        associated_data: Buffer = b"",
    ) -> Iterator[bytes]:
        """Encrypt picture after picture, several at once, each as :meth:`encrypt` does.

        Yields:
            bytes, in the order of the pictures. An error is raised where its picture's turn is, and ends the
            iteration; so does closing the iterator, which cancels what was begun.
        """

        def encrypt(image: ImageLike | Picture, cancel: Event) -> bytes:
            return self.encrypt(
                image,
                key=key,
                lossless=lossless,
                raw=raw,
                rate=rate,
                target_psnr=target_psnr,
                associated_data=associated_data,
                cancel=cancel,
            )

        return self._many(encrypt, images)

    def decrypt_many(
        self, blobs: Iterable[Buffer], *, key: Openers | None = None, associated_data: Buffer = b""
    ) -> Iterator[Image]:
        """Decrypt file after file, several at once, each as :meth:`decrypt` does.

        Yields:
            pictures, in the order of the files. For errors see :meth:`encrypt_many`.
        """

        def decrypt(blob: Buffer, cancel: Event) -> Image:
            return self.decrypt(blob, key=key, associated_data=associated_data, cancel=cancel)

        return self._many(decrypt, blobs)

    def _many(self, work: Callable[[Given, Event], Made], items: Iterable[Given]) -> Iterator[Made]:
        with cores.limited(self._threads):
            count = cores.count()
        cancel = threading.Event()
        begun: collections.deque[concurrent.futures.Future[Made]] = collections.deque()
        with concurrent.futures.ThreadPoolExecutor(count, "imgcrypt many") as pool:
            try:
                for item in items:
                    begun.append(pool.submit(work, item, cancel))
                    if len(begun) > AHEAD * count:
                        yield begun.popleft().result()
                while begun:
                    yield begun.popleft().result()
            finally:
                cancel.set()
                for future in begun:
                    future.cancel()

    def _open(
        self,
        blob: Buffer,
        out: np.ndarray[Any, Any] | None,
        key: Openers | None,
        allow_loss: bool,
        associated_data: Buffer,
    ) -> Picture:
        """The picture in a file, with what is said of it; with ``out``, written there, too."""
        keys = inputs.openers(self._keys if key is None and self._keys is not None else key)
        associated_data, view = inputs.associated_data(associated_data), inputs.blob(blob)
        allow_loss = inputs.flag(allow_loss, "allow_loss")
        place = None
        # That it is another copy of the header that holds, or another file in it, is told once it is proven.
        with contextlib.suppress(ContainerError):
            header = container.parse(view, whole=False)
            self._check_size(header.height, header.width)
            place = None if out is None or header.mode is Mode.EXACT else _check_out(out, header)
        opened = opening.open_(view, keys, associated_data, place, allow_loss)
        header = opened.header
        self._check_size(header.height, header.width)
        found = metadata.unpack(opened.metadata)
        pixels = payload.decode_first(opened.payload, opened.proven, header.content, self._provider, self._quality)
        if out is not None and opened.payload is not place:
            _check_out(out, header)
            out[...] = pixels.reshape(out.shape)
        return Picture(pixels, found.format, 8 * header.sample_bytes, metadata=found)

    @contextlib.contextmanager
    def _call(self, report: Report | None, cancel: Event | None) -> Iterator[None]:
        if self._closed.is_set():
            raise ImgcryptError("this codec is closed; make another one")
        watched = progress.watched(report, cancel, self._closed)
        with cores.limited(self._threads), nets.using(self._zoo), watched:
            yield

    def _check_size(self, height: int, width: int) -> None:
        if self._max_pixels is not None and height * width > self._max_pixels:
            raise TooLargeError(
                f"the picture has {height * width:,} pixels, more than the {self._max_pixels:,} allowed; allow more "
                "if you trust where it is from"
            )


def _check_out(out: np.ndarray[Any, Any], header: Header) -> Bytes | None:
    """Memory for the payload if ``out`` can serve as such, else None.

    Raises:
        ImageError: ``out`` cannot take the picture.
    """
    shape = (header.height, header.width) + ((header.channels,) if header.channels > 1 else ())
    dtype = np.dtype(f"u{header.sample_bytes}")
    if not isinstance(out, np.ndarray):
        raise TypeError(f"out is a NumPy array or None, not {type(out).__name__}")
    fits = out.shape == shape or (header.channels == 1 and out.shape == (*shape, 1))
    if not fits or out.dtype.newbyteorder("=") != dtype:
        raise ImageError(f"out is {out.dtype} {out.shape}, and the picture {dtype} {shape}; give such an array")
    if not out.flags.writeable:
        raise ImageError("out is read-only; give an array that can be written to")
    if header.mode is Mode.RAW and out.flags.c_contiguous and out.dtype == dtype.newbyteorder("<"):
        return out.reshape(-1).view(np.uint8)
    return None
