"""``bench attack``: the paper's figure 8 and what it leaves out, attacks with chosen and with known pictures.

The attacks are in :mod:`imgcrypt.bench.cryptanalysis`, which sees no key. Each is made against three victims that
encrypt gray pictures with the suite ``chaos``: imgcrypt as it is, where the image key is bound to salt, file key and
digest; the same with salt and file key held fixed, which leaves the digest; and the cipher with one image key for all
pictures, which exists in this module alone. Against the last the attacks must succeed: it shows that they are real.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

import imgcrypt
from imgcrypt import cipher, container, envelope
from imgcrypt.arrays import Bytes
from imgcrypt.bench import cryptanalysis, pictures, steps, subjects
from imgcrypt.bench.common import NONE, BenchError, table
from imgcrypt.bench.cryptanalysis import EquivalentKey
from imgcrypt.keys import RawKey
from imgcrypt.metrics import correlation, entropy, ideal_entropy, psnr
from imgcrypt.opencv import cv2

if TYPE_CHECKING:
    from rich.table import Table

RELEASED, DIGEST, BARE = "salt and digest", "digest alone", "nothing"
"""What the victims bind the image key to."""
BLACK_WHITE, SINGLE, DIFFERENCES = "black, white", "black, white, single pixels", "black, white, differences"
FEW = {1: "black, ones, digits, noise", 3: "black, ones, digits, 3 x noise"}
"""The attack with fewest chosen pictures, by how many of them are noise."""
PICTURE, CIPHERTEXT = "picture", "ciphertext"
LEVELS = {"black": 0, "white": 255}
"""Pictures of one level, whose ciphertexts figure 8 shows."""
SINGLE_PIXELS = 64
"""Pixels that the attack with single pixels is after: each takes a picture of its own."""
FLIPS = 16
"""Pictures that differ from black in one pixel, for the second table."""
SIDES = (16, 1024)
"""Pixels a side, fewest and most."""
KNOWN = (2, 256)
"""Known pictures, fewest and most."""
NO_PROOF = (
    "An attack that fails says only that this attack fails. It is no proof of security, and there is none for a chaos "
    "cipher."
)


@dataclasses.dataclass
class Victim:
    """Encrypts messages, uint8 (n,) to uint8 (n,), and counts them. Its keys stay inside ``encipher``."""

    encipher: Callable[[Bytes], Bytes]
    asked: int = 0

    def __call__(self, message: Bytes) -> Bytes:
        self.asked += 1
        return self.encipher(message)


class Shown(NamedTuple):
    """What a plane shows: PICTURE; or for a victim CIPHERTEXT of it or of one of LEVELS, or what an attack makes of it.

    ``what`` is PICTURE, CIPHERTEXT, one of LEVELS or the attack's name.
    """

    bound_to: str | None
    what: str


Show = Callable[[Shown, Bytes], object]


@dataclasses.dataclass(frozen=True)
class Attack:
    """One attack on one victim: ``pictures`` asked or known, and how much of the unseen picture comes out.

    ``claimed_share`` of the bytes the attack believes to have, and ``claimed_right_share`` of these are right (None
    without any), ``right_share`` of all; ``correlation`` is that with the truth.
    """

    bound_to: str
    attack: str
    pictures: int
    claimed_share: float
    claimed_right_share: float | None
    right_share: float
    psnr_db: float
    correlation: float
    seconds: float


@dataclasses.dataclass(frozen=True)
class OnePixel:
    """The share of bytes by which the ciphertexts of black and of black with one pixel of 1 differ."""

    bound_to: str
    least: float
    mean: float
    most: float


@dataclasses.dataclass(frozen=True)
class Ciphertext:
    """Statistics of the ciphertext of one of LEVELS; ``ideal_entropy_bits`` is that of as many random bytes."""

    bound_to: str
    picture: str
    entropy_bits: float
    ideal_entropy_bits: float
    correlation_horizontal: float
    correlation_vertical: float
    histogram: list[int]


@dataclasses.dataclass(frozen=True)
class Chance:
    """What uniform noise gives: expected values, and standard deviations of those that scatter."""

    right_share: float
    right_share_deviation: float
    psnr_db: float
    correlation_deviation: float


@dataclasses.dataclass(frozen=True)
class Results:
    """Of pictures of ``size`` pixels a side."""

    size: int
    chance: Chance
    attacks: list[Attack]
    one_pixel: list[OnePixel]
    ciphertexts: list[Ciphertext]


def run(images: Path | None, size: int, known: Sequence[int], seed: int, show: Show | None = None) -> Results:
    """Attack every victim in every way, and measure how much of a picture that the attack has not seen comes out.

    Args:
        images: folder whose first picture, made square, is the unseen one, while random windows of the others are the
            known ones; ``None`` takes the bundled picture, and known pictures made by code.
        size: pixels a side of all pictures, within SIDES.
        known: numbers of known pictures to try, each within KNOWN.
        seed: of the pictures made or chosen, and of the keys that this module holds fixed. Salts and file keys of
            imgcrypt as it is are random always.
        show: is given uint8 (size, size) of the unseen picture, and for each victim of the ciphertexts of it, of black
            and of white, and of what each attack makes of the first.

    Raises:
        BenchError: a size or number out of range, or a folder of fewer than two pictures.
        ImageError: a picture is not of 8 bits, or too small.
    """
    if not SIDES[0] <= size <= SIDES[1]:
        raise BenchError(f"cannot attack pictures of {size} pixels a side; give a size from {SIDES[0]} to {SIDES[1]}")
    if bad := [count for count in known if not KNOWN[0] <= count <= KNOWN[1]]:
        raise BenchError(f"cannot attack with {bad[0]} known pictures; give numbers from {KNOWN[0]} to {KNOWN[1]}")
    rng = np.random.default_rng(seed)
    truth, others = _pictures(images, size, max(known, default=0), rng)
    pixels = rng.choice(truth.size, min(SINGLE_PIXELS, truth.size), replace=False)
    show = show or (lambda shown, plane: None)
    show(Shown(None, PICTURE), truth)
    attacks, one_pixel, ciphertexts = [], [], []
    for bound_to, victim in steps.through(list(_victims(size, rng).items()), "victims"):
        target = victim(truth.reshape(-1))
        show(Shown(bound_to, CIPHERTEXT), target.reshape(truth.shape))
        for attack, recover in _attacks(others, known, pixels, rng).items():
            victim.asked, started = 0, time.perf_counter()
            key = recover(victim)
            found = key.decipher(target).reshape(truth.shape)
            seconds = time.perf_counter() - started
            right = (found == truth).reshape(-1)
            attacks.append(
                Attack(
                    bound_to,
                    attack,
                    victim.asked,
                    float(key.solved.mean()),
                    float(right[key.solved].mean()) if key.solved.any() else None,
                    float(right.mean()),
                    psnr(truth, found),
                    _pearson(truth, found),
                    seconds,
                )
            )
            show(Shown(bound_to, attack), found)
        one_pixel.append(_one_pixel(bound_to, victim, pixels[:FLIPS], truth.size))
        for name, level in LEVELS.items():
            plane = victim(np.full(truth.size, level, np.uint8)).reshape(truth.shape)
            show(Shown(bound_to, name), plane)
            ciphertexts.append(_statistics(bound_to, name, plane))
    return Results(size, _chance(truth), attacks, one_pixel, ciphertexts)


def tables(results: Results) -> Iterator[Table]:
    """The attacks; what one pixel changes; the statistics of figure 8."""
    chance, size = results.chance, results.size
    yield table(
        f"figure 8: attacks on an unseen picture, {size} x {size} gray, suite chaos",
        ["key bound to", "attack", "pictures", "claimed", "of it right", "right in all", "PSNR dB", "correlation", "s"],
        [_attack_row(record) for record in results.attacks],
        f"Noise has one byte in 256 right, {chance.right_share:.3%} ± {chance.right_share_deviation:.3%}, PSNR "
        f"{chance.psnr_db:.2f} dB, correlation 0 ± {chance.correlation_deviation:.4f}; bytes that an attack does "
        "not claim are filled with what is left. Key bound to nothing: one image key for all pictures, which imgcrypt "
        f"never has; there the attacks must succeed. {NO_PROOF}",
        left=2,
    )
    yield table(
        "one pixel of a black picture set to 1: share of the ciphertext that changes",
        ["key bound to", "least", "mean", "most", "noise"],
        [
            [row.bound_to, *(f"{share:.4%}" for share in (row.least, row.mean, row.most)), f"{255 / 256:.4%}"]
            for row in results.one_pixel
        ],
    )
    yield table(
        "figure 8: ciphertexts of black and white pictures",
        ["key bound to", "picture", "entropy, bits", "ideal", "horizontal r", "vertical r"],
        [
            [
                row.bound_to,
                row.picture,
                f"{row.entropy_bits:.4f}",
                f"{row.ideal_entropy_bits:.4f}",
                f"{row.correlation_horizontal:+.4f}",
                f"{row.correlation_vertical:+.4f}",
            ]
            for row in results.ciphertexts
        ],
        "The paper prints no numbers with its figure 8. These are alike whether the attacks above succeed or fail: "
        "they measure no resistance.",
        left=2,
    )


def _victims(size: int, rng: np.random.Generator) -> dict[str, Victim]:
    """By what they bind the image key to."""
    key, secrets, image_key = RawKey(rng.bytes(32)), envelope.Secrets(rng.bytes(32), rng.bytes(32)), rng.bytes(32)

    def file(message: Bytes) -> bytes:
        return imgcrypt.encrypt(message.reshape(size, size), key, raw=True, suite="chaos")

    header = container.parse(file(np.zeros(size * size, np.uint8)))
    return {
        RELEASED: Victim(lambda message: subjects.ciphertext(file(message))),
        DIGEST: Victim(
            lambda message: subjects.ciphertext(envelope.seal(message, header.content, header.layout, key, secrets))
        ),
        BARE: Victim(lambda message: cipher.encipher(message, image_key)),
    }


def _attacks(
    others: Bytes, known: Sequence[int], pixels: NDArray[np.int64], rng: np.random.Generator
) -> dict[str, Callable[[Victim], EquivalentKey]]:
    """What each attack makes of a victim. ``others``: the known pictures, uint8 (k, n)."""
    size = others.shape[1]

    def chosen(chosen_pictures: Bytes) -> Callable[[Victim], EquivalentKey]:
        return lambda victim: cryptanalysis.chosen_plaintext(victim, chosen_pictures)

    def given(count: int) -> Callable[[Victim], EquivalentKey]:
        plain = others[:count]
        return lambda victim: cryptanalysis.known_plaintext(plain, np.stack([victim(each) for each in plain]))

    def few(count: int) -> Callable[[Victim], EquivalentKey]:
        noise = rng.integers(0, 256, (count, size), np.uint8)
        return lambda victim: cryptanalysis.few_chosen(victim, noise)

    return {
        BLACK_WHITE: chosen(np.zeros((0, size), np.uint8)),
        SINGLE: chosen(cryptanalysis.single_pixels(size, pixels)),
        DIFFERENCES: chosen(cryptanalysis.numbers(size)),
        **{name: few(count) for count, name in FEW.items()},
        **{f"{count} known pictures": given(count) for count in known},
    }


def _chance(truth: Bytes) -> Chance:
    # Of a uniform byte u and a sample t: E (u - t)^2 = var u + (127.5 - t)^2.
    error = (256**2 - 1) / 12 + float(np.square(127.5 - truth).mean())
    return Chance(
        1 / 256,
        math.sqrt(1 / 256 * 255 / 256 / truth.size),
        10 * math.log10(255**2 / error),
        1 / math.sqrt(truth.size - 1),
    )


def _one_pixel(bound_to: str, victim: Victim, pixels: NDArray[np.int64], size: int) -> OnePixel:
    black = victim(np.zeros(size, np.uint8))
    changed = [float((victim(picture) != black).mean()) for picture in cryptanalysis.single_pixels(size, pixels)]
    return OnePixel(bound_to, min(changed), sum(changed) / len(changed), max(changed))


def _statistics(bound_to: str, picture: str, plane: Bytes) -> Ciphertext:
    return Ciphertext(
        bound_to,
        picture,
        entropy(plane),
        ideal_entropy(plane.size),
        correlation(plane),
        correlation(plane, "vertical"),
        np.bincount(plane.reshape(-1), minlength=256).tolist(),
    )


def _pearson(one: Bytes, other: Bytes) -> float:
    """0 where it is not defined."""
    if one.std() == 0 or other.std() == 0:
        return 0.0
    return float(np.corrcoef(one.reshape(-1), other.reshape(-1))[0, 1])


def _pictures(images: Path | None, size: int, known: int, rng: np.random.Generator) -> tuple[Bytes, Bytes]:
    """The unseen picture, uint8 (size, size), and the known ones, uint8 (known, size * size)."""
    unseen, *photographs = [pictures.read(path)[pictures.GRAY] for path in pictures.paths(images)]
    if images is None:
        others = [pictures.random_waves(size, rng) for _ in range(known)]
    elif photographs:
        others = [pictures.random_window(photographs[rng.integers(len(photographs))], size, rng) for _ in range(known)]
    else:
        raise BenchError(f"the folder {images.name!r} holds one picture; add another, whose parts will be known")
    resized = np.asarray(cv2.resize(unseen, (size, size), interpolation=cv2.INTER_AREA), np.uint8)
    return resized, np.array(others, np.uint8).reshape(known, size * size)


def _attack_row(record: Attack) -> list[str]:
    right = record.claimed_right_share
    return [
        record.bound_to,
        record.attack,
        str(record.pictures),
        f"{record.claimed_share:.3%}",
        NONE if right is None else f"{right:.3%}",
        f"{record.right_share:.3%}",
        "exact" if math.isinf(record.psnr_db) else f"{record.psnr_db:.2f}",
        f"{record.correlation:+.4f}",
        f"{record.seconds:.2f}",
    ]
