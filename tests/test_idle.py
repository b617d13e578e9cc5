"""Memory is given back when nobody has called for a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

import imgcrypt
from imgcrypt import Key, idle, runtime, scratch
from imgcrypt.runtime import zoo


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The watcher that calls of other tests left is gone, and the next one looks soon."""
    with idle._lock:
        if idle._watcher is not None:
            idle._watcher.cancel()
            idle._watcher = None
    for watcher in watchers():
        watcher.join()
    monkeypatch.setattr(idle, "SECONDS", 0.2)
    yield
    until_idle()


def watchers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "imgcrypt idle"]


def until_idle() -> None:
    while idle._watcher is not None:
        time.sleep(0.01)


def test_what_a_call_leaves_is_given_back() -> None:
    key, image = Key.generate(), np.zeros((300, 300, 3), np.uint8)
    back = imgcrypt.decrypt(imgcrypt.encrypt(image, key), key)
    net = runtime.load(zoo.choose(None, None, 3))
    until_idle()
    assert scratch.kept() == 0
    assert runtime.load(zoo.choose(None, None, 3)) is not net
    np.testing.assert_array_equal(imgcrypt.decrypt(imgcrypt.encrypt(image, key, lossless=True), key), image)
    assert scratch.kept() > 0
    assert back.shape == image.shape


def test_nothing_is_given_back_during_a_call() -> None:
    image, key = np.zeros((50, 50), np.uint8), Key.generate()
    with idle.busy():
        imgcrypt.encrypt(image, key, lossless=True)
        kept = scratch.kept()
        assert kept > 0
        watcher = idle._watcher
        assert watcher is not None
        watcher.join()
        assert scratch.kept() == kept
        assert idle._watcher is not None


def test_one_watcher_serves_all_calls_and_ends() -> None:
    for _ in range(50):
        with idle.busy():
            pass
        assert len(watchers()) <= 1
    assert idle._watcher is not None
    until_idle()
    for watcher in watchers():
        watcher.join()
