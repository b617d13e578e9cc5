"""Attacks on the chaos cipher where several messages are enciphered under one image key.

Nothing in this module sees a key. The attacks have what an attacker has: an :data:`Oracle` that enciphers what he
chooses, or pictures with their ciphertexts; and the cipher's public structure (docs/format.md, section 4).

Under one image key every message of n bytes meets the same three steps: a permutation, then for each pair of bytes a
linear map over Z/256 (two shears, by p and by q), then XOR with a mask. They are an equivalent key: whoever has them
opens every other message of that length. Of scrambling the attacks use only that it is a permutation.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from imgcrypt.arrays import Bytes, Mask
from imgcrypt.cipher.layout import pairs

Places = NDArray[np.int64]
Oracle = Callable[[Bytes], Bytes]
"""Enciphers uint8 (n,) to uint8 (n,), always with the same n."""

NOWHERE = -1
INVERSE = np.array([pow(a, -1, 256) if a % 2 else 0 for a in range(256)], np.uint8)
"""1 / a modulo 256 for odd a."""


@dataclasses.dataclass(frozen=True)
class EquivalentKey:
    """What an attack takes the cipher to do with messages of n bytes.

    ``source``: int64 (n,), a permutation: where in the message each byte of the scrambled message comes from; ``p``,
    ``q``: uint8, one for each vector; ``mask``: uint8 (n,); ``solved``: bool (n,), the bytes of the message that the
    attack believes to recover. The others are filled with what is left.
    """

    source: Places
    p: Bytes
    q: Bytes
    mask: Bytes
    solved: Mask

    def decipher(self, enciphered: Bytes) -> Bytes:
        """The message that another ciphertext, uint8 (n,), hides."""
        first, second, _ = vectors(len(enciphered))
        scrambled = enciphered ^ self.mask
        scrambled[first], scrambled[second] = _unshear(scrambled[first], scrambled[second], self.p, self.q)
        message = np.empty_like(scrambled)
        message[self.source] = scrambled
        return message


def chosen_plaintext(oracle: Oracle, pictures: Bytes) -> EquivalentKey:
    """The equivalent key from black (all 0), white (all 255), and pictures of zeros and ones.

    Black comes back as the mask. White, which is -1, comes back as the shears alone, since the permutation does not
    change it. Each other picture, its difference from black taken, gives every scrambled byte the bit of the byte that
    it comes from. A picture of one single 1 places that byte; :func:`numbers` place all of them.

    Args:
        oracle: is asked for 2 + k ciphertexts.
        pictures: uint8 (k, n) of zeros and ones. A byte whose k bits no other byte has is recovered.
    """
    size = pictures.shape[1]
    mask = oracle(np.zeros(size, np.uint8))
    ones = np.negative(oracle(np.full(size, 255, np.uint8)) ^ mask)
    answers = np.stack([ones, *(oracle(picture) ^ mask for picture in pictures)])
    first, second, _ = vectors(size)
    sheared_x, sheared_y = answers[:, first], answers[:, second]

    p = sheared_x[0] - np.uint8(1)
    # y' = q x' + y gives q wherever x' is odd, so that it can be divided by; y is 0 or 1, and one of them fits all of
    # the answers. For even p the first answer is odd. For odd p each picture with different bits at x and y is; if
    # there is none, no byte of the vector has bits of its own.
    odd = (sheared_x & 1).argmax(0)
    columns = np.arange(len(first))
    q = np.zeros_like(p)
    bits = answers.copy()
    right = (answers <= 1).all(0) & (ones == 1)
    right[first] = right[second] = False
    for y in (0, 1):
        guess = (sheared_y[odd, columns] - np.uint8(y)) * INVERSE[sheared_x[odd, columns]]
        found = np.stack(_unshear(sheared_x, sheared_y, p, guess))
        fits = (found <= 1).all((0, 1)) & (found[:, 0] == 1).all(0)
        q[fits] = guess[fits]
        bits[:, first[fits]], bits[:, second[fits]] = found[:, :, fits]
        right[first[fits]] = right[second[fits]] = True

    source = np.where(right, _places(_codes(pictures), _codes(bits[1:])), NOWHERE)
    return _equivalent_key(source, p, q, mask)


def numbers(size: int) -> Bytes:
    """Picture k shows bit k of every byte's place: uint8 (ceil(log2 n), n) of zeros and ones.

    So few chosen pictures undo any permutation; with digits of 256 values instead of 2 it takes an eighth of them where
    nothing but a permutation was done (Jolfaei, Wu and Muthukkumarasamy, IEEE TIFS 11, 2016).
    """
    digits = np.arange((size - 1).bit_length(), dtype=np.uint32)
    return np.asarray(np.arange(size, dtype=np.uint32) >> digits[:, None] & 1, np.uint8)


def few_chosen(oracle: Oracle, pictures: Bytes) -> EquivalentKey:
    """The equivalent key from black, a picture of ones, one for each digit to base 256 of a byte's place, and others.

    Black gives the mask, ones give p, and (1 + p) q with it: q itself for even p, else but its lowest bits. Each q that
    is left says what x and y are in every picture, and so where both come from; that the other pictures have these
    bytes at these places tells whether it is the right one. Where all x' that were seen are even, several q fit alike:
    these bytes are placed, and not claimed.

    Args:
        oracle: is asked for 2 + ceil(log256 n) + k ciphertexts.
        pictures: uint8 (k, n), of random bytes.
    """
    size = pictures.shape[1]
    shown = np.concatenate([digits(size), pictures])
    count = len(shown) - len(pictures)
    mask = oracle(np.zeros(size, np.uint8))
    ones = oracle(np.ones(size, np.uint8)) ^ mask
    answers = np.stack([oracle(picture) ^ mask for picture in shown])
    first, second, single = vectors(size)
    p, q = ones[first] - np.uint8(1), np.zeros(len(first), np.uint8)
    source, fitting = np.full(size, NOWHERE), np.zeros(len(first), np.int64)

    def placed(values: Bytes) -> tuple[Places, Mask]:
        """Where bytes with these values in each picture come from, and whether they are there: (k, m) to (m,) twice."""
        places = np.zeros(values.shape[1], np.int64)
        for digit in values[:count][::-1]:
            places = places << 8 | digit
        inside = places < size
        places = np.where(inside, places, 0)
        return places, inside & (pictures[:, places] == values[count:]).all(0)

    for guess in np.arange(256, dtype=np.uint8):
        tried = np.flatnonzero(ones[second] - guess * ones[first] == 1)
        x, y = _unshear(answers[:, first[tried]], answers[:, second[tried]], p[tried], guess)
        (x_place, x_fits), (y_place, y_fits) = placed(x), placed(y)
        fits = x_fits & y_fits & (x_place != y_place)
        done = tried[fits]
        fitting[done] += 1
        q[done] = guess
        source[first[done]], source[second[done]] = x_place[fits], y_place[fits]
    for at in single:
        (place,), (fits,) = placed(answers[:, at : at + 1])
        source[at] = place if fits else NOWHERE

    unsure = np.concatenate([first[fitting > 1], second[fitting > 1]])
    guessed = source[unsure]
    key = _equivalent_key(source, p, q, mask)
    key.solved[guessed] = False
    return key


def digits(size: int) -> Bytes:
    """Picture k shows digit k, to base 256, of every byte's place: uint8 (ceil(log256 n), n), n from 2 up."""
    places = np.arange(size, dtype=np.uint32)
    return np.stack([places >> shift & 255 for shift in range(0, (size - 1).bit_length(), 8)]).astype(np.uint8)


