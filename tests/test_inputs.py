"""What callers may hand in, and that nothing but the library's errors and TypeError comes of the rest."""

from __future__ import annotations

import array
import contextlib
import fractions
import io
import mmap
import pathlib
import subprocess
import sys
import typing
from collections.abc import Callable
from typing import Any

import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import imgcrypt
from imgcrypt import Codec, ImageError, ImgcryptError, NetError, ProviderError, inputs
from imgcrypt.keys import RawKey
from imgcrypt.runtime import zoo

KEY = RawKey(bytes(range(32)))
IMAGE = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
BLOB = imgcrypt.encrypt(IMAGE, KEY, lossless=True)


def there_and_back(image: Any) -> Any:
    return imgcrypt.decrypt(imgcrypt.encrypt(image, KEY, lossless=True), KEY)


# --- pictures ---------------------------------------------------------------------------------------------------------


class WithInterface:
    """No array, but as good as one."""

    def __init__(self, image: Any) -> None:
        self.__array_interface__ = image.__array_interface__
        self.kept = image


class WithArray:
    """As torch's tensors and xarray's arrays are."""

    def __init__(self, image: Any) -> None:
        self.image = image

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.array(self.image, dtype)


def mapped(image: Any) -> Any:
    memory = mmap.mmap(-1, image.nbytes)
    memory.write(image.tobytes())
    return np.frombuffer(memory, image.dtype).reshape(image.shape)


@pytest.mark.parametrize(
    "wrap",
    [WithInterface, WithArray, mapped, PIL.Image.fromarray, lambda a: a.view(np.ndarray), lambda a: a.astype(">u1")],
)
def test_whatever_numpy_makes_an_array_of_is_taken(wrap: Callable[[Any], Any]) -> None:
    np.testing.assert_array_equal(there_and_back(wrap(IMAGE)), IMAGE)


def test_memory_mapped_file_is_taken(tmp_path: pathlib.Path) -> None:
    np.save(tmp_path / "image.npy", IMAGE)
    np.testing.assert_array_equal(there_and_back(np.load(tmp_path / "image.npy", mmap_mode="r")), IMAGE)


@pytest.mark.parametrize(("dtype", "lossless"), [("u1", False), ("u1", True), (">u2", True), ("<u2", True)])
def test_one_channel_as_third_axis_is_gray(dtype: str, lossless: bool) -> None:
    gray = IMAGE[:, :, 0].astype(dtype)
    back = imgcrypt.decrypt(imgcrypt.encrypt(gray[:, :, None], KEY, lossless=lossless), KEY)
    assert back.shape == gray.shape
    np.testing.assert_array_equal(back, imgcrypt.decrypt(imgcrypt.encrypt(gray, KEY, lossless=lossless), KEY))


shapes = st.tuples(st.integers(3, 12), st.integers(3, 12), st.sampled_from([1, 3, 4]))
steps = st.sampled_from([1, 2, 3, -1, -2])


@given(
    whole=st.sampled_from([">u2", "<u2", "u1"]).flatmap(
        lambda dtype: arrays.arrays(
            dtype, st.tuples(st.integers(3, 12), st.integers(3, 12), st.sampled_from([1, 3, 4]))
        )
    ),
    rows=steps,
    columns=steps,
    channels=st.sampled_from([1, -1]),
    turned=st.booleans(),
    read_only=st.booleans(),
)
def test_views_of_any_stride_order_and_byte_order(
    whole: Any, rows: int, columns: int, channels: int, turned: bool, read_only: bool
) -> None:
    view = whole[::rows, ::columns, ::channels]
    view = np.swapaxes(view, 0, 1) if turned else view
    view.flags.writeable = not read_only
    back = there_and_back(view)
    np.testing.assert_array_equal(back.reshape(view.shape), view)
    assert back.dtype.isnative


@pytest.mark.parametrize(
    ("mode", "samples"), [("L", IMAGE[:, :, 0]), ("RGB", IMAGE), ("I;16", IMAGE[:, :, 0].astype(np.uint16) * 257)]
)
def test_pillow_pictures_of_plain_modes_are_taken(mode: str, samples: Any) -> None:
    picture = PIL.Image.fromarray(samples)
    assert picture.mode == mode
    np.testing.assert_array_equal(there_and_back(picture), samples)


@pytest.mark.parametrize("mode", ["1", "P", "CMYK", "YCbCr", "HSV", "LAB", "LA", "RGBa", "RGBX", "F", "I"])
def test_pillow_pictures_of_other_modes_are_refused(mode: str) -> None:
    with pytest.raises(ImageError, match=f"mode {mode} is not served; convert"):
        imgcrypt.encrypt(PIL.Image.new(mode, (4, 4)), KEY, lossless=True)


def test_mask_is_not_lost() -> None:
    with pytest.raises(ImageError, match="masked"):
        imgcrypt.encrypt(np.ma.masked_less(IMAGE, 9), KEY, lossless=True)


