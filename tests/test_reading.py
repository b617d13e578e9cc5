"""What a picture file holds is what is read from it, or it is refused, or a sentence says what is lost."""

from __future__ import annotations

import concurrent.futures
import contextlib
import io
import os
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import pytest
from corpus import CASES, Picture, by_pillow, by_tifffile, png, samples
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

import imgcrypt
from imgcrypt import ImageError
from imgcrypt.metrics import psnr

# How a camera that is held in each way stores a picture that is upright: EXIF 2.32, section 4.6.4, "the 0th
# row is at the ... of the visual image, and the 0th column is at the ...".
STORED: dict[int, Callable[[Picture], Picture]] = {
    1: lambda a: a,  # top, left
    2: lambda a: a[:, ::-1],  # top, right
    3: lambda a: a[::-1, ::-1],  # bottom, right
    4: lambda a: a[::-1],  # bottom, left
    5: lambda a: a.swapaxes(0, 1),  # left, top
    6: lambda a: a[:, ::-1].swapaxes(0, 1),  # right, top
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),  # right, bottom
    8: lambda a: a[::-1].swapaxes(0, 1),  # left, bottom
}
NOTED = {
    "opencv .tif 4 x 8": "does not say what its last channel is",
    "opencv .tif 4 x 16": "does not say what its last channel is",
}
MAKERS = {name: make for name, make, _ in CASES}
BY_SIGNATURE = {name: make for name, make in MAKERS.items() if " TGA " not in name}


def exif(orientation: int, order: str = "<", before: int = 0) -> bytes:
    """An EXIF block with the orientation as its only entry, or after some others."""
    entries = [struct.pack(order + "HHII", 0x0100 + i, 4, 1, 99) for i in range(before)]
    entries.append(struct.pack(order + "HHIHH", 0x0112, 3, 1, orientation, 0))
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8)
    return head + struct.pack(order + "H", len(entries)) + b"".join(entries) + bytes(4)


def xmp(orientation: int) -> bytes:
    """An XMP packet that says nothing but the orientation."""
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="{orientation}"/>'
        "</rdf:RDF></x:xmpmeta>"
    ).encode()


def chunk(kind: bytes, body: bytes) -> bytes:
    """A chunk of a PNG file."""
    return png(np.zeros((1, 1), np.uint8), 0, 8, (kind, body))[33 : 33 + 12 + len(body)]


def damage(data: bytes, at: float, count: int) -> bytes:
    start = int(len(data) * at)
    return data[:start] + bytes(count) + data[start + count :]


@pytest.mark.parametrize(("name", "make", "right"), CASES, ids=[name for name, _, _ in CASES])
def test_every_kind_is_read_as_it_was_written(
    name: str, make: Callable[[], bytes], right: Picture, tmp_path: Path
) -> None:
    path = tmp_path / ("picture.tga" if " TGA " in name else "picture")
    path.write_bytes(make())
    picture = imgcrypt.read(path)
    if "GIF L" in name and picture.pixels.ndim == 3:
        right = np.stack([right] * 3, 2)  # GIF has palettes alone
    if "BMP RGBA" in name:
        assert "fourth byte" in picture.notes[0]
        right = right[:, :, :3]  # the format leaves that byte unused
    elif name in NOTED:
        assert NOTED[name] in picture.notes[0]
    else:
        assert picture.notes == ()
    assert picture.pixels.dtype == right.dtype
    np.testing.assert_array_equal(picture.pixels, right)
    assert picture.pixels.flags.c_contiguous
    assert (picture.frames, picture.frame, picture.orientation) == (1, 0, 1)
    assert picture.metadata.name == path.name
    assert picture.bits <= 8 * right.itemsize


def test_corpus_is_not_empty() -> None:
    assert len(CASES) > 400
    assert len(MAKERS) == len(CASES)


@pytest.mark.parametrize("name", BY_SIGNATURE)
def test_file_that_ends_early_is_refused(name: str) -> None:
    data = BY_SIGNATURE[name]()
    for share in (0.1, 0.4, 0.7, 0.95):
        with pytest.raises(ImageError):
            imgcrypt.read(data[: int(len(data) * share)])


