"""``bench keystream``: the raw keystream as bytes, for whatever test of randomness reads them."""

from __future__ import annotations

from collections.abc import Iterator

from imgcrypt import cipher


def parts(key: bytes, size: int) -> Iterator[memoryview]:
    """The raw keystream (docs/format.md, section 4.1, seed stream 3) under a key of 32 bytes, a few MiB at a time.

    ``size`` is in bytes; 0 never ends.
    """
    left = size
    for block in cipher.keystream_blocks(key):
        if size and left <= len(block):
            yield block[:left].data
            return
        yield block.data
        left -= len(block)
