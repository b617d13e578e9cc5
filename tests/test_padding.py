"""Lengths that are padded."""

from hypothesis import given
from hypothesis import strategies as st

from imgcrypt import padding


@given(st.integers(1, 2**40))
def test_padding_costs_little_and_hides_much(length: int) -> None:
    found = padding.padded(length)
    assert length <= found <= 1.12 * length + 1
    assert padding.padded(found) == found
    # By PADMÉ, the last E - S bits of a length are 0.
    exponent = length.bit_length() - 1
    assert found % (1 << max(exponent - exponent.bit_length(), 0)) == 0


def test_lengths_of_the_article() -> None:
    # Few lengths are left: with 2**20 to 2**21 bytes, 32 of them.
    assert len({padding.padded(length) for length in range(2**20, 2**21, 997)}) <= 33
    assert [padding.padded(length) for length in (1, 2, 8, 9, 100, 1000)] == [1, 2, 8, 10, 104, 1024]