@given(st.sampled_from(sorted(BY_SIGNATURE)), st.floats(0, 1), st.binary(min_size=1, max_size=30))
def test_changed_file_raises_nothing_else(name: str, at: float, change: bytes) -> None:
    data = BY_SIGNATURE[name]()
    start = int(len(data) * at)
    with contextlib.suppress(ImageError):
        picture = imgcrypt.read(data[:start] + change + data[start + len(change) :], max_pixels=10**6)
        assert picture.pixels.dtype in (np.uint8, np.uint16)


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(ImageError):
        imgcrypt.read(data)


def test_planes_that_were_zero_come_back_zero() -> None:
    # OpenCV gave memory that others had freed.
    planes = np.zeros((3, 40, 100), np.uint16)
    picture = imgcrypt.read(by_tifffile(planes, planarconfig="separate", photometric="rgb"))
    assert picture.pixels.shape == (40, 100, 3)
    assert not picture.pixels.any()


def several(form: str) -> tuple[bytes, list[Image.Image]]:
    base = samples(3, 8, "gradient", 20, 30)
    images = [Image.fromarray(np.roll(base, 3 * i, 1)) for i in range(5)]
    lossless = {"lossless": True} if form == "WEBP" else {}
    return by_pillow(images[0], form, save_all=True, append_images=images[1:], **lossless), images


@pytest.mark.parametrize("form", ["TIFF", "GIF", "PNG", "WEBP", "AVIF", "MPO"])
def test_several_pictures_are_refused_and_one_is_taken(form: str) -> None:
    data, images = several(form)
    with pytest.raises(ImageError, match=r"holds 5 pictures.*0 to 4"):
        imgcrypt.read(data)
    # Pillow writes wrong offsets for the later pictures of an MPO file.
    for number in (0, 1, 2) if form == "MPO" else (0, 2, 4):
        picture = imgcrypt.read(data, frame=number)
        assert (picture.frames, picture.frame) == (5, number)
        if form in ("TIFF", "PNG", "WEBP"):
            np.testing.assert_array_equal(picture.pixels, images[number])
        else:
            assert psnr(np.asarray(images[number]), picture.pixels) > 25
    for number in (-1, 5):
        with pytest.raises(ImageError, match="there is no picture"):
            imgcrypt.read(data, frame=number)


def test_one_picture_may_be_named_too() -> None:
    data = by_pillow(Image.fromarray(samples(3, 8)), "PNG")
    assert imgcrypt.read(data, frame=0).frames == 1
    with pytest.raises(ImageError, match="there is no picture 1"):
        imgcrypt.read(data, frame=1)


def test_icons_are_pictures_of_their_own() -> None:
    image = Image.fromarray(samples(4, 8, "noise", 64, 64))
    data = by_pillow(image, "ICO", sizes=[(16, 16), (32, 32), (64, 64)])
    with pytest.raises(ImageError, match="holds 3 pictures"):
        imgcrypt.read(data)
    assert [imgcrypt.read(data, frame=i).pixels.shape[0] for i in range(3)] == [64, 32, 16]
    icons = by_pillow(image.resize((128, 128)), "ICNS")
    with pytest.raises(ImageError, match="pictures"):
        imgcrypt.read(icons)
    assert imgcrypt.read(icons, frame=0).pixels.shape[0] == 1024


def test_smaller_versions_are_no_pictures_but_are_told() -> None:
    stream = io.BytesIO()
    import tifffile

    picture = samples(3, 8)
    with tifffile.TiffWriter(stream) as file:
        file.write(picture, photometric="rgb", metadata=None)
        file.write(picture[::2, ::2], photometric="rgb", subfiletype=1, metadata=None)
    read = imgcrypt.read(stream.getvalue())
    np.testing.assert_array_equal(read.pixels, picture)
    assert "smaller versions" in read.notes[0]


def test_preview_of_a_raw_file_is_no_picture() -> None:
    stream = io.BytesIO()
    import tifffile

    with tifffile.TiffWriter(stream) as file:
        file.write(samples(3, 8), photometric="rgb", subifds=1, metadata=None)
        file.write(samples(1, 16, "noise", 100, 200), photometric="minisblack", metadata=None)
    with pytest.raises(ImageError, match="preview"):
        imgcrypt.read(stream.getvalue())


