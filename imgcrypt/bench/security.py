"""``bench security``: the statistics of the paper's tables 4 to 8, key sensitivity and key space, of the suite chaos.

Every picture is measured as it is encrypted by default (measurements of a net) and directly (its samples), beside two
controls that encrypt the same payloads: AES-256 in counter mode, which is sound, and XOR with noise of a 16-bit seed,
which is not. Over many ciphertexts it counts the tests that reject at 0.05, 0.01 and 0.001, beside the number expected
of random bytes, so that neither one unlucky draw nor ten lucky ones say anything.
"""

from __future__ import annotations

import functools
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from imgcrypt import cipher, container, envelope, keys, metrics, slots
from imgcrypt.bench import security_tables, subjects, tallies
from imgcrypt.bench.common import BenchError
from imgcrypt.bench.subjects import Subject
from imgcrypt.bench.tallies import ALPHAS, Tally
from imgcrypt.errors import WrongKeyError
from imgcrypt.keys import RawKey

if TYPE_CHECKING:
    from rich.table import Table

Bytes = NDArray[np.uint8]
Scores = dict[str, list[float]]

CHAOS, AES, TOY = "chaos", "AES-CTR", "XOR, 16 bits"
FIXED, FRESH = "fixed", "fresh"
CIPHERS: dict[str, subjects.Encrypt] = {CHAOS: subjects.chaos, AES: subjects.aes_ctr, TOY: subjects.toy}
ROWS = ((CHAOS, FIXED), (CHAOS, FRESH), (AES, FIXED), (AES, FRESH), (TOY, FIXED))
DEPENDENT = (AES, FIXED)
"""Its ciphertexts are all but equal, so that many of them score what one does."""
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


def run(images: Path | None, pairs: int, seed: int, provider: str) -> dict[str, Any]:
    """Measure plain pictures, their ciphertexts, and what a changed pixel or key bit does to these.

    Pictures follow each other, one sample changed by one level each time; two of them make a pair, and no picture is in
    two pairs. Salt ``fixed``: all are encrypted under one salt and one file key; ``fresh``: each under its own.

    Args:
        images: folder of pictures; ``None`` takes a made and the bundled one.
        pairs: how many for each picture and form, 1 to MOST_PAIRS.
        seed: of everything random here, salts and file keys included.
        provider: what runs the nets.

    Returns:
        ``pictures``, each with its statistics, ``histogram`` (one for each channel) and, gray ones, ``scatter``: by
        direction both sides of random pairs of neighbors. ``ciphertexts``, for each picture and form the same of one
        ciphertext, critical values, ``rows`` by cipher and salt, and ``key`` sensitivity. ``verdicts``, over all of
        them, by test, cipher and salt. ``key_space``. ``caveat``.

    Raises:
        BenchError: ``pairs`` out of range, or a folder without pictures, or with one too small.
        ImageError: a picture is not of 8 bits.
    """
    if not 1 <= pairs <= MOST_PAIRS:
        raise BenchError(f"cannot measure {pairs} pairs; give a number from 1 to {MOST_PAIRS}")
    rng = np.random.default_rng(seed)
    plain, ciphertexts = [], []
    for name, kind, picture in subjects.load(images):
        plain.append({"picture": name, "kind": kind, **_portrait(picture, kind, _scores(picture, rng), rng)})
        ciphertexts += [_measure(each, pairs, rng) for each in subjects.forms(name, kind, picture, provider)]
    return {
        "pairs": pairs,
        "random_pairs": RANDOM_PAIRS,
        "pictures": plain,
        "ciphertexts": ciphertexts,
        "verdicts": _verdicts(ciphertexts),
        "key_space": _key_space(),
        "caveat": CAVEAT,
    }


def tables(results: dict[str, Any]) -> Iterator[Table]:
    """Tables 4 to 8 with the paper's rows, key sensitivity, key space, the verdicts and what they do not show."""
    return security_tables.tables(results)


