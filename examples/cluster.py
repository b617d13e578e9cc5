"""A bucket of pictures encrypted by a Dask cluster, into another bucket, and back: all of it on this machine.

    pip install imgcrypt[examples]
    python examples/cluster.py 100

The S3 server is moto's, on loopback; with a real one, leave out `server`, and set AWS_ENDPOINT_URL and the credentials
as for any other program, here and on the workers.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from pathlib import Path

import distributed
import fsspec
from moto.server import ThreadedMotoServer

import imgcrypt
from imgcrypt import batch

PICTURES = 100


def server() -> ThreadedMotoServer:
    """An S3 server, and the variables by which this process and those that it starts find it."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # it tells of every request
    started = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    started.start()
    _, port = started.get_host_and_port()
    os.environ |= {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "example",
        "AWS_SECRET_ACCESS_KEY": "example",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    return started


def fill(bucket: str, count: int) -> None:
    """Put pictures into a bucket, of which one in a hundred is broken."""
    import numpy as np

    store = fsspec.filesystem("s3")
    store.mkdir(bucket)
    rng = np.random.default_rng(0)
    for number in range(count):
        pixels = np.kron(rng.integers(0, 256, (4, 4, 3), np.uint8), np.ones((16, 16, 1), np.uint8))
        data = b"broken" if number % 100 == 10 else imgcrypt.pictures.encode(pixels, ".png")
        store.pipe_file(f"{bucket}/{number // 50}/{number:04}.png", data)


def run(count: int, key_file: Path) -> dict[str, int]:
    """Encrypt and decrypt; how many files were done and failed, and came back the same."""
    fill("photos", count)
    store = fsspec.filesystem("s3")
    store.mkdir("vault")
    store.mkdir("back")
    # The workers read the key from its file. It must be there on each of their machines.
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        there = {"distributor": "dask", "scheduler": cluster.scheduler_address}
        sealed = list(batch.encrypt("s3://photos", "s3://vault", key_file, lossless=True, **there))
        opened = list(batch.decrypt("s3://vault", "s3://back", key_file, **there))
    for result in sealed:
        if result.error:
            print(f"{result.source}: {result.error}")
    store.invalidate_cache()
    same = sum(
        (
            imgcrypt.read(store.cat_file(f"back/{name}")).pixels
            == imgcrypt.read(store.cat_file(f"photos/{name}")).pixels
        ).all()
        for name in (str(result.target) for result in opened)
    )
    states = [result.status for result in sealed]
    return {"done": states.count("done"), "failed": states.count("failed"), "same": int(same)}


def main() -> None:
    """The whole example."""
    started = server()
    try:
        with tempfile.TemporaryDirectory() as folder:
            key_file = Path(folder, "key.txt")
            imgcrypt.Key.generate().save(key_file)
            print(run(int(sys.argv[1]) if len(sys.argv) > 1 else PICTURES, key_file))
    finally:
        started.stop()


if __name__ == "__main__":
    main()
