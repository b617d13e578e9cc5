"""Times functions in turns, so that whatever else the machine does falls on all of them alike."""

from __future__ import annotations

import dataclasses
import math
import statistics
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TypeVar

Name = TypeVar("Name", bound=Hashable)


@dataclasses.dataclass(frozen=True)
class Summary:
    """Of repeated values the median, the quartiles ``low`` and ``high``, and how many values there are."""

    median: float
    low: float
    high: float
    repeats: int

    @property
    def spread(self) -> float:
        """Half the distance between the quartiles, as a share of the median."""
        return (self.high - self.low) / 2 / self.median


def interleave(
    functions: Mapping[Name, Callable[[], object]], repeats: int, least: float = 0.002
) -> dict[Name, list[float]]:
    """Seconds that one call of each function takes, measured ``repeats`` times.

    Each function runs once to warm up (compilation, caches, sessions). Then in each turn every function runs, one after
    the other, as often as the fastest needs to fill ``least`` seconds: the clock's grain does not show, and all of them
    find the memory that they ask for equally warm.
    """
    for function in functions.values():
        function()
    fastest = min(_seconds(function, 1) for function in functions.values())
    calls = max(1, math.ceil(least / max(fastest, 1e-9)))
    times: dict[Name, list[float]] = {name: [] for name in functions}
    for _ in range(repeats):
        for name, function in functions.items():
            times[name].append(_seconds(function, calls))
    return times


def summary(values: Sequence[float]) -> Summary:
    """Median and quartiles."""
    low, median, high = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else [values[0]] * 3
    return Summary(median, low, high, len(values))


def ratio(numerators: Sequence[float], denominators: Sequence[float]) -> Summary:
    """Of the quotients turn by turn: a turn in which the machine was slow is slow for both."""
    return summary([a / b for a, b in zip(numerators, denominators, strict=True)])


def _seconds(function: Callable[[], object], calls: int) -> float:
    started = time.perf_counter()
    for _ in range(calls):
        function()
    return (time.perf_counter() - started) / calls
