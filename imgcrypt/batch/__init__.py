"""Many pictures: folders and buckets, on one machine or on a cluster. docs/batch.md says how it works.

    for result in imgcrypt.batch.encrypt(["photos"], "vault", "key.txt"):
        print(result.source, result.status)

stores.py     files by fsspec's URLs: listing, reading, writing whole or not at all
plan.py       what there is to do: the walk through the sources, cut into shards
work.py       the work on one file
shards.py     a shard of files, as one task
manifest.py   the account of every file, by which a run goes on where another ended
hold.py       where a worker takes the key from
processes.py cluster.py   who does the shards: processes of this machine, a Dask cluster
jobs.py       encrypt, decrypt, verify
command.py    the same at a shell
"""

from __future__ import annotations

from imgcrypt.batch.jobs import BatchError, Progress, decrypt, encrypt, verify
from imgcrypt.batch.manifest import Result

__all__ = ["BatchError", "Progress", "Result", "decrypt", "encrypt", "verify"]
