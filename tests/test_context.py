"""Codec: the functions' results, with one key and settings for all, into given memory, and stopped half-way."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import imgcrypt
from imgcrypt import (
    CancelledError,
    Codec,
    ContainerError,
    DamagedError,
    ImageError,
    ImgcryptError,
    Key,
    NetError,
    TooLargeError,
    runtime,
    threads,
)
from imgcrypt.keys import RawKey
from imgcrypt.metrics import psnr
from imgcrypt.pictures import Picture
from imgcrypt.pictures.metadata import Metadata
from imgcrypt.runtime import net as net_module
from imgcrypt.runtime import zoo

KEY = RawKey(bytes(range(32)))
MakePicture = Callable[..., Any]


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(net_module, "TILE_BLOCKS", 2)


# --- settings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suite", ["hybrid", "chaos"])
def test_codec_and_functions_open_each_others_files(suite: Any, picture: MakePicture) -> None:
    image = picture(40, 50)
    with Codec(KEY, suite=suite, net="fclbcnn", provider="cpu", threads=1) as codec:
        blob = codec.encrypt(image)
        info = imgcrypt.inspect(blob)
        assert (info.suite, info.net) == (suite, zoo.choose("fclbcnn", None, 3).name)
        np.testing.assert_array_equal(codec.decrypt(blob), imgcrypt.decrypt(blob, KEY, provider="cpu"))
        assert imgcrypt.inspect(codec.encrypt(image)).net == info.net


def test_key_of_a_call_stands_in_for_the_codecs(picture: MakePicture) -> None:
    image, other = picture(9, 9), Key.generate()
    with Codec(KEY) as codec, Codec() as keyless:
        for each in (codec, keyless):
            blob = each.encrypt(image, key=other, lossless=True)
            np.testing.assert_array_equal(each.decrypt(blob, key=other), image)
        with pytest.raises(imgcrypt.WrongKeyError):
            codec.decrypt(blob)
        with pytest.raises(TypeError, match="a key is"):
            keyless.encrypt(image)


@pytest.mark.parametrize("most", [99, 100])
def test_pictures_with_too_many_pixels_are_refused(most: int) -> None:
    image = np.zeros((10, 10, 3), np.uint8)
    blob = imgcrypt.encrypt(image, KEY, lossless=True)
    codec = Codec(KEY, max_pixels=most)
    if most == 100:
        np.testing.assert_array_equal(codec.decrypt(codec.encrypt(image, lossless=True)), codec.decrypt(blob))
    else:
        for call in (lambda: codec.encrypt(image, lossless=True), lambda: codec.decrypt(blob)):
            with pytest.raises(TooLargeError, match="100 pixels, more than the 99 allowed"):
                call()


@pytest.mark.parametrize(
    ("error", "options"),
    [
        (ImgcryptError, {"threads": 0}),
        (ImgcryptError, {"threads": -1}),
        (TypeError, {"threads": 1.5}),
        (TypeError, {"threads": True}),
        (ImgcryptError, {"max_pixels": 0}),
        (TypeError, {"max_pixels": "10"}),
        (imgcrypt.ProviderError, {"provider": "gpu"}),
        (ImgcryptError, {"suite": "none"}),
        (TypeError, {"net": 1}),
        (TypeError, {"key": "secret"}),
    ],
)
def test_wrong_settings(error: type[Exception], options: dict[str, Any]) -> None:
    with pytest.raises(error):
        Codec(**options)


@pytest.mark.parametrize("count", [1, 3])
def test_threads(count: int, picture: MakePicture, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    load = runtime.load
    monkeypatch.setattr(runtime, "load", lambda *args: seen.append(threads.count()) or load(*args))
    codec = Codec(KEY, net="fclbcnn", threads=count)
    codec.decrypt(codec.encrypt(picture(40, 40)))
    assert set(seen) == {count}
    with threads.limited(count):
        session = runtime.load(zoo.choose("fclbcnn", None, 3)).session("sampler")
    assert session.get_session_options().intra_op_num_threads == count


def test_warm_up_loads_what_the_first_picture_needs() -> None:
    runtime.release()
    with Codec(KEY) as codec:
        codec.warm_up()
        with threads.limited(None):
            for channels in (1, 3):
                net = runtime.load(zoo.choose(None, None, channels))
                assert "reconstructor" in net.sessions
    with pytest.raises(NetError, match="no net is called"):
        Codec(net="nothing").warm_up()


def test_closed_codec_refuses(picture: MakePicture) -> None:
    with Codec(KEY) as codec:
        blob = codec.encrypt(picture(5, 5))
    for call in (lambda: codec.encrypt(picture(5, 5)), lambda: codec.decrypt(blob), codec.warm_up):
        with pytest.raises(ImgcryptError, match="closed"):
            call()
    with pytest.raises(ImgcryptError, match="closed"):
        list(codec.encrypt_many([picture(5, 5)]))
    codec.close()


# --- out --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suite", ["hybrid", "chaos"])
@pytest.mark.parametrize("lossless", [True, False])
def test_encrypt_into_given_memory(lossless: bool, suite: Any, picture: MakePicture) -> None:
    image, codec = picture(70, 90), Codec(KEY, suite=suite)
    size = len(codec.encrypt(image, lossless=lossless))
    for out in (bytearray(size), bytearray(size + 9), np.zeros((2, size), np.uint8)):
        written = codec.encrypt(image, out, lossless=lossless)
        assert len(written) == size
        assert written.obj is out
        assert written.tobytes() == bytes(out)[:size]
        np.testing.assert_array_equal(codec.decrypt(written), codec.decrypt(bytes(written)))
    with pytest.raises(ImgcryptError, match=f"out has {size - 1:,} bytes, and the file takes {size:,}"):
        codec.encrypt(image, bytearray(size - 1), lossless=lossless)


@pytest.mark.parametrize("out", [b"bytes", np.zeros(4, np.uint8)[::2], "text", 5, memoryview(b"read")])
def test_memory_that_cannot_be_written_to(out: Any) -> None:
    with pytest.raises(TypeError, match="out is contiguous memory"):
        Codec(KEY).encrypt(np.zeros((4, 4), np.uint8), out, lossless=True)


@pytest.mark.parametrize("lossless", [True, False])
@pytest.mark.parametrize("shape", [(40, 50), (40, 50, 3), (40, 50, 4)])
def test_decrypt_into_given_memory(shape: tuple[int, ...], lossless: bool, picture: MakePicture) -> None:
    codec, image = Codec(KEY), picture(40, 50, shape[2] if len(shape) > 2 else 1)
    blob = codec.encrypt(image, lossless=lossless)
    expected = codec.decrypt(blob)
    outs = [np.zeros(shape, np.uint8), np.zeros((80, *shape[1:]), np.uint8)[::2], np.zeros(shape, np.uint8, "F")]
    if len(shape) == 2:
        outs.append(np.zeros((*shape, 1), np.uint8))
    for out in outs:
        assert codec.decrypt(blob, out) is out
        np.testing.assert_array_equal(out.reshape(shape), expected)


@pytest.mark.parametrize("dtype", ["<u2", ">u2"])
def test_decrypt_16_bits_into_given_memory(dtype: str) -> None:
    codec, image = Codec(KEY), np.arange(600, dtype=np.uint16).reshape(20, 30) * 109
    out = np.zeros(image.shape, dtype)
    codec.decrypt(codec.encrypt(image, lossless=True), out)
    np.testing.assert_array_equal(out, image)


def test_array_that_does_not_fit() -> None:
    codec = Codec(KEY)
    blob = codec.encrypt(np.zeros((4, 5, 3), np.uint8), lossless=True)
    for out in (np.zeros((4, 5), np.uint8), np.zeros((5, 4, 3), np.uint8), np.zeros((4, 5, 3), np.uint16)):
        with pytest.raises(ImageError, match=r"the picture uint8 \(4, 5, 3\)"):
            codec.decrypt(blob, out)
    out = np.zeros((4, 5, 3), np.uint8)
    out.flags.writeable = False
    with pytest.raises(ImageError, match="read-only"):
        codec.decrypt(blob, out)
    with pytest.raises(TypeError, match="out is a NumPy array"):
        codec.decrypt(blob, bytearray(60))  # type: ignore[type-var]


def test_nothing_that_is_not_authentic_gets_into_given_memory(picture: MakePicture) -> None:
    codec, image = Codec(KEY), picture(300, 300)
    blob = bytearray(codec.encrypt(image, raw=True))
    blob[-1000] ^= 1
    out = np.zeros_like(image)
    with pytest.raises(DamagedError):
        codec.decrypt(blob, out)
    assert not out.any()


def test_loss_that_is_allowed_gives_a_coarser_picture(picture: MakePicture) -> None:
    codec, image = Codec(KEY, protection="strong"), picture(300, 300)
    blob = codec.encrypt(image, rate=0.3)
    half = blob[: len(blob) // 2]
    with pytest.raises(DamagedError, match="coarser"):
        codec.decrypt(half)
    coarser = codec.decrypt(half, allow_loss=True)
    np.testing.assert_array_equal(coarser, imgcrypt.recover(half, KEY).image)
    assert 20 < psnr(image, coarser) < psnr(image, codec.decrypt(blob)) - 3
    out = np.empty_like(image)
    assert codec.decrypt(half, out, allow_loss=True) is out
    np.testing.assert_array_equal(out, coarser)
    for each in (codec.encrypt(image, raw=True), codec.encrypt(image, lossless=True)):
        with pytest.raises(ContainerError):
            codec.decrypt(each[: len(each) // 2], allow_loss=True)
    with pytest.raises(TypeError, match="allow_loss is True or False"):
        codec.decrypt(blob, allow_loss=1)  # type: ignore[call-overload]


# --- associated data --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suite", ["hybrid", "chaos"])
@pytest.mark.parametrize("lossless", [True, False])
def test_associated_data_is_needed_and_not_stored(lossless: bool, suite: Any, picture: MakePicture) -> None:
    image, data = picture(40, 40), b"account 7 of the clinic"
    blob = imgcrypt.encrypt(image, KEY, lossless=lossless, suite=suite, associated_data=data)
    assert data not in blob
    assert len(blob) == len(imgcrypt.encrypt(image, KEY, lossless=lossless, suite=suite))
    back = imgcrypt.decrypt(blob, KEY, associated_data=bytearray(data))
    if lossless:
        np.testing.assert_array_equal(back, image)
    for wrong in (b"account 8 of the clinic", data + b"\0", data[:-1], b"\0"):
        with pytest.raises(DamagedError, match="other associated data"):
            imgcrypt.decrypt(blob, KEY, associated_data=wrong)
    with pytest.raises(DamagedError, match="other associated data"):
        imgcrypt.decrypt(blob, KEY)
    plain = imgcrypt.encrypt(image, KEY, lossless=lossless, suite=suite)
    with pytest.raises(DamagedError, match="other associated data"):
        imgcrypt.decrypt(plain, KEY, associated_data=data)
    np.testing.assert_array_equal(imgcrypt.decrypt(plain, KEY, associated_data=b""), imgcrypt.decrypt(plain, KEY))


def test_recover_needs_associated_data_too(picture: MakePicture) -> None:
    image = picture(300, 300)
    blob = imgcrypt.encrypt(image, KEY, raw=True, associated_data=b"mine")
    assert imgcrypt.recover(blob, KEY, associated_data=b"mine").authentic
    rest = imgcrypt.recover(blob[:-20_000], KEY, associated_data=b"mine")
    assert not rest.authentic
    assert np.abs(rest.image.astype(int) - image).mean() < 10
    for wrong in (b"other", b""):
        with pytest.raises(DamagedError, match="other associated data"):
            imgcrypt.recover(blob, KEY, associated_data=wrong)


def test_pictures_metadata_are_bound_to_associated_data(picture: MakePicture) -> None:
    said = Metadata(name="one.png", xmp=b"<x/>")
    with Codec(KEY) as codec:
        blob = codec.encrypt(Picture(picture(9, 9), metadata=said), lossless=True, associated_data=b"mine")
        assert codec.decrypt_picture(blob, associated_data=b"mine").metadata == said
        assert imgcrypt.decrypt_picture(blob, KEY, associated_data=b"mine").metadata == said
        for call in (codec.decrypt_picture, codec.decrypt):
            with pytest.raises(DamagedError):
                call(blob)


@pytest.mark.parametrize(("data", "name"), [(b"file", "a.txt"), (b"", None)])
def test_other_files_are_bound_to_associated_data(data: bytes, name: str | None) -> None:
    blob = imgcrypt.encrypt_bytes(data, KEY, name=name, associated_data=b"mine")
    for function in (imgcrypt.decrypt_bytes, imgcrypt.recover_bytes):
        assert function(blob, KEY, associated_data=b"mine") == (data, name)
        with pytest.raises(DamagedError):
            function(blob, KEY)
    with pytest.raises(ImageError, match="decrypt_bytes"):
        Codec(KEY).decrypt(blob, np.zeros((1, 1), np.uint8), associated_data=b"mine")


# --- progress and cancelling ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("net", ["fclbcnn"])
@pytest.mark.parametrize("channels", [1, 3])
def test_progress_counts_the_tiles(channels: int, net: Any, picture: MakePicture, small_tiles: None) -> None:
    codec = Codec(KEY, net=net)
    made: list[tuple[int, int]] = []
    opened: list[tuple[int, int]] = []
    blob = codec.encrypt(picture(200, 130, channels), progress=lambda *both: made.append(both))
    codec.decrypt(blob, progress=lambda *both: opened.append(both))
    for calls in (made, opened):
        total = calls[0][1]
        assert total > 2
        assert calls == [(done, total) for done in range(1, total + 1)]


class EnoughError(Exception):
    """A caller's own error."""


