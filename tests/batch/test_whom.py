"""Many files for recipients and several keys, protected against damage, and mended after it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import imgcrypt
from imgcrypt import Identity, ImgcryptError, Key, batch
from imgcrypt.batch import hold, manifest, stores
from imgcrypt.cli import app
from imgcrypt.runtime import zoo


@pytest.fixture
def photos(tmp_path: Path, picture: Callable[..., Any]) -> Path:
    (tmp_path / "photos").mkdir()
    for number in range(2):
        Image.fromarray(np.roll(picture(40, 56), number, 1)).save(tmp_path / "photos" / f"{number}.png")
    return tmp_path / "photos"


def only(results: Any) -> set[str]:
    return {result.status for result in results}


def same(photos: Path, back: Path) -> bool:
    names = sorted(each.name for each in photos.iterdir())
    assert sorted(each.name for each in back.iterdir() if each.name != manifest.FOLDER) == names
    return all((imgcrypt.read(photos / each).pixels == imgcrypt.read(back / each).pixels).all() for each in names)


@pytest.fixture
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (hold.KEY_VARIABLE, hold.PASSPHRASE_VARIABLE, hold.LOCK_VARIABLE):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("no_keys")
@pytest.mark.parametrize("mode", ["raw", "exact"])
def test_recipients_alone(photos: Path, tmp_path: Path, mode: str) -> None:
    me, other = Identity.generate(), Identity.generate()
    vault, back = tmp_path / "vault", tmp_path / "back"
    options: Any = {mode: True, "workers": 0}
    assert only(batch.encrypt(photos, vault, [me.recipient, other.recipient], **options)) == {"done"}
    for file in vault.glob("*.imgc"):
        assert imgcrypt.inspect(file.read_bytes()).keys == ("private key",) * 2, "no throwaway key is left in it"
    assert only(batch.encrypt(photos, vault, [other.recipient, me.recipient], **options)) == {"kept"}
    assert only(batch.decrypt(vault, back, other, workers=0)) == {"done"}
    assert same(photos, back)
    assert only(batch.verify(vault, [Key.generate(), me], opened=True, workers=0)) == {"done"}
    assert only(batch.verify(vault, Identity.generate(), opened=True, workers=0)) == {"failed"}
    # What was made for others is not taken for theirs, and who they are is not told.
    with pytest.raises(ImgcryptError, match="other settings"):
        list(batch.encrypt(photos, vault, me.recipient, **options))
    told = "".join(each.read_text() for each in (vault / manifest.FOLDER).iterdir())
    assert str(me.recipient) not in told
    assert me.recipient.public.hex() not in told
    with pytest.raises(TypeError, match="nothing here opens"):
        batch.decrypt(vault, tmp_path / "x", me.recipient)
    with pytest.raises(ImgcryptError, match="no key in this sequence"):
        batch.encrypt(photos, vault, [])


@pytest.mark.usefixtures("no_keys")
def test_several_keys_by_files_and_pipe(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    me, own = Identity.generate(), Key.generate()
    locked = tmp_path / "locked.txt"
    own.save(locked, "words")
    vault = tmp_path / "vault"
    with pytest.raises(ImgcryptError, match=hold.LOCK_VARIABLE):
        list(batch.encrypt(photos, vault, [me, locked], raw=True, workers=0))
    monkeypatch.setenv(hold.LOCK_VARIABLE, "words")
    results = list(batch.encrypt(photos, vault, [me, locked], raw=True, workers=1))
    assert only(results) == {"done"}
    assert all(result.digest for result in results)
    for key in (me, own):
        assert only(batch.verify(vault, key, opened=True, workers=0)) == {"done"}
    assert only(batch.decrypt(vault, tmp_path / "back", [Key.generate(), me], workers=0)) == {"done"}
    assert same(photos, tmp_path / "back")


def test_protection_damage_and_the_account_of_it(photos: Path, tmp_path: Path) -> None:
    key, vault = Key.generate(), tmp_path / "vault"
    options: Any = {"raw": True, "workers": 0}
    assert only(batch.encrypt(photos, vault, key, survive=0.25, **options)) == {"done"}
    file = vault / "0.png.imgc"
    whole = file.read_bytes()
    assert (imgcrypt.inspect(whole).survives or 0) >= 0.25
    for other in ({}, {"protection": "strong"}, {"survive": 0.3}):
        with pytest.raises(ImgcryptError, match="other settings"):
            list(batch.encrypt(photos, vault, key, **other, **options))
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 1
    file.write_bytes(damaged)
    assert only(batch.verify(vault, workers=0)) == {"done", "failed"}
    found = {r.name: r for r in batch.verify(vault, key, opened=True, workers=0)}
    assert {name: (r.status, r.repaired) for name, r in found.items()} == {
        "0.png.imgc": ("done", 1),
        "1.png.imgc": ("done", None),
    }
    progress: list[batch.Progress] = []
    back = {
        r.name: r.repaired for r in batch.decrypt(vault, tmp_path / "back", key, workers=0, progress=progress.append)
    }
    assert back == {"0.png.imgc": 1, "1.png.imgc": None}
    assert progress[-1].repaired == 1
    assert same(photos, tmp_path / "back")
    accounts = [r for _, r in manifest.entries(stores.place(tmp_path / "back"))]
    assert {r.name: r.repaired for r in accounts} == back
    # Another authentic file in its place is not what the manifest has, nor is one that is gone beyond repair.
    file.write_bytes(imgcrypt.encrypt(np.zeros((9, 9), np.uint8), key, raw=True))
    assert only(r for r in batch.verify(vault, key, opened=True, workers=0) if r.name == file.name) == {"failed"}
    file.write_bytes(whole[: len(whole) // 3])
    assert only(r for r in batch.verify(vault, key, opened=True, workers=0) if r.name == file.name) == {"failed"}


def test_workers_take_nets_from_the_zoo_that_is_named(photos: Path, tmp_path: Path) -> None:
    own = tmp_path / "zoo"
    own.mkdir()
    entry = next(each for each in json.loads((zoo.FOLDER / "manifest.json").read_text()) if each["layout"] == "layers")
    (own / "manifest.json").write_text(json.dumps([entry | {"name": "mine"}]))
    file = entry["reconstructor"]["file"]
    (own / file).write_bytes((zoo.FOLDER / file).read_bytes())
    key, vault = Key.generate(), tmp_path / "vault"
    with pytest.raises(ImgcryptError, match="no net is called"):
        batch.encrypt(photos, vault, key, net="mine")
    assert only(batch.encrypt(photos, vault, key, net="mine", zoo=own, workers=1)) == {"done"}
    assert imgcrypt.inspect((vault / "0.png.imgc").read_bytes()).net == "mine"
    assert only(batch.decrypt(vault, tmp_path / "back", key, zoo=own, workers=0)) == {"done"}


@pytest.mark.usefixtures("no_keys")
def test_at_a_shell(photos: Path, tmp_path: Path) -> None:
    me, own = Identity.generate(), Key.generate()
    me.save(tmp_path / "me.key")
    own.save(tmp_path / "own.txt")
    (tmp_path / "me.pub").write_text(f"{me.recipient}\n")
    vault = tmp_path / "vault"

    def run(*arguments: object) -> Any:
        return CliRunner().invoke(app, [*map(str, arguments)])

    one = ("--workers", 1)
    done = run("enc", photos, "-o", vault, "-r", tmp_path / "me.pub", "-k", tmp_path / "own.txt", "--raw",
               "--protect", "strong", *one)  # fmt: skip
    assert done.exit_code == 0, done.output
    info = imgcrypt.inspect((vault / "0.png.imgc").read_bytes())
    assert sorted(info.keys) == ["key file", "private key"]
    assert info.survives
    for name in ("0.png.imgc", "1.png.imgc"):
        data = bytearray((vault / name).read_bytes())
        data[len(data) // 2] ^= 1
        (vault / name).write_bytes(data)
    done = run("dec", vault, "-o", tmp_path / "back", "-k", tmp_path / "me.key", "--json", *one)
    assert done.exit_code == 0, done.output
    *lines, last = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["repaired"] for line in lines] == [1, 1]
    assert last["summary"]["repaired"] == 2
    assert done.stderr.count("imgcrypt repair") == 2
    done = run("repair", vault, "-k", tmp_path / "me.key")
    assert (done.exit_code, "2 repaired, 0 whole, 0 failed" in done.stderr) == (0, True)
    assert only(batch.verify(vault, workers=0)) == {"done"}
    (vault / "0.png.imgc").write_bytes(b"gone")
    done = run("repair", vault, "-k", tmp_path / "me.key")
    assert (done.exit_code, "0 repaired, 1 whole, 1 failed" in done.stderr) == (1, True)
    for arguments, said in [
        (["enc", photos, "-o", "x", "-r", me.recipient, "--survive", 2], "a share up to 0.9"),
        (["enc", photos, "-o", "x", "-r", me.recipient, "--lossless", "--rate", 0.1], "keeps every sample"),
        (["enc", photos, "-o", "x", "-r", me.recipient, "-p", "--distributor", "dask"], "passphrase of their"),
        (["repair", vault, "-o", "x", "-k", tmp_path / "me.key"], "in their places"),
    ]:
        done = run(*arguments)
        assert done.exit_code == 2, done.output
        assert said in " ".join(done.stderr.replace("│", " ").split())
    assert not Path("x").exists()
