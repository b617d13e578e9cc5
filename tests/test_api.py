"""encrypt, decrypt and inspect: what comes back, and that nothing but a whole file of the right key opens."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import imgcrypt
from imgcrypt import (
    ContainerError,
    DamagedError,
    ImageError,
    ImgcryptError,
    Key,
    NetError,
    NotImgcError,
    ProviderError,
    TruncatedError,
    WrongKeyError,
    container,
    envelope,
)
from imgcrypt.keys import RawKey
from imgcrypt.metrics import psnr
from imgcrypt.runtime import zoo

Picture = npt.NDArray[Any]
MakePicture = Callable[..., Picture]

SHAPES = [(1, 1), (1, 5000), (5000, 1), (2, 3), (7, 5), (33, 33), (34, 65), (101, 99)]
SUITES = pytest.mark.parametrize("suite", ["hybrid", "chaos"])
KEY = RawKey(bytes(range(32)))

sides = st.integers(1, 70)
shapes = st.tuples(sides, sides) | st.tuples(sides, sides, st.sampled_from([3, 4]))
pictures = st.sampled_from(["u1", "u2"]).flatmap(lambda dtype: arrays.arrays(dtype, shapes))


def noise(shape: tuple[int, ...], dtype: str = "uint8") -> Picture:
    return np.random.default_rng(list(shape)).integers(0, np.iinfo(dtype).max + 1, shape, dtype)


def assert_same(one: Picture, other: Picture) -> None:
    assert one.dtype == other.dtype
    np.testing.assert_array_equal(one, other)


# --- lossless ---------------------------------------------------------------------------------------------------------


@given(picture=pictures, suite=st.sampled_from(["hybrid", "chaos"]))
@example(picture=noise((300, 400, 4), "uint16"), suite="hybrid")
@example(picture=noise((300, 400, 3)), suite="chaos")
def test_lossless_comes_back_bit_for_bit(picture: Picture, suite: str) -> None:
    before = picture.copy()
    back = imgcrypt.decrypt(imgcrypt.encrypt(picture, KEY, lossless=True, suite=suite), KEY)
    assert_same(back, before)
    assert_same(picture, before)
    assert back.flags.c_contiguous
    assert back.flags.writeable


@SUITES
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("size", SHAPES)
def test_lossless_serves_every_size_and_kind(size: tuple[int, int], channels: int, dtype: str, suite: str) -> None:
    picture = noise(size if channels == 1 else (*size, channels), dtype)
    assert_same(imgcrypt.decrypt(imgcrypt.encrypt(picture, KEY, lossless=True, suite=suite), KEY), picture)


def test_passphrase_opens_what_it_sealed() -> None:
    blob = imgcrypt.encrypt(noise((5, 7)), Key.from_passphrase("caf\u00e9"), lossless=True)
    assert_same(imgcrypt.decrypt(blob, Key.from_passphrase("cafe\u0301")), noise((5, 7)))


# --- sampled ----------------------------------------------------------------------------------------------------------


@SUITES
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("size", [*SHAPES, (200, 300)])
def test_sampled_picture_comes_back_alike(
    size: tuple[int, int], channels: int, suite: str, picture: MakePicture
) -> None:
    image = picture(*size, channels, texture=False)
    before = image.copy()
    back = imgcrypt.decrypt(imgcrypt.encrypt(image, KEY, suite=suite), KEY)
    assert back.dtype == np.uint8
    assert back.shape == image.shape
    assert psnr(np.atleast_3d(image)[:, :, :3], np.atleast_3d(back)[:, :, :3]) >= 30
    if channels == 4:
        np.testing.assert_array_equal(back[:, :, 3], image[:, :, 3])
    assert_same(image, before)


@pytest.mark.parametrize("value", [0, 1, 128, 254, 255])
@pytest.mark.parametrize("shape", [(40, 50), (40, 50, 3)])
def test_sampled_flat_picture_stays_almost_flat(value: int, shape: tuple[int, ...]) -> None:
    image = np.full(shape, value, np.uint8)
    back = imgcrypt.decrypt(imgcrypt.encrypt(image, KEY), KEY)
    assert psnr(image, back) >= 30


def test_colors_keep_their_places(picture: MakePicture) -> None:
    image = picture(66, 99, texture=False) // 8
    image[:, :, 0] += 200
    means = imgcrypt.decrypt(imgcrypt.encrypt(image, KEY), KEY).mean((0, 1))
    np.testing.assert_allclose(means, image.mean((0, 1)), atol=8)


def test_gray_and_alpha_are_what_color_gives(picture: MakePicture) -> None:
    gray = picture(50, 60, 1)
    three = imgcrypt.decrypt(imgcrypt.encrypt(np.dstack([gray] * 3), KEY, net="fclbcnn"), KEY).astype(int)
    back = imgcrypt.decrypt(imgcrypt.encrypt(gray, KEY, net="fclbcnn"), KEY)
    assert_same(back, ((2 * three.sum(2) + 3) // 6).astype(np.uint8))
    color = picture(50, 60, 4)
    for net in (None, "fclbcnn"):
        opaque = imgcrypt.decrypt(imgcrypt.encrypt(color[:, :, :3], KEY, net=net), KEY)
        assert_same(imgcrypt.decrypt(imgcrypt.encrypt(color, KEY, net=net), KEY)[:, :, :3], opaque)


def test_sampled_photographs_keep_their_quality(data: Path) -> None:
    files = sorted((data / "bsds500" / "test").glob("*.jpg"))[:6]
    assert len(files) == 6
    color, gray = [], []
    for file in files:
        image = cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2RGB)
        luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)  # BT.601
        for scores, original in ((color, image), (gray, luma)):
            scores.append(psnr(original, imgcrypt.decrypt(imgcrypt.encrypt(original, KEY), KEY)))
    assert np.mean(color) >= 38
    assert np.mean(gray) >= 34


# --- arrays -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lossless", [True, False])
@pytest.mark.parametrize(
    "view",
    {
        "Fortran order": np.asfortranarray,
        "every second": lambda a: a[::2, ::2],
        "mirrored": lambda a: a[::-1, ::-1],
        "turned": lambda a: np.swapaxes(a, 0, 1),
        "channels reversed": lambda a: a[:, :, 2::-1],
        "one channel": lambda a: a[:, :, 1],
        "read-only": lambda a: np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape),
        "repeated by stride 0": lambda a: np.broadcast_to(a[:1], a.shape),
        "odd address": lambda a: np.frombuffer(b"x" + a.tobytes(), np.uint8)[1:].reshape(a.shape),
    }.values(),
)
def test_memory_layout_does_not_matter(
    view: Callable[[Picture], Picture], lossless: bool, picture: MakePicture
) -> None:
    odd = view(picture(40, 50, 4))
    plain = np.array(odd, order="C")
    back = imgcrypt.decrypt(imgcrypt.encrypt(odd, KEY, lossless=lossless), KEY)
    assert_same(back, imgcrypt.decrypt(imgcrypt.encrypt(plain, KEY, lossless=lossless), KEY))
    if lossless:
        assert_same(back, plain)


def test_big_endian_samples_come_back_in_the_order_of_this_machine() -> None:
    native = noise((4, 5), "uint16")
    assert_same(imgcrypt.decrypt(imgcrypt.encrypt(native.astype(">u2"), KEY, lossless=True), KEY), native)


@pytest.mark.parametrize("lossless", [True, False])
@pytest.mark.parametrize(
    "image",
    {
        "bool": np.zeros((4, 4), bool),
        "float": np.zeros((4, 4)),
        "float32": np.zeros((4, 4, 3), np.float32),
        "int8": np.zeros((4, 4), np.int8),
        "int64": np.zeros((4, 4), np.int64),
        "object": np.zeros((4, 4), object),
        "complex": np.zeros((4, 4), complex),
        "text": np.array([["a"]]),
        "no row": np.zeros((0, 4), np.uint8),
        "no column": np.zeros((4, 0, 3), np.uint8),
        "no channel": np.zeros((4, 4, 0), np.uint8),
        "scalar": np.uint8(4),
        "0 dimensions": np.array(4, np.uint8),
        "1 dimension": np.zeros(4, np.uint8),
        "2 channels": np.zeros((4, 4, 2), np.uint8),
        "5 channels": np.zeros((4, 4, 5), np.uint8),
        "channels first": np.zeros((3, 40, 40), np.uint8),
        "4 dimensions": np.zeros((1, 4, 4, 3), np.uint8),
        "list": [[1, 2], [3, 4]],
        "bytes": b"picture",
        "none": None,
    }.values(),
)
def test_other_arrays_are_refused(image: Any, lossless: bool) -> None:
    with pytest.raises(ImageError):
        imgcrypt.encrypt(image, KEY, lossless=lossless)


def test_sixteen_bits_need_lossless() -> None:
    with pytest.raises(ImageError, match="keep it lossless"):
        imgcrypt.encrypt(noise((4, 4), "uint16"), KEY)


# --- options ----------------------------------------------------------------------------------------------------------


def test_net_and_rate_choose_the_net() -> None:
    image, default = noise((10, 10, 3)), zoo.choose(None, None, 3)
    asked = {"net": default.name, "rate": default.color_rate}
    for options in ({}, {"net": default.name}, {"rate": default.color_rate}, asked):
        entry = zoo.choose(options.get("net"), options.get("rate"), 3)
        info = imgcrypt.inspect(imgcrypt.encrypt(image, KEY, **options))
        assert (info.net, info.net_weights) == (entry.name, entry.weights)


@pytest.mark.parametrize(
    ("error", "options"),
    [
        (NetError, {"net": "no-such-net"}),
        (NetError, {"rate": 0.99}),
        (NetError, {"rate": float("nan")}),
        (NetError, {"rate": -1}),
        (ProviderError, {"provider": "tpu"}),
        (ImgcryptError, {"suite": "plain"}),
        (ImgcryptError, {"lossless": True, "rate": 0.18}),
        (ImgcryptError, {"lossless": True, "net": "fclbcnn-0.18"}),
        (ImgcryptError, {"lossless": True, "target_psnr": 30}),
        (ImgcryptError, {"rate": 0.18, "target_psnr": 30}),
        (NetError, {"rate": 0}),
        (NetError, {"rate": 0.0049}),
        (NetError, {"rate": 0.7501}),
    ],
)
def test_impossible_options_are_refused(error: type[ImgcryptError], options: dict[str, Any]) -> None:
    with pytest.raises(error):
        imgcrypt.encrypt(noise((4, 4, 3)), KEY, **options)


def test_file_of_an_unknown_net_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    blob = imgcrypt.encrypt(noise((4, 4, 3)), KEY)
    monkeypatch.setattr(zoo, "entries", lambda: ())
    with pytest.raises(NetError, match=imgcrypt.inspect(blob).net):
        imgcrypt.decrypt(blob, KEY)


# --- files ------------------------------------------------------------------------------------------------------------


def small_files() -> dict[str, bytes]:
    """Small files of every suite and mode; one pixel more than a block where they are sampled."""
    image = noise((3, 3, 3))
    modes = itertools.product(["hybrid", "chaos"], [True, False])
    return {
        f"{suite} {'lossless' if lossless else 'sampled'}": imgcrypt.encrypt(image, KEY, suite=suite, lossless=lossless)
        for suite, lossless in modes
    }


SMALL_FILES = ["hybrid lossless", "hybrid sampled", "chaos lossless", "chaos sampled"]


@pytest.mark.parametrize("name", SMALL_FILES)
def test_bit_flipped_at_any_byte_is_refused_or_mended(name: str) -> None:
    blob = small_files()[name]
    image = imgcrypt.decrypt(blob, KEY)
    bits = np.random.default_rng(len(blob)).integers(0, 8, len(blob))
    mended = 0
    for at, bit in enumerate(bits):
        changed = bytearray(blob)
        changed[at] ^= 1 << bit
        with pytest.raises(ImgcryptError):
            envelope.open_(changed, KEY)
        with contextlib.suppress(ContainerError):
            assert_same(imgcrypt.decrypt(changed, KEY), image)
            mended += 1
    # Either copy of the header, and whatever a digest proves in spite of a tag.
    assert mended >= 2 * container.parse(blob).header_bytes


@pytest.mark.parametrize("name", SMALL_FILES)
def test_every_truncation_is_refused_or_mended(name: str) -> None:
    blob = small_files()[name]
    image = imgcrypt.decrypt(blob, KEY)
    for length in range(len(blob)):
        with pytest.raises(ContainerError) as caught:
            envelope.open_(blob[:length], KEY)
        assert type(caught.value) is (TruncatedError if length >= 8 else NotImgcError)
        with contextlib.suppress(ContainerError):
            assert_same(imgcrypt.decrypt(blob[:length], KEY), image)


@pytest.mark.parametrize("name", SMALL_FILES)
@pytest.mark.parametrize("garbage", [b"\0", b"\n", b"x" * 1000])
def test_garbage_around_the_file_is_found_and_left_out(name: str, garbage: bytes) -> None:
    blob = small_files()[name]
    with pytest.raises(DamagedError):
        envelope.open_(blob + garbage, KEY)
    with pytest.raises(NotImgcError):
        envelope.open_(garbage + blob, KEY)
    for data in (blob + garbage, garbage + blob, blob + blob):
        assert_same(imgcrypt.decrypt(data, KEY), imgcrypt.decrypt(blob, KEY))


@given(st.binary(max_size=500))
def test_other_bytes_are_refused(data: bytes) -> None:
    for call in (lambda: imgcrypt.decrypt(data, KEY), lambda: imgcrypt.inspect(data)):
        with pytest.raises(ContainerError):
            call()


def test_picture_given_as_file_is_refused_with_a_sentence() -> None:
    png = cv2.imencode(".png", noise((4, 4)))[1].tobytes()
    for call in (lambda: imgcrypt.decrypt(png, KEY), lambda: imgcrypt.inspect(png)):
        with pytest.raises(NotImgcError, match="not an imgcrypt file"):
            call()


@SUITES
def test_wrong_key_is_told_apart_from_damage(suite: str) -> None:
    key, passphrase = Key.generate(), Key.from_passphrase("words")
    by_key = imgcrypt.encrypt(noise((4, 4)), key, lossless=True, suite=suite)
    by_passphrase = imgcrypt.encrypt(noise((4, 4)), passphrase, lossless=True, suite=suite)
    sentences = set()
    for blob, wrong in [
        (by_key, Key.generate()),
        (by_key, passphrase),
        (by_passphrase, key),
        (by_passphrase, Key.from_passphrase("other")),
    ]:
        with pytest.raises(WrongKeyError) as caught:
            imgcrypt.decrypt(blob, wrong)
        sentences.add(str(caught.value))
    assert len(sentences) == 3
    with pytest.raises(WrongKeyError, match=r"with a key file; give that"):
        imgcrypt.decrypt(by_key, passphrase)
    with pytest.raises(WrongKeyError, match=r"with a passphrase; give that"):
        imgcrypt.decrypt(by_passphrase, key)


@SUITES
@pytest.mark.parametrize("lossless", [True, False])
def test_two_encryptions_of_one_picture_share_nothing(suite: str, lossless: bool, picture: MakePicture) -> None:
    image = picture(150, 200)
    one, other = (
        np.frombuffer(imgcrypt.encrypt(image, KEY, lossless=lossless, suite=suite), np.uint8) for _ in range(2)
    )
    header = container.parse(one.tobytes())
    assert header.payload_bytes > 4096
    start, table = header.header_bytes, 60 + 9 * len(header.parts)
    digests = slice(table, table + 32 * len(header.parts))
    salt, slot, mac = slice(28, 60), slice(digests.stop + 4, digests.stop + 84), slice(start - 32, start)
    for area in (salt, digests, slot, mac):
        assert np.mean(one[area] == other[area]) < 0.25
    assert np.mean(one[start:-start] == other[start:-start]) < 0.05
    np.testing.assert_array_equal(one[:28], other[:28])
    np.testing.assert_array_equal(one[60:table], other[60:table])


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, lambda blob: np.frombuffer(blob, np.uint8).data])
def test_any_buffer_of_bytes_opens(kind: Callable[[bytes], Any]) -> None:
    blob = imgcrypt.encrypt(noise((6, 7)), KEY, lossless=True)
    assert_same(imgcrypt.decrypt(kind(blob), KEY), noise((6, 7)))
    assert imgcrypt.inspect(kind(blob)).width == 7


# --- inspect ----------------------------------------------------------------------------------------------------------


def test_inspect_tells_what_was_encrypted() -> None:
    blob = imgcrypt.encrypt(noise((5, 7, 4), "uint16"), Key.from_passphrase("words"), raw=True, suite="chaos")
    assert imgcrypt.inspect(blob) == imgcrypt.Info(
        version=1,
        suite="chaos",
        mode="raw",
        height=5,
        width=7,
        channels=4,
        bits=16,
        net=None,
        net_weights=None,
        rate=None,
        keys=("passphrase",),
        payload_bytes=280,
        packets=1,
        packet_bytes=296,
        survives=0,
        file_bytes=len(blob),
    )


@pytest.mark.parametrize("net", [None, "fclbcnn"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_inspect_tells_the_net_and_its_rate(channels: int, net: str | None, picture: MakePicture) -> None:
    entry = zoo.choose(net, None, channels)
    image = picture(4 * entry.block, 5 * entry.block, channels)
    info = imgcrypt.inspect(imgcrypt.encrypt(image, KEY, net=net, rate=entry.rate(channels), protection="none"))
    assert (info.mode, info.bits, info.keys) == ("sampled", 8, ("key file",))
    assert (info.net, info.net_weights) == (entry.name, entry.weights)
    rate = entry.rate(channels)
    assert rate is not None
    assert info.rate == pytest.approx(rate, abs=0.005)
    pixels = image.shape[0] * image.shape[1]
    # The rate of a net for any rate counts tags, too.
    measurements = 20 * entry.block_bytes or int(rate * pixels * min(channels, 3)) - 16 * (info.packets + 1)
    assert info.payload_bytes == pytest.approx(measurements + (pixels if channels == 4 else 0), abs=16)


def test_inspect_reads_a_header_whose_file_is_cut() -> None:
    blob = imgcrypt.encrypt(noise((50, 70)), KEY, raw=True)
    header_bytes = (len(blob) - 3500 - 16) // 2
    assert imgcrypt.inspect(blob[:header_bytes]) == imgcrypt.inspect(blob)
    with pytest.raises(TruncatedError):
        imgcrypt.inspect(blob[: header_bytes - 1])


# --- threads ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lossless", [True, False])
def test_threads_encrypt_and_decrypt_at_once(lossless: bool, picture: MakePicture) -> None:
    images = [picture(60 + i, 70, (1, 3, 4)[i % 3]) for i in range(8)]
    expected = [imgcrypt.decrypt(imgcrypt.encrypt(image, KEY, lossless=lossless), KEY) for image in images]
    backs: dict[int, Picture] = {}

    def work(i: int) -> None:
        for _ in range(5):
            backs[i] = imgcrypt.decrypt(imgcrypt.encrypt(images[i], KEY, lossless=lossless), KEY)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(backs) == list(range(8))
    for i in range(8):
        assert_same(backs[i], expected[i])


def test_every_error_is_an_imgcrypt_error() -> None:
    errors = [getattr(imgcrypt, name) for name in imgcrypt.__all__ if name.endswith("Error")]
    assert {error.__name__ for error in errors} == {name for name in vars(imgcrypt.errors) if name.endswith("Error")}
    assert all(issubclass(error, ImgcryptError) for error in errors)
    for error in (DamagedError, TruncatedError, NotImgcError, imgcrypt.NewerVersionError):
        assert issubclass(error, ContainerError)


def test_every_public_name_is_there() -> None:
    assert all(getattr(imgcrypt, name) for name in imgcrypt.__all__)
    assert set(imgcrypt.__all__) <= set(dir(imgcrypt))
    with pytest.raises(AttributeError, match="no_such_name"):
        imgcrypt.no_such_name  # noqa: B018
