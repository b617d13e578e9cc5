"""Many files: what is done, kept, skipped and failed, whatever is killed; and where the key does not go."""

from __future__ import annotations

import json
import os
import random
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import imgcrypt
from imgcrypt import Identity, ImgcryptError, Key, batch, cli
from imgcrypt.batch import hold, manifest, plan, processes, stores

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
SUBPROCESS = "import sys; from imgcrypt.cli import main; sys.argv[0] = 'imgcrypt'; main()"


@pytest.fixture
def photos(tmp_path: Path, picture: Callable[..., Any]) -> Path:
    """A tree: five pictures, one broken, one text."""
    folder = tmp_path / "photos"
    (folder / "deep" / "er").mkdir(parents=True)
    for number, name in enumerate(["a.png", "b.bmp", "deep/a.png", "deep/er/c.png", "d\u00e9 f.png"]):
        Image.fromarray(np.roll(picture(24, 40), number, 1)).save(folder / name)
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    (folder / "notes.txt").write_text("no picture")
    return folder


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    Key.generate().save(tmp_path / "key.txt")
    return tmp_path / "key.txt"


def statuses(results: Any) -> dict[str, str]:
    return {result.name: result.status for result in results}


def files_of(folder: Path) -> dict[str, bytes]:
    found = [each for each in folder.rglob("*") if each.is_file() and manifest.FOLDER not in each.parts]
    return {each.relative_to(folder).as_posix(): each.read_bytes() for each in found}


