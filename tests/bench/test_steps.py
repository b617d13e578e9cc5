"""Lines of progress come now and then, from the outermost loop, and only where a command asks for them."""

from __future__ import annotations

import pytest

from imgcrypt.bench import steps


def test_nothing_is_said_to_a_library(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "PAUSE", -1)
    assert list(steps.through([1, 2], "things")) == [1, 2]
    assert capsys.readouterr() == ("", "")


def test_the_outermost_loop_is_told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "PAUSE", -1)
    with steps.shown():
        found = [(outer, inner) for outer in steps.through("ab", "letters") for inner in steps.through([1], "numbers")]
        assert list(steps.through([], "nothing")) == []
    assert found == [("a", 1), ("b", 1)]
    assert capsys.readouterr() == ("", "letters: 1 of 2\nletters: 2 of 2\n")


def test_lines_are_seconds_apart(capsys: pytest.CaptureFixture[str]) -> None:
    with steps.shown():
        assert len(list(steps.through(range(1000), "things"))) == 1000
    assert capsys.readouterr().err == ""