@pytest.mark.parametrize("bits", [8, 16])
def test_premultiplied_alpha_is_divided_out_and_told(bits: int) -> None:
    right = samples(4, bits, "gradient").astype(np.int64)
    peak = 2**bits - 1
    stored = right.copy()
    stored[:, :, :3] = (right[:, :, :3] * right[:, :, 3:] + peak // 2) // peak
    data = by_tifffile(stored.astype(f"u{bits // 8}"), photometric="rgb", extrasamples=["assocalpha"])
    picture = imgcrypt.read(data)
    assert "premultiplied" in picture.notes[0]
    np.testing.assert_array_equal(picture.pixels[:, :, 3], right[:, :, 3])
    solid = right[:, :, 3] > peak // 2
    assert np.abs(picture.pixels[:, :, :3].astype(int) - right[:, :, :3])[solid].max() <= 1


def test_cmyk_is_converted_and_told() -> None:
    inks = Image.frombytes("CMYK", (50, 37), samples(4, 8).tobytes())
    for form in ("JPEG", "TIFF"):
        data = by_pillow(inks, form)
        picture = imgcrypt.read(data)
        assert "CMYK" in picture.notes[0]
        np.testing.assert_array_equal(picture.pixels, Image.open(io.BytesIO(data)).convert("RGB"))


def test_lab_is_converted_and_told() -> None:
    data = by_pillow(Image.frombytes("LAB", (50, 37), samples(3, 8).tobytes()), "TIFF")
    picture = imgcrypt.read(data)
    assert "Lab" in picture.notes[0]
    to_srgb = ImageCms.buildTransform(ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB")
    np.testing.assert_array_equal(picture.pixels, ImageCms.applyTransform(Image.open(io.BytesIO(data)), to_srgb))


WITHOUT_COMPRESSION = pytest.param(
    None,
    marks=pytest.mark.skipif(
        int(PIL.__version__.split(".")[0]) < 13, reason="Pillow before 13 refuses the uncompressed YCbCr that it writes"
    ),
)


@pytest.mark.parametrize("compression", [WITHOUT_COMPRESSION, "jpeg"])
def test_subsampled_tiff_agrees_with_libtiff(compression: str | None) -> None:
    image = Image.fromarray(samples(3, 8, "gradient"))
    data = by_pillow(image if compression else image.convert("YCbCr"), "TIFF", compression=compression)
    np.testing.assert_array_equal(imgcrypt.read(data).pixels, Image.open(io.BytesIO(data)).convert("RGB"))


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"quality": 100}])
@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_agrees_with_another_decoder(channels: int, options: dict[str, Any]) -> None:
    for kind in ("noise", "gradient"):
        data = by_pillow(Image.fromarray(samples(channels, 8, kind)), "JPEG", **options)
        np.testing.assert_array_equal(imgcrypt.read(data).pixels, Image.open(io.BytesIO(data)))


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_lossy_webp_agrees_with_another_decoder(mode: str) -> None:
    for kind in ("noise", "gradient"):
        image = Image.frombytes(mode, (50, 37), samples(len(mode), 8, kind).tobytes())
        data = by_pillow(image, "WEBP", quality=70)
        np.testing.assert_array_equal(imgcrypt.read(data).pixels, Image.open(io.BytesIO(data)))


def test_bmp_of_five_six_five_bits_has_white_whites() -> None:
    values = np.array([[0xFFFF, 0xF800, 0x07E0, 0x001F, 0x0000, 0x0000]], "<u2")
    masks = struct.pack("<III", 0xF800, 0x07E0, 0x001F)
    head = struct.pack("<IiiHHIIiiII", 40, 6, 1, 1, 16, 3, values.nbytes, 0, 0, 0, 0) + masks
    data = b"BM" + struct.pack("<IHHI", 14 + len(head) + values.nbytes, 0, 0, 14 + len(head)) + head + values.tobytes()
    assert imgcrypt.read(data).pixels[0, :5].tolist() == [
        [255, 255, 255],
        [255, 0, 0],
        [0, 255, 0],
        [0, 0, 255],
        [0, 0, 0],
    ]


