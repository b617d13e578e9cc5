"""The search for a picture's step: what it promises, how often it tries, and that it ends when it is cancelled."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import imgcrypt
from imgcrypt.codec import picture as code
from imgcrypt.codec import search
from imgcrypt.metrics import psnr

Make = Callable[..., Any]
SHAPES = pytest.mark.parametrize("shape", [(90, 120), (700, 600)], ids=["small", "sampled first"])


@SHAPES
@pytest.mark.parametrize("rate", [0.05, 0.2])
def test_layers_fit_and_fill(picture: Make, shape: tuple[int, int], rate: float) -> None:
    colors = picture(*shape)
    room = int(rate * colors.size)
    used = sum(map(len, search.fitting(colors, room, [])))
    assert 0.97 * room < used <= room


@pytest.mark.parametrize("rate", [0.08, 0.12, 0.18, 0.25])
def test_a_layer_ends_before_each_end(picture: Make, rate: float) -> None:
    colors = picture(320, 480)
    room = int(rate * colors.size)
    ends = [int(share * room) for share in (1 / 40, 0.13, 0.66)]
    layers = search.fitting(colors, room, ends)
    assert len(layers) == len(ends) + 1
    assert all(length <= end for length, end in zip(itertools.accumulate(map(len, layers)), ends, strict=False))


@SHAPES
def test_a_psnr_is_reached_and_hardly_more(picture: Make, shape: tuple[int, int]) -> None:
    colors = picture(*shape)
    known = code.decode(search.reaching(colors, 38.0, lambda _: []), *colors.shape)
    assert 38 <= psnr(colors, code.colors(code.inverse(known))) < 38.3


@pytest.mark.parametrize("shape", [(90, 120, 1), (600, 590, 3)])
def test_pictures_without_detail(shape: tuple[int, ...]) -> None:
    colors = np.full(shape, 77, np.uint8)
    for layers in (search.fitting(colors, 2000, [9]), search.reaching(colors, 45.0, lambda _: [9])):
        known = code.decode(layers, *colors.shape)
        assert psnr(colors, code.colors(code.inverse(known))) >= 45


class Later(threading.Event):
    """Is set once it was asked so often."""

    def __init__(self, asked: int) -> None:
        super().__init__()
        self.left = asked

    def is_set(self) -> bool:
        self.left -= 1
        return self.left < 0


@pytest.mark.parametrize("option", [{"rate": 0.2}, {"target_psnr": 40}])
def test_cancelling_ends_the_search_midway(picture: Make, option: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    tries = []
    at = search.Trial.at
    monkeypatch.setattr(search.Trial, "at", lambda self, step: tries.append(step) or at(self, step))
    colors, codec = picture(700, 600), imgcrypt.Codec(imgcrypt.Key.generate())
    codec.encrypt(colors, **option)
    whole = len(tries)
    tries.clear()
    event = Later(30)
    with pytest.raises(imgcrypt.CancelledError):
        codec.encrypt(colors, cancel=event, **option)
    assert event.left == -1  # asked no more after its answer
    assert len(tries) < whole
