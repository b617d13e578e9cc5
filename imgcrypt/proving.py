"""A new file is opened again before the original may go, even where it is made for recipients alone."""

from __future__ import annotations

from collections.abc import Sequence

from imgcrypt import rewrapping
from imgcrypt.keys import Key
from imgcrypt.recipients import Recipient


def provers(whom: Sequence[Key | Recipient]) -> tuple[list[Key], list[Key]]:
    """Keys that a new file is to be made for beside ``whom``, and those that prove it.

    Where all are recipients, that is a throwaway key, which :func:`finished` removes; otherwise their own keys.
    """
    keys = [each for each in whom if isinstance(each, Key)]
    own = [] if keys else [Key.generate()]
    return own, own or keys


def finished(blob: bytes, own: Sequence[Key]) -> bytes:
    """The proven file, without the slots of the throwaway keys."""
    return rewrapping.rewrap(blob, own, remove=own) if own else blob