def single_pixels(size: int, places: Places) -> Bytes:
    """Picture k is 1 at ``places[k]`` and 0 elsewhere: uint8 (k, n)."""
    return np.asarray(places[:, None] == np.arange(size), np.uint8)


def known_plaintext(pictures: Bytes, enciphered: Bytes) -> EquivalentKey:
    """The equivalent key from pictures that the attacker knows but did not choose.

    Modulo 2 the cipher is linear, so XOR with the first picture takes the mask away, and a byte's last bits over all
    pictures are a code that scrambling does not change. Shears leave two of x', y' and x' xor y' with the code of a
    byte of the picture; which two depends on whether p and q are odd. With the vector's two bytes placed, p, q and
    mask follow bit by bit, and the 8 bits of every known byte confirm or refute them.

    Args:
        pictures: uint8 (k, n), k >= 2. Codes are k - 1 bits long: n random bytes all differ, in all likelihood, once k
            exceeds 2 log2 n by a few.
        enciphered: uint8 (k, n), their ciphertexts.
    """
    size = pictures.shape[1]
    codes = _codes((pictures[1:] ^ pictures[0]) & 1)
    seen = _codes((enciphered[1:] ^ enciphered[0]) & 1)
    first, second, single = vectors(size)
    source = np.full(size, NOWHERE)
    mask = np.zeros(size, np.uint8)
    p, q = np.zeros((2, len(first)), np.uint8)

    at_x, at_y = _places(codes, seen[first]), _places(codes, seen[second])
    at_sum = _places(codes, seen[first] ^ seen[second])
    # In this order: both shears even; p even; p odd, q even; both odd.
    for x_place, y_place in ((at_x, at_y), (at_x, at_sum), (at_sum, at_y), (at_y, at_sum)):
        tried = np.flatnonzero((source[first] == NOWHERE) & (x_place != NOWHERE) & (y_place != NOWHERE))
        x, y = pictures[:, x_place[tried]], pictures[:, y_place[tried]]
        p_found, x_mask, p_fits = _fit(x, y, enciphered[:, first[tried]])
        q_found, y_mask, q_fits = _fit(y, x + p_found * y, enciphered[:, second[tried]])
        fits = p_fits & q_fits
        done = tried[fits]
        p[done], q[done] = p_found[fits], q_found[fits]
        mask[first[done]], mask[second[done]] = x_mask[fits], y_mask[fits]
        source[first[done]], source[second[done]] = x_place[done], y_place[done]

    for at in single:
        (place,) = _places(codes, seen[at : at + 1])
        masks = pictures[:, place] ^ enciphered[:, at]
        if place != NOWHERE and (masks == masks[0]).all():
            source[at], mask[at] = place, masks[0]
    return _equivalent_key(source, p, q, mask)


