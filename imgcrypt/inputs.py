"""What callers hand in, checked and made uniform. Nothing here loads NumPy before it has a picture."""

from __future__ import annotations

import math
import numbers
from typing import TYPE_CHECKING, Literal, TypeVar

from imgcrypt import container, slots
from imgcrypt.errors import ImageError, ImgcryptError, NetError, ProviderError
from imgcrypt.keys import Identity, Key, PassphraseKey, several
from imgcrypt.profiles import NAMES, Profile, surviving
from imgcrypt.recipients import Recipient

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from imgcrypt.arrays import Image

SuiteName = Literal["hybrid", "chaos"]
Provider = Literal["auto", "cpu", "cuda"]
Quality = Literal["best", "fast"]
Protection = Literal["none", "light", "strong"]
NetKind = Literal["picture", "fclbcnn"]
NetName = NetKind | str
SUITES: tuple[SuiteName, ...] = ("hybrid", "chaos")
PROVIDERS: tuple[Provider, ...] = ("auto", "cpu", "cuda")
QUALITIES: tuple[Quality, ...] = ("best", "fast")
PROTECTIONS: tuple[Protection, ...] = ("none", "light", "strong")
PIL_MODES = ("L", "RGB", "RGBA", "I;16", "I;16B", "I;16L")
"""Of Pillow's modes, those whose numbers are gray, RGB or RGBA samples, and not indices, CMYK or the like."""

T = TypeVar("T", bound=str)


def picture(image: object) -> Image:
    """The samples of a picture: an array, or what NumPy makes one of.

    Returns:
        uint8 or uint16 (H, W), (H, W, 3) or (H, W, 4) in this machine's byte order, in any memory layout. Of
        (H, W, 1) the last axis is dropped.

    Raises:
        ImageError: a shape or dtype that is not served.
    """
    import numpy as np

    if not (hasattr(image, "__array_interface__") or hasattr(image, "__array__")):
        raise ImageError(f"a picture is an array, not {type(image).__name__}; for a file's there is imgcrypt.read")
    if isinstance(image, np.ma.MaskedArray):
        raise ImageError("a masked array is not served, as its mask would be lost; fill it first")
    mode = getattr(image, "mode", None)
    if hasattr(image, "getbands") and mode not in PIL_MODES:
        raise ImageError(f"a Pillow picture of mode {mode} is not served; convert it to L, RGB or RGBA")
    try:
        array = np.asarray(image)
    except Exception as error:  # whatever the object's own code raises
        if isinstance(error, MemoryError):
            raise
        raise ImageError(f"NumPy can make no array of this {type(image).__name__} ({error})") from None
    if array.dtype == np.int16:
        raise ImageError(
            "samples of dtype int16 are not served; encrypt image.view(numpy.uint16) with lossless, and view what "
            "comes back as int16"
        )
    native = array.dtype.newbyteorder("=")
    if native not in (np.dtype("u1"), np.dtype("u2")):
        raise ImageError(f"samples of dtype {array.dtype} are not served; convert the picture to uint8 or uint16")
    if not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (1, 3, 4))):
        raise ImageError(f"a picture of shape {array.shape} is not served; give (H, W), (H, W, 3) or (H, W, 4)")
    if array.size == 0 or max(array.shape) >= 2**32:
        raise ImageError(f"a picture of shape {array.shape} has no pixels or too many")
    return (array[:, :, 0] if array.ndim == 3 and array.shape[2] == 1 else array).astype(native, copy=False)


def blob(data: Buffer) -> memoryview:
    """The bytes of a file, whatever holds them, as a memoryview of bytes.

    Raises:
        TypeError: it holds no bytes.
    """
    try:
        view = memoryview(data)
    except TypeError:
        raise TypeError(f"the bytes of a file are needed, not {type(data).__name__}; read the file first") from None
    except (ValueError, BufferError) as error:
        raise ImgcryptError(f"the bytes of the file are not there any more ({error}); read it again") from None
    if view.format == "B" and view.ndim == 1 and view.c_contiguous:
        return view
    try:
        return view.cast("B")
    except (TypeError, ValueError):  # not contiguous, or of a format that cast does not know
        return memoryview(view.tobytes())


def protection(name: object) -> Protection:
    """One of PROTECTIONS.

    Raises:
        ImgcryptError: it is none.
    """
    return _one_of(PROTECTIONS, name, "protection", ImgcryptError)


def profile(name: object, survive: object) -> Profile | None:
    """What a file is to stand, None if nothing is asked.

    Raises:
        ImgcryptError: both are given, or there is no such protection.
        TypeError: an argument of a wrong type.
    """
    share = number(survive, "survive")
    if share is not None and name is not None:
        raise ImgcryptError("a protection and a share to survive cannot both be kept: leave out protection or survive")
    if share is not None:
        return surviving(share)
    return None if name is None else NAMES[protection(name)]


