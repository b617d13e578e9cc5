"""Medians, quartiles and the order of the turns; nothing here depends on how fast anything is."""

from __future__ import annotations

import pytest

from imgcrypt.bench import stopwatch
from imgcrypt.bench.stopwatch import Summary


def test_summary_is_median_and_quartiles():
    assert stopwatch.summary([5.0, 1.0, 3.0, 2.0, 4.0]) == Summary(3.0, 2.0, 4.0, 5)
    assert stopwatch.summary([4.0, 1.0, 2.0, 3.0]).median == 2.5
    assert stopwatch.summary([7.0]) == Summary(7.0, 7.0, 7.0, 1)


def test_one_slow_turn_moves_neither_median_nor_ratio():
    mine, other = [1.0, 1.0, 50.0, 1.0, 1.0], [2.0, 2.0, 100.0, 2.0, 2.0]
    assert stopwatch.summary(mine).median == 1.0
    assert stopwatch.ratio(other, mine) == Summary(2.0, 2.0, 2.0, 5)


def test_ratio_wants_as_many_of_both():
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        stopwatch.ratio([1.0, 2.0], [1.0])


def test_spread_is_half_the_distance_of_the_quartiles():
    assert Summary(median=2.0, low=1.5, high=2.5, repeats=9).spread == 0.25


def test_functions_run_in_turns_and_equally_often():
    ran: list[str] = []
    times = stopwatch.interleave({name: lambda name=name: ran.append(name) for name in "abc"}, repeats=4, least=0)
    # Once to warm up, once to see which is fastest, then the turns.
    assert "".join(ran) == "abc" * 6
    assert {name: len(taken) for name, taken in times.items()} == {"a": 4, "b": 4, "c": 4}
    assert all(seconds > 0 for taken in times.values() for seconds in taken)


def test_fast_functions_are_repeated_within_a_turn():
    ran: list[int] = []
    stopwatch.interleave({"fast": lambda: ran.append(0)}, repeats=1, least=1e-4)
    assert len(ran) > 3
