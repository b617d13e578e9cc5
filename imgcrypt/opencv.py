"""OpenCV's module ``cv2``, checked: ``from imgcrypt.opencv import cv2``.

Several packages install the same folder ``cv2``. With two of them the last one installed wins, and uninstalling either
leaves nothing that works, while pip lists the other one still. So what counts is what is really there.
Encrypting and decrypting arrays needs no OpenCV: only modules that do may import this one.
"""

from __future__ import annotations

import re
from typing import Any

from imgcrypt import environment
from imgcrypt.errors import DependencyError

__all__ = ["OLDEST", "check", "cv2"]

OLDEST = (4, 13)
"""The bound in pyproject.toml: the first release whose wheels read and write AVIF."""


def check(module: Any) -> None:
    """Refuse what cannot serve as ``cv2``.

    Raises:
        DependencyError: the module is an empty folder that an uninstalled package left, or older than OLDEST.
    """
    version = getattr(module, "__version__", None)
    if not isinstance(version, str) or not hasattr(module, "imencode"):
        raise DependencyError(f"OpenCV is installed only in part; {_mend()}")
    if tuple(int(number) for number in re.findall(r"\d+", version)[:2]) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise DependencyError(f"OpenCV {version} is installed where {oldest} or newer is needed; {_mend()}")


def _mend() -> str:
    return "remove every opencv package with pip uninstall, then: pip install -U opencv-python-headless"


try:
    # Its loader leaves a folder of its own in there, which would reach all processes that this one starts.
    with environment.restored("LD_LIBRARY_PATH"):
        import cv2
except ImportError as error:
    raise DependencyError(f"OpenCV does not load ({error}); {_mend()}") from None
check(cv2)