def writable(out: Buffer) -> memoryview:
    """Memory to write a file to, as a memoryview of bytes.

    Raises:
        TypeError: it is no memory that can be written to.
    """
    try:
        view = memoryview(out).cast("B")
    except (TypeError, ValueError, BufferError):
        view = memoryview(b"")
    if view.readonly:
        raise TypeError(
            f"out is contiguous memory that can be written to, such as a bytearray, not {type(out).__name__}"
        )
    return view


def associated_data(data: Buffer) -> bytes:
    """Associated data.

    Raises:
        TypeError: it is no bytes.
    """
    try:
        return memoryview(data).tobytes()
    except TypeError:
        raise TypeError(f"associated_data is bytes, not {type(data).__name__}; encode text first") from None


def keys(given: object) -> tuple[Key | Recipient, ...]:
    """Who may open a new file: one key or recipient, or a sequence of them. None is returned twice.

    Raises:
        TypeError: one is neither.
        ImgcryptError: there are none, or too many for a file.
    """
    found = key_list(given)
    if not found:
        raise ImgcryptError("there is no key in this sequence: nobody could open the file; give at least one")
    if len(found) > slots.MOST:
        raise ImgcryptError(f"a file opens for {slots.MOST} keys and recipients at most, not {len(found)}; give fewer")
    if sum(isinstance(each, PassphraseKey) for each in found) > container.MOST_PASSPHRASE_SLOTS:
        raise ImgcryptError(
            f"a file opens with {container.MOST_PASSPHRASE_SLOTS} passphrases at most; give fewer, or key files"
        )
    return found


def openers(given: object) -> tuple[Key, ...]:
    """What is tried on a file: a key, or a sequence of them; recipients among them are left out.

    Raises:
        TypeError: there is none, or one is no key.
    """
    found = tuple(each for each in key_list(given) if isinstance(each, Key))
    if not found:
        raise TypeError(
            "nothing here opens a file: give an imgcrypt.Key; of a Recipient, the Identity that belongs to it"
        )
    return found


def key_list(given: object) -> tuple[Key | Recipient, ...]:
    """One key or recipient, or a sequence of them, each once.

    Raises:
        TypeError: one is neither.
    """
    found: dict[Key | Recipient, Key | Recipient] = {}
    for each in (given,) if isinstance(given, str | bytes) else several(given):
        if not isinstance(each, Key | Recipient):
            raise TypeError(
                f"a key is an imgcrypt.Key, not {type(each).__name__}; make one by Key.generate, Key.load, Key.parse "
                "or Key.from_passphrase, or give a Recipient, or several of these"
            )
        # An identity stands for its recipient, too.
        name = each.recipient if isinstance(each, Identity) else each
        if name not in found or isinstance(each, Identity):
            found[name] = each
    return tuple(found.values())


def suite(name: object) -> SuiteName:
    """One of SUITES.

    Raises:
        ImgcryptError: it is none.
    """
    return _one_of(SUITES, name, "suite", ImgcryptError)


def provider(name: object) -> Provider:
    """One of PROVIDERS.

    Raises:
        ProviderError: it is none.
    """
    return _one_of(PROVIDERS, name, "provider", ProviderError)


def quality(name: object) -> Quality:
    """One of QUALITIES.

    Raises:
        ImgcryptError: it is none.
    """
    return _one_of(QUALITIES, name, "quality", ImgcryptError)


def net(name: object) -> str | None:
    """A net's name or kind, or None.

    Raises:
        TypeError: it is neither.
    """
    if name is not None and not isinstance(name, str):
        raise TypeError(f"net is a name or None, not {type(name).__name__}")
    return name


def number(value: object, name: str) -> float | None:
    """A number that may be left out.

    Raises:
        TypeError: it is none.
        NetError: it is not finite.
    """
    if value is None:
        return None
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        raise TypeError(f"{name} is a number or None, not {type(value).__name__}")
    try:
        result = float(value)
    except OverflowError:
        result = math.inf
    if not math.isfinite(result):
        raise NetError(f"{name} is a finite number, not {result}")
    return result


def count(value: object, name: str) -> int | None:
    """A whole number from 1 on that may be left out.

    Raises:
        TypeError: it is none.
        ImgcryptError: it is less.
    """
    if value is None:
        return None
    if not isinstance(value, numbers.Integral) or isinstance(value, bool):
        raise TypeError(f"{name} is a whole number or None, not {type(value).__name__}")
    if value < 1:
        raise ImgcryptError(f"{name} is at least 1, not {value}")
    return int(value)


def flag(value: object, name: str) -> bool:
    """True or False, NumPy's too.

    Raises:
        TypeError: it is neither.
    """
    if isinstance(value, bool):
        return value
    if type(value).__module__ == "numpy" and type(value).__name__ in ("bool", "bool_"):
        return bool(value)
    raise TypeError(f"{name} is True or False, not {type(value).__name__}")


def _one_of(names: tuple[T, ...], name: object, what: str, error: type[ImgcryptError]) -> T:
    for each in names:
        if isinstance(name, str) and each == name:
            return each
    raise error(f"no {what} is called {name!r}; choose from {', '.join(names)}")
