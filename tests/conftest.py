"""Hypothesis' profile, and the fixtures: pictures made by code, a key, the folder of the data sets."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings
from made_pictures import Picture, make_picture

from imgcrypt import Key, cipher, protection
from imgcrypt.codec import picture as codec

settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")

# A shell that puts the tests into the background has them ignore these, and their children would, too.
for _number, _action in ((signal.SIGINT, signal.default_int_handler), (signal.SIGQUIT, signal.SIG_DFL)):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _action)


@pytest.fixture(scope="session", autouse=True)
def kernels() -> None:
    """All kernels compiled and kept, so that no command in a test has to say that it compiles them."""
    cipher.warm_up(everything=True)
    codec.warm_up()
    protection.warm_up()


@pytest.fixture(scope="session")
def picture() -> Callable[..., Picture]:
    """``picture(height, width, channels=3, dtype="uint8", texture=True)``: see make_picture."""
    return make_picture


@pytest.fixture(scope="session")
def key() -> Key:
    """A key; nothing else may know it."""
    return Key.generate()


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of the data sets; the test is skipped where there is none."""
    default = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("IMGCRYPT_DATA", default))
    if not (folder / "bsds500" / "test").is_dir():
        pytest.skip(f"no BSDS500 in {folder}: set IMGCRYPT_DATA to the folder that holds bsds500/test")
    return folder
