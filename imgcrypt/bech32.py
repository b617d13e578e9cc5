"""Bech32 (BIP 173): bytes as text whose six check characters find every mistake in up to four characters."""

from __future__ import annotations

from collections.abc import Iterable

ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
CHECK_CHARACTERS = 6


def encode(prefix: str, data: bytes) -> str:
    """``prefix``, in lower case, then a 1, the data and the check characters, in lower case all."""
    spare = -8 * len(data) % 5
    groups = (8 * len(data) + spare) // 5
    number = int.from_bytes(data) << spare
    values = [number >> 5 * (groups - 1 - i) & 31 for i in range(groups)]
    check = _polymod([*_expanded(prefix), *values, *[0] * CHECK_CHARACTERS]) ^ 1
    values += [check >> 5 * (CHECK_CHARACTERS - 1 - i) & 31 for i in range(CHECK_CHARACTERS)]
    return f"{prefix}1{''.join(ALPHABET[value] for value in values)}"


def decode(prefix: str, text: str) -> bytes | None:
    """The data in a text of this prefix, all in lower case or all in upper case; None if it has a mistake."""
    if not text.isascii() or text not in (text.lower(), text.upper()):
        return None
    body = text.lower().removeprefix(f"{prefix}1")
    if len(body) == len(text) or len(body) < CHECK_CHARACTERS or not set(body) <= set(ALPHABET):
        return None
    values = [ALPHABET.index(character) for character in body]
    if _polymod([*_expanded(prefix), *values]) != 1:
        return None
    number, groups = 0, len(values) - CHECK_CHARACTERS
    for value in values[:groups]:
        number = number << 5 | value
    size, spare = divmod(5 * groups, 8)
    # One text for one key: the spare bits are 0, and fewer than a character's.
    if spare >= 5 or number & ((1 << spare) - 1):
        return None
    return (number >> spare).to_bytes(size)


def _expanded(prefix: str) -> list[int]:
    return [ord(each) >> 5 for each in prefix] + [0] + [ord(each) & 31 for each in prefix]


def _polymod(values: Iterable[int]) -> int:
    check = 1
    for value in values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for bit, term in enumerate(GENERATOR):
            if top >> bit & 1:
                check ^= term
    return check
