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
    ContainerError,
    DamagedError,
    ImageError,
    ImgcryptError,
    KeyFileError,
    NetError,
    NewerVersionError,
    NotImgcError,
    ProviderError,
    TruncatedError,
    WrongKeyError,
)

if TYPE_CHECKING:
    from imgcrypt.api import Info, decrypt, encrypt, inspect
    from imgcrypt.keys import Key
    from imgcrypt.pictures import Picture, read
    from imgcrypt.recovery import Recovered, recover

__version__ = "0.1.0"
__all__ = [
    "ContainerError",
    "DamagedError",
    "ImageError",
    "ImgcryptError",
    "Info",
    "Key",
    "KeyFileError",
    "NetError",
    "NewerVersionError",
    "NotImgcError",
    "Picture",
    "ProviderError",
    "Recovered",
    "TruncatedError",
    "WrongKeyError",
    "decrypt",
    "encrypt",
    "inspect",
    "read",
    "recover",
]

_LAZY = {
    "Info": "imgcrypt.api",
    "Key": "imgcrypt.keys",
    "decrypt": "imgcrypt.api",
    "encrypt": "imgcrypt.api",
    "inspect": "imgcrypt.api",
    "Picture": "imgcrypt.pictures",
    "Recovered": "imgcrypt.recovery",
    "read": "imgcrypt.pictures",
    "recover": "imgcrypt.recovery",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'imgcrypt' has no attribute {name!r}")