def _portrait(plane: Bytes, kind: str, scores: dict[str, float], rng: np.random.Generator) -> dict[str, Any]:
    """What tables and figures 5 and 9 show of one picture, plain or enciphered."""
    channels = plane.reshape(-1, plane.shape[2]).T if plane.ndim == 3 else plane.reshape(1, -1)
    random_pairs = {name: metrics.correlation(plane, name, RANDOM_PAIRS, rng) for name in metrics.DIRECTIONS}
    portrait: dict[str, Any] = {
        "shape": list(plane.shape),
        "bytes": plane.size,
        "correlation": {name: scores[name] for name in metrics.DIRECTIONS},
        "correlation_of_random_pairs": random_pairs,
        "entropy": scores["entropy"],
        "ideal_entropy": metrics.ideal_entropy(plane.size),
        "local_entropy": scores.get("local_entropy"),
        "local_blocks": _local_blocks(plane),
        "chi_square": scores["chi_square"],
        "chi_square_p": metrics.chi_square_p(scores["chi_square"], 255),
        "histogram": [np.bincount(channel, minlength=256).tolist() for channel in channels],
    }
    if kind == "gray":
        drawn = {name: metrics.neighbors(plane, name, SCATTER_PAIRS, rng) for name in metrics.DIRECTIONS}
        portrait["scatter"] = {name: [side.tolist() for side in sides] for name, sides in drawn.items()}
    return portrait


def _scores(plane: Bytes, rng: np.random.Generator) -> dict[str, float]:
    """What is measured of every ciphertext; no local entropy where it holds no block of that."""
    scores = {name: metrics.correlation(plane, name) for name in metrics.DIRECTIONS}
    scores |= {"entropy": metrics.entropy(plane), "chi_square": metrics.chi_square(plane)[0]}
    if min(plane.shape[:2]) >= metrics.LOCAL_SIDE:
        scores["local_entropy"] = metrics.local_entropy(plane, seed=rng)[0]
    return scores


def _local_blocks(plane: Bytes) -> int:
    """How many blocks its local entropy takes."""
    return metrics.local_entropy(plane)[1] if min(plane.shape[:2]) >= metrics.LOCAL_SIDE else 0


def _measure(subject: Subject, pairs: int, rng: np.random.Generator) -> dict[str, Any]:
    scores: dict[tuple[str, str], Scores] = {row: {} for row in ROWS}
    held = subjects.draw(rng)
    walk, changes = subject.walk(rng), 0
    for _ in range(pairs):
        firsts: dict[tuple[str, str], Bytes] = {}
        for second in (False, True):
            payload, tries = next(walk)
            changes += tries
            for (name, salt), kept in scores.items():
                found = CIPHERS[name](subject, payload, held if salt == FIXED else subjects.draw(rng))
                if second:
                    first = firsts[name, salt]
                    _keep(kept, {"npcr": metrics.npcr(first, found), "uaci": metrics.uaci(first, found)})
                else:
                    firsts[name, salt] = found
                    if (name, salt) != DEPENDENT:
                        _keep(kept, _scores(subject.plane(found), rng))
    # The first of the ciphertexts once more: that of the picture itself.
    size, plane = len(subject.payload), subject.plane(subjects.chaos(subject, subject.payload, held))
    first_scores = {name: values[0] for name, values in scores[CHAOS, FIXED].items()}
    return {
        "picture": subject.name,
        "kind": subject.kind,
        "form": subject.form,
        "rate": subject.entry.rate(1 if subject.kind == "gray" else 3) if subject.entry else None,
        **_portrait(plane, subject.kind, first_scores, rng),
        "payload_bytes": size,
        "payload_entropy": metrics.entropy(subject.payload),
        "changes_without_effect": 1 - (2 * pairs - 1) / changes,
        "npcr_critical": {str(alpha): metrics.npcr_critical(size, alpha) for alpha in ALPHAS},
        "uaci_critical": {str(alpha): metrics.uaci_critical(size, alpha) for alpha in ALPHAS},
        "rows": [{"cipher": name, "salt": salt, **_row(kept, plane, size)} for (name, salt), kept in scores.items()],
        "key": _key_sensitivity(subject, rng),
    }


def _keep(kept: Scores, scores: dict[str, float]) -> None:
    for name, value in scores.items():
        kept.setdefault(name, []).append(value)


def _row(scores: Scores, plane: Bytes, size: int) -> dict[str, Any]:
    """Of many ciphertexts in the shape of ``plane``: ranges of the scores, and how many of them each test rejects.

    NPCR and UACI are of all their bytes, ``size``.
    """
    p_of = _p_of(plane, size)
    tests: dict[str, Tally] = {}
    for name, values in scores.items():
        tests[name] = tallies.tally([p_of[name](value) for value in values], size if name == "npcr" else None)
    if directions := [tests.pop(name) for name in metrics.DIRECTIONS if name in tests]:
        tests["correlation"] = tallies.total(directions)
    row: dict[str, Any] = {"scores": {name: _range(values) for name, values in scores.items()}, "tests": tests}
    if "local_entropy" in scores and _local_blocks(plane) == metrics.LOCAL_BLOCKS:
        intervals = {str(alpha): metrics.customary_local_entropy_interval(alpha) for alpha in ALPHAS}
        row["outside_customary_interval"] = {
            level: sum(not low <= value <= high for value in scores["local_entropy"])
            for level, (low, high) in intervals.items()
        }
    return row