def run(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", SUBPROCESS, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **options)


def test_a_tree_there_and_back_and_again(photos: Path, tmp_path: Path, key_file: Path) -> None:
    vault, back = tmp_path / "vault", tmp_path / "back"
    progress: list[batch.Progress] = []

    def encrypt(**options: Any) -> dict[str, str]:
        return statuses(
            batch.encrypt(photos, vault, key_file, lossless=True, workers=0, progress=progress.append, **options)
        )

    first = encrypt()
    assert {name for name, status in first.items() if status == "failed"} == {"broken.png"}
    assert len(first) == 6
    assert progress[-1][:5] == (6, 6, 1, 0, 1)
    assert set(files_of(vault)) == {f"{name}.imgc" for name in first if name != "broken.png"}
    assert encrypt() == {name: "failed" if name == "broken.png" else "kept" for name in first}

    # Touched, changed, its output gone, new.
    os.utime(photos / "a.png", (1, 1))
    Image.new("RGB", (8, 9)).save(photos / "b.bmp")
    (vault / "deep" / "a.png.imgc").unlink()
    Image.new("L", (8, 9)).save(photos / "new.png")
    (photos / "broken.png").unlink()
    before = files_of(vault)
    assert encrypt() == {
        "a.png": "kept",
        "b.bmp": "done",
        "deep/a.png": "done",
        "deep/er/c.png": "kept",
        "dé f.png": "kept",
        "new.png": "done",
    }
    assert files_of(vault)["a.png.imgc"] == before["a.png.imgc"]
    assert set(encrypt().values()) == {"kept"}
    assert set(encrypt(force=True).values()) == {"done"}

    assert set(statuses(batch.decrypt(vault, back, key_file, workers=0)).values()) == {"done"}
    assert set(files_of(back)) == set(files_of(photos)) - {"notes.txt"}
    for name in files_of(back):
        assert (imgcrypt.read(back / name).pixels == imgcrypt.read(photos / name).pixels).all()
    assert stat.S_IMODE((back / "a.png").stat().st_mode) == 0o600
    assert set(statuses(batch.decrypt(vault, back, key_file, workers=0)).values()) == {"kept"}


def test_a_decrypted_picture_that_its_owner_changed_is_left_alone(photos: Path, tmp_path: Path, key_file: Path) -> None:
    list(batch.encrypt(photos / "a.png", tmp_path / "vault", key_file, lossless=True, workers=0))
    list(batch.decrypt(tmp_path / "vault", tmp_path / "back", key_file, workers=0))
    (tmp_path / "back" / "a.png").write_bytes(b"his own work")
    [result] = batch.decrypt(tmp_path / "vault", tmp_path / "back", key_file, workers=0)
    assert result.status == "failed"
    assert "exists" in str(result.error)
    assert (tmp_path / "back" / "a.png").read_bytes() == b"his own work"


def test_lossy_exact_and_their_account(photos: Path, tmp_path: Path, key_file: Path) -> None:
    [result] = batch.encrypt(photos / "a.png", tmp_path / "one", key_file, workers=0)
    assert 38 < result.decibels < 60
    assert (result.bytes_in, result.pixels) == ((photos / "a.png").stat().st_size, 24 * 40)
    results = list(batch.encrypt([photos], tmp_path / "all", key_file, exact=True, workers=0))
    assert statuses(results)["notes.txt"] == "done"
    list(batch.decrypt(tmp_path / "all", tmp_path / "back", key_file, workers=0))
    assert files_of(tmp_path / "back") == files_of(photos)
    jpeg = tmp_path / "j.jpg"
    Image.new("RGB", (9, 9)).save(jpeg)
    list(batch.encrypt(jpeg, tmp_path / "j", key_file, lossless=True, workers=0))
    [result] = batch.decrypt(tmp_path / "j", tmp_path / "jb", key_file, workers=0)
    assert result.target == "j.jpg.png"
    assert [r.status for r in batch.decrypt(tmp_path / "j", tmp_path / "jb", key_file, workers=0)] == ["kept"]


def test_what_stands_there_is_not_replaced(photos: Path, tmp_path: Path, key_file: Path) -> None:
    vault = tmp_path / "vault"
    vault.mkdir()
    (vault / "a.png.imgc").write_bytes(b"somebody's")
    [result] = batch.encrypt(photos / "a.png", vault, key_file, raw=True, workers=0)
    assert "no manifest tells of it" in str(result.error)
    assert (vault / "a.png.imgc").read_bytes() == b"somebody's"
    [result] = batch.encrypt(photos / "a.png", vault, key_file, raw=True, force=True, workers=0)
    assert result.status == "done"
    with pytest.raises(ImgcryptError, match="other settings"):
        list(batch.encrypt(photos / "a.png", vault, key_file, lossless=True, workers=0))


def test_sources(photos: Path, tmp_path: Path, key_file: Path) -> None:
    vault = tmp_path / "vault"
    found = statuses(batch.encrypt([photos / "deep", photos / "a.png"], vault, key_file, raw=True, workers=0))
    assert set(found) == {"deep/a.png", "deep/er/c.png", "a.png"}
    with pytest.raises(ImgcryptError, match="no such file"):
        batch.encrypt(tmp_path / "nowhere", vault, key_file)
    with pytest.raises(ImgcryptError, match="two sources"):
        batch.encrypt([photos / "a.png", photos / "deep" / "a.png"], vault, key_file)
    only = statuses(batch.encrypt(photos, tmp_path / "bmp", key_file, raw=True, workers=0, glob="*.bmp"))
    assert set(only) == {"b.bmp"}
    # The target in the source is not walked into, nor a link that leads round.
    (photos / "loop").symlink_to(photos)
    inside = statuses(batch.encrypt(photos, photos / "vault", key_file, exact=True, workers=0))
    assert len(inside) == 7
    assert len(list(batch.encrypt(photos, photos / "vault", key_file, exact=True, workers=0))) == 7


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lossless": True, "exact": True}, "each keep all"),
        ({"rate": 0.1, "target_psnr": 40}, "cannot both"),
        ({"on_error": "ignore"}, "record or stop"),
        ({"distributor": "spark"}, "processes or dask"),
        ({"scheduler": "tcp://127.0.0.1:1"}, "Dask's"),
        ({"workers": -1}, "at least 1"),
        ({"suite": "rot13"}, "suite"),
        ({"net": "nothing"}, "no net is called"),
        ({"rate": 0.9}, "rates served"),
        ({"net": "fclbcnn", "rate": 0.5}, "rates served"),
        ({"survive": 0.95}, "at most 0.9"),
        ({"survive": 0.2, "protection": "strong"}, "cannot both"),
        ({"protection": "total"}, "protection"),
        ({"zoo": "nowhere"}, "manifest"),
    ],
)
def test_refused_before_any_work(
    photos: Path, tmp_path: Path, key_file: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ImgcryptError, match=message):
        batch.encrypt(photos, tmp_path / "vault", key_file, **options)
    assert not (tmp_path / "vault").exists()


