"""Argon2id (RFC 9106): 32 bytes from a passphrase, at a cost in memory and time for each guess."""

from __future__ import annotations

import collections
import contextlib
import functools
import os
import struct
import threading
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from imgcrypt import loading
from imgcrypt.errors import DamagedError, DependencyError, ImgcryptError

LANES = 1
"""As libsodium has it. OpenSSL gives further lanes threads from one pool for the process, where derivations that run at
once wait for each other's for good; with one lane they share nothing."""
AT_ONCE_KIB = 1024 * 1024
"""Memory that all derivations of the process take together, unless :func:`limit` sets another."""


# Memory and passes of the second recommended option of RFC 9106, section 4.
MEMORY_KIB, PASSES = 64 * 1024, 3
# The least that the OWASP Password Storage Cheat Sheet recommends: below it, guesses are cheap.
LEAST_MEMORY_KIB, LEAST_PASSES = 19 * 1024, 2
# What a file may ask for at most, so that a hostile one cannot fill its reader's memory or stall it for long.
MOST_MEMORY_KIB = 4 * MEMORY_KIB
MOST_COST = 4 * MEMORY_KIB * PASSES
"""KiB times passes, all passphrase slots of a file together."""
PARAMETERS = struct.Struct("<16sII")
"""Salt, memory in KiB and passes, as files hold them."""


class Argon2id(NamedTuple):
    """What a run of Argon2id takes beside the passphrase; its output has 32 bytes."""

    salt: bytes
    memory_kib: int
    passes: int

    def pack(self) -> bytes:
        """As files hold it: 24 bytes."""
        return PARAMETERS.pack(*self)

    @classmethod
    def unpack(cls, data: bytes) -> Argon2id:
        """The inverse of :meth:`pack`."""
        return cls(*PARAMETERS.unpack(data))


def fresh() -> Argon2id:
    """For a new file: a random salt, and what is recommended."""
    return Argon2id(os.urandom(16), MEMORY_KIB, PASSES)


def check(asked: Sequence[Argon2id]) -> None:
    """Refuse what a file asks for in all, before any of it is done.

    Raises:
        DamagedError: no honest file asks for that.
    """
    if any(
        not LEAST_MEMORY_KIB <= each.memory_kib <= MOST_MEMORY_KIB or each.passes < LEAST_PASSES for each in asked
    ) or (sum(each.memory_kib * each.passes for each in asked) > MOST_COST):
        wanted = ", ".join(f"{each.memory_kib} KiB and {each.passes} passes" for each in asked)
        raise DamagedError(
            f"the file asks for Argon2id with {wanted}, as no honest file does; it is damaged or hostile"
        )


class _Memory:
    """Memory for the derivations that run at once; those that find none left wait, first come first served."""

    def __init__(self, kib: int) -> None:
        self.kib = kib
        self._renew()
        if hasattr(os, "register_at_fork"):
            # The threads that hold or wait are not in the child.
            os.register_at_fork(after_in_child=self._renew)

    def _renew(self) -> None:
        self._changed = threading.Condition()
        self._queue: collections.deque[object] = collections.deque()
        self._taken = 0

    @contextlib.contextmanager
    def take(self, kib: int) -> Iterator[None]:
        ticket, taken = object(), 0
        try:
            with self._changed:
                self._queue.append(ticket)
                try:
                    self._changed.wait_for(
                        lambda: self._queue[0] is ticket and (not self._taken or self._taken + kib <= self.kib)
                    )
                    taken = kib
                    self._taken += taken
                finally:
                    self._queue.remove(ticket)
                    self._changed.notify_all()
            yield
        finally:
            with self._changed:
                self._taken -= taken
                self._changed.notify_all()


_memory = _Memory(AT_ONCE_KIB)


def limit(memory_kib: int) -> None:
    """Bound the memory that all derivations of this process take together: 1 GiB if this is never called.

    A derivation that finds too little left waits for those before it. One that alone needs more is refused. Files
    made by this release need 64 MiB, others up to 256 MiB.
    """
    _memory.kib = memory_kib


def argon2id(passphrase: bytes, parameters: Argon2id) -> bytes:
    """Argon2id with one lane: 32 bytes.

    Raises:
        ImgcryptError: it needs more memory than there is, or than :func:`limit` allows.
        DependencyError: the OpenSSL below the library cryptography has no Argon2id.
    """
    need = f"the passphrase needs {parameters.memory_kib / 1024:.0f} MiB of memory for this file"
    if parameters.memory_kib > _memory.kib:
        raise ImgcryptError(f"{need}, and this process allows {_memory.kib / 1024:.0f}; allow more, or use a key file")
    try:
        with _memory.take(parameters.memory_kib):
            kdf = _argon2().Argon2id(
                salt=parameters.salt,
                length=32,
                iterations=parameters.passes,
                lanes=LANES,
                memory_cost=parameters.memory_kib,
            )
            derived: bytes = kdf.derive(passphrase)
            return derived
    except MemoryError:
        raise ImgcryptError(f"{need}, and that is not there; end other programs, or use a key file") from None


@functools.cache
def _argon2() -> Any:
    return loading.whole(_load)


def _load() -> Any:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.kdf import argon2

    try:
        # OpenSSL locks its list of algorithms where it first looks for one; a child forked meanwhile finds it locked.
        argon2.Argon2id(salt=bytes(16), length=32, iterations=1, lanes=LANES, memory_cost=8).derive(b"")
    except UnsupportedAlgorithm:
        raise DependencyError(
            "the library cryptography has no Argon2id here, which passphrases need; install its wheel from PyPI "
            "(OpenSSL 3.2 or later), or use a key file"
        ) from None
    return argon2
