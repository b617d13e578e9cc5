"""Memory that is kept between calls."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from imgcrypt import scratch


@pytest.fixture(autouse=True)
def empty() -> None:
    scratch.release()


@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 100_000])
def test_memory_is_of_its_size_and_begins_on_a_cache_line(size: int) -> None:
    with scratch.borrow(size) as memory:
        assert memory.shape == (size,)
        assert memory.dtype == np.uint8
        assert size == 0 or memory.ctypes.data % scratch.CACHE_LINE == 0


def test_it_is_lent_to_one_at_a_time_and_used_again() -> None:
    with scratch.borrow(1000) as first, scratch.borrow(1000) as second:
        assert not np.shares_memory(first, second)
    with scratch.borrow(500) as again:
        assert np.shares_memory(again, first) or np.shares_memory(again, second)


def test_the_process_keeps_no_more_than_its_bound_whatever_the_threads() -> None:
    def work(_: int) -> None:
        with scratch.borrow(scratch.KEPT // 4):
            pass

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(work, range(64)))
    assert 0 < scratch.kept() <= scratch.KEPT
    with scratch.borrow(scratch.KEPT + 1):
        pass
    assert scratch.kept() <= scratch.KEPT
    scratch.release()
    assert scratch.kept() == 0


def test_what_an_exception_left_is_not_lent_again() -> None:
    with pytest.raises(KeyError), scratch.borrow(1000) as memory:
        raise KeyError
    with scratch.borrow(1000) as other:
        assert not np.shares_memory(memory, other)