@pytest.mark.parametrize("what", ["encrypt", "decrypt"])
def test_what_the_callback_raises_ends_the_call(what: str, picture: MakePicture, small_tiles: None) -> None:
    codec, image = Codec(KEY, net="fclbcnn"), picture(200, 130)
    calls = []

    def stop(done: int, total: int) -> None:
        calls.append(done)
        if done == 2:
            raise EnoughError

    blob = codec.encrypt(image)
    with pytest.raises(EnoughError):
        codec.encrypt(image, progress=stop) if what == "encrypt" else codec.decrypt(blob, progress=stop)
    assert calls == [1, 2]
    assert codec.decrypt(blob).shape == image.shape


@pytest.mark.parametrize("what", ["encrypt", "decrypt"])
def test_cancelled_call_ends_at_the_next_tile(what: str, picture: MakePicture, small_tiles: None) -> None:
    codec, image, event = Codec(KEY, net="fclbcnn"), picture(200, 130), threading.Event()
    calls = []

    def note(done: int, total: int) -> None:
        calls.append(done)
        if done == 2:
            event.set()

    blob = codec.encrypt(image)
    call = codec.encrypt if what == "encrypt" else codec.decrypt
    with pytest.raises(CancelledError):
        call(image if what == "encrypt" else blob, progress=note, cancel=event)
    assert calls == [1, 2]
    with pytest.raises(CancelledError):
        call(image if what == "encrypt" else blob, progress=note, cancel=event)
    assert calls == [1, 2]


