"""Encrypt pictures by deep compressed sensing and a compound chaotic cipher, sealed by AES-256-GCM.

    key = imgcrypt.Key.generate()
    blob = imgcrypt.encrypt(image, key)      # uint8 (H, W) or RGB (H, W, 3)
    image = imgcrypt.decrypt(blob, key)

``docs/format.md`` specifies the bytes, ``docs/threat-model.md`` says what they protect. Importing this
package loads neither NumPy nor Numba nor onnxruntime: each loads at first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from imgcrypt.errors import (
    CancelledError,
    ContainerError,
    DamagedError,
    DependencyError,
    ImageError,
    ImgcryptError,
    KeyFileError,
    KeyLockedError,
    NetError,
    NewerVersionError,
    NotImgcError,
    ProviderError,
    SeveralPicturesError,
    TooLargeError,
    TruncatedError,
    WrongKeyError,
)

if TYPE_CHECKING:
    from imgcrypt.api import Recovered, decrypt, decrypt_picture, encrypt, recover, repair
    from imgcrypt.arrays import Image, ImageLike
    from imgcrypt.context import Codec
    from imgcrypt.exact import ExactFile, decrypt_bytes, encrypt_bytes, recover_bytes
    from imgcrypt.info import Info, inspect
    from imgcrypt.keys import Identity, Key
    from imgcrypt.pictures import Picture, read
    from imgcrypt.previewing import preview
    from imgcrypt.recipients import Recipient
    from imgcrypt.rewrapping import rewrap

__version__ = "0.1.0"
__all__ = [
    "CancelledError",
    "Codec",
    "ContainerError",
    "DamagedError",
    "DependencyError",
    "ExactFile",
    "Identity",
    "Image",
    "ImageError",
    "ImageLike",
    "ImgcryptError",
    "Info",
    "Key",
    "KeyFileError",
    "KeyLockedError",
    "NetError",
    "NewerVersionError",
    "NotImgcError",
    "Picture",
    "ProviderError",
    "Recipient",
    "Recovered",
    "SeveralPicturesError",
    "TooLargeError",
    "TruncatedError",
    "WrongKeyError",
    "decrypt",
    "decrypt_bytes",
    "decrypt_picture",
    "encrypt",
    "encrypt_bytes",
    "inspect",
    "preview",
    "read",
    "recover",
    "recover_bytes",
    "repair",
    "rewrap",
]

_LAZY = {
    "Codec": "imgcrypt.context",
    "Image": "imgcrypt.arrays",
    "ImageLike": "imgcrypt.arrays",
    "ExactFile": "imgcrypt.exact",
    "Identity": "imgcrypt.keys",
    "Info": "imgcrypt.info",
    "Key": "imgcrypt.keys",
    "Recipient": "imgcrypt.recipients",
    "Recovered": "imgcrypt.api",
    "decrypt": "imgcrypt.api",
    "decrypt_bytes": "imgcrypt.exact",
    "decrypt_picture": "imgcrypt.api",
    "encrypt": "imgcrypt.api",
    "encrypt_bytes": "imgcrypt.exact",
    "inspect": "imgcrypt.info",
    "Picture": "imgcrypt.pictures",
    "preview": "imgcrypt.previewing",
    "read": "imgcrypt.pictures",
    "recover": "imgcrypt.api",
    "recover_bytes": "imgcrypt.exact",
    "repair": "imgcrypt.api",
    "rewrap": "imgcrypt.rewrapping",
}


# Hidden from type checkers, which would take any name for one of the package otherwise.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name in _LAZY:
            from imgcrypt import loading

            value = globals()[name] = getattr(loading.whole(lambda: importlib.import_module(_LAZY[name])), name)
            return value
        raise AttributeError(f"module 'imgcrypt' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