def test_signed_samples_can_be_kept_as_their_bits() -> None:
    signed = np.arange(-32, 32, dtype=np.int16).reshape(8, 8) * 1000
    with pytest.raises(ImageError, match=r"view\(numpy.uint16\) with lossless"):
        there_and_back(signed)
    np.testing.assert_array_equal(there_and_back(signed.view(np.uint16)).view(np.int16), signed)


class Broken:
    """An array's interface that does not work."""

    @property
    def __array_interface__(self) -> Any:
        return {"shape": "none"}

    def __array__(self) -> Any:
        raise ZeroDivisionError("no array today")


def test_broken_interface_is_refused() -> None:
    with pytest.raises(ImageError, match="no array of this Broken"):
        imgcrypt.encrypt(Broken(), KEY)


# --- blobs ------------------------------------------------------------------------------------------------------------

VIEWS: dict[str, Callable[[bytes], Any]] = {
    "bytearray": bytearray,
    "int8": lambda blob: memoryview(blob).cast("b"),
    "char": lambda blob: memoryview(blob).cast("c"),
    "uint16": lambda blob: memoryview(blob).cast("H"),
    "rows": lambda blob: memoryview(blob).cast("B", (2, len(blob) // 2)),
    "strided": lambda blob: memoryview(np.repeat(np.frombuffer(blob, np.uint8), 2))[::2],
    "backwards": lambda blob: memoryview(blob[::-1])[::-1],
    "array of int8": lambda blob: np.frombuffer(blob, np.int8),
    "array of >u2": lambda blob: np.frombuffer(blob, ">u2"),
    "Fortran order": lambda blob: np.asfortranarray(np.frombuffer(blob, np.uint8).reshape(2, -1)),
    "array.array": lambda blob: array.array("B", blob),
    "read-only array": lambda blob: np.frombuffer(blob, np.uint8),
}


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("function", ["decrypt", "inspect", "packets", "recover", "repair"])
def test_any_view_of_a_good_blob_opens(view: str, function: str) -> None:
    assert len(BLOB) % 2 == 0
    given = VIEWS[view](BLOB)
    if function == "inspect":
        assert imgcrypt.inspect(given) == imgcrypt.inspect(BLOB)
    elif function == "decrypt":
        np.testing.assert_array_equal(imgcrypt.decrypt(given, KEY), IMAGE)
    elif function == "packets":
        assert imgcrypt.packets(given) == imgcrypt.packets(BLOB)
    elif function == "repair":
        assert imgcrypt.repair(given, KEY) == BLOB
    else:
        assert imgcrypt.recover(given, KEY).authentic


def test_memory_mapped_blob_opens(tmp_path: pathlib.Path) -> None:
    (tmp_path / "picture.imgc").write_bytes(BLOB)
    with (tmp_path / "picture.imgc").open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as memory:
        np.testing.assert_array_equal(imgcrypt.decrypt(memory, KEY), IMAGE)


# --- nothing but the library's errors and TypeError -------------------------------------------------------------------

WRONG_BLOBS: list[Any] = [
    "photo.png.imgc", pathlib.Path("photo.imgc"), io.BytesIO(BLOB), None, 5, 10**12, 0.5, True, [1, 2], object(), {}
]  # fmt: skip
WRONG_KEYS: list[Any] = [None, "secret", b"secret", bytes(32), 5, object(), imgcrypt.Key]


def released() -> memoryview:
    view = memoryview(BLOB)
    view.release()
    return view


@pytest.mark.parametrize("blob", WRONG_BLOBS, ids=type)
def test_blob_of_a_wrong_type(blob: Any) -> None:
    calls: list[Callable[[Any], object]] = [imgcrypt.inspect, imgcrypt.packets, lambda it: imgcrypt.join([it])]
    calls += [lambda it, call=call: call(it, KEY) for call in (imgcrypt.decrypt, imgcrypt.recover, imgcrypt.repair)]  # type: ignore[misc]
    for call in calls:
        with pytest.raises(TypeError, match=f"bytes of a file are needed, not {type(blob).__name__}; read the file"):
            call(blob)


def test_blob_that_is_not_there_any_more() -> None:
    with pytest.raises(ImgcryptError, match="read it again"):
        imgcrypt.decrypt(released(), KEY)


@pytest.mark.parametrize("key", WRONG_KEYS, ids=type)
def test_key_of_a_wrong_type_is_refused_and_not_shown(key: Any) -> None:
    for call in (
        lambda: imgcrypt.encrypt(IMAGE, key),
        lambda: imgcrypt.decrypt(BLOB, key),
        lambda: imgcrypt.recover(BLOB, key),
        lambda: imgcrypt.repair(BLOB, key),
        lambda: imgcrypt.preview(BLOB, key),
        lambda: Codec(key).encrypt(IMAGE),
    ):
        with pytest.raises(TypeError, match=r"a key is an imgcrypt\.Key") as caught:
            call()
        assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "options"),
    [
        (TypeError, {"rate": "0.1"}),
        (TypeError, {"rate": b"0.1"}),
        (TypeError, {"rate": True}),
        (TypeError, {"rate": 0.1j}),
        (TypeError, {"rate": [0.1]}),
        (TypeError, {"target_psnr": "30"}),
        (NetError, {"target_psnr": float("nan")}),
        (NetError, {"target_psnr": float("inf")}),
        (NetError, {"rate": 10**400}),
        (NetError, {"rate": float("inf")}),
        (TypeError, {"lossless": "no"}),
        (TypeError, {"lossless": 1}),
        (TypeError, {"lossless": None}),
        (TypeError, {"net": 5}),
        (TypeError, {"net": b"anyrate"}),
        (NetError, {"net": ""}),
        (ImgcryptError, {"suite": "HYBRID"}),
        (ImgcryptError, {"suite": ["hybrid"]}),
        (ImgcryptError, {"suite": None}),
        (ProviderError, {"provider": "gpu"}),
        (ProviderError, {"provider": "gpu", "lossless": True}),
        (ProviderError, {"provider": None}),
        (ProviderError, {"provider": ["cpu"]}),
        (ImgcryptError, {"protection": "much"}),
        (ImgcryptError, {"protection": ["light"]}),
        (ImgcryptError, {"protection": 0.25}),
        (ImgcryptError, {"protection": "light", "survive": 0.25}),
        (ImgcryptError, {"survive": 0}),
        (ImgcryptError, {"survive": -0.25}),
        (ImgcryptError, {"survive": 0.91}),
        (NetError, {"survive": float("nan")}),
        (TypeError, {"survive": "0.25"}),
        (TypeError, {"survive": True}),
        (TypeError, {"associated_data": "text"}),
        (TypeError, {"associated_data": None}),
    ],
)
def test_wrong_options(error: type[Exception], options: dict[str, Any]) -> None:
    with pytest.raises(error) as caught:
        imgcrypt.encrypt(IMAGE, KEY, **options)
    assert type(caught.value) in (error, ImgcryptError)
    if "provider" in options:
        for call in (imgcrypt.decrypt, imgcrypt.recover):
            with pytest.raises(ProviderError):
                call(BLOB, KEY, provider=options["provider"])


