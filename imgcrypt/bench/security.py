"""``bench security``: the statistics of the paper's tables 4 to 8, key sensitivity and key space, of the suite chaos.

Every picture is measured as it is encrypted by default (measurements of a net) and directly (its samples), beside two
controls that encrypt the same payloads: AES-256 in counter mode, which is sound, and XOR with noise of a 16-bit seed,
which is not. Over many ciphertexts it counts the tests that reject at 0.05, 0.01 and 0.001, beside the number expected
of random bytes, so that neither one unlucky draw nor ten lucky ones say anything.
"""

from __future__ import annotations

import dataclasses
import functools
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from imgcrypt import cipher, container, envelope, keys, metrics, slots
from imgcrypt.arrays import Bytes
from imgcrypt.bench import pictures, significance, steps, subjects
from imgcrypt.bench.common import BenchError
from imgcrypt.bench.significance import ALPHAS, Tally
from imgcrypt.bench.subjects import Subject
from imgcrypt.errors import WrongKeyError
from imgcrypt.keys import RawKey

Scores = dict[str, list[float]]


class Setting(NamedTuple):
    """A cipher, and whether its salt and file key are FIXED or FRESH."""

    cipher: str
    salt: str


CHAOS, AES, TOY = "chaos", "AES-CTR", "XOR, 16 bits"
FIXED, FRESH = "fixed", "fresh"
CIPHERS: dict[str, subjects.Encrypt] = {CHAOS: subjects.chaos, AES: subjects.aes_ctr, TOY: subjects.toy}
ROWS = (Setting(CHAOS, FIXED), Setting(CHAOS, FRESH), Setting(AES, FIXED), Setting(AES, FRESH), Setting(TOY, FIXED))
NPCR, UACI, ENTROPY, LOCAL_ENTROPY, CHI_SQUARE = "npcr", "uaci", "entropy", "local_entropy", "chi_square"
"""Names of scores and of tests, beside metrics.DIRECTIONS."""
CORRELATION = "correlation"
"""The tests in all three directions together."""
WAYS = ENCRYPT, DECRYPT = "encrypt", "decrypt"
DEPENDENT = Setting(AES, FIXED)
"""Its ciphertexts are all but equal, so that many of them score what one does."""
PAPER_SIDE = 256
"""Pixels a side of the paper's gray pictures: 64 blocks, whose measurements are 36,864 bytes."""
MOST_PAIRS = 100_000
RANDOM_PAIRS = 5000
"""Pairs of neighbors that papers use to draw for a correlation."""
SCATTER_PAIRS = 2000
"""Points of figure 5, in each direction."""
LOCAL_MEAN = metrics.ideal_entropy(metrics.LOCAL_SIDE**2)
CAVEAT = (
    "What these tests do not show. They ask whether a ciphertext looks like random bytes, not whether it hides "
    "anything. XOR with noise from a seed of 16 bits passes them all, and 65,536 guesses open it. AES-256 in counter "
    "mode, which is sound, passes under fresh nonces, as everything does, and fails NPCR and UACI where one nonce "
    "serves twice, as none ever should. That one changed pixel changes the whole ciphertext is here the work of a "
    "keyed hash (BLAKE3) in the key schedule, and that one key bit does, of HKDF and AES: any cipher behind them would "
    "score the same, and it tells nothing of the chaotic maps. Many more rejections than expected would be a defect; "
    "as many as expected, or none, are no strength. Chaos ciphers have no security proof; docs/threat-model.md says "
    "what is promised instead."
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Portrait:
    """What tables and figures 5 and 9 show of one picture, plain or enciphered.

    By direction the ``correlation`` of all neighbors and of random pairs; ``histogram``, one for each channel;
    ``scatter``, of gray ones alone, by direction both sides of random pairs of neighbors.
    """

    picture: str
    kind: str
    shape: list[int]
    bytes: int
    correlation: dict[str, float]
    correlation_of_random_pairs: dict[str, float]
    entropy: float
    ideal_entropy: float
    local_entropy: float | None
    local_blocks: int
    chi_square: float
    chi_square_p: float
    histogram: list[list[int]]
    scatter: dict[str, list[list[int]]] | None


@dataclasses.dataclass(frozen=True)
class Range:
    """Of one score of many ciphertexts."""

    first: float
    mean: float
    least: float
    most: float


@dataclasses.dataclass(frozen=True)
class Row:
    """Of many ciphertexts by one cipher: ranges by score, tallies by test.

    ``outside_customary_interval``: by ALPHAS how many have a local entropy outside what papers print, None where they
    do not hold the blocks for it.
    """

    cipher: str
    salt: str
    scores: dict[str, Range]
    tests: dict[str, Tally]
    outside_customary_interval: dict[float, int] | None


@dataclasses.dataclass(frozen=True)
class Flipped:
    """What flipping each bit of the file key does one way: ranges of NPCR and UACI, tallies, the UACI expected."""

    scores: dict[str, Range]
    expected_uaci: float
    tests: dict[str, Tally]


@dataclasses.dataclass(frozen=True)
class KeySensitivity:
    """``refused`` counts the bits of the owner's key that, flipped, left the file shut."""

    bits: int
    refused: int
    encrypt: Flipped
    decrypt: Flipped

    def ways(self) -> dict[str, Flipped]:
        """By WAYS."""
        return {ENCRYPT: self.encrypt, DECRYPT: self.decrypt}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ciphertext(Portrait):
    """A picture in one form: the portrait of its first ciphertext, and what was counted over many.

    ``form`` is the net's name or subjects.DIRECT; ``changes_without_effect`` is the share of changed samples that left
    the payload as it was; critical values are by ALPHAS.
    """

    form: str
    rate: float | None
    payload_bytes: int
    payload_entropy: float
    changes_without_effect: float
    npcr_critical: dict[float, float]
    uaci_critical: dict[float, tuple[float, float]]
    rows: list[Row]
    key: KeySensitivity


class Tested(NamedTuple):
    """What a verdict is on; ``way`` is one of WAYS where key bits were flipped."""

    cipher: str
    salt: str
    test: str
    way: str | None


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Over all pictures and forms: a tally of one test, and how it is judged."""

    cipher: str
    salt: str
    test: str
    way: str | None
    tests: int
    rejected: dict[float, int]
    expected: dict[float, float]
    chance: dict[float, float]
    passed: bool


@dataclasses.dataclass(frozen=True)
class Secret:
    """A secret, its bits, None if nobody knows, and what is to be said of it."""

    secret: str
    bits: int | None
    note: str


@dataclasses.dataclass(frozen=True)
class Results:
    """What ``bench security`` found."""

    pairs: int
    random_pairs: int
    pictures: list[Portrait]
    ciphertexts: list[Ciphertext]
    verdicts: list[Verdict]
    key_space: list[Secret]
    caveat: str


def run(
    images: Path | None,
    pairs: int,
    seed: int,
    provider: str,
    others: Mapping[str, subjects.Encrypt] = MappingProxyType({}),
    side: int | None = None,
) -> Results:
    """Measure plain pictures, their ciphertexts, and what a changed pixel or key bit does to these.

    Pictures follow each other, one sample changed by one level each time; two of them make a pair, and no picture is in
    two pairs. Salt ``fixed``: all are encrypted under one salt and one file key; ``fresh``: each under its own.

    Args:
        images: folder of pictures; ``None`` takes a made and the bundled one.
        pairs: how many for each picture and form, 1 to MOST_PAIRS.
        seed: of everything random here, salts and file keys included.
        provider: what runs the nets.
        others: ciphers of other people's by name, to be measured beside these with fixed and fresh secrets.
        side: pixels a side to which every picture is brought; ``None`` takes them as they are.

    Raises:
        BenchError: ``pairs`` out of range, or a folder without pictures, or with one too small.
        ImageError: a picture is not of 8 bits.
    """
    if taken := others.keys() & CIPHERS.keys():
        raise BenchError(f"a cipher is called {taken.pop()} already; give another name")
    ciphers = CIPHERS | dict(others)
    settings = (*ROWS, *(Setting(name, salt) for name in others for salt in (FIXED, FRESH)))
    if not 1 <= pairs <= MOST_PAIRS:
        raise BenchError(f"cannot measure {pairs} pairs; give a number from 1 to {MOST_PAIRS}")
    rng = np.random.default_rng(seed)
    plain: list[Portrait] = []
    ciphertexts: list[Ciphertext] = []
    for name, kind, picture in steps.through(list(pictures.load(images)), "pictures, gray and color"):
        if side is not None:
            picture = pictures.resized(picture, side)
        plain.append(_portrait(name, kind, picture, _scores(picture, rng), rng))
        for subject in subjects.forms(name, kind, picture, provider):
            ciphertexts.append(_measure(subject, pairs, rng, {each: ciphers[each.cipher] for each in settings}))
    return Results(pairs, RANDOM_PAIRS, plain, ciphertexts, _verdicts(ciphertexts), _key_space(), CAVEAT)


def _portrait(name: str, kind: str, plane: Bytes, scores: dict[str, float], rng: np.random.Generator) -> Portrait:
    channels = plane.reshape(-1, plane.shape[2]).T if plane.ndim == 3 else plane.reshape(1, -1)
    random_pairs = {each: metrics.correlation(plane, each, RANDOM_PAIRS, rng) for each in metrics.DIRECTIONS}
    scatter = None
    if kind == pictures.GRAY:
        drawn = {each: metrics.neighbors(plane, each, SCATTER_PAIRS, rng) for each in metrics.DIRECTIONS}
        scatter = {each: [side.tolist() for side in sides] for each, sides in drawn.items()}
    return Portrait(
        picture=name,
        kind=kind,
        shape=list(plane.shape),
        bytes=plane.size,
        correlation={each: scores[each] for each in metrics.DIRECTIONS},
        correlation_of_random_pairs=random_pairs,
        entropy=scores[ENTROPY],
        ideal_entropy=metrics.ideal_entropy(plane.size),
        local_entropy=scores.get(LOCAL_ENTROPY),
        local_blocks=_local_blocks(plane),
        chi_square=scores[CHI_SQUARE],
        chi_square_p=significance.chi_square_p(scores[CHI_SQUARE], 255),
        histogram=[np.bincount(channel, minlength=256).tolist() for channel in channels],
        scatter=scatter,
    )


def _scores(plane: Bytes, rng: np.random.Generator) -> dict[str, float]:
    """What is measured of every ciphertext; no local entropy where it holds no block of that."""
    scores = {name: metrics.correlation(plane, name) for name in metrics.DIRECTIONS}
    scores |= {ENTROPY: metrics.entropy(plane), CHI_SQUARE: metrics.chi_square(plane)}
    if min(plane.shape[:2]) >= metrics.LOCAL_SIDE:
        scores[LOCAL_ENTROPY] = metrics.local_entropy(plane, seed=rng)[0]
    return scores


def _local_blocks(plane: Bytes) -> int:
    """How many blocks its local entropy takes."""
    return metrics.local_entropy(plane)[1] if min(plane.shape[:2]) >= metrics.LOCAL_SIDE else 0


def _measure(
    subject: Subject, pairs: int, rng: np.random.Generator, ciphers: Mapping[Setting, subjects.Encrypt]
) -> Ciphertext:
    scores: dict[Setting, Scores] = {setting: {} for setting in ciphers}
    held = subjects.draw(rng)
    walk, changes = subject.walk(rng), 0
    for _ in range(pairs):
        firsts: dict[Setting, Bytes] = {}
        for second in (False, True):
            payload, tries = next(walk)
            changes += tries
            for setting, kept in scores.items():
                secrets = held if setting.salt == FIXED else subjects.draw(rng)
                found = ciphers[setting](subject, payload, secrets)
                if second:
                    _keep(kept, _differences(firsts[setting], found))
                else:
                    firsts[setting] = found
                    if setting != DEPENDENT:
                        _keep(kept, _scores(subject.plane(found), rng))
    # The first of the ciphertexts once more: that of the picture itself.
    plain, found = subject.payload, subjects.chaos(subject, subject.payload, held)
    size, plane = len(found), subject.plane(found)
    first_scores = {name: values[0] for name, values in scores[Setting(CHAOS, FIXED)].items()}
    return Ciphertext(
        **vars(_portrait(subject.name, subject.kind, plane, first_scores, rng)),
        form=subject.form,
        rate=subject.rate,
        payload_bytes=len(plain),
        payload_entropy=metrics.entropy(plain),
        changes_without_effect=1 - (2 * pairs - 1) / changes,
        npcr_critical={alpha: significance.npcr_critical(size, alpha) for alpha in ALPHAS},
        uaci_critical={alpha: significance.uaci_critical(size, alpha) for alpha in ALPHAS},
        rows=[
            _row(setting, kept, subject.plane(firsts[setting]), len(firsts[setting]))
            for setting, kept in scores.items()
        ],
        key=_key_sensitivity(subject, rng),
    )


def _differences(one: Bytes, other: Bytes) -> dict[str, float]:
    return {NPCR: metrics.npcr(one, other), UACI: metrics.uaci(one, other)}


def _keep(kept: Scores, scores: dict[str, float]) -> None:
    for name, value in scores.items():
        kept.setdefault(name, []).append(value)


def _row(setting: Setting, scores: Scores, plane: Bytes, size: int) -> Row:
    """Of many ciphertexts in the shape of ``plane``: ranges of the scores, and how many of them each test rejects.

    NPCR and UACI are of all their bytes, ``size``.
    """
    p_of = _p_of(plane, size)
    tests: dict[str, Tally] = {}
    for name, values in scores.items():
        tests[name] = significance.tally([p_of[name](value) for value in values], size if name == NPCR else None)
    if directions := [tests.pop(name) for name in metrics.DIRECTIONS if name in tests]:
        tests[CORRELATION] = significance.total(directions)
    outside = None
    if LOCAL_ENTROPY in scores and _local_blocks(plane) == metrics.LOCAL_BLOCKS:
        intervals = {alpha: significance.customary_local_entropy_interval(alpha) for alpha in ALPHAS}
        outside = {
            alpha: sum(not low <= value <= high for value in scores[LOCAL_ENTROPY])
            for alpha, (low, high) in intervals.items()
        }
    return Row(*setting, {name: _range(values) for name, values in scores.items()}, tests, outside)


def _p_of(plane: Bytes, size: int) -> dict[str, Callable[[float], float]]:
    """For each score the probability that random bytes in this shape have one as far off or farther."""
    moments = {name: (0.0, 1 / metrics.neighbors(plane, name)[0].size) for name in metrics.DIRECTIONS}
    moments[UACI] = significance.uaci_moments(size)
    if blocks := _local_blocks(plane):
        moments[LOCAL_ENTROPY] = LOCAL_MEAN, significance.LOCAL_VARIANCE / blocks
    return {
        **{name: functools.partial(significance.two_sided, moments=each) for name, each in moments.items()},
        ENTROPY: functools.partial(significance.entropy_p, samples=plane.size),
        CHI_SQUARE: functools.partial(significance.chi_square_p, freedom=255),
        NPCR: functools.partial(significance.npcr_p, size=size),
    }


def _range(values: Sequence[float]) -> Range:
    return Range(values[0], statistics.fmean(values), min(values), max(values))


def _key_sensitivity(subject: Subject, rng: np.random.Generator) -> KeySensitivity:
    """What flipping each bit of the file key does to the ciphertext, and to what one ciphertext deciphers to.

    A file does not open under a wrong key, so the other direction is that of the layers below: key schedule and cipher,
    without authentication.
    """
    secrets, payload = subjects.draw(rng), subject.payload
    blob = subjects.seal(subject, payload, secrets)
    header, enciphered, parts = container.parse(blob), subjects.ciphertext(blob), subjects.enciphered(blob)
    scores: dict[str, Scores] = {way: {} for way in WAYS}
    bits, refused = 8 * slots.FILE_KEY_BYTES, 0
    for bit in range(bits):
        wrong = subjects.flip(secrets.file_key, bit)
        other = subjects.chaos(subject, payload, envelope.Secrets(wrong, secrets.salt))
        keys_of = [envelope.part_key(header, wrong, number) for number in range(len(parts))]
        opened = np.concatenate([cipher.decipher(*each) for each in zip(parts, keys_of, strict=True)])
        _keep(scores[ENCRYPT], _differences(enciphered, other))
        _keep(scores[DECRYPT], _differences(payload, opened))
        try:
            envelope.open_(blob, RawKey(subjects.flip(subjects.KEY.secret, bit)))
        except WrongKeyError:
            refused += 1
    return KeySensitivity(bits, refused, _flipped(scores[ENCRYPT], enciphered), _flipped(scores[DECRYPT], payload))


def _flipped(scores: Scores, right: Bytes) -> Flipped:
    """For scores that are all held against the same bytes, ``right``, which need not be random ones."""
    uaci, size = significance.uaci_moments_against(right), len(right)
    tests = {
        NPCR: significance.tally([significance.npcr_p(value, size) for value in scores[NPCR]], size),
        UACI: significance.tally([significance.two_sided(value, uaci) for value in scores[UACI]]),
    }
    return Flipped({name: _range(values) for name, values in scores.items()}, uaci[0], tests)


def _verdicts(ciphertexts: Iterable[Ciphertext]) -> list[Verdict]:
    """All pictures and forms together."""
    collected: dict[Tested, list[Tally]] = {}
    for record in ciphertexts:
        for row in record.rows:
            for test, each in row.tests.items():
                collected.setdefault(Tested(row.cipher, row.salt, test, None), []).append(each)
        for way, flipped in record.key.ways().items():
            for test, each in flipped.tests.items():
                collected.setdefault(Tested(CHAOS, FIXED, test, way), []).append(each)
    return [_verdict(tested, significance.total(each)) for tested, each in collected.items()]


def _verdict(tested: Tested, tally: Tally) -> Verdict:
    judgement = significance.judge(tally)
    return Verdict(*tested, tally.tests, tally.rejected, tally.expected, judgement.chance, judgement.passed)


def _key_space() -> list[Secret]:
    """Bits of each secret, and what is to be said of it."""
    return [
        Secret("key", 8 * keys.SECRET_BYTES, "random; wraps the file keys"),
        Secret("file key", 8 * slots.FILE_KEY_BYTES, "random, a new one for each file"),
        Secret("image key", 8 * cipher.KEY_BYTES, "by HKDF from file key, salt and digest"),
        Secret("a lane's states", 104, "two known words of the lane fix them; see docs/threat-model.md"),
        Secret("passphrase", None, "as hard to guess as it is, one run of Argon2id a guess"),
    ]