def test_close_cancels_what_runs(picture: MakePicture, small_tiles: None) -> None:
    codec, began = Codec(KEY), threading.Event()
    blob = codec.encrypt(picture(300, 300))
    errors: list[BaseException] = []

    def work() -> None:
        try:
            codec.decrypt(blob, progress=lambda done, total: (began.set(), time.sleep(0.05)))
        except ImgcryptError as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    assert began.wait(60)
    codec.close()
    thread.join(60)
    assert [type(error) for error in errors] == [CancelledError]


# --- many -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lossless", [True, False])
@pytest.mark.parametrize("count", [1, 3])
def test_many_come_back_in_order(count: int, lossless: bool, picture: MakePicture) -> None:
    images = [picture(20 + i, 30, (1, 3, 4)[i % 3]) for i in range(11)]
    with Codec(KEY, threads=count) as codec:
        blobs = list(codec.encrypt_many(iter(images), lossless=lossless, associated_data=b"x"))
        backs = list(codec.decrypt_many(iter(blobs), associated_data=b"x"))
    assert [back.shape for back in backs] == [image.shape for image in images]
    for image, blob, back in zip(images, blobs, backs, strict=True):
        expected = image if lossless else imgcrypt.decrypt(blob, KEY, associated_data=b"x")
        assert np.abs(back.astype(int) - expected).max() <= (0 if lossless else 1)


