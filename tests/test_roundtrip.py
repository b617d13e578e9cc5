"""What goes in comes back: each file that the libraries write, encrypted with all it says, and written as dec does."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from corpus import CASES

import imgcrypt
from imgcrypt import naming, pictures
from imgcrypt.keys import RawKey

KEY = RawKey(bytes(range(32)))


@pytest.mark.parametrize("make", [pytest.param(make, id=name) for name, make, _ in CASES])
def test_every_kind_of_file_comes_back(make: Callable[[], bytes]) -> None:
    picture = imgcrypt.read(make(), name="a.b")
    wanted = picture.pixels
    back = imgcrypt.decrypt_picture(imgcrypt.encrypt(picture, KEY, lossless=True), KEY)
    assert back.metadata == picture.metadata
    channels = 1 if wanted.ndim == 2 else wanted.shape[2]
    targets = naming.targets(
        "a.b", back.metadata, lossless=True, channels=channels, bits=8 * back.pixels.dtype.itemsize
    )
    again = imgcrypt.read(pictures.encode(back.pixels, targets[0].suffix, back.metadata))
    assert again.pixels.dtype == wanted.dtype
    np.testing.assert_array_equal(again.pixels, wanted)
    assert again.format == picture.format or picture.format not in naming.WRITTEN
    for field in ("profile", "exif", "xmp", "resolution"):
        before, after = (getattr(each.metadata, field) for each in (picture, again))
        assert (before is None) == (after is None) or field in pictures.left_out(targets[0].suffix, back.metadata)