def test_keys(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(hold.KEY_VARIABLE, raising=False)
    with pytest.raises(ImgcryptError, match="a worker has no key"):
        list(batch.encrypt(photos / "a.png", tmp_path / "one", workers=0))
    with pytest.raises(TypeError, match="a key is"):
        batch.encrypt(photos, tmp_path / "one", b"key")
    monkeypatch.setenv(hold.PASSPHRASE_VARIABLE, "some words of mine")
    [result] = batch.encrypt(photos / "a.png", tmp_path / "one", raw=True, workers=0)
    # A passphrase could be guessed by a digest that is keyed with it.
    assert (result.status, result.digest) == ("done", None)
    keys = (Key.generate(), Identity.generate(), Key.from_passphrase("wörter"), Key.from_passphrase("[more"))
    assert hold.from_bytes(hold.to_bytes(keys)) == keys
    assert hold.from_bytes(hold.to_bytes(())) == ()


def test_stores(photos: Path, key_file: Path, tmp_path: Path) -> None:
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.store.clear()
    memory.put(str(photos), "/in", recursive=True)
    assert len(list(batch.encrypt("memory://in", "memory://vault", key_file, raw=True))) == 6
    assert set(statuses(batch.encrypt("memory://in", "memory://vault", key_file, raw=True)).values()) == {
        "kept",
        "failed",
    }
    assert {r.status for r in batch.verify("memory://vault", key_file, opened=True)} == {"done"}
    list(batch.decrypt("memory://vault", tmp_path / "back", key_file))
    assert (imgcrypt.read(tmp_path / "back/a.png").pixels == imgcrypt.read(photos / "a.png").pixels).all()
    memory.store.clear()
    with pytest.raises(ImgcryptError, match="cannot open"):
        batch.encrypt("nothing://x", tmp_path / "v", key_file)
    memory.pipe("/in/a.png", b"")
    with pytest.raises(ImgcryptError, match="this process alone"):
        batch.encrypt("memory://in", tmp_path / "v", None, distributor="dask")


def test_a_store_without_whole_uploads_gets_the_name_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fsspec

    names: list[str] = []
    memory = fsspec.filesystem("memory")
    monkeypatch.setattr(stores, "WHOLE", frozenset())
    pipe = memory.pipe_file
    monkeypatch.setattr(type(memory), "pipe_file", lambda self, path, value: (names.append(path), pipe(path, value)))
    place = stores.place("memory://odd/a")
    stores.write(place, b"whole", False, False)
    assert names[0].endswith(".part")
    assert stores.read(place) == b"whole"
    assert [each.name for each in stores.listing(stores.place("memory://odd"))] == ["a"]
    with pytest.raises(ImgcryptError, match="exists"):
        stores.write(place, b"other", False, False)


def test_an_account_of_begun_files_in_a_store() -> None:
    """What a killed worker had not told of is known to be a run's own."""
    target = stores.place("memory://begun")
    begun = batch.Result("s", "a.png", manifest.BEGUN)
    manifest.Journal(target, "1", {"settings": "x"}, [begun])
    assert manifest.known(target)[manifest.short("a.png")].made == b""


def test_manifests_tell_nothing_of_the_pictures(photos: Path, tmp_path: Path, key_file: Path) -> None:
    import hashlib

    list(batch.encrypt(photos, tmp_path / "vault", key_file, raw=True, workers=0))
    made = sorted((tmp_path / "vault" / manifest.FOLDER).iterdir())
    assert {stat.S_IMODE(file.stat().st_mode) for file in made} == {0o600}
    text, key = "".join(file.read_text() for file in made), Key.load(key_file)
    assert hashlib.sha256((photos / "a.png").read_bytes()).hexdigest() not in text
    assert key.secret.hex() not in text
    assert key.text().removeprefix("imgcrypt-key-1-") not in text
    made[0].write_text(made[0].read_text() + '{"source": "cut')
    assert len(list(manifest.entries(stores.place(tmp_path / "vault")))) == 6


def test_verify(photos: Path, tmp_path: Path, key_file: Path) -> None:
    vault = tmp_path / "vault"
    with pytest.raises(ImgcryptError, match="no manifest"):
        batch.verify(photos)
    list(batch.encrypt(photos, vault, key_file, raw=True, workers=0))
    assert set(statuses(batch.verify(vault, workers=0)).values()) == {"done"}
    assert set(statuses(batch.verify(vault, Key.generate(), opened=True, workers=0)).values()) == {"failed"}
    (vault / "a.png.imgc").unlink()
    data = bytearray((vault / "b.bmp.imgc").read_bytes())
    data[-1] ^= 1
    (vault / "b.bmp.imgc").write_bytes(data)
    found = statuses(batch.verify(vault, workers=0))
    assert {name for name, status in found.items() if status == "failed"} == {"a.png.imgc", "b.bmp.imgc"}


def test_processes_stop_cancel_and_close(photos: Path, tmp_path: Path, key_file: Path) -> None:
    key = Key.load(key_file)
    found = statuses(batch.encrypt(photos, tmp_path / "one", key, raw=True, workers=2))
    assert sorted(found.values()) == ["done"] * 5 + ["failed"]
    with pytest.raises(batch.BatchError, match="broken"):
        list(batch.encrypt(photos, tmp_path / "two", key, raw=True, workers=1, on_error="stop"))
    event = threading.Event()
    results = batch.encrypt(photos, tmp_path / "three", key, raw=True, workers=0, cancel=event)
    next(results)
    event.set()
    with pytest.raises(imgcrypt.CancelledError):
        next(results)


def test_a_worker_that_dies_is_replaced_and_its_file_fails_at_last(
    photos: Path, tmp_path: Path, key_file: Path
) -> None:
    import multiprocessing

    results = batch.encrypt(photos, tmp_path / "vault", key_file, raw=True, workers=1)
    found = [next(results)]
    for child in multiprocessing.active_children():
        if child.name == "imgcrypt batch":
            os.kill(child.pid, signal.SIGKILL)
    found += list(results)
    assert sorted(r.status for r in found) == ["done"] * 5 + ["failed"]
    shard = plan.Shard(3, (plan.Item("s", "a.png", 1, "", tries=processes.DEATHS - 1),))
    mine: Any = type("P", (), {"rest": shard.items})
    assert "died" in processes._after_a_death(mine, 1).items[0].refused


@pytest.mark.skipif(os.name != "posix", reason="kills by signals")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_killed_and_run_again(photos: Path, tmp_path: Path, key_file: Path, number: int) -> None:
    vault = tmp_path / "vault"
    (photos / "broken.png").unlink()
    for i in range(15):
        Image.new("RGB", (300, 300), (i, 0, 0)).save(photos / f"{i}.png")
    command = [sys.executable, "-c", SUBPROCESS, "enc", photos, "-o", vault, "-k", key_file, "--raw", "--json"]
    command += ["--workers", "1"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    assert process.stdout
    for _ in range(random.randrange(1, 4)):
        process.stdout.readline()
    process.send_signal(number)
    process.stdout.close()
    _, err = process.communicate(timeout=60)
    assert process.returncode == {signal.SIGKILL: -9, signal.SIGTERM: 143}[signal.Signals(number)]
    assert b"Traceback" not in err
    # The workers end by themselves, at the file that they have.
    time.sleep(1)
    first = files_of(vault)
    assert first
    assert all(name.endswith(".imgc") for name in first)
    assert set(statuses(batch.encrypt(photos, vault, key_file, raw=True, workers=0)).values()) == {"done", "kept"}
    after = files_of(vault)
    assert len(after) == 20
    assert all(after[name] == data for name, data in first.items()), "work that was done was done again"
    assert {r.status for r in batch.verify(vault, key_file, opened=True, workers=0)} == {"done"}


def test_at_a_shell(photos: Path, tmp_path: Path, key_file: Path) -> None:
    done = run("enc", photos, "-o", tmp_path / "vault", "-k", key_file, "--json", "--workers", "1", "--raw")
    assert (done.returncode, done.stderr.count("failed: ")) == (1, 1)
    *lines, last = map(json.loads, done.stdout.splitlines())
    assert len(lines) == 6
    assert last["summary"]["skipped"] == last["summary"]["failed"] == 1
    runner = CliRunner()
    for arguments, said in [
        (["enc", photos, "-k", key_file], "name the folder"),
        (["enc", photos, "-", "-o", "x", "-k", key_file], "one file alone"),
        (["enc", photos / "a.png", "--glob", "*", "-k", key_file], "several files"),
        (["dec", tmp_path / "vault", "-o", "x", "--recover", "-k", key_file], "opens one file"),
        (["enc", photos, "-o", "x", "-k", "-", "--distributor", "dask"], "file of theirs"),
    ]:
        refused = runner.invoke(cli.app, list(map(str, arguments)))
        assert refused.exit_code == 2
        assert said in " ".join(refused.output.replace("│", " ").split())


def test_one_local_file_loads_no_fsspec(photos: Path, tmp_path: Path, key_file: Path) -> None:
    code = SUBPROCESS.replace("main()", "\ntry: main()\nfinally: assert 'fsspec' not in sys.modules")
    command = [sys.executable, "-c", code, "enc", photos / "a.png", "-k", key_file, "-o", tmp_path / "o.imgc", "--raw"]
    assert subprocess.run(command, timeout=60, check=False).returncode == 0