def test_many_take_no_more_than_they_need() -> None:
    taken = []

    def images() -> Iterator[Any]:
        for i in itertools.count():
            taken.append(i)
            yield np.full((4, 4), i % 256, np.uint8)

    with Codec(KEY, threads=2) as codec:
        blobs = codec.encrypt_many(images(), lossless=True)
        for i in range(5):
            assert (codec.decrypt(next(blobs)) == i).all()
        assert len(taken) <= 5 + 2 * 2 + 1
        blobs.close()
        assert next(codec.encrypt_many(images(), lossless=True))


def test_error_comes_at_its_pictures_turn(picture: MakePicture) -> None:
    codec = Codec(KEY, threads=2)
    blobs = codec.encrypt_many([picture(5, 5), picture(6, 6), "no picture", picture(7, 7)], lossless=True)  # type: ignore[list-item]
    assert [imgcrypt.inspect(next(blobs)).width for _ in range(2)] == [5, 6]
    with pytest.raises(ImageError):
        next(blobs)
    assert list(blobs) == []


def test_many_pass_on_what_their_source_raises() -> None:
    def source() -> Iterator[Any]:
        yield np.zeros((4, 4), np.uint8)
        raise EnoughError

    with pytest.raises(EnoughError):
        list(Codec(KEY).encrypt_many(source(), lossless=True))


def test_closing_the_iterator_cancels_what_was_begun(
    picture: MakePicture, small_tiles: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    codec, runs = Codec(KEY, threads=2), []
    small, large = codec.encrypt(picture(8, 8)), codec.encrypt(picture(500, 500))
    run = net_module.Net.run
    monkeypatch.setattr(net_module.Net, "run", lambda *args: runs.append(1) or run(*args))
    codec.decrypt(large)
    tiles = len(runs)
    pictures = codec.decrypt_many([small, *[large] * 4])
    next(pictures)
    pictures.close()
    assert len(runs) < 3 * tiles


def test_codec_serves_many_threads(picture: MakePicture) -> None:
    images = [picture(60 + i, 70, (1, 3, 4)[i % 3]) for i in range(6)]
    with Codec(KEY) as codec:
        results: dict[int, Any] = {}

        def work(i: int) -> None:
            for _ in range(3):
                results[i] = codec.decrypt(codec.encrypt(images[i], lossless=True))

        workers = [threading.Thread(target=work, args=(i,)) for i in range(6)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    for i, image in enumerate(images):
        np.testing.assert_array_equal(results[i], image)
