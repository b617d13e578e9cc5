"""Environment variables that belong to the program this package is a guest of."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator


@contextlib.contextmanager
def restored(*names: str) -> Iterator[None]:
    """Afterwards the variables of these names are as they were before, or gone again."""
    before = {name: os.environ.get(name) for name in names}
    try:
        yield
    finally:
        for name, value in before.items():
            if value is not None:
                os.environ[name] = value
            else:
                os.environ.pop(name, None)
