"""The kernels against the plain-Python reference, their inverses, and what the design promises of them."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from imgcrypt import cipher
from imgcrypt.cipher import kernels, layout, reference, schedule

KEY = bytes(range(32))
LENGTHS = [0, 1, 2, 3, 63, 64, 65, 127, 128, 129, 1023, 1024, 1025, 2049, 4095, 4096, 4097, 8191, 12289, 33_000]
LENGTHS += [65_535, 65_536, 65_537, 70_001, 131_072, 150_001]

keys = st.binary(min_size=32, max_size=32)


def message(size: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, size, np.uint8)


def plain_schedule(size: int, key: bytes) -> tuple[bytes, reference.Cloud, list[int], list[int]]:
    seeds, cloud, rows, columns = schedule.make(size, key)
    return seeds.astype("<u8").tobytes(), tuple(cloud.tolist()), rows.tolist(), columns.tolist()


@pytest.mark.parametrize("size", LENGTHS)
def test_kernels_give_the_bytes_of_the_reference(size: int) -> None:
    data = message(size)
    seeds, cloud, rows, columns = plain_schedule(size, KEY)
    scrambled = reference.scramble(data.tobytes(), seeds, cloud, rows, columns, inverse=False)
    enciphered = reference.decompose(scrambled, seeds, cloud, inverse=False)
    assert cipher.encipher(data, KEY).tobytes() == enciphered
    assert reference.decompose(enciphered, seeds, cloud, inverse=True) == scrambled
    assert reference.scramble(scrambled, seeds, cloud, rows, columns, inverse=True) == data.tobytes()


def test_keystream_kernel_gives_the_bytes_of_the_reference() -> None:
    seeds = schedule.stream(KEY, schedule.RAW_STREAM, 3 * layout.SEED_WORDS).astype("<u8").tobytes()
    cloud = plain_schedule(0, KEY)[1]
    segments = [
        reference.segment_stream(seeds[4096 * i : 4096 * (i + 1)], cloud, layout.SEGMENT_ROWS) for i in range(3)
    ]
    expected = b"".join(segments)
    for size in (0, 1, 2048, 2049, len(segments[0]), len(segments[0]) + 1, len(expected)):
        assert cipher.keystream(KEY, size).tobytes() == expected[:size]


@given(size=st.integers(0, 20_000) | st.sampled_from([65_536, 131_072, 131_101]), key=keys, seed=st.integers(0, 99))
@example(size=1_000_003, key=KEY, seed=0)
@example(size=1 << 21, key=KEY, seed=0)
def test_decipher_undoes_encipher(size: int, key: bytes, seed: int) -> None:
    data = message(size, seed)
    enciphered = cipher.encipher(data, key)
    assert enciphered.dtype == np.uint8
    assert enciphered.shape == data.shape
    np.testing.assert_array_equal(cipher.decipher(enciphered, key), data)


@given(size=st.integers(1, 9_000), key=keys)
def test_encipher_undoes_decipher(size: int, key: bytes) -> None:
    data = message(size)
    np.testing.assert_array_equal(cipher.encipher(cipher.decipher(data, key), key), data)


@pytest.mark.parametrize("size", [1, 100, 4096, 5000, 70_001])
def test_scrambling_only_moves_bytes(size: int) -> None:
    moved = places(size)
    np.testing.assert_array_equal(np.sort(moved), np.arange(size))
    # Nor does it leave many where they are.
    assert size == 1 or (moved == np.arange(size)).mean() < 0.1


@pytest.mark.parametrize("size", [1, 2, 65, 1024, 5001, 70_001])
def test_vectors_are_the_bytes_that_damage_ties_together(size: int) -> None:
    places = cipher.vectors(size, KEY)
    assert len(np.unique(places)) == places.size == size // 2 * 2
    data = message(size)
    enciphered = cipher.encipher(data, KEY)
    for (first, second), vector in list(zip(layout.pairs(size), places, strict=True))[:: max(1, size // 50)]:
        assert 1 <= second - first <= layout.BLOCK // 2
        harmed = enciphered.copy()
        harmed[first] ^= 1
        harmed[second] ^= 128
        changed = np.flatnonzero(cipher.decipher(harmed, KEY) != data)
        assert set(changed) <= set(vector)
        assert len(changed)


def places(size: int, key: bytes = KEY) -> np.ndarray:
    """Where in the message each byte of its scrambled form comes from: int (size,)."""
    seeds, cloud, rows, columns = plain_schedule(size, key)
    moves = reference.fine_places(size, seeds, cloud)
    cells = reference.coarse_places(size // layout.CELL, rows, columns)
    found = np.empty(size, int)
    for i, place in enumerate(moves):
        cell, rest = divmod(place, layout.CELL)
        found[cells[cell] * layout.CELL + rest if cell < len(cells) else place] = i
    return found


@pytest.mark.parametrize(("part", "most"), [(16, 2.5), (64, 3.5)])
def test_a_lost_part_of_the_ciphertext_lands_as_isolated_points_all_over_the_picture(part: int, most: float) -> None:
    size = 147_456
    lost = np.zeros(size, bool)
    lost[size // 3 : size // 3 + size // part] = True
    shares, neighbors = [], []
    for number in range(4):
        back = np.zeros(size, bool)
        back[places(size, bytes(31) + bytes([number]))[lost]] = True
        assert back.sum() == size // part
        shares.append(back.reshape(16, -1).mean(1))
        neighbors.append((back[:-1] & back[1:]).sum() / back.sum())
    # Every sixteenth of the picture loses about its share ...
    mean = np.mean(shares, axis=0)
    assert mean.min() > 0.5 / part
    assert mean.max() < 2 / part
    # ... and a lost byte's neighbor is lost hardly more often than any other byte.
    assert np.mean(neighbors) < most / part


def test_a_cut_costs_its_own_bytes_and_at_most_a_block_more() -> None:
    for size, start, length in ((47_186, 20_000, 5_000), (147_456, 1, 100_000), (9_000, 0, 4_500)):
        enciphered = cipher.encipher(message(size), KEY)
        cut = enciphered.copy()
        cut[start : start + length] = ~cut[start : start + length]
        harmed = np.count_nonzero(cipher.decipher(cut, KEY) != message(size))
        assert 0.9 * length < harmed <= length + layout.BLOCK


@given(place=st.integers(0, 99_999), value=st.integers(1, 255))
def test_a_damaged_byte_harms_its_own_vector_only(place: int, value: int) -> None:
    data = message(100_000)
    enciphered = cipher.encipher(data, KEY)
    enciphered[place] ^= value
    harmed = np.count_nonzero(cipher.decipher(enciphered, KEY) != data)
    assert 1 <= harmed <= 2


def test_first_words_of_neighboring_lanes_and_segments_are_unrelated() -> None:
    size = 64 * layout.SEGMENT_ROWS * layout.ROW_BYTES
    words = cipher.keystream(KEY, size).view("<u8").reshape(64, layout.SEGMENT_ROWS, layout.LANES)
    first = np.unpackbits(words[:, 0].copy().view(np.uint8).reshape(-1, 8), axis=1).astype(np.float64)
    # Each of the 64 bits is set half the time, and no two bits of a word go together.
    assert np.abs(first.mean(0) - 0.5).max() < 5 * 0.5 / len(first) ** 0.5
    related = np.corrcoef(first.T) - np.eye(64)
    assert np.abs(related).max() < 6 / len(first) ** 0.5
    for one, other in ((first[:-1], first[1:]), (first[: -layout.LANES], first[layout.LANES :])):
        assert abs(np.mean((one - 0.5) * (other - 0.5)) * 4) < 5 / one.size**0.5


def test_every_byte_of_the_keystream_has_a_flat_histogram() -> None:
    stream = cipher.keystream(KEY, 1 << 24).reshape(-1, 8)
    for column in stream.T:
        counts = np.bincount(column, minlength=256)
        chi_square = ((counts - len(column) / 256) ** 2 / (len(column) / 256)).sum()
        # 255 degrees of freedom: beyond these bounds once in 100,000 at most.
        assert 165 < chi_square < 365


def test_logistic_states_never_stick() -> None:
    # From the seeds that lead nearest to 0, 1/2, 3/4 and 1: all lanes must still move after 100 rows.
    words = [0, 1, 2**64 - 1, 2**63, 2**63 - 1, 3 * 2**62, 3 * 2**62 - 1, 2**62]
    seeds = np.resize(np.array(words, np.uint64), layout.SEED_WORDS)
    cloud = np.array(plain_schedule(0, KEY)[1])
    rows = kernels.chaos(seeds, 0, cloud, 100).reshape(100, layout.LANES)
    late = rows[60:]
    assert all(len(np.unique(late[:, lane])) == len(late) for lane in range(layout.LANES))
    assert all(np.unique(late[:, lane] & np.uint64(0xFFFFFFFF)).size == len(late) for lane in range(len(words)))


@pytest.mark.parametrize("view", [slice(1, None), slice(3, 5003), slice(None, None, 3), slice(None, None, -1)])
def test_any_array_of_bytes_is_taken(view: slice) -> None:
    data = message(9000)[view]
    expected = cipher.encipher(np.array(data), KEY)
    before = data.copy()
    np.testing.assert_array_equal(cipher.encipher(data, KEY), expected)
    np.testing.assert_array_equal(data, before)
    np.testing.assert_array_equal(cipher.decipher(expected, KEY), data)


def test_overwrite_gives_the_same_and_leaves_read_only_data_alone() -> None:
    data = message(9001)
    enciphered = cipher.encipher(data, KEY)
    read_only = enciphered.copy()
    read_only.flags.writeable = False
    for given_data in (read_only, enciphered.copy(), np.frombuffer(b"x" + enciphered.tobytes(), np.uint8)[1:]):
        np.testing.assert_array_equal(cipher.decipher(given_data, KEY, overwrite=True), data)
    np.testing.assert_array_equal(read_only, enciphered)


def test_results_survive_the_next_call() -> None:
    data = [message(9000, seed) for seed in range(3)]
    enciphered = [cipher.encipher(each, KEY) for each in data]
    deciphered = [cipher.decipher(each, KEY) for each in enciphered]
    np.testing.assert_array_equal(data, deciphered)


def test_each_kernel_is_compiled_once_whatever_the_input() -> None:
    program = """
import numpy as np
from imgcrypt import cipher
from imgcrypt.cipher import kernels
cipher.warm_up()
data = np.zeros(9000, np.uint8)
for given in (data, np.frombuffer(bytes(9000), np.uint8), data[3:], data[::2]):
    for overwrite in (False, True):
        cipher.decipher(cipher.encipher(given, bytes(32)), bytes(32), overwrite=overwrite)
        cipher.decipher(given, bytes(32), overwrite=overwrite)
print(*(len(getattr(kernels, name).signatures) for name in ("scramble_serial", "decompose_serial")))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "1 1\n"