def test_bmp_of_unused_fourth_bytes_is_opaque() -> None:
    values = np.dstack([samples(3, 8), np.zeros((37, 50), np.uint8)])
    head = struct.pack("<IiiHHIIiiII", 40, 50, -37, 1, 32, 0, values.nbytes, 0, 0, 0, 0)
    data = b"BM" + struct.pack("<IHHI", 54 + values.nbytes, 0, 0, 54) + head + values.tobytes()
    picture = imgcrypt.read(data)
    np.testing.assert_array_equal(picture.pixels, values[:, :, 2::-1])
    assert picture.notes == ()


def test_bmp_of_os2_has_its_palette() -> None:
    palette = np.random.default_rng(0).integers(0, 256, (256, 3), dtype=np.uint8)
    indices = samples(1, 8, "noise", 4, 8)
    head = struct.pack("<IHHHH", 12, 8, 4, 1, 8) + palette[:, ::-1].tobytes()
    data = b"BM" + struct.pack("<IHHI", 14 + len(head) + 32, 0, 0, 14 + len(head)) + head + indices[::-1].tobytes()
    np.testing.assert_array_equal(imgcrypt.read(data).pixels, palette[indices])


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_png_comes_upright_wherever_it_says_so(orientation: int, order: str, channels: int) -> None:
    upright = samples(channels, 8)
    stored, color = STORED[orientation](upright), {1: 0, 3: 2, 4: 6}[channels]
    block, packet = exif(orientation, order, before=2), xmp(orientation)
    text = b"XML:com.adobe.xmp\0\0\0\0\0" + packet
    for data in (
        png(stored, color, 8, (b"eXIf", block)),
        png(stored, color, 8, after=chunk(b"eXIf", block)),
        png(stored, color, 8, (b"iTXt", text)),
        png(stored, color, 8, after=chunk(b"iTXt", text)),
    ):
        picture = imgcrypt.read(data)
        assert picture.orientation == orientation
        np.testing.assert_array_equal(picture.pixels, upright)
        # What travels with upright pixels must not turn them again.
        again = png(upright, color, 8, (b"eXIf", picture.exif)) if picture.exif else data
        if picture.exif:
            assert imgcrypt.read(again).orientation == 1
        if picture.xmp:
            assert b'Orientation="1"' in picture.xmp


@pytest.mark.parametrize("orientation", STORED)
def test_others_come_upright(orientation: int) -> None:
    upright = np.repeat(np.repeat(samples(3, 8, "noise", 3, 5), 32, 0), 32, 1)
    image = Image.fromarray(np.ascontiguousarray(STORED[orientation](upright)))
    block = exif(orientation)
    for form, options in {
        "JPEG": {"exif": b"Exif\0\0" + block, "quality": 100},
        "WEBP": {"exif": block, "lossless": True},
        "AVIF": {"exif": block, "quality": 100},  # becomes a rotation and a mirror of the container
        "TIFF": {"tiffinfo": {274: orientation}},
    }.items():
        picture = imgcrypt.read(by_pillow(image, form, **options))
        assert picture.orientation == orientation, form
        assert picture.pixels.shape == upright.shape
        assert psnr(upright, picture.pixels) > 30, form
    webp = by_pillow(image, "WEBP", exif=b"Exif\0\0" + block, lossless=True)
    np.testing.assert_array_equal(imgcrypt.read(webp).pixels, upright)


def test_orientations_differ() -> None:
    assert len({STORED[orientation](samples(1, 8)).tobytes() for orientation in STORED}) == 8


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_orientation_that_is_none_is_ignored(orientation: int) -> None:
    picture = samples(1, 8)
    read = imgcrypt.read(png(picture, 0, 8, (b"eXIf", exif(orientation))))
    assert read.orientation == 1
    np.testing.assert_array_equal(read.pixels, picture)


def test_metadata_is_handed_out() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = Image.fromarray(samples(3, 8))
    block = Image.Exif()
    block[0x010F] = "maker"
    block.get_ifd(0x8825).update({1: "N", 2: (48.0, 8.0, 0.0)})
    for form in ("PNG", "JPEG", "WEBP", "AVIF", "TIFF"):
        options: dict[str, Any] = {} if form in ("WEBP", "AVIF") else {"dpi": (300, 200)}
        if form == "PNG":
            options["pnginfo"] = PngInfo()
            options["pnginfo"].add_itxt("XML:com.adobe.xmp", xmp(1).decode())
        data = by_pillow(image, form, icc_profile=profile, exif=block.tobytes(), xmp=xmp(1), **options)
        picture = imgcrypt.read(data)
        assert picture.format == form
        assert picture.profile == profile
        if form != "TIFF":
            assert picture.xmp == xmp(1)
        assert picture.exif is not None
        assert picture.exif[:2] in (b"II", b"MM")
        found = Image.Exif()
        found.load(picture.exif)
        assert found[0x010F] == "maker"
        assert found.get_ifd(0x8825)[1] == "N"
        if options:
            assert picture.metadata.resolution == pytest.approx((300, 200), abs=0.01)


