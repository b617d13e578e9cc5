"""What every public call does at its border with the program that called it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import numpy as np

from imgcrypt import idle
from imgcrypt.errors import ImgcryptError

P = ParamSpec("P")
R = TypeVar("R")


def public(function: Callable[P, R]) -> Callable[P, R]:
    """The function, but a lack of memory is an ImgcryptError, and the caller's ``np.seterr`` does not reach it.

    While it runs, this package counts as busy: see imgcrypt.idle.
    """

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            with idle.busy(), np.errstate(all="ignore"):
                return function(*args, **kwargs)
        except MemoryError:
            raise ImgcryptError(
                "this does not fit into memory; use a machine with more of it, or a smaller picture"
            ) from None

    return call