def _p_of(plane: Bytes, size: int) -> dict[str, Callable[[float], float]]:
    """For each score the probability that random bytes in this shape have one as far off or farther."""
    moments = {name: (0.0, 1 / metrics.neighbors(plane, name)[0].size) for name in metrics.DIRECTIONS}
    moments["uaci"] = metrics.uaci_moments(size)
    if blocks := _local_blocks(plane):
        moments["local_entropy"] = LOCAL_MEAN, metrics.LOCAL_VARIANCE / blocks
    return {
        **{name: functools.partial(tallies.two_sided, moments=each) for name, each in moments.items()},
        "entropy": functools.partial(metrics.entropy_p, samples=plane.size),
        "chi_square": functools.partial(metrics.chi_square_p, freedom=255),
        "npcr": functools.partial(tallies.npcr, size=size),
    }


def _range(values: Sequence[float]) -> dict[str, float]:
    return {"first": values[0], "mean": statistics.fmean(values), "least": min(values), "most": max(values)}


def _key_sensitivity(subject: Subject, rng: np.random.Generator) -> dict[str, Any]:
    """What flipping each bit of the file key does to the ciphertext, and to what one ciphertext deciphers to.

    A file does not open under a wrong key: ``refused`` counts the bits of its owner's key that were flipped in vain. So
    the other direction is that of the layers below: key schedule and cipher, without authentication.
    """
    secrets, payload = subjects.draw(rng), subject.payload
    blob = subjects.seal(subject, payload, secrets)
    header, enciphered = container.parse(blob), subjects.ciphertext(blob)
    scores: dict[str, Scores] = {"encrypt": {}, "decrypt": {}}
    bits, refused = 8 * slots.FILE_KEY_BYTES, 0
    for bit in range(bits):
        wrong = subjects.flip(secrets.file_key, bit)
        other = subjects.chaos(subject, payload, envelope.Secrets(wrong, secrets.salt))
        opened = cipher.decipher(enciphered, envelope.image_keys(header, wrong)[0])
        for way, right, found in (("encrypt", enciphered, other), ("decrypt", payload, opened)):
            _keep(scores[way], {"npcr": metrics.npcr(right, found), "uaci": metrics.uaci(right, found)})
        try:
            envelope.open_(blob, RawKey(subjects.flip(subjects.KEY.secret, bit)))
        except WrongKeyError:
            refused += 1
    result: dict[str, Any] = {"bits": bits, "refused": refused}
    for way, right in (("encrypt", enciphered), ("decrypt", payload)):
        # All are held against the same bytes, and those of the payload are no random ones.
        uaci = metrics.uaci_moments_against(right)
        tests = {
            "npcr": tallies.tally([tallies.npcr(value, len(right)) for value in scores[way]["npcr"]], len(right)),
            "uaci": tallies.tally([tallies.two_sided(value, uaci) for value in scores[way]["uaci"]]),
        }
        ranges = {name: _range(values) for name, values in scores[way].items()}
        result[way] = {"scores": ranges, "expected_uaci": uaci[0], "tests": tests}
    return result


def _verdicts(ciphertexts: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """All pictures and forms together."""
    collected: dict[tuple[str, str, str], list[Tally]] = {}
    for record in ciphertexts:
        for row in record["rows"]:
            for test, each in row["tests"].items():
                collected.setdefault((row["cipher"], row["salt"], test), []).append(each)
        for way in ("encrypt", "decrypt"):
            for test, each in record["key"][way]["tests"].items():
                collected.setdefault((CHAOS, FIXED, f"{test}, key bit, {way}"), []).append(each)
    return [
        {"cipher": name, "salt": salt, "test": test, **tallies.total(each), **tallies.judge(tallies.total(each))}
        for (name, salt, test), each in collected.items()
    ]


def _key_space() -> list[dict[str, Any]]:
    """Bits of each secret, and what is to be said of it."""
    return [
        {"secret": "key", "bits": 8 * keys.SECRET_BYTES, "note": "random; wraps the file keys"},
        {"secret": "file key", "bits": 8 * slots.FILE_KEY_BYTES, "note": "random, a new one for each file"},
        {"secret": "image key", "bits": 8 * cipher.KEY_BYTES, "note": "by HKDF from file key, salt and digest"},
        {"secret": "a lane's states", "bits": 106, "note": "solved for, perhaps, by who knows the lane's keystream"},
        {"secret": "passphrase", "bits": None, "note": "as hard to guess as it is, one run of Argon2id a guess"},
    ]