def test_color_chunks_of_png_are_handed_out() -> None:
    picture = imgcrypt.read(
        png(
            samples(3, 8),
            2,
            8,
            (b"gAMA", (45455).to_bytes(4)),
            (b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)),
            (b"sRGB", b"\1"),
            (b"cICP", bytes([12, 13, 0, 1])),
        )
    )
    assert picture.metadata.gamma == pytest.approx(0.45455)
    assert picture.metadata.chromaticities == pytest.approx((0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06))
    assert (picture.metadata.intent, picture.metadata.coding) == (1, (12, 13, 0, 1))


def test_damaged_jpeg_is_refused_or_told() -> None:
    good = by_pillow(Image.fromarray(samples(3, 8, "noise", 200, 300)), "JPEG")
    assert imgcrypt.read(good).notes == ()
    for at in np.linspace(0.1, 0.95, 30):
        with contextlib.suppress(ImageError):
            assert "damaged" in imgcrypt.read(damage(good, float(at), 200)).notes[0]


def test_png_whose_checksum_is_wrong_is_refused() -> None:
    good = bytearray(png(samples(1, 8), 0, 8))
    good[60] ^= 1
    with pytest.raises(ImageError, match="checksum"):
        imgcrypt.read(bytes(good))


def test_bytes_behind_a_png_are_told() -> None:
    assert "5 bytes that follow" in imgcrypt.read(png(samples(1, 8), 0, 8) + b"12345").notes[0]


def test_several_pnm_pictures_in_a_row_are_refused() -> None:
    one = b"P5\n2 2\n255\n\1\2\3\4"
    np.testing.assert_array_equal(imgcrypt.read(one).pixels, [[1, 2], [3, 4]])
    with pytest.raises(ImageError, match="more follows"):
        imgcrypt.read(one + one)


@pytest.mark.parametrize("form", ["TIFF", "BMP"])
def test_picture_wider_than_opencv_reads(form: str) -> None:
    wide = samples(1, 8, "noise", 1, 1_100_000)
    np.testing.assert_array_equal(imgcrypt.read(by_pillow(Image.fromarray(wide), form)).pixels, wide)


def test_too_large_picture_is_refused_before_memory_is_taken() -> None:
    bomb = b"RIFF" + struct.pack("<I", 26) + b"WEBPVP8L" + struct.pack("<I", 14) + b"\x2f"
    bomb += struct.pack("<I", 11_999 | 11_999 << 14) + bytes(9)
    assert len(bomb) == 34
    with pytest.raises(ImageError, match="12000 x 12000"):
        imgcrypt.read(bomb, max_pixels=10**8)
    head = bytearray(png(samples(1, 8), 0, 8))
    head[16:24] = struct.pack(">II", 2**30, 2**30)
    head[29:33] = png(np.zeros((1, 1), np.uint8), 0, 8)[29:33]
    with pytest.raises(ImageError):
        imgcrypt.read(bytes(head))
    for name, make, right in CASES[::9]:
        if " TGA " in name:
            continue
        with pytest.raises(ImageError, match=r"pixels|raster"):
            imgcrypt.read(make(), max_pixels=right.shape[0] * right.shape[1] - 1)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs /dev/zero")
