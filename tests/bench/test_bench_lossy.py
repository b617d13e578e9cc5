"""JPEG, WebP and AVIF at given bytes."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from imgcrypt.bench import lossy, timing
from imgcrypt.metrics import psnr


@pytest.mark.parametrize("name", lossy.FORMATS)
@pytest.mark.parametrize("channels", [1, 3])
def test_best_file_that_fits(name: str, channels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = timing.picture(128, channels)
    sizes = []
    encode = cv2.imencode

    def watched(*given):
        done = encode(*given)
        sizes.append(len(done[1]))
        return done

    monkeypatch.setattr(cv2, "imencode", watched)
    some = lossy.through(picture, name, 0.1)
    assert some is not None
    assert some.shape == picture.shape
    assert any(size <= 0.1 * picture.size for size in sizes)
    assert any(size > 0.1 * picture.size for size in sizes)
    more = lossy.through(picture, name, 0.6)
    assert more is not None
    assert 20 < psnr(picture, some) < psnr(picture, more)


@pytest.mark.parametrize("name", lossy.FORMATS)
def test_no_file_is_that_small(name: str) -> None:
    assert lossy.through(np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8), name, 0.005) is None
