"""The account of every file: a manifest a shard, in JSON lines, from which a later run knows what is done.

JSON lines and not Parquet: a line can be appended when its file is done, so that a killed run loses none, and it takes
no library of a hundred megabytes. Whoever wants Parquet has it by one call of pandas, Polars or DuckDB.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from imgcrypt.batch import stores
from imgcrypt.batch.stores import Place

FOLDER = ".imgcrypt"
"""Of the manifests, in the target."""
SUFFIX = ".jsonl"
SECONDS = 5.0
"""Between two uploads of a manifest that cannot be appended to."""
BEGUN, DONE, KEPT, FAILED = "begun", "done", "kept", "failed"
_DIGEST_BYTES = 8


@dataclasses.dataclass(frozen=True)
class Result:
    """What became of one file."""

    source: str
    """Its path or URL."""
    name: str
    """Its name in the tree, relative to the source that was given."""
    status: str
    """``done``; ``kept``: it was done before, and is not made again; ``failed``: ``error`` says why."""
    target: str | None = None
    """Relative to the target."""
    bytes_in: int = 0
    bytes_out: int = 0
    stamp: str = ""
    """The store's tag of the source, or when it was written."""
    digest: str | None = None
    """Of the source: SHA-256 of a ciphertext; of a picture HMAC-SHA-256 by the key file's key, None without one."""
    sealed: str | None = None
    """SHA-256 of the output."""
    decibels: float | None = None
    """PSNR that a sampled picture comes back with; None where every sample is kept."""
    pixels: int = 0
    repaired: int | None = None
    """Damaged packets of a ciphertext that its parity mended, 0 if the damage was beside them; None: it is whole."""
    seconds: float = 0.0
    error: str | None = None


class Journal:
    """The manifest of one shard while it is worked on.

    A local one gets a line as soon as a file is done. One in another store is uploaded anew every few seconds; its
    first upload names all files of the shard, so that what it had not told
    when it was killed is known to be a run's own.
    """

    def __init__(self, target: Place, name: str, heading: dict[str, Any], begun: Sequence[Result]) -> None:
        self._place = target.child(f"{FOLDER}/{name}{SUFFIX}")
        self._lines = [json.dumps(heading)]
        self._begun = {each.name: each for each in begun}
        self._uploaded = 0.0
        if self._place.local:
            path = Path(self._place.path)
            path.parent.mkdir(parents=True, exist_ok=True)
            # Names and digests of private pictures: for the owner alone.
            self._handle = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
            # Behind the half line of a killed worker, perhaps.
            os.write(self._handle, f"\n{self._lines[0]}\n".encode())
        else:
            self._upload()

    def add(self, result: Result) -> None:
        """Keep an account of a file; of several of one file the last holds."""
        line = json.dumps(_short(result))
        if self._place.local:
            os.write(self._handle, f"{line}\n".encode())
            return
        self._lines.append(line)
        self._begun.pop(result.name, None)
        if time.monotonic() - self._uploaded > SECONDS:
            self._upload()

    def close(self) -> None:
        """Nothing more is to come."""
        if self._place.local:
            os.close(self._handle)
        else:
            self._upload()

    def _upload(self) -> None:
        lines = [*self._lines, *(json.dumps(_short(each)) for each in self._begun.values())]
        stores.write(self._place, ("\n".join(lines) + "\n").encode(), force=True, private=True)
        self._uploaded = time.monotonic()


def entries(target: Place) -> Iterator[tuple[dict[str, Any], Result]]:
    """Every account in a target's manifests, oldest first, with its manifest's heading."""
    for listed in stores.listing(target.child(FOLDER)):
        if listed.name.endswith(SUFFIX):
            yield from read(target, listed.name.removesuffix(SUFFIX))


def read(target: Place, name: str) -> list[tuple[dict[str, Any], Result]]:
    """The accounts in one manifest, with its heading; none if it is not there. Unreadable lines are left out."""
    place = target.child(f"{FOLDER}/{name}{SUFFIX}")
    if stores.size(place) is None:
        return []
    heading: dict[str, Any] = {}
    found = []
    for line in stores.read(place).decode("utf-8", "replace").splitlines():
        # Of a killed worker the last line may be cut.
        with contextlib.suppress(ValueError, TypeError):
            fields = json.loads(line)
            if "settings" in fields:
                heading = fields
            else:
                found.append((heading, Result(**fields)))
    return found


class Account(NamedTuple):
    """What is known of a file that was worked on before, as short digests: there may be millions."""

    settings: bytes
    seen: bytes
    """Of the source's size and stamp; empty for a file that was begun and not told of."""
    content: bytes
    """Of the source's digest; empty if there is none."""
    made: bytes
    """Of the output's name and size."""

    @staticmethod
    def of(settings: str, result: Result) -> Account:
        """The account of a result under settings."""
        begun = result.status == BEGUN
        return Account(
            short(settings),
            b"" if begun else seen(result.bytes_in, result.stamp),
            short(result.digest) if result.digest else b"",
            b"" if begun else made(result.target or "", result.bytes_out),
        )


def short(*parts: object) -> bytes:
    """A digest of 8 bytes, to tell things apart that nobody chose to look alike."""
    return hashlib.blake2b(repr(parts).encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES).digest()


def seen(size: int, stamp: str) -> bytes:
    """Of what a listing says of a source."""
    return short(size, stamp)


def made(name: str, size: int) -> bytes:
    """Of an output."""
    return short(name, size)


def known(target: Place) -> dict[bytes, Account]:
    """By the digest of a source's name the last account of it, failures not counted: some 400 bytes of memory each."""
    found: dict[bytes, Account] = {}
    for heading, result in entries(target):
        key = short(result.name)
        if result.status in (DONE, KEPT) or (result.status == BEGUN and key not in found):
            found[key] = Account.of(heading.get("settings", ""), result)
    return found


def _short(result: Result) -> dict[str, Any]:
    """Its fields, without those that say nothing."""
    defaults = {field.name: field.default for field in dataclasses.fields(Result)}
    return {name: value for name, value in dataclasses.asdict(result).items() if value != defaults[name]}