def test_device_is_no_picture() -> None:
    with pytest.raises(imgcrypt.ImgcryptError, match="device"):
        imgcrypt.read("/dev/zero")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_pipe_without_end_is_left(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    def feed() -> None:
        with contextlib.suppress(BrokenPipeError), pipe.open("wb", buffering=0) as stream:
            while True:
                stream.write(bytes(2**20))

    thread = threading.Thread(target=feed)
    thread.start()
    with pytest.raises(imgcrypt.ImgcryptError, match="longer than"):
        imgcrypt.read(pipe, max_pixels=1000)
    thread.join()


@pytest.mark.parametrize("dtype", ["float32", "float64", "int8", "int16", "uint32"])
def test_samples_of_other_types_are_refused(dtype: str) -> None:
    with pytest.raises(ImageError, match=r"8 or 16 bits"):
        imgcrypt.read(by_tifffile(np.ones((4, 4), dtype), photometric="minisblack"))


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"", "empty"),
        (b"%PDF-1.7\n", "PDF"),
        (b"\xff\x0a" + bytes(50), "JPEG XL"),
        (b"#?RADIANCE\n", "Radiance"),
        (b"\x76\x2f\x31\x01" + bytes(50), "OpenEXR"),
        (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "PostScript"),
        (b"\x89imgc\r\n\x1a" + bytes(200), "encrypted"),
        (b"no picture at all\n" * 10, "known"),
        (bytes(1000), "known"),
    ],
)
def test_refusal_names_what_the_file_is(data: bytes, name: str) -> None:
    with pytest.raises(ImageError, match=name):
        imgcrypt.read(data)


@pytest.mark.parametrize("bits", [8, 10, 12])
def test_heic_is_read_by_the_extra(bits: int) -> None:
    heif = pytest.importorskip("pillow_heif", reason="needs the extra heif")
    deep = samples(3, 16, "gradient", 64, 80)
    stream = io.BytesIO()
    if bits == 8:
        image = heif.from_bytes("RGB", (80, 64), (deep >> 8).astype(np.uint8).tobytes())
    else:
        image = heif.from_bytes("RGB;16", (80, 64), deep.tobytes())
    heif.options.SAVE_HDR_TO_12_BIT = bits == 12
    try:
        image.save(stream, quality=-1, chroma=444, matrix_coefficients=0)
    finally:
        heif.options.SAVE_HDR_TO_12_BIT = False
    picture = imgcrypt.read(stream.getvalue())
    assert (picture.format, picture.bits) == ("HEIF", bits)
    right = (deep >> 8).astype(np.uint8) if bits == 8 else deep
    assert psnr(right, picture.pixels) > 40


def test_heic_without_the_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(ImageError, match=r"imgcrypt\[heif\]"):
        imgcrypt.read(b"\0\0\0\x18ftypheic" + bytes(100))


def test_gray_profile_of_gray_with_alpha_is_left_out_and_told() -> None:
    profile = b"\0" * 16 + b"GRAY" + b"\0" * 112
    for channels, kept in ((1, True), (2, False)):
        mode = "L" if channels == 1 else "LA"
        image = Image.frombytes(mode, (50, 37), samples(channels, 8).tobytes())
        picture = imgcrypt.read(by_pillow(image, "PNG", icc_profile=profile))
        assert (picture.profile == profile) == kept
        assert any("profile" in note for note in picture.notes) != kept


def test_odd_files_print_nothing(tmp_path: Path) -> None:
    chosen = [damage(BY_SIGNATURE[name](), at, 30) for name in sorted(BY_SIGNATURE)[::11] for at in (0.05, 0.3)]
    chosen.append(by_pillow(Image.fromarray(samples(3, 8)), "PNG", icc_profile=b"no profile"))
    for number, data in enumerate(chosen):
        (tmp_path / str(number)).write_bytes(data)
    # In a process of its own: pytest catches what the logging module would print.
    program = (
        "import imgcrypt, pathlib, sys\n"
        "for path in pathlib.Path(sys.argv[1]).iterdir():\n"
        "    try: imgcrypt.read(path)\n"
        "    except imgcrypt.ImageError: pass\n"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program, str(tmp_path)], capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_many_threads_and_forks_read_the_same() -> None:
    chosen = [(make(), right) for name, make, right in CASES[::13] if " TGA " not in name and "RGBA" not in name]

    def read_all() -> bool:
        return all(np.array_equal(imgcrypt.read(data).pixels, right) for data, right in chosen)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda _: read_all(), range(8)))
        if hasattr(os, "fork"):
            child = os.fork()
            if child == 0:
                os._exit(0 if read_all() else 1)
            assert os.waitpid(child, 0)[1] == 0