def vectors(size: int) -> tuple[Places, Places, Places]:
    """Places of the x and of the y of all vectors, and of the byte, if any, that is only masked (section 4.6)."""
    first, second = pairs(size).T
    return first, second, np.setdiff1d(np.arange(size), np.concatenate([first, second]))


def _unshear(x: Bytes, y: Bytes, p: Bytes, q: Bytes | np.uint8) -> tuple[Bytes, Bytes]:
    y = y - q * x
    return x - p * y, y


def _fit(base: Bytes, factor: Bytes, answers: Bytes) -> tuple[Bytes, Bytes, Mask]:
    """For each column the g and m with (base + g factor) xor m = answers in all rows, and whether they exist.

    Bit b of the left side does not depend on higher bits of g, so g is found from its lowest bit on.
    """
    g = np.zeros(base.shape[1], np.uint8)
    for bit in range(8):
        masks = (base + g * factor) ^ answers
        g |= ((masks ^ masks[0]) >> bit & 1).any(0).astype(np.uint8) << bit
    masks = (base + g * factor) ^ answers
    return g, masks[0], np.asarray((masks == masks[0]).all(0))


def _codes(bits: Bytes) -> NDArray[np.uint64]:
    """A number for each column of zeros and ones, uint8 (k, n): the XOR of the rows' random numbers where it is 1.

    So the code of the XOR of two columns is the XOR of their codes.
    """
    codes = np.zeros(bits.shape[1], np.uint64)
    rng = np.random.default_rng(0)
    for row in bits:
        codes ^= row * rng.integers(2**64, dtype=np.uint64)
    return codes


def _places(codes: NDArray[np.uint64], wanted: NDArray[np.uint64]) -> Places:
    """Where in ``codes`` each of ``wanted`` is; NOWHERE if it is not there, or more than once."""
    order = np.argsort(codes)
    ranked = codes[order]
    low, high = np.searchsorted(ranked, wanted), np.searchsorted(ranked, wanted, "right")
    return np.where(high - low == 1, order[np.minimum(low, len(codes) - 1)], NOWHERE)


def _equivalent_key(source: Places, p: Bytes, q: Bytes, mask: Bytes) -> EquivalentKey:
    """With places that two bytes claim taken back, and the bytes left over put, in order, into the places left over."""
    claims = np.bincount(source[source != NOWHERE], minlength=len(source))
    source = np.where((source != NOWHERE) & (claims[source] == 1), source, NOWHERE)
    solved = claims == 1
    source[source == NOWHERE] = np.flatnonzero(~solved)
    return EquivalentKey(source, p, q, mask, solved)
