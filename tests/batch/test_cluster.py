"""Shards by Dask: the key is not in what is sent, and a worker that is killed costs nothing."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import imgcrypt
from imgcrypt import Identity, ImgcryptError, Key, batch
from imgcrypt.batch.cluster import Cluster

distributed = pytest.importorskip("distributed", reason="this test needs Dask: pip install imgcrypt[dask]")
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    before = dict(os.environ)
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50) as own:
        yield own
    for name in set(os.environ) - set(before):
        del os.environ[name]


@pytest.fixture
def photos(tmp_path: Path, picture: Callable[..., Any]) -> Path:
    (tmp_path / "photos").mkdir()
    for number in range(40):
        Image.fromarray(np.roll(picture(200, 200), number, 1)).save(tmp_path / "photos" / f"{number}.png")
    for number in range(4):
        (tmp_path / "photos" / f"{number}.png").write_bytes(b"broken")
    return tmp_path / "photos"


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What goes out of this process by Dask."""
    from distributed.comm import tcp

    found: list[bytes] = []
    whole = tcp.to_frames

    async def to_frames(*arguments: Any, **options: Any) -> Any:
        frames = await whole(*arguments, **options)
        found.extend(bytes(frame) for frame in frames)
        return frames

    monkeypatch.setattr(tcp, "to_frames", to_frames)
    return found


def test_a_worker_is_killed_and_the_key_is_in_nothing_that_is_sent(
    cluster: Any, photos: Path, tmp_path: Path, sent: list[bytes]
) -> None:
    key = Key.generate()
    key.save(tmp_path / "key.txt")
    results = batch.encrypt(
        photos,
        tmp_path / "vault",
        tmp_path / "key.txt",
        raw=True,
        distributor="dask",
        scheduler=cluster.scheduler_address,
    )
    found = [next(results)]
    os.kill(next(iter(cluster.workers.values())).pid, signal.SIGKILL)
    found += list(results)
    assert len({result.name for result in found}) == len(found) == 40
    assert sum(result.status == "failed" for result in found) == 4
    assert sum(result.status == "done" for result in found) == 36
    everything = b"".join(sent)
    assert b"key.txt" in everything, "the probe sees what is sent"
    for secret in (key.secret, key.secret.hex().encode(), key.text().removeprefix("imgcrypt-key-1-").encode()):
        assert secret not in everything
    for result in found:
        if result.status == "done":
            blob = (tmp_path / "vault" / str(result.target)).read_bytes()
            assert (imgcrypt.decrypt(blob, key) == imgcrypt.read(result.source).pixels).all()


def test_what_dask_does_not_do(cluster: Any, photos: Path, tmp_path: Path) -> None:
    with pytest.raises(ImgcryptError, match="not sent through Dask"):
        batch.encrypt(photos, tmp_path / "vault", Key.generate(), distributor="dask")
    with pytest.raises(ImgcryptError, match="no Dask cluster"):
        list(batch.encrypt(photos, tmp_path / "vault", distributor="dask", scheduler="nonsense"))
    with pytest.raises(ImgcryptError, match="key"):
        list(
            batch.encrypt(
                photos,
                tmp_path / "vault",
                tmp_path / "nowhere.txt",
                distributor="dask",
                scheduler=cluster.scheduler_address,
            )
        )


def test_a_cluster_of_ones_own_leaves_the_environment_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before = dict(os.environ)
    with Cluster(None, 1) as own:
        assert own.threads() == 1
        assert "OMP_NUM_THREADS" in os.environ
    assert dict(os.environ) == before


def test_a_client_that_failed_is_ended_at_once(photos: Path, tmp_path: Path) -> None:
    """Found by the garbage collector while another one begins, it would wait for the lock that this one holds."""
    gc.collect()
    gc.disable()
    try:
        before = sum(type(each) is distributed.Client for each in gc.get_objects())
        with pytest.raises(ImgcryptError, match="no Dask cluster"):
            list(
                batch.encrypt(
                    photos, tmp_path / "vault", Identity.generate().recipient, distributor="dask", scheduler="nonsense"
                )
            )
        assert sum(type(each) is distributed.Client for each in gc.get_objects()) == before
    finally:
        gc.enable()


def test_for_recipients_no_secret_is_needed_anywhere(
    cluster: Any, photos: Path, tmp_path: Path, sent: list[bytes]
) -> None:
    me = Identity.generate()
    results = list(
        batch.encrypt(
            [photos / f"{number}.png" for number in (0, 10, 11)],
            tmp_path / "vault",
            me.recipient,
            raw=True,
            distributor="dask",
            scheduler=cluster.scheduler_address,
        )
    )
    assert sorted(result.status for result in results) == ["done", "done", "failed"]
    everything = b"".join(sent)
    assert me.recipient.public in everything, "the probe sees what is sent"
    for secret in (me.secret, me.secret.hex().encode(), me.text().encode(), me.text().lower().encode()):
        assert secret not in everything
    for name in ("10.png", "11.png"):
        blob = (tmp_path / "vault" / f"{name}.imgc").read_bytes()
        assert imgcrypt.inspect(blob).keys == ("private key",)
        assert (imgcrypt.decrypt(blob, me) == imgcrypt.read(photos / name).pixels).all()
