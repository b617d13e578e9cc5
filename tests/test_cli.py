"""The shell command: what it reads, writes, prints and returns, and that it fails with one sentence and no traces."""

from __future__ import annotations

import dataclasses
import getpass
import io
import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from PIL import Image, ImageCms

import imgcrypt
from imgcrypt import Identity, Key, cipher, cli, container, doctor, keychoice, pictures
from imgcrypt.metrics import psnr
from imgcrypt.pictures.metadata import Metadata

VECTORS = Path(__file__).parent / "vectors"
Picture = npt.NDArray[Any]
MakePicture = Callable[..., Picture]


@dataclasses.dataclass(frozen=True)
class Done:
    """How a command ended. ``text`` is standard error on one line, without the frame that usage errors have."""

    code: int
    out: bytes
    text: str


Run = Callable[..., Done]


@pytest.fixture(scope="session")
def _compiled() -> None:
    # Where loading takes long, the command says so; the tests want its other words.
    cipher.warm_up()


@pytest.fixture
def run(
    _compiled: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> Run:
    """``run(*arguments, stdin=b"")`` runs the command in an empty folder of its own.

    Whatever it does, it must not print a traceback, and what it prints must not hold the key or passphrase.
    """
    monkeypatch.chdir(tmp_path)
    for variable in (
        keychoice.KEY_VARIABLE,
        keychoice.PASSPHRASE_VARIABLE,
        keychoice.LOCK_VARIABLE,
        keychoice.NEW_VARIABLE,
    ):
        monkeypatch.delenv(variable, raising=False)

    def run_(*arguments: str, stdin: bytes = b"") -> Done:
        monkeypatch.setattr(sys, "argv", ["imgcrypt", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        code = 0
        try:
            cli.main()
        except SystemExit as error:
            code = error.code or 0
        out, err = capfdbinary.readouterr()
        text = err.decode()
        assert "Traceback" not in text
        for secret in [os.environ.get(keychoice.PASSPHRASE_VARIABLE), *secrets(tmp_path)]:
            assert not secret or (os.fsencode(secret) not in out and secret not in text)
        return Done(code, out, " ".join(re.sub("[─│╭╮╰╯]", " ", text).split()))

    return run_


def secrets(folder: Path) -> list[str]:
    """The keys in the key files of a folder."""
    texts = [path.read_text() for path in folder.glob("key*.txt")]
    lines = [line for text in texts for line in text.split()]
    return [line.removeprefix("imgcrypt-key-1-") for line in lines if "imgcrypt-key-1-" in line or "AGE-SECRET" in line]


@pytest.fixture
def key_file(run: Run) -> str:
    """The name of a new key file."""
    Key.generate().save("key.txt")
    return "key.txt"


def save(name: str, image: Picture) -> bytes:
    """Write a picture file, by OpenCV; return its bytes."""
    order = [2, 1, 0, 3]
    bgr = image if image.ndim == 2 else np.ascontiguousarray(image[:, :, order[: image.shape[2]]])
    done, data = cv2.imencode(Path(name).suffix, bgr)
    assert done
    Path(name).write_bytes(data.tobytes())
    return data.tobytes()


def load(name: str | bytes) -> Picture:
    """Read a picture file, or its bytes, by OpenCV; TIFF by tifffile, since OpenCV multiplies colors by alpha."""
    data = name if isinstance(name, bytes) else Path(name).read_bytes()
    if data.startswith(b"II*\0"):
        return tifffile.imread(io.BytesIO(data))
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    return image if image.ndim == 2 else image[:, :, [2, 1, 0, 3][: image.shape[2]]]


def contents() -> dict[str, bytes]:
    """Every file in the current folder, hidden ones too."""
    return {path.name: path.read_bytes() for path in Path().iterdir() if path.is_file()}


def noise(shape: tuple[int, ...], dtype: str = "uint8") -> Picture:
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max + 1, shape, dtype)


# --- keygen -----------------------------------------------------------------------------------------------------------


def test_keygen_writes_a_key_for_its_owner_alone_and_prints_its_fingerprint(run: Run) -> None:
    done = run("keygen", "-o", "key.txt")
    assert done.code == 0
    assert stat.S_IMODE(Path("key.txt").stat().st_mode) == 0o600
    assert done.out.decode() == f"key.txt: key {Key.load('key.txt').fingerprint()}\n"
    assert secrets(Path()) == [Key.load("key.txt").text().removeprefix("imgcrypt-key-1-")]


def test_keygen_never_overwrites(run: Run, key_file: str) -> None:
    before = contents()
    done = run("keygen", "-o", key_file)
    assert (done.code, done.out) == (1, b"")
    assert "key.txt exists" in done.text
    assert contents() == before


# --- enc and dec ------------------------------------------------------------------------------------------------------


def test_default_names(run: Run, key_file: str, picture: MakePicture) -> None:
    image = picture(40, 50)
    save("photo.png", image)
    done = run("enc", "photo.png", "-k", key_file)
    assert (done.code, done.out) == (0, b"")
    assert done.text.startswith("photo.png -> photo.png.imgc: 50 x 40 color")
    Path("photo.png").unlink()
    done = run("dec", "photo.png.imgc", "-k", key_file)
    assert (done.code, done.out, done.text) == (0, b"", "photo.png.imgc -> photo.png: 50 x 40 color")
    assert load("photo.png").shape == image.shape


@pytest.mark.parametrize(
    ("encrypted", "decrypted"),
    [
        ("photo.jpg.imgc", "photo.png"),
        ("photo.JPEG.imgc", "photo.png"),
        ("photo.webp.imgc", "photo.png"),
        ("photo.png.imgc", "photo.png"),
        ("photo.PNG.imgc", "photo.PNG"),
        ("photo.tif.imgc", "photo.tif"),
        ("photo.bmp.imgc", "photo.bmp"),
        ("photo.imgc", "photo.png"),
        ("photo.jpg.IMGC", "photo.png"),
    ],
)
def test_dec_names_its_output_after_a_format_that_keeps_every_sample(
    encrypted: str, decrypted: str, run: Run, key_file: str
) -> None:
    image = noise((4, 5, 3))
    Path(encrypted).write_bytes(imgcrypt.encrypt(image, Key.load(key_file), lossless=True))
    assert run("dec", encrypted, "-k", key_file).code == 0
    assert contents().keys() == {key_file, encrypted, decrypted}
    np.testing.assert_array_equal(load(decrypted), image)


@pytest.mark.parametrize("name", [".imgc", "..imgc", "folder/.imgc", "no-suffix", "photo.png"])
def test_dec_asks_for_a_name_that_it_cannot_guess(name: str, run: Run, key_file: str) -> None:
    Path("folder").mkdir()
    Path(name).write_bytes(imgcrypt.encrypt(noise((4, 5)), Key.load(key_file), lossless=True))
    before = contents()
    done = run("dec", name, "-k", key_file)
    assert done.code == 2
    assert "-o" in done.text
    assert contents() == before
    assert run("dec", name, "-k", key_file, "-o", "out.png").code == 0


@pytest.mark.parametrize(
    "name", ["with space.png", "käse 図 🙂.png", "-dash.png", "--force.png", "a.b.c.png", "quote'\".png", "%s{}.png"]
)
def test_unusual_file_names(name: str, run: Run, key_file: str) -> None:
    save(name, noise((4, 5, 3)))
    assert run("enc", "-k", key_file, "--lossless", "--", name).code == 0
    Path(name).unlink()
    assert run("dec", "-k", key_file, "--", f"{name}.imgc").code == 0
    assert contents().keys() == {key_file, name, f"{name}.imgc"}
    np.testing.assert_array_equal(load(name), noise((4, 5, 3)))


def test_output_option_and_paths_in_folders(run: Run, key_file: str, tmp_path: Path) -> None:
    Path("in").mkdir()
    save("in/a.png", noise((4, 5)))
    assert run("enc", str(tmp_path / "in" / "a.png"), "-k", key_file, "--lossless", "-o", "b.imgc").code == 0
    assert run("enc", "in/a.png", "-k", key_file, "--lossless").code == 0
    assert run("dec", "b.imgc", "-k", key_file, "-o", "in/c.tif").code == 0
    assert contents().keys() == {key_file, "b.imgc"}
    assert {path.name for path in Path("in").iterdir()} == {"a.png", "a.png.imgc", "c.tif"}


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_lossless_gives_back_every_sample_of_every_kind(
    suffix: str, dtype: str, channels: int, run: Run, key_file: str
) -> None:
    image = noise((9, 7) if channels == 1 else (9, 7, channels), dtype)
    save(f"a{suffix}", image)
    done = run("enc", f"a{suffix}", "-k", key_file, "--lossless")
    assert done.code == 0
    assert "comes back exactly" in done.text
    assert run("dec", f"a{suffix}.imgc", "-k", key_file, "--force").code == 0
    back = load(f"a{suffix}")
    assert back.dtype == image.dtype
    np.testing.assert_array_equal(back, image)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("size", [(80, 90), (33, 7)])
def test_psnr_that_enc_prints_is_that_of_what_dec_writes(
    channels: int, size: tuple[int, int], run: Run, key_file: str, picture: MakePicture
) -> None:
    image = picture(*size, channels)
    save("a.png", image)
    printed = re.search(r"comes back at ([0-9.]+) dB", run("enc", "a.png", "-k", key_file).text)
    assert run("dec", "a.png.imgc", "-k", key_file, "-o", "b.png").code == 0
    back = load("b.png")
    assert back.shape == image.shape
    colors = (np.atleast_3d(image)[:, :, :3], np.atleast_3d(back)[:, :, :3])
    assert printed
    assert float(printed[1]) == pytest.approx(psnr(*colors), abs=0.01)
    if channels == 4:
        np.testing.assert_array_equal(back[:, :, 3], image[:, :, 3])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_honored(orientation: int, run: Run, key_file: str) -> None:
    upright = noise((4, 6, 3))
    # How a camera stores the upright picture: mirrored, upside down, and with rows and columns exchanged.
    stored = upright[:, ::-1] if orientation in (2, 3, 6, 7) else upright
    stored = stored[::-1] if orientation in (3, 4, 7, 8) else stored
    stored = stored.swapaxes(0, 1) if orientation >= 5 else stored
    exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0" + bytes([orientation, 0, 0, 0]) + bytes(4)
    done, data = cv2.imencodeWithMetadata(
        ".png",
        np.ascontiguousarray(stored[:, :, ::-1]),
        [cv2.IMAGE_METADATA_EXIF],
        [np.frombuffer(exif, np.uint8)],
    )
    assert done
    Path("photo.png").write_bytes(data.tobytes())
    assert run("enc", "photo.png", "-k", key_file, "--lossless").code == 0
    assert run("dec", "photo.png.imgc", "-k", key_file, "-o", "back.png").code == 0
    np.testing.assert_array_equal(load("back.png"), upright)


def test_standard_input_and_output_carry_bytes_and_nothing_else(run: Run, key_file: str) -> None:
    data = save("a.png", noise((9, 7, 3)))
    before = contents()
    enc = run("enc", "-", "-k", key_file, "--lossless", "-v", stdin=data)
    assert enc.code == 0
    assert imgcrypt.inspect(enc.out).file_bytes == len(enc.out)
    assert enc.text.startswith("- -> -:")
    dec = run("dec", "-", "-k", key_file, "-v", stdin=enc.out)
    assert dec.code == 0
    assert dec.out.startswith(b"\x89PNG")
    np.testing.assert_array_equal(load(dec.out), noise((9, 7, 3)))
    assert contents() == before
    assert run("inspect", "-", stdin=enc.out).out.startswith(b"format")
    assert imgcrypt.inspect(run("enc", "a.png", "-k", key_file, "-o", "-").out).width == 7
    assert run("enc", "-", "-k", key_file, "-o", "b.imgc", stdin=data).out == b""
    assert contents().keys() == before.keys() | {"b.imgc"}


def test_suite_net_rate_and_provider_reach_the_file(run: Run, key_file: str) -> None:
    save("a.png", noise((40, 40, 3)))
    save("g.png", noise((40, 40)))
    default = imgcrypt.inspect(run("enc", "a.png", "-k", key_file, "-o", "-", "--rate", "0.18").out)
    chosen = run("enc", "a.png", "-k", key_file, "-o", "-", "--suite", "chaos", "--net", default.net, "--rate", "0.18")
    assert imgcrypt.inspect(chosen.out) == dataclasses.replace(default, suite="chaos")
    assert imgcrypt.inspect(run("enc", "g.png", "-k", key_file, "-o", "-", "--rate", "0.37").out).rate == 0.37
    verbose = run("enc", "a.png", "-k", key_file, "-o", "-", "-v", "--provider", "cpu").text
    assert f"suite hybrid, net {default.net} on cpu; encrypted in" in verbose


def test_psnr_that_is_aimed_at_is_reached(run: Run, key_file: str, picture: MakePicture) -> None:
    save("a.png", picture(96, 128))
    done = run("enc", "a.png", "-k", key_file, "--target-psnr", "30")
    assert done.code == 0
    printed = re.search(r"rate ([0-9.]+), comes back at ([0-9.]+) dB", done.text)
    assert printed
    assert float(printed[1]) == pytest.approx(imgcrypt.inspect(Path("a.png.imgc").read_bytes()).rate, rel=0.01)
    assert 30 <= float(printed[2]) < 31


def test_picture_smaller_than_its_measurements_is_worth_a_hint(run: Run, key_file: str) -> None:
    save("a.png", noise((4, 5)))
    save("b.png", noise((200, 300, 3)))
    assert "--lossless would" in run("enc", "a.png", "-k", key_file).text
    assert "--lossless" not in run("enc", "a.png", "-k", key_file, "--lossless", "--force").text
    assert "--lossless" not in run("enc", "b.png", "-k", key_file).text


def test_lossy_output_is_pointed_out(run: Run, key_file: str) -> None:
    Path("a.imgc").write_bytes(imgcrypt.encrypt(noise((40, 40, 3)), Key.load(key_file), lossless=True))
    assert ".jpg loses detail" in run("dec", "a.imgc", "-k", key_file, "-o", "a.JPG").text
    assert "loses" not in run("dec", "a.imgc", "-k", key_file, "-o", "a.bmp").text


# --- keys and passphrases ---------------------------------------------------------------------------------------------


def test_key_file_and_passphrase_come_from_the_environment(
    run: Run, key_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    save("a.png", noise((4, 5)))
    monkeypatch.setenv("IMGCRYPT_KEY_FILE", key_file)
    monkeypatch.setenv("IMGCRYPT_PASSPHRASE", "correct horse")
    assert run("enc", "a.png", "--lossless", "-o", "k.imgc").code == 0
    assert run("enc", "a.png", "--lossless", "-o", "p.imgc", "-p").code == 0
    keys = [imgcrypt.inspect(Path(name).read_bytes()).keys for name in ("k.imgc", "p.imgc")]
    assert keys == [("key file",), ("passphrase",)]
    assert run("dec", "k.imgc", "-o", "k.png").code == 0
    assert run("dec", "p.imgc", "-o", "p.png", "-p").code == 0
    Key.generate().save("key2.txt")
    assert run("dec", "k.imgc", "-o", "l.png", "-k", "key2.txt").code == 1


def test_passphrase_is_asked_twice_to_encrypt_and_once_to_decrypt(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[str] = []
    monkeypatch.setattr(getpass, "getpass", lambda *_, **__: answers.pop(0))
    monkeypatch.setattr(keychoice, "_has_terminal", lambda: True)
    save("a.png", noise((4, 5)))
    answers[:] = ["one", "typo", "one", "one"]
    assert run("enc", "a.png", "--lossless", "-p").code == 0
    assert answers == []
    answers[:] = ["one", "left over"]
    assert run("dec", "a.png.imgc", "-o", "b.png", "-p").code == 0
    assert answers == ["left over"]


@pytest.mark.parametrize("passphrase", ["", "\udcff\udcfe"])
def test_passphrase_that_is_no_text_is_refused(passphrase: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    save("a.png", noise((4, 5)))
    monkeypatch.setenv("IMGCRYPT_PASSPHRASE", passphrase)
    done = run("enc", "a.png", "-p")
    assert done.code == 1
    assert "the passphrase is" in done.text
    assert contents().keys() == {"a.png"}


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX permissions")
@pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o400, False), (0o640, True), (0o604, True)])
def test_key_file_that_others_can_read_is_warned_of(mode: int, warned: bool, run: Run, key_file: str) -> None:
    save("a.png", noise((4, 5)))
    Path(key_file).chmod(mode)
    done = run("enc", "a.png", "-k", key_file, "--lossless")
    assert done.code == 0
    assert ("chmod 600 key.txt" in done.text) == warned


@pytest.mark.parametrize("command", ["enc", "dec"])
def test_command_without_a_key_says_how_to_give_one(command: str, run: Run) -> None:
    Path("a.imgc").write_bytes(imgcrypt.encrypt_bytes(b"", Key.generate()))
    done = run(command, "a.imgc", "-o", "out.tif" if command == "dec" else "out")
    assert (done.code, done.out) == (2, b"")
    for hint in ("-k FILE", "keygen", "$IMGCRYPT_KEY_FILE", "-p"):
        assert hint in done.text
    assert contents().keys() == {"a.imgc"}


def test_file_for_key_files_recipients_and_a_passphrase_opens_with_each(
    run: Run, key_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMGCRYPT_PASSPHRASE", "correct horse")
    save("a.png", noise((4, 5)))
    me, friend = Identity.generate(), Identity.generate()
    me.save("me.key")
    friend.save("key-friend.txt")
    Path("team.txt").write_text(f"# us\n{me.recipient}\n{friend.recipient}\n")
    Key.generate().save("key2.txt")
    whom = ["-k", key_file, "-k", "key2.txt", "-r", "team.txt", "-r", str(me.recipient), "-p"]
    assert run("enc", "a.png", *whom, "--lossless").code == 0
    shown = run("inspect", "a.png.imgc").out.decode()
    assert "opens with  key file (2) or private key (2) or passphrase\n" in shown
    assert str(me.recipient) not in shown
    for opener in (["-k", key_file], ["-k", "me.key"], ["-k", "key-friend.txt"], ["-p"], ["-k", "key2.txt", "-p"]):
        assert run("dec", "a.png.imgc", *opener, "-o", "b.png", "--force").code == 0
        np.testing.assert_array_equal(load("b.png"), load("a.png"))
    Key.generate().save("key3.txt")
    fails(run, 1, "is not the one", "dec", "a.png.imgc", "-k", "key3.txt", "-o", "c.png")
    assert run("dec", "a.png.imgc", "-k", "key3.txt", "-k", "me.key", "-o", "c.png").code == 0


@pytest.mark.parametrize("options", [["--lossless"], ["--exact"], []])
def test_file_for_recipients_alone_has_no_other_slot(
    options: list[str], run: Run, key_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Not even for the key that the environment names.
    monkeypatch.setenv("IMGCRYPT_KEY_FILE", key_file)
    save("a.png", noise((40, 50)))
    me = Identity.generate()
    done = run("enc", "a.png", "-r", str(me.recipient), *options)
    assert done.code == 0
    assert "comes back" in done.text
    assert imgcrypt.inspect(Path("a.png.imgc").read_bytes()).keys == ("private key",)
    fails(run, 1, "private key; give that instead of a key file", "dec", "a.png.imgc", "-o", "b.png")
    fails(run, 1, "opens with a private key: give -k FILE", "dec", "a.png.imgc", "-p", "-o", "b.png")
    me.save("me.key")
    assert run("dec", "a.png.imgc", "-k", "me.key", "-o", "b.png").code == 0


def test_recipients_that_are_none_are_refused(run: Run, key_file: str) -> None:
    save("a.png", noise((4, 5)))
    me = Identity.generate()
    me.save("key-me.txt")
    Path("team.txt").write_text(f"{me.recipient}\nage1friend\n")
    fails(run, 1, "typing error", "enc", "a.png", "-r", str(me.recipient)[:-1])
    fails(run, 1, "team.txt, line 2: .*typing error", "enc", "a.png", "-r", "team.txt")
    fails(run, 1, "cannot read the file of recipients nobody", "enc", "a.png", "-r", "nobody")
    fails(run, 1, "this is a secret key", "enc", "a.png", "-r", "key-me.txt")
    fails(run, 1, "this is a secret key", "enc", "a.png", "-r", key_file)


def test_keygen_makes_a_pair(run: Run) -> None:
    done = run("keygen", "--pair", "-o", "me.key")
    assert done.code == 0
    identity = Identity.load("me.key")
    assert done.out.decode() == Path("me.pub").read_text() == f"{identity.recipient}\n"
    assert stat.S_IMODE(Path("me.key").stat().st_mode) == 0o600
    assert identity.text() not in done.text
    fails(run, 1, "me.pub exists", "keygen", "--pair", "-o", "me.txt")
    Path("me.pub").unlink()
    fails(run, 1, "me.key exists", "keygen", "--pair", "-o", "me.key")
    fails(run, 2, "named .pub", "keygen", "--pair", "-o", "you.pub")
    fails(run, 1, "cannot write no/you", "keygen", "--pair", "-o", "no/you.key")
    piped = run("keygen", "--pair", "-o", "-")
    assert str(Key.parse(piped.out.decode()).recipient) in piped.text
    assert contents().keys() == {"me.key"}


@pytest.mark.parametrize("pair", [[], ["--pair"]])
def test_protected_key_file_asks_for_its_passphrase(pair: list[str], run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[str] = []
    monkeypatch.setattr(getpass, "getpass", lambda *_, **__: answers.pop(0))
    monkeypatch.setattr(keychoice, "_has_terminal", lambda: True)
    save("a.png", noise((4, 5)))
    answers[:] = ["one", "typo", "one", "one"]
    assert run("keygen", "-p", *pair, "-o", "key.txt").code == 0
    assert "imgcrypt-locked-key-1-" in Path("key.txt").read_text()
    answers[:] = ["one"]
    assert run("enc", "a.png", "-k", "key.txt", "--lossless").code == 0
    answers[:] = ["two"]
    fails(run, 1, "key.txt: this is not the passphrase", "dec", "a.png.imgc", "-k", "key.txt", "-o", "b.png")
    assert answers == []
    # Apart from the picture's passphrase.
    monkeypatch.setenv("IMGCRYPT_PASSPHRASE", "three")
    monkeypatch.setenv("IMGCRYPT_KEY_PASSPHRASE", "one")
    assert run("dec", "a.png.imgc", "-k", "key.txt", "-o", "b.png").code == 0
    piped = run("dec", "a.png.imgc", "-k", "-", "-o", "c.png", stdin=Path("key.txt").read_bytes())
    assert piped.code == 0
    monkeypatch.delenv("IMGCRYPT_KEY_PASSPHRASE")
    monkeypatch.setattr(keychoice, "_has_terminal", lambda: False)
    fails(run, 1, "IMGCRYPT_KEY_PASSPHRASE", "dec", "a.png.imgc", "-k", "key.txt", "-o", "d.png")


# --- rewrap -----------------------------------------------------------------------------------------------------------


def test_rewrap_changes_who_opens_the_files_of_a_folder(run: Run, key_file: str) -> None:
    me, friend = Identity.generate(), Identity.generate()
    me.save("me.key")
    friend.save("friend.key")
    Path("friend.pub").write_text(f"{friend.recipient}\n")
    for name in ("photos/b.imgc", "photos/below/a.IMGC"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_bytes(imgcrypt.encrypt_bytes(name.encode(), [Key.load(key_file), friend.recipient]))
    Path("photos/notes.txt").write_text("no ciphertext")
    done = run("rewrap", "photos", "-k", key_file, "-r", str(me.recipient), "--remove", "friend.pub")
    assert (done.code, done.out) == (0, b"")
    for part in ("photos/b.imgc: 1 added, 1 removed", "a.IMGC: 1 added, 1 removed", "an old copy of a file"):
        assert part in done.text
    assert run("dec", "photos/b.imgc", "-k", "me.key", "-o", "b.txt").code == 0
    assert Path("b.txt").read_text() == "photos/b.imgc"
    fails(run, 1, "is not the one", "dec", "photos/b.imgc", "-k", "friend.key", "-o", "c")
    again = run("rewrap", "photos", "-k", key_file, "--remove", "friend.key", "--json")
    assert again.code == 0
    assert "warning: none of those to be removed" in again.text
    told = json.loads(again.out)
    assert [each["file"] for each in told] == ["photos/b.imgc", "photos/below/a.IMGC"]
    assert told[0] == {"file": "photos/b.imgc", "added": 0, "removed": 0, "keys": ["key file", "private key"]}


def test_rewrap_changes_keys_and_passphrases(run: Run, key_file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMGCRYPT_PASSPHRASE", "old words")
    monkeypatch.setenv("IMGCRYPT_NEW_PASSPHRASE", "new words")
    Path("a.imgc").write_bytes(imgcrypt.encrypt_bytes(b"a", [Key.load(key_file), Key.from_passphrase("old words")]))
    Key.generate().save("key2.txt")
    change = ["--add-key", "key2.txt", "--remove", key_file, "--add-passphrase", "--remove-passphrases"]
    assert run("rewrap", "a.imgc", "-p", *change, "-q").text == ""
    blob = Path("a.imgc").read_bytes()
    assert imgcrypt.decrypt_bytes(blob, Key.from_passphrase("new words")).data == b"a"
    assert imgcrypt.decrypt_bytes(blob, Key.load("key2.txt")).data == b"a"
    for gone in (Key.from_passphrase("old words"), Key.load(key_file)):
        with pytest.raises(imgcrypt.WrongKeyError):
            imgcrypt.decrypt_bytes(blob, gone)


def test_rewrap_goes_on_past_files_that_it_refuses(run: Run, key_file: str) -> None:
    key = Key.load(key_file)
    Path("folder").mkdir()
    good = imgcrypt.encrypt_bytes(b"a", key)
    files = {"a.imgc": good[:-1], "b.imgc": good, "c.imgc": imgcrypt.encrypt_bytes(b"a", Key.generate())}
    for name, blob in files.items():
        (Path("folder") / name).write_bytes(blob)
    Key.generate().save("key2.txt")
    done = run("rewrap", "folder", "-k", key_file, "--add-key", "key2.txt", "--json")
    assert done.code == 1
    assert "folder/a.imgc: the file ends early" in done.text
    assert "folder/c.imgc: the key or passphrase is not the one" in done.text
    assert ["error" in each for each in json.loads(done.out)] == [True, False, True]
    for name in ("a.imgc", "c.imgc"):
        assert (Path("folder") / name).read_bytes() == files[name]
    assert imgcrypt.decrypt_bytes((Path("folder") / "b.imgc").read_bytes(), Key.load("key2.txt")).data == b"a"


def test_rewrap_refuses_what_makes_no_sense(run: Run, key_file: str) -> None:
    Path("a.imgc").write_bytes(imgcrypt.encrypt_bytes(b"a", Key.load(key_file)))
    Path("empty").mkdir()
    fails(run, 2, "say who is to be added or removed", "rewrap", "a.imgc", "-k", key_file)
    fails(run, 2, "give a key", "rewrap", "a.imgc", "--add-key", key_file)
    fails(run, 1, "nobody would be left", "rewrap", "a.imgc", "-k", key_file, "--remove", key_file)
    fails(run, 1, "there is no .imgc file in empty", "rewrap", "empty", "-k", key_file, "--add-key", key_file)
    fails(run, 1, "cannot read nowhere", "rewrap", "nowhere", "-k", key_file, "--add-key", key_file)
    fails(run, 1, "typing error", "rewrap", "a.imgc", "-k", key_file, "-r", "age1nobody")
    fails(run, 1, "typing error", "rewrap", "a.imgc", "-k", key_file, "--remove", "age1nobody")
    fails(run, 1, "cannot read the key file nobody", "rewrap", "a.imgc", "-k", key_file, "--remove", "nobody")


# --- failures ---------------------------------------------------------------------------------------------------------


def fails(run: Run, code: int, sentence: str, *arguments: str, stdin: bytes = b"") -> None:
    """The command fails with this code and sentence, prints nothing on standard output and changes no file."""
    before = contents()
    done = run(*arguments, stdin=stdin)
    assert (done.code, done.out) == (code, b"")
    assert re.search(sentence, done.text), done.text
    assert contents() == before


def test_existing_outputs_are_left_alone_without_force(run: Run, key_file: str) -> None:
    save("a.png", noise((4, 5)))
    assert run("enc", "a.png", "-k", key_file, "--lossless").code == 0
    first = contents()
    fails(run, 1, "a.png.imgc exists.*--force", "enc", "a.png", "-k", key_file)
    fails(run, 1, "a.png exists.*--force", "dec", "a.png.imgc", "-k", key_file)
    fails(run, 1, "a.png exists.*--force", "demo", "-o", "a.png")
    assert run("enc", "a.png", "-k", key_file, "--lossless", "--force").code == 0
    assert contents().keys() == first.keys()
    assert contents()["a.png.imgc"] != first["a.png.imgc"]


def test_existing_output_is_refused_before_a_passphrase_is_asked(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    save("a.png", noise((4, 5)))
    Path("a.png.imgc").touch()
    monkeypatch.setattr(getpass, "getpass", lambda *_, **__: pytest.fail("asked"))
    fails(run, 1, "exists", "enc", "a.png", "-p")


@pytest.mark.parametrize("name", ["x.jpg", "x.JPEG", "x.png", "x.tif", "x.bmp", "x.webp", "x.gif", "x.heic"])
def test_ciphertext_named_like_a_picture_is_refused(name: str, run: Run, key_file: str) -> None:
    save("a.png", noise((4, 5)))
    fails(run, 2, r"\.imgc", "enc", "a.png", "-k", key_file, "-o", name)


def test_wrong_keys_are_refused(run: Run, key_file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMGCRYPT_PASSPHRASE", "battery staple")
    save("a.png", noise((4, 5)))
    Key.generate().save("key2.txt")
    assert run("enc", "a.png", "-k", key_file, "--lossless", "-o", "k.imgc").code == 0
    assert run("enc", "a.png", "-p", "--lossless", "-o", "p.imgc").code == 0
    fails(run, 1, "^imgcrypt: k.imgc: the key or passphrase is not the one", "dec", "k.imgc", "-k", "key2.txt")
    fails(run, 1, "^imgcrypt: k.imgc opens with a key file: give -k", "dec", "k.imgc", "-p")
    fails(run, 1, "^imgcrypt: p.imgc opens with a passphrase: give -p", "dec", "p.imgc", "-k", key_file)
    fails(run, 2, "p.imgc opens with a passphrase: give -p", "dec", "p.imgc")
    monkeypatch.setenv("IMGCRYPT_PASSPHRASE", "battery stable")
    fails(run, 1, "^imgcrypt: p.imgc: the key or passphrase is not the one", "dec", "p.imgc", "-p")
    fails(run, 1, "^imgcrypt: k.imgc: the key or passphrase is not", "dec", "k.imgc", "-k", "key2.txt", "-o", "-")


def test_damaged_files_are_refused(run: Run, key_file: str) -> None:
    blob = imgcrypt.encrypt(noise((50, 60)), Key.load(key_file), raw=True)
    flipped = bytearray(blob)
    flipped[len(blob) // 2] ^= 1
    for name, data, sentence in [
        ("flipped", bytes(flipped), "damaged or changed"),
        ("cut", blob[:-1500], f"ends early: {len(blob) - 1500} of {len(blob)} bytes"),
        ("newer", blob.replace(container.MAGIC + b"\1", container.MAGIC + b"\2"), "newer release"),
        ("empty", b"", "not an imgcrypt file"),
    ]:
        Path(f"{name}.imgc").write_bytes(data)
        fails(run, 1, sentence, "dec", f"{name}.imgc", "-k", key_file)
        fails(run, 1, sentence, "dec", "-", "-k", key_file, stdin=data)


def test_damage_that_parity_mends_is_told(run: Run, key_file: str, picture: MakePicture) -> None:
    image = picture(200, 300)
    save("a.png", image)
    assert run("enc", "a.png", "-k", key_file, "--survive", "0.25", "--lossless").code == 0
    blob = Path("a.png.imgc").read_bytes()
    at = len(blob) // 3
    for data, sentence in (
        (blob[:at] + blob[at + len(blob) // 4 :], r"imgcrypt: repaired: \d+ of \d+ packets were damaged; make a fresh"),
        (blob + b"\n", "imgcrypt: repaired: it was damaged beside its packets"),
        (blob[:-1], "imgcrypt: repaired: it was damaged beside"),
    ):
        Path("b.imgc").write_bytes(data)
        done = run("dec", "b.imgc", "-k", key_file, "-o", "b.png", "--force")
        assert done.code == 0
        assert re.match(sentence, done.text)
        np.testing.assert_array_equal(load("b.png"), image)
        assert run("repair", "b.imgc", "-k", key_file).code == 0
        assert Path("b.imgc").read_bytes() == blob
    assert run("repair", "b.imgc", "-k", key_file) == Done(0, b"", "b.imgc: nothing is damaged")
    Path("c.imgc").write_bytes(blob[: len(blob) // 2])
    fails(run, 1, "c.imgc: the damage is more than .* --recover", "repair", "c.imgc", "-k", key_file)
    assert Path("c.imgc").read_bytes() == blob[: len(blob) // 2]


def test_coarser_picture_is_authentic_and_has_an_exit_code(run: Run, key_file: str, picture: MakePicture) -> None:
    image = picture(300, 300)
    save("a.png", image)
    assert run("enc", "a.png", "-k", key_file, "--protect", "strong", "--rate", "0.3").code == 0
    blob = Path("a.png.imgc").read_bytes()
    Path("b.imgc").write_bytes(blob[: len(blob) // 2])
    fails(run, 1, "b.imgc: .*coarser picture, authentic.*--recover", "dec", "b.imgc", "-k", key_file, "-o", "b.png")
    done = run("dec", "b.imgc", "-k", key_file, "-o", "b.png", "--recover", "--json")
    told = json.loads(done.out)
    assert (done.code, told["complete"], told["authentic"], told["parts"], told["whole"]) == (3, False, True, 4, 2)
    assert re.match(r"warning: \d+ of \d+ packets were damaged; the picture is coarser \(2 of 4 parts\)", done.text)
    assert psnr(image, load("b.png")) > 20


@pytest.mark.parametrize(
    "options", [["--survive", "0"], ["--survive", "0.95"], ["--survive", "0.2", "--protect", "light"]]
)
def test_shares_that_nothing_survives_are_refused(options: list[str], run: Run, key_file: str) -> None:
    save("a.png", noise((4, 5)))
    fails(run, 2, "--survive", "enc", "a.png", "-k", key_file, *options)


def test_preview_is_a_small_picture(run: Run, key_file: str, picture: MakePicture) -> None:
    image = picture(200, 300)
    save("a.png", image)
    assert run("enc", "a.png", "-k", key_file).code == 0
    assert run("preview", "a.png.imgc", "-k", key_file, "-o", "small.png") == Done(0, b"", "")
    assert load("small.png").shape == (25, 38, 3)
    done = run("preview", "-", "-k", key_file, "-o", "-", "--full-size", stdin=Path("a.png.imgc").read_bytes())
    assert done.code == 0
    assert psnr(image, load(done.out)) > 15
    fails(run, 1, "exists", "preview", "a.png.imgc", "-k", key_file, "-o", "small.png")
    fails(run, 2, "cannot write pictures as", "preview", "a.png.imgc", "-k", key_file, "-o", "small.gif")
    Path("raw.imgc").write_bytes(imgcrypt.encrypt(image, Key.load(key_file), raw=True))
    fails(run, 1, "raw.imgc: the file has no preview", "preview", "raw.imgc", "-k", key_file, "-o", "no.png")
    fails(run, 1, "cannot read nowhere.imgc", "preview", "nowhere.imgc", "-k", key_file, "-o", "no.png")


@pytest.mark.parametrize("command", ["enc", "dec", "inspect"])
def test_inputs_that_cannot_be_read_are_refused(command: str, run: Run, key_file: str) -> None:
    Path("folder.imgc").mkdir()
    options = [] if command == "inspect" else ["-k", key_file, "-o", "out.imgc" if command == "enc" else "out.png"]
    fails(run, 1, "^imgcrypt: cannot read nowhere.imgc: No such file", command, "nowhere.imgc", *options)
    if command == "inspect":  # the others take folders
        fails(run, 1, "^imgcrypt: cannot read folder.imgc: Is a directory", command, "folder.imgc", *options)
    fails(run, 1, f"^imgcrypt: cannot read {key_file}/x.imgc", command, f"{key_file}/x.imgc", *options)


def test_what_is_no_picture_is_refused(run: Run, key_file: str) -> None:
    whole = save("a.png", noise((40, 50)))
    for data in (b"", b"some text", whole[:50], whole[: len(whole) // 2]):
        Path("b.png").write_bytes(data)
        fails(run, 1, "imgcrypt: cannot read b.png: .*--exact", "enc", "b.png", "-k", key_file)
        fails(run, 1, "imgcrypt: cannot read the picture", "enc", "-", "-k", key_file, stdin=data)


def test_sixteen_bits_without_lossless_are_refused(run: Run, key_file: str) -> None:
    save("a.png", noise((4, 5), "uint16"))
    fails(run, 1, "keep it lossless", "enc", "a.png", "-k", key_file)


def test_bad_key_files_are_refused(run: Run, key_file: str) -> None:
    save("a.png", noise((4, 5)))
    Path("typo.txt").write_text(Path(key_file).read_text().rstrip()[:-9])
    Path("binary.txt").write_bytes(bytes(range(256)))
    fails(run, 1, "typing error", "enc", "a.png", "-k", "typo.txt")
    fails(run, 1, "not text", "enc", "a.png", "-k", "binary.txt")
    fails(run, 1, "cannot read the key file /dev/null: it is a device", "enc", "a.png", "-k", "/dev/null")
    fails(run, 1, "cannot read the key file nowhere", "enc", "a.png", "-k", "nowhere")
    fails(run, 1, r"cannot read the key file \.", "enc", "a.png", "-k", ".")


def test_outputs_that_cannot_be_written_are_refused(run: Run, key_file: str) -> None:
    Path("folder").mkdir()
    save("a.png", noise((4, 5)))
    blob = imgcrypt.encrypt(noise((4, 5)), Key.load(key_file), lossless=True)
    Path("a.imgc").write_bytes(blob)
    fails(run, 1, "cannot write no/b.imgc", "enc", "a.png", "-k", key_file, "-o", "no/b.imgc")
    fails(run, 1, "cannot write no/b.png", "dec", "a.imgc", "-k", key_file, "-o", "no/b.png")
    fails(run, 1, "cannot write .*no/key.txt", "keygen", "-o", "no/key.txt")
    fails(run, 1, "folder is a folder", "enc", "a.png", "-k", key_file, "-o", "folder")
    fails(run, 1, "folder is a folder", "dec", "a.imgc", "-k", key_file, "-o", "folder", "--force")
    fails(run, 1, "too long", "enc", "a.png", "-k", key_file, "-o", "a" * 300)
    assert list(Path("folder").iterdir()) == []


def test_read_only_folder_is_refused(run: Run, key_file: str) -> None:
    save("a.png", noise((4, 5)))
    Path("closed").mkdir(mode=0o500)
    if os.access("closed", os.W_OK):
        pytest.skip("permissions do not bind this user")
    fails(run, 1, "cannot write closed/b.imgc", "enc", "a.png", "-k", key_file, "-o", "closed/b.imgc")


@pytest.mark.parametrize(
    ("name", "code", "sentence"),
    [("b.gif", 2, "cannot write pictures as .gif"), ("b", 2, "without suffix"), ("b.jpg", 1, "cannot hold")],
)
def test_picture_that_its_format_cannot_hold_is_refused(
    name: str, code: int, sentence: str, run: Run, key_file: str
) -> None:
    Path("a.imgc").write_bytes(imgcrypt.encrypt(noise((4, 5), "uint16"), Key.load(key_file), lossless=True))
    fails(run, code, sentence, "dec", "a.imgc", "-k", key_file, "-o", name)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--suite", "plain"], "'hybrid', 'chaos'"),
        (["--provider", "tpu"], "'auto', 'cpu', 'cuda'"),
        (["--net", "none"], "no net is called 'none'"),
        (["--rate", "0.99"], "the rates served are"),
        (["--lossless", "--rate", "0.18"], "leave out"),
        (["--lossless", "--target-psnr", "30"], "leave out"),
        (["--rate", "0.18", "--target-psnr", "30"], "leave out --rate"),
        (["--target-psnr", "nan"], "a finite number"),
        (["--target-psnr", "30", "--net", "fclbcnn"], "has but one rate"),
    ],
)
def test_options_that_are_not_served_are_refused(options: list[str], sentence: str, run: Run, key_file: str) -> None:
    save("a.png", noise((4, 5, 3)))
    before = contents()
    done = run("enc", "a.png", "-k", key_file, *options)
    assert done.code in (1, 2)
    assert sentence in done.text
    assert contents() == before


@pytest.mark.parametrize(
    "arguments",
    [
        ["enc"],
        ["dec"],
        ["inspect"],
        ["keygen"],
        ["nonsense"],
        ["enc", "a", "b"],
        ["enc", "a", "--rate", "much"],
        ["-x"],
    ],
)
def test_usage_errors_exit_with_2(arguments: list[str], run: Run) -> None:
    done = run(*arguments)
    assert (done.code, done.out) == (2, b"")
    assert "Usage: " in done.text
    assert contents() == {}


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["enc", "-h"], ["dec", "--help"]])
def test_help_goes_to_standard_output(arguments: list[str], run: Run) -> None:
    done = run(*arguments)
    assert (done.code, done.text) == (0, "")
    assert b"Usage: " in done.out


def test_command_alone_shows_its_help(run: Run) -> None:
    done = run()
    assert done.code in (0, 2)
    assert "Usage: " in done.out.decode() + done.text


def test_file_that_does_not_open_to_the_same_samples_is_not_written(
    run: Run, key_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    save("a.png", noise((4, 5)))
    changed = imgcrypt.Picture(noise((4, 5)) ^ 1, metadata=imgcrypt.read("a.png").metadata)
    monkeypatch.setattr("imgcrypt.decrypt_picture", lambda *_, **__: changed, raising=False)
    fails(run, 1, "nothing was written", "enc", "a.png", "-k", key_file, "--lossless")


def test_lack_of_memory_is_one_sentence(run: Run, key_file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise MemoryError

    save("a.png", noise((4, 5)))
    monkeypatch.setattr("imgcrypt.encrypt", fail, raising=False)
    fails(run, 1, "^imgcrypt: .*memory", "enc", "a.png", "-k", key_file)


# --- dec --recover ----------------------------------------------------------------------------------------------------


def test_recover_opens_what_dec_refuses_and_warns(run: Run, key_file: str, picture: MakePicture) -> None:
    image = picture(100, 120)
    blob = imgcrypt.encrypt(image, Key.load(key_file), raw=True)
    Path("a.png.imgc").write_bytes(blob[:20_000] + bytes(1000) + blob[21_000:])
    fails(run, 1, "damaged or changed", "dec", "a.png.imgc", "-k", key_file)
    done = run("dec", "a.png.imgc", "-k", key_file, "--recover")
    assert (done.code, done.out) == (4, b"")
    told = re.fullmatch(
        r"a.png.imgc -> a.png: 120 x 100 color warning: the picture is NOT authenticated: 1 of 1 packets failed; "
        r"(\d+) of 36000 bytes were lost and are filled in, (\d+) more may be anybody's",
        done.text,
    )
    assert told
    # The 712 bytes of one block take all of it along, the 288 of the next one as many more.
    assert 1590 < int(told[1]) < 1750
    assert int(told[1]) + int(told[2]) == 36_000
    assert psnr(image, load("a.png")) > 35


@pytest.mark.parametrize("arguments", [["-v"], ["-o", "b.tif"], ["-o", "-"]])
def test_recover_of_an_intact_file_says_that_it_is_authentic(arguments: list[str], run: Run, key_file: str) -> None:
    image = noise((9, 7, 3))
    Path("a.png.imgc").write_bytes(imgcrypt.encrypt(image, Key.load(key_file), lossless=True))
    done = run("dec", "a.png.imgc", "-k", key_file, "--recover", *arguments)
    assert done.code == 0
    assert "nothing was lost, and the picture is authentic" in done.text
    assert "warning" not in done.text
    np.testing.assert_array_equal(load(done.out or ("b.tif" if "b.tif" in arguments else "a.png")), image)


def test_recover_reads_a_stream_without_its_beginning(run: Run, key_file: str) -> None:
    image = noise((9, 7, 3))
    blob = imgcrypt.encrypt(image, Key.load(key_file), lossless=True)
    done = run("dec", "-", "-k", key_file, "--recover", stdin=blob[50:])
    assert done.code == 0
    np.testing.assert_array_equal(load(done.out), image)


def test_recover_refuses_the_wrong_key_other_files_and_existing_outputs(run: Run, key_file: str) -> None:
    blob = imgcrypt.encrypt(noise((40, 50)), Key.load(key_file), raw=True)
    Key.generate().save("key2.txt")
    Path("a.imgc").write_bytes(blob[:-500])
    Path("empty.imgc").write_bytes(blob[: container.parse(blob).header_bytes])
    Path("other.imgc").write_bytes(b"something else")
    fails(run, 1, "is not the one", "dec", "a.imgc", "-k", "key2.txt", "--recover")
    fails(run, 1, "sixteenth|nothing", "dec", "empty.imgc", "-k", key_file, "--recover")
    fails(run, 1, "not an imgcrypt file", "dec", "other.imgc", "-k", key_file, "--recover")
    assert run("dec", "a.imgc", "-k", key_file, "--recover").code == 4
    fails(run, 1, "exists", "dec", "a.imgc", "-k", key_file, "--recover")


# --- inspect, demo, warmup --------------------------------------------------------------------------------------------


def test_inspect_tells_the_header_without_a_key(run: Run) -> None:
    blob = imgcrypt.encrypt(noise((70, 80, 4)), Key.generate())
    Path("a.imgc").write_bytes(blob)
    done = run("inspect", "a.imgc")
    info = imgcrypt.inspect(blob)
    assert done.code == 0
    lines = done.out.decode().splitlines()
    assert [line.split(" ", 1)[0] for line in lines] == ["format", "picture", "mode", "opens", "stands", "size"]
    for line, part in zip(
        lines,
        [
            "version 1, suite hybrid",
            "80 x 70 color with alpha",
            f"{info.net} at rate",
            "key file",
            f"the loss of {info.survives:.0%} of {info.packets} packets",
            f"{len(blob)} bytes",
        ],
        strict=True,
    ):
        assert part in line


@pytest.mark.parametrize("lossless", [True, False])
def test_inspect_gives_the_whole_info_as_json(lossless: bool, run: Run) -> None:
    blob = imgcrypt.encrypt(noise((7, 8)), Key.generate(), lossless=lossless)
    Path("a.imgc").write_bytes(blob)
    expected = dataclasses.asdict(imgcrypt.inspect(blob))
    expected["keys"] = list(expected["keys"])
    assert json.loads(run("inspect", "a.imgc", "--json").out) == expected | {"complete": True}
    assert json.loads(run("inspect", "-", "--json", stdin=blob[:-1]).out) == expected | {"complete": False}


def test_inspect_tells_how_much_of_a_cut_file_is_there(run: Run) -> None:
    blob = imgcrypt.encrypt(noise((70, 80)), Key.generate(), lossless=True)
    done = run("inspect", "-", stdin=blob[:1000])
    assert done.code == 0
    assert f"{len(blob)} bytes, but 1000 are there" in done.out.decode()
    fails(run, 1, "ends inside its header", "inspect", "-", stdin=blob[:150])
    fails(run, 1, "not an imgcrypt file", "inspect", "-", stdin=b"something else")


def test_demo_writes_its_stages_and_prints_a_table(run: Run) -> None:
    done = run("demo", "-o", "stages.png")
    assert done.code == 0
    stages = load("stages.png")
    assert stages.shape[1] > 4 * 500
    assert contents().keys() == {"stages.png"}
    printed = done.out.decode()
    for word in ("picture", "sampled", "scrambled", "sealed", "rebuilt", "PSNR", "stages.png"):
        assert word in printed


def test_demo_keeps_its_table_out_of_a_picture_on_standard_output(run: Run) -> None:
    done = run("demo", "-o", "-")
    if done.code == 0:
        assert done.out.startswith(b"\x89PNG")
        assert done.out.endswith(b"IEND\xaeB`\x82")
    else:
        assert done.out == b""
    assert contents() == {}


def test_doctor_reports_and_its_code_tells_whether_all_is_well(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    done = run("doctor")
    assert (done.code, done.text) == (0, "")
    assert "all is as it should be" in done.out.decode()
    report = json.loads(run("doctor", "--json").out)
    assert report["imgcrypt"] == imgcrypt.__version__
    monkeypatch.setattr(doctor, "examine", lambda: report | {"ok": False})
    assert run("doctor").code == 1


def test_warmup_compiles(run: Run) -> None:
    done = run("warmup")
    assert (done.code, done.text) == (0, "")
    assert b"compiled" in done.out


# --- as a process -----------------------------------------------------------------------------------------------------


def process(*arguments: str, **options: Any) -> tuple[int, bytes | None, str]:
    """The command as a process of its own, without this one's key and passphrase: its code and outputs."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("IMGCRYPT_")}
    environment["PYTHONIOENCODING"] = "utf-8:strict"  # as where the locale is UTF-8
    environment.pop("PYTHONUNBUFFERED", None)
    command = [sys.executable, "-m", "imgcrypt.cli", *arguments]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    done = subprocess.run(command, env=environment, timeout=120, **(streams | options))
    # On a slow machine it says that it compiles.
    lines = [line for line in done.stderr.decode().splitlines() if not line.startswith("compiling ")]
    return done.returncode, done.stdout, "\n".join(lines)


def test_processes_in_a_pipe(run: Run, key_file: str) -> None:
    code, blob, text = process("enc", "-", "-k", key_file, "--lossless", input=save("a.png", noise((9, 7, 3))))
    assert code == 0
    assert text.startswith("- -> -: 7 x 9 color")
    code, data, text = process("dec", "-", "-k", key_file, input=blob)
    assert (code, text) == (0, "- -> -: 7 x 9 color")
    np.testing.assert_array_equal(load(data), noise((9, 7, 3)))


def test_process_that_fails_says_one_sentence_and_ends_clean(run: Run, key_file: str) -> None:
    # The kernels are loading in the background when these commands stop.
    for arguments, sentence in [
        (["dec", "nowhere.imgc"], "imgcrypt: cannot read nowhere.imgc: No such file or directory"),
        (["dec", "key.txt", "-o", "out.png"], "imgcrypt: key.txt: this is not an imgcrypt file"),
    ]:
        code, out, text = process(*arguments, "-k", key_file)
        assert (code, out) == (1, b"")
        assert text.startswith(sentence)
        assert "\n" not in text
    assert contents().keys() == {key_file}


@pytest.mark.skipif(sys.platform != "linux", reason="names are Unicode elsewhere")
def test_name_that_is_not_utf_8_is_printed_somehow(run: Run) -> None:
    code, out, text = process("keygen", "-o", os.fsdecode(b"k\xff.txt"))
    assert (code, text) == (0, "")
    assert Key.load(os.fsdecode(b"k\xff.txt")).fingerprint().encode() in out


def test_reader_that_goes_away_is_no_traceback(run: Run, key_file: str) -> None:
    Path("a.imgc").write_bytes(imgcrypt.encrypt(noise((500, 500, 3)), Key.load(key_file), lossless=True))
    read, write = os.pipe()
    os.close(read)
    try:
        code, _, text = process("dec", "a.imgc", "-k", key_file, "-o", "-", stdout=write)
    finally:
        os.close(write)
    assert (code, text) == (1, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("command", [["dec", "a.imgc", "-k", "key.txt", "-o", "-"], ["inspect", "a.imgc"]])
def test_full_device_behind_standard_output_is_one_sentence(command: list[str], run: Run, key_file: str) -> None:
    Path("a.imgc").write_bytes(imgcrypt.encrypt(noise((4, 5)), Key.load(key_file), lossless=True))
    with Path("/dev/full").open("wb") as full:
        code, _, text = process(*command, stdout=full)
    assert code == 1
    *before, last = text.splitlines()
    assert all("compiled" in line for line in before)
    assert re.fullmatch("imgcrypt: .*No space left on device.*", last), text


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX sessions")
@pytest.mark.parametrize("command", ["enc", "dec"])
def test_passphrase_is_not_taken_from_the_input_where_there_is_no_terminal(command: str, run: Run) -> None:
    code, out, text = process(
        command,
        "-",
        "-p",
        "-o",
        {"enc": "out", "dec": "out.png"}[command],
        input=save("a.png", noise((4, 5))) if command == "enc" else (VECTORS / "passphrase.imgc").read_bytes(),
        start_new_session=True,
    )
    Path("a.png").unlink(missing_ok=True)
    assert code in (1, 2)
    assert out == b""
    assert "IMGCRYPT_PASSPHRASE" in text
    assert "Traceback" not in text
    assert contents() == {}


def test_a_picture_is_not_overwritten_by_its_own_ciphertext(run: Run, key_file: str) -> None:
    save("a.png", noise((4, 5)))
    Path("a.png").rename("a")
    fails(run, 1, "is the input a itself", "enc", "a", "-k", key_file, "--lossless", "-o", "a", "--force")


@pytest.mark.parametrize("command", ["enc", "dec"])
@pytest.mark.parametrize("output", ["key.txt", "a.imgc", "./key.txt", "link"])
def test_output_that_is_an_input_is_refused(command: str, output: str, run: Run, key_file: str) -> None:
    Path("a.imgc").write_bytes(imgcrypt.encrypt_bytes(b"any", Key.load(key_file)))
    Path("link").symlink_to("a.imgc")
    options = ["--exact"] if command == "enc" else []
    fails(run, 1, "is the input .* itself", command, "a.imgc", "-k", key_file, "-o", output, "--force", *options)


@pytest.mark.parametrize(
    ("name", "picture"), [("shot.1.imgc", "shot.1.png"), ("a.jpg.imgc", "a.png"), ("a.tif.imgc", "a.tif")]
)
def test_default_name_of_the_decrypted_picture(name: str, picture: str, run: Run, key_file: str) -> None:
    Path(name).write_bytes(imgcrypt.encrypt(noise((4, 5)), Key.load(key_file), lossless=True))
    assert run("dec", name, "-k", key_file).code == 0
    assert Path(picture).exists()


def test_keygen_writes_the_key_to_standard_output(run: Run) -> None:
    done = run("keygen", "-o", "-")
    assert done.code == 0
    key = Key.parse(done.out.decode())
    assert key.fingerprint() in done.text
    assert contents().keys() <= {"key.txt"}


def test_demo_makes_nothing_but_a_png(run: Run) -> None:
    assert run("demo", "-o", "stages.jpg").code == 2
    assert not Path("stages.jpg").exists()


# --- what a file carries ----------------------------------------------------------------------------------------------


def tagged(name: str, image: Picture) -> Metadata:
    """Write a picture with a profile, EXIF and a place in it, XMP and resolution; what imgcrypt reads of them."""
    exif = Image.Exif()
    exif[0x010F] = "Camera"
    exif.get_ifd(0x8825)[1], exif.get_ifd(0x8825)[2] = "N", (48.0, 51.0, 24.0)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf/></x:xmpmeta>"
    said = {"exif": exif, "icc_profile": profile, "xmp": xmp, "dpi": (300, 300)}
    if name.endswith(".tif"):
        # Pillow leaves places out of TIFFs.
        Image.fromarray(image).save("a.jpg", **said)
        data = pictures.encode(image, ".tif", imgcrypt.read("a.jpg").metadata)
        Path("a.jpg").unlink()
        Path(name).write_bytes(data)
    else:
        Image.fromarray(image).save(name, **said)
    found = imgcrypt.read(name).metadata
    assert None not in (found.profile, found.exif, found.resolution)
    return found


@pytest.mark.parametrize("lossless", [[], ["--lossless"]])
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_metadata_come_back(suffix: str, lossless: list[str], run: Run, key_file: str, picture: MakePicture) -> None:
    said = tagged(f"a{suffix}", picture(40, 50))
    assert run("enc", f"a{suffix}", "-k", key_file, *lossless).code == 0
    blob = Path(f"a{suffix}.imgc").read_bytes()
    for part in (said.profile, said.exif, b"Camera", f"a{suffix}".encode()):
        assert part is not None
        assert part not in blob
    Path(f"a{suffix}").unlink()
    assert run("dec", f"a{suffix}.imgc", "-k", key_file).code == 0
    back = "a.png" if suffix == ".jpg" and lossless else f"a{suffix}"
    found = imgcrypt.read(back).metadata
    assert Image.open(back).getexif().get_ifd(0x8825)[2] == (48.0, 51.0, 24.0)
    assert (found.profile, found.xmp) == (said.profile, said.xmp)
    assert found.resolution == pytest.approx(said.resolution, abs=0.01)


def test_strip_leaves_nothing_but_pixels(run: Run, key_file: str, picture: MakePicture) -> None:
    tagged("a.png", picture(40, 50))
    assert run("enc", "a.png", "-k", key_file, "--lossless", "--strip").code == 0
    blob = Path("a.png.imgc").read_bytes()
    assert container.parse(blob).metadata_bytes == 0
    assert run("dec", "a.png.imgc", "-k", key_file, "-o", "b.png").code == 0
    found = imgcrypt.read("b.png")
    assert found.metadata == Metadata(name="b.png", format="PNG")
    np.testing.assert_array_equal(found.pixels, picture(40, 50))


def test_what_the_output_format_does_not_hold_is_said(run: Run, key_file: str, picture: MakePicture) -> None:
    tagged("a.png", picture(40, 50))
    assert run("enc", "a.png", "-k", key_file).code == 0
    text = run("dec", "a.png.imgc", "-k", key_file, "-o", "a.bmp").text
    for word in ("color profile", "EXIF", "resolution"):
        assert f".bmp does not hold the {word}" in text
    assert "does not hold" not in run("dec", "a.png.imgc", "-k", key_file, "-o", "a.tif").text


def test_renamed_file_opens_to_the_original_name_and_format(run: Run, key_file: str) -> None:
    for name in ("a.tif", "b.bmp", "c.png"):
        save(name, noise((4, 5, 3)))
        assert run("enc", name, "-k", key_file, "--lossless").code == 0
        Path(f"{name}.imgc").rename("renamed")
        before = Path(name).read_bytes()
        Path(name).unlink()
        assert run("dec", "renamed", "-k", key_file).code == 0
        assert Path(name).read_bytes()[:2] == before[:2]
        np.testing.assert_array_equal(load(name), noise((4, 5, 3)))


def test_default_name_always_works(run: Run, key_file: str) -> None:
    for i, (name, image) in enumerate(
        [("a.bmp", noise((4, 5, 4))), ("b.bmp", noise((4, 5), "uint16")), ("c.jpg", noise((3, 3, 4)))]
    ):
        said = Metadata(name=name, format={"bmp": "BMP", "jpg": "JPEG"}[name[-3:]])
        Path(f"{i}.imgc").write_bytes(
            imgcrypt.encrypt(imgcrypt.Picture(image, metadata=said), Key.load(key_file), lossless=True)
        )
        assert run("dec", f"{i}.imgc", "-k", key_file).code == 0
        np.testing.assert_array_equal(load(f"{name[0]}.png"), image)


def test_sampled_jpeg_is_a_jpeg_again_which_is_said(run: Run, key_file: str, picture: MakePicture) -> None:
    tagged("a.jpg", picture(40, 50))
    assert run("enc", "a.jpg", "-k", key_file).code == 0
    Path("a.jpg").unlink()
    assert "a.jpg: 50 x 40 color; .jpg loses detail, --format png" in run("dec", "a.jpg.imgc", "-k", key_file).text
    assert Path("a.jpg").read_bytes().startswith(b"\xff\xd8")
    assert "loses" not in run("dec", "a.jpg.imgc", "-k", key_file, "--format", "png").text
    assert Path("a.png").read_bytes().startswith(b"\x89PNG")
    assert run("dec", "a.jpg.imgc", "-k", key_file, "--format", "tif", "-o", "no-suffix").code == 0
    assert Path("no-suffix").read_bytes().startswith(b"II*\0")


def test_name_in_a_file_replaces_nothing(run: Run, key_file: str) -> None:
    Path("mine").write_text("precious")
    Path("gift.imgc").write_bytes(imgcrypt.encrypt_bytes(b"other", Key.load(key_file), name="mine"))
    fails(run, 1, "exists", "dec", "gift.imgc", "-k", key_file)
    fails(
        run, 1, "mine, the name that is encrypted in gift.imgc, exists", "dec", "gift.imgc", "-k", key_file, "--force"
    )
    Path("mine.imgc").write_bytes(Path("gift.imgc").read_bytes())
    assert run("dec", "./mine.imgc", "-k", key_file, "--force").code == 0
    assert run("dec", "gift.imgc", "-k", key_file, "--force", "-o", "mine").code == 0
    assert Path("mine").read_text() == "other"


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX permissions")
@pytest.mark.parametrize("exact", [[], ["--exact"]])
def test_decrypted_file_is_for_its_owner_or_as_what_it_replaces(exact: list[str], run: Run, key_file: str) -> None:
    save("a.png", noise((4, 5)))
    assert run("enc", "a.png", "-k", key_file, *exact).code == 0
    Path("a.png").chmod(0o640)
    assert run("dec", "a.png.imgc", "-k", key_file, "--force").code == 0
    assert stat.S_IMODE(Path("a.png").stat().st_mode) == 0o640
    Path("a.png").unlink()
    assert run("dec", "a.png.imgc", "-k", key_file).code == 0
    assert stat.S_IMODE(Path("a.png").stat().st_mode) == 0o600


@pytest.mark.parametrize("data", [b"", b"no picture", bytes(range(256)) * 1000])
@pytest.mark.parametrize("name", ["a.heic", "a", "käse 図.gif"])
def test_exact_gives_the_file_back(name: str, data: bytes, run: Run, key_file: str) -> None:
    Path(name).write_bytes(data)
    done = run("enc", name, "-k", key_file, "--exact")
    assert done.code == 0
    assert "comes back exactly as it is" in done.text
    Path(f"{name}.imgc").rename("renamed.imgc")
    Path(name).unlink()
    assert b"mode        exact" in run("inspect", "renamed.imgc").out
    assert run("dec", "renamed.imgc", "-k", key_file).code == 0
    assert Path(name).read_bytes() == data
    assert run("dec", "renamed.imgc", "-k", key_file, "-o", "-").out == data
    assert run("dec", "-", "-k", key_file, stdin=run("enc", "-", "-k", key_file, "--exact", stdin=data).out).out == data


def test_recovered_picture_whose_metadata_are_lost_says_so(run: Run, key_file: str) -> None:
    picture = imgcrypt.Picture(noise((4, 5)), metadata=Metadata(name="a.png", format="PNG"))
    blob = imgcrypt.encrypt(picture, Key.load(key_file), lossless=True)
    header = container.parse(blob)
    at = header.packet_at(0) + header.parts[0].share_bytes
    Path("b.imgc").write_bytes(blob[:at] + bytes(40) + blob[at + 40 :])
    fails(run, 1, "b.imgc: .*--recover", "dec", "b.imgc", "-k", key_file)
    done = run("dec", "b.imgc", "-k", key_file, "--recover")
    assert done.code == 3
    assert "b.imgc -> b.png: 5 x 4 gray; what the file said beside the pixels is lost" in done.text
    assert "warning: 1 of 1 packets were damaged; the picture is authentic" in done.text


def test_exact_file_is_recovered_whole_or_not(run: Run, key_file: str) -> None:
    blob = imgcrypt.encrypt_bytes(bytes(range(200)), Key.load(key_file), name="a.gif")
    Path("a.gif.imgc").write_bytes(bytes(40) + blob[40:])
    for options in ([], ["--recover"]):
        done = run("dec", "a.gif.imgc", "-k", key_file, *options)
        assert done.code == 0
        assert "authentic" in done.text if options else "repaired" in done.text
        Path("a.gif").rename("b.gif")
    assert Path("b.gif").read_bytes() == bytes(range(200))
    at = container.parse(blob).header_bytes + 50
    Path("b.imgc").write_bytes(blob[:at] + bytes(20) + blob[at + 20 :])
    fails(run, 1, "a.imgc|b.imgc: bytes of the file are lost", "dec", "b.imgc", "-k", key_file, "--recover")


@pytest.mark.parametrize(
    "options",
    [["--lossless"], ["--rate", "0.1"], ["--strip"], ["--frame", "0"], ["--net", "a"], ["--target-psnr", "9"]],
)
def test_exact_takes_nothing_that_would_change_the_file(options: list[str], run: Run, key_file: str) -> None:
    save("a.png", noise((4, 5)))
    fails(run, 2, "--exact", "enc", "a.png", "-k", key_file, "--exact", *options)


def test_exact_is_named_where_it_helps(run: Run, key_file: str, picture: MakePicture) -> None:
    frames = [Image.fromarray(picture(20, 30)) for _ in range(3)]
    frames[0].rotate(90).save("a.gif", save_all=True, append_images=frames[1:])
    Path("a.xyz").write_bytes(b"something else")
    fails(run, 1, "a.gif: the file holds .* pictures.*--frame N, or --exact", "enc", "a.gif", "-k", key_file)
    fails(run, 1, "a.xyz: .*; --exact encrypts any file", "enc", "a.xyz", "-k", key_file)
    Image.fromarray(picture(200, 300, texture=False)).save("b.jpg", quality=30)
    for options in (["--target-psnr", "60"], ["--raw"]):
        done = run("enc", "b.jpg", "-k", key_file, *options, "--force")
        assert "b.jpg itself has" in done.text
        assert "--exact would" in done.text
    assert "--exact" not in run("enc", "b.jpg", "-k", key_file, "--force").text
    assert run("enc", "a.gif", "-k", key_file, "--frame", "1", "--lossless").code == 0
    assert run("dec", "a.gif.imgc", "-k", key_file).code == 0
    np.testing.assert_array_equal(load("a.png"), imgcrypt.read("a.gif", frame=1).pixels)


def test_notes_of_the_reader_and_its_limit_reach_the_user(run: Run, key_file: str, picture: MakePicture) -> None:
    Image.fromarray(picture(20, 30)).convert("CMYK").save("a.tif")
    assert "a.tif: colors were converted from CMYK" in run("enc", "a.tif", "-k", key_file, "--lossless").text
    fails(
        run, 1, "a.tif: .*30 x 20 .*: --max-pixels N", "enc", "a.tif", "-k", key_file, "--max-pixels", "599", "--force"
    )
    assert run("enc", "a.tif", "-k", key_file, "--max-pixels", "600", "--force").code == 0


# --- manners ----------------------------------------------------------------------------------------------------------


def test_odd_names_are_refused(run: Run, key_file: str) -> None:
    save("a.png", noise((4, 5)))
    Path("a.imgc").write_bytes(imgcrypt.encrypt(noise((4, 5)), Key.load(key_file), lossless=True))
    for command in (["enc", "a.png"], ["dec", "a.imgc"]):
        fails(run, 1, "the output has no name", *command, "-k", key_file, "-o", "")


def test_key_comes_from_standard_input(run: Run, key_file: str) -> None:
    save("a.png", noise((4, 5)))
    text = Path(key_file).read_bytes()
    assert run("enc", "a.png", "-k", "-", "--lossless", stdin=text).code == 0
    assert run("dec", "a.png.imgc", "-k", "-", "-o", "b.png", stdin=text).code == 0
    np.testing.assert_array_equal(load("b.png"), noise((4, 5)))
    fails(run, 1, "cannot take the key from standard input", "enc", "a.png", "-k", "-", "-o", "c", stdin=b"no key")
    fails(run, 1, "standard input.*65,536", "enc", "a.png", "-k", "-", "-o", "c", stdin=bytes(70_000))
    fails(run, 2, "standard input cannot be both", "enc", "-", "-k", "-", stdin=text)
    fails(run, 2, "standard input cannot be both", "enc", "a.png", "-k", "-", "-k", "-", stdin=text)


def test_errors_name_the_file(run: Run, key_file: str) -> None:
    save("a.png", noise((4, 5)))
    Path("a.imgc").write_bytes(imgcrypt.encrypt(noise((4, 5)), Key.load(key_file), lossless=True))
    Path("text.txt").write_text("words")
    fails(run, 1, "cannot read a.imgc: .*encrypted picture already", "enc", "a.imgc", "-k", key_file)
    fails(run, 1, "cannot read key.txt: it is a key file", "enc", key_file, "-k", key_file)
    fails(run, 1, "text.txt: this is not a key file", "enc", "a.png", "-k", "text.txt")
    fails(run, 1, "a.png: this is not an imgcrypt file", "dec", "a.png", "-k", key_file, "-o", "b.png")
    fails(run, 1, "a.png: this is not an imgcrypt file", "inspect", "a.png")


def test_damage_names_recover_once(run: Run, key_file: str) -> None:
    blob = imgcrypt.encrypt(noise((40, 50)), Key.load(key_file), lossless=True)
    for data in (blob[:-1500], blob[:500] + b"x" + blob[501:]):
        Path("a.imgc").write_bytes(data)
        fails(run, 1, "a.imgc: .*--recover opens what is left", "dec", "a.imgc", "-k", key_file)


@pytest.mark.parametrize(
    "arguments",
    [
        ["enc", "nowhere.png", "-p"],
        ["enc", "folder", "-p"],
        ["enc", "text.txt", "-p"],
        ["enc", "deep.png", "-p"],
        ["enc", "a.png", "-p", "-o", "nowhere/a.imgc"],
        ["enc", "a.png", "-p", "-o", "folder"],
        ["enc", "a.png", "-p", "--rate", "0.99"],
        ["enc", "a.png", "-p", "--net", "none"],
        ["dec", "nowhere.imgc", "-p"],
        ["dec", "folder", "-p"],
        ["dec", "a.png", "-p"],
        ["dec", "p.imgc", "-p", "-o", "nowhere/a.png"],
        ["dec", "p.imgc", "-p", "-o", "a.png"],
        ["dec", "p.imgc", "-p", "-o", "a.gif"],
        ["dec", "k.imgc", "-p", "-o", "b.png"],
    ],
)
def test_checks_come_before_questions(arguments: list[str], run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keychoice, "_has_terminal", lambda: pytest.fail("asked"))
    Path("folder").mkdir()
    Path("text.txt").write_text("words")
    save("a.png", noise((4, 5)))
    save("deep.png", noise((4, 5), "uint16"))
    Path("k.imgc").write_bytes(imgcrypt.encrypt(noise((4, 5)), Key.generate(), lossless=True))
    Path("p.imgc").write_bytes((VECTORS / "passphrase.imgc").read_bytes())
    before = contents()
    done = run(*arguments)
    assert done.code in (1, 2)
    assert done.text
    assert contents() == before


def test_quiet_says_nothing_but_warnings(run: Run, key_file: str, picture: MakePicture) -> None:
    Image.fromarray(picture(60, 70)).convert("CMYK").save("a.tif")
    assert run("enc", "a.tif", "-k", key_file, "-q", "--raw") == Done(0, b"", "")
    assert run("dec", "a.tif.imgc", "-k", key_file, "-q", "-o", "b.png") == Done(0, b"", "")
    blob = Path("a.tif.imgc").read_bytes()
    Path("a.tif.imgc").write_bytes(blob[:5000] + bytes(300) + blob[5300:])
    done = run("dec", "a.tif.imgc", "-k", key_file, "-q", "-o", "c.png", "--recover")
    assert done.code == 4
    assert done.text.startswith("warning: the picture is NOT authenticated")


def test_json_tells_what_was_done(run: Run, key_file: str, picture: MakePicture) -> None:
    save("a.png", picture(60, 70))
    done = run("enc", "a.png", "-k", key_file, "--json")
    assert (done.code, done.text) == (0, "")
    told = json.loads(done.out)
    info = dataclasses.asdict(imgcrypt.inspect(Path("a.png.imgc").read_bytes()))
    assert told == info | {
        "input": "a.png",
        "output": "a.png.imgc",
        "keys": ["key file"],
        "notes": [],
        "psnr": told["psnr"],
    }
    assert 25 < told["psnr"] < 60
    assert json.loads(run("enc", "a.png", "-k", key_file, "--json", "--lossless", "--force").out)["psnr"] is None
    assert json.loads(run("enc", "a.png", "-k", key_file, "--json", "--exact", "--force").out)["mode"] == "exact"
    told = json.loads(run("dec", "a.png.imgc", "-k", key_file, "--json", "-o", "b.png").out)
    assert (told["input"], told["output"], told["mode"]) == ("a.png.imgc", "b.png", "exact")
    blob = imgcrypt.encrypt(noise((40, 50)), Key.load(key_file), lossless=True)
    Path("c.imgc").write_bytes(blob[:500] + bytes(40) + blob[540:])
    done = run("dec", "c.imgc", "-k", key_file, "--json", "--recover")
    told = json.loads(done.out)
    assert (done.code, told["authentic"], told["failed_packets"]) == (4, False, 1)
    assert told["lost_bytes"] > 0
    for command in (["enc", "-"], ["enc", "a.png", "-o", "-"], ["dec", "-"], ["dec", "c.imgc", "-o", "-"]):
        fails(run, 2, "standard output", *command, "-k", key_file, "--json", "--force")


def test_version(run: Run) -> None:
    assert run("--version") == Done(0, f"imgcrypt {imgcrypt.__version__}\n".encode(), "")


def test_help_tells_defaults_examples_and_exit_codes(run: Run) -> None:
    texts = {name: " ".join(run(name, "--help").out.decode().split()) for name in ("enc", "dec")}
    for part in ("[default: 42]", "[default: $IMGCRYPT_KEY_FILE]", "[default: hybrid]", "lossy", "--exact"):
        assert part in texts["enc"]
    for name, text in texts.items():
        assert f"imgcrypt {name} photo.jpg" in text
        for code in ("0 done", "1 failed", "2 wrong usage", "3 recovered", "4 recovered", "130 interrupted"):
            assert code in text
    assert "lossy" in run("--help").out.decode()
    assert "[default: all]" in " ".join(run("bench", "quality", "--help").out.decode().split())


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    # Else what counts is the shell that the tests were started from, and there may be none.
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    code, out, text = process("--show-completion", shell)
    assert (code, text) == (0, "")
    assert out
    assert b"_IMGCRYPT_COMPLETE" in out


def test_names_reach_the_terminal_as_text(run: Run, key_file: str) -> None:
    save("a.png", noise((4, 5)))
    Path("a.png").rename("\x1b[2J\n.png")
    done = run("enc", "\x1b[2J\n.png", "-k", key_file)
    assert done.code == 0
    assert "\x1b" not in done.text
    assert r"\x1b[2J\n.png -> " in done.text


def test_warnings_of_libraries_are_not_the_users(run: Run, key_file: str) -> None:
    data = save("a.png", noise((4, 5, 3)))
    # A profile that libpng finds fault with, and a truncated EXIF block.
    chunks = [(b"iCCP", b"p\0\0" + zlib.compress(bytes(200))), (b"eXIf", b"II*\0\xff\xff\0\0")]
    packed = [len(body).to_bytes(4) + kind + body + zlib.crc32(kind + body).to_bytes(4) for kind, body in chunks]
    Path("a.png").write_bytes(data[:33] + b"".join(packed) + data[33:])
    code, out, text = process("enc", "a.png", "-k", key_file, "--lossless")
    assert (code, out) == (0, b"")
    assert all(line.startswith("a.png") for line in text.splitlines()), text


def test_compiling_is_told_where_it_happens_alone(run: Run, key_file: str, tmp_path: Path) -> None:
    save("a.png", noise((4, 5)))
    texts = []
    for _ in range(2):
        environment = {**os.environ, "IMGCRYPT_CACHE": str(tmp_path / "cache")}
        command = [sys.executable, "-m", "imgcrypt", "enc", "a.png", "-k", key_file, "--lossless", "--force"]
        done = subprocess.run(command, env=environment, timeout=300, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        texts.append(done.stderr)
    assert "compiling the cipher" not in texts[1]
    assert texts[1].startswith("a.png -> ")


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
@pytest.mark.parametrize(("typed", "code"), [(b"\x03", 130), (b"\x04", 1)])
def test_interrupt_at_a_prompt(typed: bytes, code: int, run: Run) -> None:
    import pty

    save("a.png", noise((4, 5)))
    child, terminal = pty.fork()
    if child == 0:
        os.environ.pop("IMGCRYPT_PASSPHRASE", None)
        os.execv(sys.executable, [sys.executable, "-m", "imgcrypt", "enc", "a.png", "-p"])
    out, answered = b"", False
    while True:
        try:
            part = os.read(terminal, 1000)
        except OSError:
            break
        if not part:
            break
        out += part
        if b"Passphrase" in out and not answered:
            # The prompt throws away what was typed before it.
            time.sleep(0.2)
            os.write(terminal, typed)
            answered = True
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == code
    assert b"Traceback" not in out
    assert contents().keys() == {"a.png"}


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
@pytest.mark.parametrize("delay", [0.3, 0.6, 0.9])
def test_interrupt_at_work_leaves_nothing(delay: float, run: Run, key_file: str) -> None:
    save("a.png", noise((1500, 1500, 3)))
    command = [sys.executable, "-m", "imgcrypt", "enc", "a.png", "-k", key_file]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(delay)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=60)
    assert child.returncode == 130, err
    assert b"Traceback" not in err
    assert contents().keys() == {key_file, "a.png"}
