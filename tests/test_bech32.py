"""Bech32: BIP 173's own examples, and that mistakes are found."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgcrypt import bech32

PREFIXES = st.sampled_from(["age", "age-secret-key-", "a", "x1y"])


@given(prefix=PREFIXES, data=st.binary(max_size=70))
def test_data_come_back_in_either_case(prefix: str, data: bytes) -> None:
    text = bech32.encode(prefix, data)
    assert bech32.decode(prefix, text) == bech32.decode(prefix, text.upper()) == data
    assert text.startswith(f"{prefix}1")
    assert bech32.decode(f"{prefix}x", text) is None


@pytest.mark.parametrize("text", ["A12UEL5L", "a12uel5l"])
def test_example_without_data(text: str) -> None:
    assert bech32.decode("a", text) == b""
    assert bech32.encode("a", b"") == "a12uel5l"


def test_example_with_every_character() -> None:
    # Of BIP 173: all values from 0 to 31, which are 20 bytes.
    text = "abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw"
    data = bytes.fromhex("00443214c74254b635cf84653a56d7c675be77df")
    assert bech32.decode("abcdef", text) == data
    assert bech32.encode("abcdef", data) == text


@pytest.mark.parametrize(
    "text", ["", "a", "a1", "a1lqfn3", "A1G7SGD8", "a12uel5", "a12uEl5l", "a12uel5\u00df", "b12uel5l"]
)
def test_what_is_none(text: str) -> None:
    assert bech32.decode("a", text) is None


@given(
    data=st.binary(min_size=32, max_size=32),
    places=st.dictionaries(st.integers(4, 61), st.integers(1, 31), min_size=1, max_size=4),
)
def test_up_to_four_wrong_characters_are_found(data: bytes, places: dict[int, int]) -> None:
    text = list(bech32.encode("age", data))
    for at, change in places.items():
        text[at] = bech32.ALPHABET[bech32.ALPHABET.index(text[at]) ^ change]
    assert bech32.decode("age", "".join(text)) is None


@given(st.text(max_size=60))
def test_arbitrary_text_is_none(text: str) -> None:
    assert bech32.decode("age", f"age1{text}") is None
