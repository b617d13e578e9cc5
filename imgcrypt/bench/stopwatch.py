"""Times functions in turns, so that whatever else the machine does falls on all of them alike."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence

Summary = dict[str, float]
"""Of repeated values: ``median``, ``low`` and ``high`` (the quartiles), ``repeats``."""


def interleave(
    functions: Mapping[str, Callable[[], object]], repeats: int, least: float = 0.002
) -> dict[str, list[float]]:
    """Seconds that one call of each function takes, measured ``repeats`` times.

    Each function runs once to warm up (compilation, caches, sessions). Then in each turn every function runs, one after
    the other, as often as the fastest needs to fill ``least`` seconds: the clock's grain does not show, and all of them
    find the memory that they ask for equally warm.
    """
    for function in functions.values():
        function()
    fastest = min(_seconds(function, 1) for function in functions.values())
    calls = max(1, math.ceil(least / max(fastest, 1e-9)))
    times: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(repeats):
        for name, function in functions.items():
            times[name].append(_seconds(function, calls))
    return times


def summary(values: Sequence[float]) -> Summary:
    """Median and quartiles."""
    low, median, high = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else [values[0]] * 3
    return {"median": median, "low": low, "high": high, "repeats": len(values)}


def ratio(numerators: Sequence[float], denominators: Sequence[float]) -> Summary:
    """Of the quotients turn by turn: a turn in which the machine was slow is slow for both."""
    return summary([a / b for a, b in zip(numerators, denominators, strict=True)])


def spread(values: Summary) -> float:
    """Half the distance between the quartiles, as a share of the median."""
    return (values["high"] - values["low"]) / 2 / values["median"]


def _seconds(function: Callable[[], object], calls: int) -> float:
    started = time.perf_counter()
    for _ in range(calls):
        function()
    return (time.perf_counter() - started) / calls
