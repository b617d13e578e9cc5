"""The erasure code: against a kept library and plain Python, and that it brings back what it promises and no less."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
from typing import Any

import independent
import numpy as np
import numpy.typing as npt
import pytest
import reedsolo
from hypothesis import given, settings
from hypothesis import strategies as st

import imgcrypt
from imgcrypt import envelope, erasurekernels, protection, recovery, threads
from imgcrypt.container import Content, Layout, Mode, Part, Suite
from imgcrypt.errors import DamagedError
from imgcrypt.keys import RawKey

Shares = npt.NDArray[np.uint8]
KEY = RawKey(bytes(range(32)))


def made(count: int, needed: int, length: int, seed: int = 0) -> Shares:
    """All shares of random data: uint8 (count, length)."""
    shares = np.random.default_rng([count, needed, length, seed]).integers(0, 256, (count, length), np.uint8)
    protection.add_parity(shares, needed)
    return shares


@st.composite
def codes(draw: st.DrawFn, most: int = 255) -> tuple[int, int]:
    """How many shares, and how many of them are needed."""
    count = draw(st.integers(1, most))
    return count, draw(st.integers(1, count))


@given(code=codes(), length=st.integers(0, 3))
@settings(max_examples=40)
def test_parity_is_that_of_a_kept_library(code: tuple[int, int], length: int) -> None:
    count, needed = code
    shares = made(count, needed, length)
    coder = reedsolo.RSCodec(count - needed, nsize=count) if needed < count else None
    for column in shares.T:
        expected = coder.encode(column[:needed].tobytes()) if coder else column.tobytes()
        assert column.tobytes() == bytes(expected)


@pytest.mark.parametrize("length", [1, 7, 8, 9, 1023, 1024, 1025, 4111])
@pytest.mark.parametrize(("count", "needed"), [(3, 2), (20, 13), (255, 240), (60, 1)])
def test_parity_is_that_of_plain_python(count: int, needed: int, length: int) -> None:
    # A thread works on 1,024 bytes of all shares at a time.
    assert erasurekernels.TILE * 8 == 1024
    shares = made(count, needed, length)
    expected = independent.add_parity([row.tobytes() for row in shares[:needed]], count)
    assert [row.tobytes() for row in shares] == expected


@given(code=codes(), length=st.integers(0, 40), data=st.data())
def test_any_shares_that_are_enough_give_back_any_others(
    code: tuple[int, int], length: int, data: st.DataObject
) -> None:
    count, needed = code
    shares = made(count, needed, length)
    order = data.draw(st.permutations(range(count)))
    known, others = order[:needed], order[needed:]
    missing = others[: data.draw(st.integers(0, len(others)))]
    damaged = shares.copy()
    damaged[list(missing)] ^= 0xA5
    protection.restore(damaged, needed, missing, known)
    np.testing.assert_array_equal(damaged, shares)


def test_shares_that_lie_apart_in_memory_are_filled_in() -> None:
    grid = np.zeros((20, 300), np.uint8)
    grid[:8, 100:177] = np.random.default_rng(1).integers(0, 256, (8, 77), np.uint8)
    whole = grid[:, 100:177].copy()
    protection.add_parity(grid[:, 100:177], 8)
    protection.add_parity(whole, 8)
    np.testing.assert_array_equal(grid[:, 100:177], whole)
    assert not grid[:, :100].any()
    assert not grid[:, 177:].any()


@st.composite
def words(draw: st.DrawFn) -> tuple[int, int, npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """Shares, needed, what is added to the bytes and which are absent: what can be mended, in any column."""
    count, needed = draw(codes())
    length = draw(st.integers(1, 5))
    added, absent = np.zeros((count, length), np.uint8), np.zeros((count, length), bool)
    for column in range(length):
        gone = draw(st.integers(0, count - needed))
        wrong = draw(st.integers(0, (count - needed - gone) // 2))
        places = np.random.default_rng(draw(st.integers(0, 2**32))).permutation(count)
        absent[places[:gone], column] = True
        added[places[: gone + wrong], column] = draw(st.integers(1, 255))
    return count, needed, added, absent


@given(words())
def test_wrong_and_absent_bytes_are_mended(word: Any) -> None:
    count, needed, added, absent = word
    shares = made(count, needed, added.shape[1])
    damaged = shares ^ added
    assert not protection.correct(damaged, needed, absent).any()
    np.testing.assert_array_equal(damaged, shares)


@given(words())
@settings(max_examples=20)
def test_mending_is_that_of_a_kept_library_and_of_plain_python(word: Any) -> None:
    count, needed, added, absent = word
    damaged = made(count, needed, added.shape[1]) ^ added
    if needed == count:
        return
    coder = reedsolo.RSCodec(count - needed, nsize=count)
    mended = damaged.copy()
    protection.correct(mended, needed, absent)
    for column, there, right in zip(damaged.T, ~absent.T, mended.T, strict=True):
        given_word = [int(byte) if known else None for byte, known in zip(column, there, strict=True)]
        assert independent.correct(given_word, needed) == right.tolist()
        assert bytes(coder.decode(column.tobytes(), erase_pos=np.flatnonzero(~there).tolist())[1]) == right.tobytes()


@given(code=codes(), errors=st.integers(1, 255), gone=st.integers(0, 255), seed=st.integers(0, 2**32))
def test_beyond_its_reach_it_says_so_or_finds_another_word(
    code: tuple[int, int], errors: int, gone: int, seed: int
) -> None:
    count, needed = code
    rng = np.random.default_rng(seed)
    shares = made(count, needed, 4)
    damaged, absent = shares.copy(), np.zeros(shares.shape, bool)
    for column in range(4):
        places = rng.permutation(count)
        absent[places[:gone], column] = True
        damaged[places[gone : gone + errors], column] ^= np.uint8(rng.integers(1, 256))
    found = damaged.copy()
    failed = protection.correct(found, needed, absent)
    again = found.copy()
    protection.add_parity(again, needed)
    for column in range(4):
        assert failed[column] == (
            independent.correct(
                [None if gone else int(byte) for byte, gone in zip(damaged[:, column], absent[:, column], strict=True)],
                needed,
            )
            is None
        )
        if not failed[column]:
            np.testing.assert_array_equal(again[:, column], found[:, column])
            changed = (found != damaged)[:, column] & ~absent[:, column]
            assert 2 * changed.sum() + absent[:, column].sum() <= count - needed


def test_number_of_threads_changes_nothing() -> None:
    shares = made(40, 25, 20_000)
    added = np.zeros_like(shares)
    added[3:10] = 7
    results = []
    for number in (1, 2, 5):
        with threads.limited(number):
            again, damaged = shares.copy(), shares ^ added
            again[25:] = 0
            protection.add_parity(again, 25)
            failed = protection.correct(damaged, 25, np.zeros(shares.shape, bool))
            results.append((again.tobytes(), damaged.tobytes(), failed.any()))
    assert set(results) == {(shares.tobytes(), shares.tobytes(), False)}


def there_and_back(seed: int) -> bool:
    shares = made(30, 17, 3000, seed)
    damaged = shares.copy()
    damaged[[1, 5, 20, 22, 29]] ^= 0x5A
    failed = protection.correct(damaged, 17, np.zeros(shares.shape, bool))
    restored = shares.copy()
    restored[:13] = 0
    protection.restore(restored, 17, range(13), range(13, 30))
    return not failed.any() and (damaged == shares).all() and bool((restored == shares).all())


def test_many_threads_and_forked_workers_at_once() -> None:
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert all(pool.map(there_and_back, range(24)))
    with multiprocessing.get_context("fork").Pool(2) as workers:
        assert all(workers.map(there_and_back, range(4)))


@given(
    lost=st.sets(st.integers(0, 8), max_size=9),
    noise=st.sets(st.integers(0, 8), max_size=5),
    spoiled=st.lists(st.tuples(st.integers(0, 8), st.integers(0, 36), st.integers(1, 255)), max_size=20),
    suite=st.sampled_from(Suite),
    seed=st.integers(0, 2**32),
)
def test_what_recovery_takes_for_certain_is_right(
    lost: set[int], noise: set[int], spoiled: list[tuple[int, int, int]], suite: Suite, seed: int
) -> None:
    payload = np.random.default_rng(3).integers(0, 256, 105, np.uint8)
    content = Content(suite, Mode.RAW, 1, 105, 1, 1, None)
    secrets = envelope.Secrets(bytes(32), bytes(32))
    file = bytearray(envelope.seal(payload, content, Layout(9, (Part(105, 5),), False, 5), KEY, secrets))
    header = envelope.open_(file, KEY)[0]
    rng = np.random.default_rng(seed)
    for number in noise:
        file[header.packet_at(number) : header.packet_at(number + 1)] = rng.bytes(header.packet_bytes)
    for number in lost:
        file[header.packet_at(number) : header.packet_at(number + 1)] = bytes(header.packet_bytes)
    for number, place, change in spoiled:
        file[header.packet_at(number) + place] ^= change
    wrong = lost | noise | {number for number, _, _ in spoiled}
    try:
        found = recovery.open_damaged(file, KEY)
    except DamagedError:
        assert len(wrong) > 4
        return
    certain = ~(found.lost | found.doubtful)
    np.testing.assert_array_equal(found.payload[certain], payload[certain])
    assert set(found.failed) <= wrong
    assert found.complete or len(wrong) > 4


@pytest.mark.parametrize("suite", Suite)
def test_samples_that_stand_in_for_lost_ones_are_not_called_authentic(suite: Suite) -> None:
    image = np.random.default_rng(4).integers(0, 256, (30, 30), np.uint8)
    content = Content(suite, Mode.RAW, 30, 30, 1, 1, None)
    layout = Layout(9, (Part(300, 2), Part(600, 7)), False, 5)
    file = bytearray(envelope.seal(image.reshape(-1), content, layout, KEY, envelope.Secrets.fresh()))
    header = envelope.open_(file, KEY)[0]
    file[header.packet_at(0) : header.packet_at(4)] = bytes(4 * header.packet_bytes)
    found = imgcrypt.recover(file, KEY)
    assert (found.parts, found.whole, found.complete) == (2, 1, False)
    assert found.lost_bytes > 0
    assert found.doubtful_bytes == 0
    assert not found.authentic
    np.testing.assert_array_equal(found.image[:10], image[:10])
