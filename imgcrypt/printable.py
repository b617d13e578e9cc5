"""Names from outside, made fit to be shown."""

from __future__ import annotations


def printable(text: str) -> str:
    r"""The text on one line, with every character escaped that a terminal would obey instead of show.

    Those are control characters (escape codes and line ends among them), marks that turn the direction of the text,
    other invisible ones, and bytes of a file name that are no text: ``"a\x1b[2Jb"`` becomes ``"a\\x1b[2Jb"``.
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
