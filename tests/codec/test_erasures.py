"""Parity of short tables: what it repairs, and that it says what it does not."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from imgcrypt.codec import erasures

lengths = st.integers(1, 300)
repeats = st.sampled_from([1, 2])
seeds = st.integers(0, 2**32 - 1)


def words(length: int, times: int) -> list[npt.NDArray[np.int64]]:
    """The places of each codeword in table and parity together."""
    count = erasures.codewords(length, times)
    places = np.arange((1 + times) * length).reshape(1 + times, length)
    return [places[:, i::count].reshape(-1) for i in range(count)]


@pytest.mark.parametrize("times", [1, 2])
def test_codewords_are_as_few_and_as_even_as_can_be(times: int) -> None:
    for length in range(1, 1000):
        sizes = [len(word) for word in words(length, times)]
        assert sum(sizes) == (1 + times) * length
        assert max(sizes) <= 255
        assert max(sizes) - min(sizes) <= 1 + times
        assert len(sizes) == 1 or (1 + times) * -(-length // (len(sizes) - 1)) > 255


@settings(max_examples=60)
@given(length=lengths, times=repeats, seed=seeds, wrong=st.floats(0, 1))
@example(length=127, times=1, seed=0, wrong=0.0)
@example(length=128, times=1, seed=0, wrong=1.0)
@example(length=85, times=2, seed=0, wrong=0.0)
@example(length=86, times=2, seed=0, wrong=1.0)
@example(length=1, times=1, seed=0, wrong=1.0)
def test_any_damage_that_the_code_stands_is_repaired(length: int, times: int, seed: int, wrong: float) -> None:
    rng = np.random.default_rng(seed)
    table = rng.integers(0, 256, length, np.uint8)
    both = np.concatenate([table, erasures.parity(table, times)])
    valid = np.ones(len(both), bool)
    for word in words(length, times):
        parities = len(word) * times // (1 + times)
        errors = round(wrong * (parities // 2))
        damaged = rng.permutation(word)[: errors + parities - 2 * errors]
        both[damaged] ^= rng.integers(1, 256, len(damaged), np.uint8)
        valid[damaged[errors:]] = False
    fixed, right = erasures.repair(both[:length], both[length:], valid)
    np.testing.assert_array_equal(fixed, table)
    assert right.all()
    assert fixed.dtype == np.uint8


@settings(max_examples=60)
@given(length=lengths, times=repeats, seed=seeds, spared=st.floats(0, 1))
def test_a_codeword_that_lost_too_much_is_said_to_be_unreadable(
    length: int, times: int, seed: int, spared: float
) -> None:
    rng = np.random.default_rng(seed)
    table = rng.integers(0, 256, length, np.uint8)
    both = np.concatenate([table, erasures.parity(table, times)])
    valid, readable = np.ones(len(both), bool), np.ones(length, bool)
    for word in words(length, times):
        if rng.random() < spared:
            continue
        parities = len(word) * times // (1 + times)
        lost = rng.permutation(word)[: parities + 1]
        both[lost], valid[lost] = 0, False
        readable[word[word < length]] = False
    fixed, right = erasures.repair(both[:length], both[length:], valid)
    np.testing.assert_array_equal(right, readable)
    np.testing.assert_array_equal(fixed[right], table[right])


@settings(max_examples=60)
@given(length=st.integers(1, 150), times=repeats, seed=seeds, known=st.floats(0, 1))
def test_noise_is_no_error_and_called_right_only_near_a_codeword(
    length: int, times: int, seed: int, known: float
) -> None:
    rng = np.random.default_rng(seed)
    both = rng.integers(0, 256, (1 + times) * length, np.uint8)
    valid = rng.random(len(both)) < known
    fixed, right = erasures.repair(both[:length], both[length:], valid)
    whole = np.concatenate([fixed, erasures.parity(fixed, times)])
    for word in words(length, times):
        own = right[word[word < length]]
        assert own.all() or not own.any()
        parities, lost = len(word) * times // (1 + times), np.count_nonzero(~valid[word])
        if own.all():
            assert 2 * np.count_nonzero((whole != both)[word] & valid[word]) + lost <= parities


@pytest.mark.parametrize("times", [1, 2])
def test_noise_is_not_believed(times: int) -> None:
    both = np.random.default_rng(0).integers(0, 256, (1 + times) * 60, np.uint8)
    assert not erasures.repair(both[:60], both[60:], np.ones(len(both), bool))[1].any()
