"""Names on their way to a terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgcrypt import shell
from imgcrypt.printable import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("photo.png", "photo.png"),
        ("Grüße 写真 🙂.png", "Grüße 写真 🙂.png"),
        (r"C:\new\pictures", r"C:\new\pictures"),
        ("a\x1b[2Jb", r"a\x1b[2Jb"),
        ("a\nimgcrypt: all is well\r", r"a\nimgcrypt: all is well\r"),
        ("gnp\u202e.exe", r"gnp\u202e.exe"),
        ("\x9b31m\x7f\0", r"\x9b31m\x7f\x00"),
        ("a\u2028b\u200b", r"a\u2028b\u200b"),
        ("bytes \udcff", r"bytes \udcff"),
    ],
)
def test_what_a_terminal_would_obey_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text(st.characters()))
def test_any_text_becomes_one_line_that_prints(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert len(shown.splitlines()) <= 1
    shown.encode()
    assert printable(shown) == shown


def test_what_the_shell_says_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    shell.say("imgcrypt: cannot read a\x1b[2J\nb.png")
    assert capsys.readouterr().err == "imgcrypt: cannot read a\\x1b[2J\\nb.png\n"