@pytest.mark.parametrize("lossless", [np.True_, True])
def test_numpy_truths_and_numbers_are_taken(lossless: Any) -> None:
    np.testing.assert_array_equal(imgcrypt.decrypt(imgcrypt.encrypt(IMAGE, KEY, lossless=lossless), KEY), IMAGE)
    for rate in (np.float32(0.25), fractions.Fraction(1, 4), 0.25):
        assert imgcrypt.inspect(
            imgcrypt.encrypt(np.zeros((40, 50, 3), np.uint8), KEY, rate=rate)
        ).rate == pytest.approx(0.25, abs=0.05)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(), st.lists))
def test_nothing_else_leaves(thing: Any) -> None:
    for call in (
        lambda: imgcrypt.encrypt(thing, KEY),
        lambda: imgcrypt.encrypt(IMAGE, thing),
        lambda: imgcrypt.decrypt(thing, KEY),
        lambda: imgcrypt.recover(thing, KEY),
        lambda: imgcrypt.inspect(thing),
        lambda: imgcrypt.repair(thing, KEY),
        lambda: imgcrypt.preview(thing, KEY),
        lambda: imgcrypt.packets(thing),
        lambda: imgcrypt.packets(BLOB, thing),
        lambda: imgcrypt.join(thing),
        lambda: imgcrypt.encrypt(IMAGE, KEY, protection=thing, lossless=True),
        lambda: imgcrypt.encrypt(IMAGE, KEY, survive=thing, lossless=True),
        lambda: imgcrypt.encrypt(IMAGE, KEY, suite=thing),
        lambda: imgcrypt.encrypt(IMAGE, KEY, net=thing, lossless=True),
        lambda: imgcrypt.decrypt(BLOB, KEY, provider=thing),
        lambda: Codec(KEY, threads=thing).encrypt(IMAGE, lossless="no"),
        lambda: Codec(KEY, max_pixels=thing).encrypt(IMAGE, lossless="no"),
    ):
        with contextlib.suppress(ImgcryptError, TypeError):
            call()


def test_no_onnxruntime() -> None:
    program = """
import sys
sys.modules["onnxruntime"] = None
import numpy as np, imgcrypt
try:
    imgcrypt.encrypt(np.zeros((4, 4), np.uint8), imgcrypt.Key.generate(), net="fclbcnn")
except imgcrypt.DependencyError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.startswith("onnxruntime, which runs the nets, does not load")


def test_kinds_of_nets_are_those_of_the_zoo() -> None:
    assert set(typing.get_args(inputs.NetKind)) == {entry.kind for entry in zoo.entries()}
