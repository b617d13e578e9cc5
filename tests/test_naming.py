"""What decrypted files are called: their own names where these are harmless, in formats that keep what was kept."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgcrypt import naming, pictures
from imgcrypt.naming import Target
from imgcrypt.pictures.metadata import Metadata


@pytest.mark.parametrize(
    ("file", "original", "name"),
    [
        ("a.png.imgc", None, "a.png"),
        ("in/a.png.IMGC", None, "in/a.png"),
        ("renamed.imgc", "holiday.jpg", "holiday.jpg"),
        ("in/renamed.imgc", "holiday.jpg", "in/holiday.jpg"),
        ("no-suffix", "holiday.jpg", "holiday.jpg"),
        ("no-suffix", None, None),
        (".imgc", None, None),
        ("..imgc", None, None),
        ("in/.imgc", None, None),
        ("-", "holiday.jpg", "-"),
        ("a.imgc", "käse 図 🙂", "käse 図 🙂"),
        ("a.imgc", "with space.png", "with space.png"),
        ("a.imgc", "k\udcff.png", "k\udcff.png"),
    ],
)
def test_name_of_what_is_in_a_file(file: str, original: str | None, name: str | None) -> None:
    assert naming.decrypted(file, original) == name


@pytest.mark.parametrize(
    "original",
    [
        *("", ".", "..", "/", "/etc/passwd", "../up.png", "in/a.png", "a/", "in\\a.png", "C:a.png", "C:\\a.png"),
        *(".bashrc", ".png", "a\0.png", "a\n.png", "\x1b[2J.png"),
    ],
)
def test_name_that_leads_elsewhere_is_not_used(original: str) -> None:
    assert naming.decrypted("in/b.png.imgc", original) == "in/b.png"


@given(st.text(st.characters(codec="utf-8") | st.sampled_from("./\\:")))
def test_no_original_name_leaves_the_folder(original: str) -> None:
    name = naming.decrypted("in/b.png.imgc", original)
    assert name is not None
    assert Path(name).parent == Path("in")
    assert os.path.normpath(name) == name


@pytest.mark.parametrize(
    ("name", "form", "lossless", "expected"),
    [
        ("a.png", "PNG", True, Target("a.png", ".png")),
        ("a.PNG", "PNG", True, Target("a.PNG", ".png")),
        ("a", "PNG", True, Target("a", ".png")),
        ("a.jpg", "PNG", True, Target("a.jpg", ".png")),
        ("a.tif", "TIFF", False, Target("a.tif", ".tif")),
        ("a.bmp", "BMP", True, Target("a.bmp", ".bmp")),
        ("a.jpg", "JPEG", False, Target("a.jpg", ".jpg")),
        ("a.jpg", "JPEG", True, Target("a.png", ".png")),
        ("a.JPEG", None, False, Target("a.png", ".png")),
        ("a.webp", "WEBP", True, Target("a.png", ".png")),
        ("a.tga", "TGA", False, Target("a.png", ".png")),
        ("a.tiff", None, True, Target("a.tiff", ".tiff")),
        ("shot.1", None, True, Target("shot.1.png", ".png")),
        ("shot.1", "GIF", True, Target("shot.1.png", ".png")),
        ("-", "TIFF", True, Target("-", ".tif")),
        ("-", None, True, Target("-", ".png")),
    ],
)
def test_own_format_where_it_keeps_what_was_kept(name: str, form: str | None, lossless: bool, expected: Target) -> None:
    found = naming.targets(name, Metadata(format=form), lossless=lossless, channels=3, bits=8)
    assert found[0] == expected
    assert found[-1].suffix in (".png", ".tif", ".tiff")


@pytest.mark.parametrize("form", ["PNG", "TIFF", "BMP", "JPEG", "WEBP", "AVIF", None])
@pytest.mark.parametrize("lossless", [True, False])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.jpg", "a.tif", "a", "-"])
def test_some_format_always_holds_the_picture(name: str, bits: int, channels: int, lossless: bool, form: str) -> None:
    for target in naming.targets(name, Metadata(format=form), lossless=lossless, channels=channels, bits=bits):
        held = pictures.FORMATS[target.suffix]
        assert channels in held.channels
        assert bits in held.bits
        assert held.lossless or not lossless


@pytest.mark.parametrize(
    ("name", "suffix", "renamed"),
    [
        ("a.jpg", ".png", "a.png"),
        ("a.b", ".png", "a.b.png"),
        ("a.TIFF", ".tif", "a.TIFF"),
        ("a.jpeg", ".jpg", "a.jpeg"),
        ("-", ".png", "-"),
    ],
)
def test_suffix_of_another_picture_is_replaced(name: str, suffix: str, renamed: str) -> None:
    assert naming.renamed(name, suffix) == renamed


def test_names_of_formats_are_those_of_pictures() -> None:
    assert set(naming.WRITTEN.values()) == set(naming.WRITTEN_AS.values())
    assert set(naming.WRITTEN_AS) == set(pictures.FORMATS)
