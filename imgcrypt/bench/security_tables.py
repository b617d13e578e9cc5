"""What ``bench security`` prints of its results, with the paper's tables 4 to 8 above its own rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from imgcrypt import metrics
from imgcrypt.bench import paper, security, significance
from imgcrypt.bench.common import NONE, table
from imgcrypt.bench.security import (
    CHI_SQUARE,
    CORRELATION,
    ENTROPY,
    LOCAL_ENTROPY,
    NPCR,
    UACI,
    Ciphertext,
    Flipped,
    Portrait,
    Results,
    Row,
    Setting,
)
from imgcrypt.bench.significance import ALPHAS, LIMIT
from imgcrypt.bench.subjects import DIRECT, FIGURE_2_NET

if TYPE_CHECKING:
    from rich.table import Table

SUBJECT = ["picture", "of", "what, salt"]
NAMES = {NPCR: "NPCR", UACI: "UACI", CHI_SQUARE: "chi-square", LOCAL_ENTROPY: "local entropy"}
AT = f"at {' / '.join(map(str, ALPHAS))}"
AES = (
    f"{security.AES} is AES-256 in counter mode on the same payloads, its key and nonce fixed or fresh as salt and "
    "file key."
)
REJECTED = f'"Rejected" counts ciphertexts that are beyond chance {AT}; of random bytes it is 5%, 1% and 0.1% of them.'


def tables(results: Results) -> Iterator[Table]:
    """Tables 4 to 8, key sensitivity, key space, and the verdicts with what they do not show."""
    yield _correlation(results)
    yield _entropy(results)
    yield _local_entropy(results)
    yield _differential(results, NPCR, "table 7: NPCR")
    yield _differential(results, UACI, "table 8: UACI")
    yield _as_printed(results)
    yield _key_sensitivity(results)
    rows = [[each.secret, NONE if each.bits is None else str(each.bits), each.note] for each in results.key_space]
    yield table("key space", ["secret", "bits", "what of it"], rows, left=3)
    yield _verdicts(results)


def _correlation(results: Results) -> Table:
    rows = [
        [*_printed(picture, column), *map(_signed, values), NONE, NONE]
        for picture in paper.STATISTICS_PICTURES
        for column, values in paper.correlations(picture).items()
    ]
    for cells, portrait, row in _lines(results):
        drawn = portrait.correlation_of_random_pairs.values() if _is_shown(row) else ()
        ours = (_first(row, each, portrait.correlation[each]) for each in metrics.DIRECTIONS)
        random_pairs = " ".join(f"{value:+.3f}" for value in drawn) or NONE
        rows.append([*cells, *map(_signed, ours), random_pairs, _rejected(row, CORRELATION)])
    reach = significance.correlation_critical(results.random_pairs, ALPHAS[0])
    return table(
        "table 4: correlation of neighbors",
        [*SUBJECT, *metrics.DIRECTIONS, f"of {results.random_pairs:,} pairs", f"rejected of {3 * results.pairs}"],
        _grouped(rows),
        f"All pairs of neighbors in one ciphertext, and {results.random_pairs:,} random ones: by these, random bytes "
        f"are beyond ±{reach:.3f} one time in 20, and a paper's third digit says nothing. {REJECTED} Three directions "
        f"are three tests. {AES}",
        left=3,
    )


def _entropy(results: Results) -> Table:
    rows = [
        [*_printed(picture, column), NONE, _bits(value), *[NONE] * 4]
        for picture in paper.STATISTICS_PICTURES
        for column, value in paper.entropies(picture).items()
    ]
    rows += [
        [
            *cells,
            f"{portrait.bytes:,}",
            _bits(_first(row, ENTROPY, portrait.entropy)),
            _bits(portrait.ideal_entropy),
            _rejected(row, ENTROPY),
            f"{_first(row, CHI_SQUARE, portrait.chi_square):,.1f}",
            _rejected(row, CHI_SQUARE),
        ]
        for cells, portrait, row in _lines(results)
    ]
    rejected = f"rejected of {results.pairs}"
    return table(
        "table 5: entropy of the histogram in bits a byte, and its chi-square",
        [*SUBJECT, "bytes", "entropy", "ideal", rejected, "chi-square", rejected],
        _grouped(rows),
        f"Ideal: the mean of as many random bytes. {REJECTED} Chi-square, which is above 293.2, 310.5 and 330.5 then, "
        "tests almost the same: what it rejects, entropy does.",
        left=3,
    )


def _local_entropy(results: Results) -> Table:
    rows = [
        [f"{picture} {kind}", NONE, "cipher, paper", NONE, _bits(value), *[NONE] * 3]
        for picture in paper.STATISTICS_PICTURES
        for kind, value in paper.local_entropies(picture).items()
    ]
    for cells, portrait, row in _lines(results):
        blocks = portrait.local_blocks
        outside = row.outside_customary_interval if row else None
        rows.append(
            [
                *cells,
                str(blocks),
                _bits(_first(row, LOCAL_ENTROPY, portrait.local_entropy)),
                _interval(significance.local_entropy_interval(ALPHAS[0], blocks), 4) if blocks else NONE,
                _rejected(row, LOCAL_ENTROPY),
                _by_level(outside, "d") if outside else NONE,
            ]
        )
    right, customary = (
        ", ".join(f"{_interval(interval(alpha), 4)} at {alpha}" for alpha in ALPHAS)
        for interval in (significance.local_entropy_interval, significance.customary_local_entropy_interval)
    )
    side, blocks = metrics.LOCAL_SIDE, metrics.LOCAL_BLOCKS
    return table(
        f"table 6: local entropy in bits a byte, of random blocks of {side} x {side}",
        [
            *SUBJECT,
            "blocks",
            "mean",
            f"interval at {ALPHAS[0]}",
            f"rejected of {results.pairs}",
            "outside the customary",
        ],
        _grouped(rows),
        f"{blocks} blocks: {right}. {REJECTED} The customary intervals of this paper and others, {customary}, divide "
        f"by {blocks} instead of its square root: random bytes fall outside 72, 64 and 55 times in 100. A ciphertext "
        f"of 192 x 192, which a picture of 256 x 256 has in the paper, does not hold {blocks} blocks.",
        left=3,
    )


def _differential(results: Results, measure: str, title: str) -> Table:
    rows = [
        [*_printed(picture, column), f"{value:.4f}", *[NONE] * 5]
        for picture in paper.STATISTICS_PICTURES
        for column, value in paper.differential(measure, picture).items()
    ]
    for record in results.ciphertexts:
        low, high = record.uaci_critical[ALPHAS[0]]
        critical = f">= {record.npcr_critical[ALPHAS[0]]:.5f}" if measure == NPCR else _interval((low, high), 5)
        for row in record.rows:
            if _is_control(row):
                continue
            scores = row.scores[measure]
            rows.append(
                [
                    *_subject(record, row),
                    *(f"{score:.5f}" for score in (scores.mean, scores.least, scores.most)),
                    critical,
                    _rejected(row, measure),
                    f"{record.changes_without_effect:.0%}",
                ]
            )
    ideal = 255 / 256 if measure == NPCR else significance.uaci_moments(1)[0]
    pairs = results.pairs
    return table(
        title,
        [*SUBJECT, "mean", "least", "most", f"critical at {ALPHAS[0]}", f"rejected of {pairs}", "no effect"],
        _grouped(rows),
        f"Ideal: {ideal:.5f}. {pairs} pairs of pictures that differ in one sample by one level. {REJECTED} {AES} "
        "Critical values are those of the actual size; the paper takes those of 256 x 256. "
        '"No effect": measurements are rounded, so that this share of such changes leaves all of them as they were. '
        "Equal measurements under one salt and file key give equal ciphertexts; such pairs are not counted.",
        left=3,
    )


def _as_printed(results: Results) -> Table:
    """As the paper's tables 6 to 8 end: does one ciphertext, the first, pass at each level?"""
    rows = []
    for record in results.ciphertexts:
        for row in record.rows:
            if record.form != FIGURE_2_NET or _is_control(row) or row.salt != security.FIXED:
                continue
            npcr, uaci = row.scores[NPCR].first, row.scores[UACI].first
            local = row.scores[LOCAL_ENTROPY].first if LOCAL_ENTROPY in row.scores else None
            rows.append(
                [
                    f"{record.picture} {record.kind}",
                    f"{row.cipher}, {row.salt}",
                    f"{record.payload_bytes:,}",
                    f"{npcr:.5f}",
                    _passes(npcr >= record.npcr_critical[alpha] for alpha in ALPHAS),
                    f"{uaci:.5f}",
                    _passes(low <= uaci <= high for low, high in map(record.uaci_critical.__getitem__, ALPHAS)),
                    _bits(local),
                    NONE if local is None else _passes(_local_passes(local, record.local_blocks)),
                ]
            )
    levels = " / ".join(map(str, ALPHAS))
    return table(
        f"tables 6 to 8 as the paper prints them: one ciphertext of {FIGURE_2_NET} passes at {levels}, or fails",
        [SUBJECT[0], SUBJECT[2], "bytes", "NPCR", "verdict", "UACI", "verdict", "local entropy", "verdict"],
        rows,
        f"--paper-size brings every picture to the paper's {security.PAPER_SIDE} x {security.PAPER_SIDE}, of which the "
        "net makes 36,864 bytes. Of random bytes one in 20 fails at 0.05: a single verdict says nothing, the counts "
        "above do.",
        left=2,
    )


def _local_passes(value: float, blocks: int) -> Iterator[bool]:
    for alpha in ALPHAS:
        low, high = significance.local_entropy_interval(alpha, blocks)
        yield low <= value <= high


def _passes(passed: Iterable[bool]) -> str:
    return "/".join("Pass" if each else "Fail" for each in passed)


def _key_sensitivity(results: Results) -> Table:
    rows = []
    for record in results.ciphertexts:
        key = record.key
        for way, flipped in key.ways().items():
            rows.append(
                [
                    f"{record.picture} {record.kind}",
                    record.form,
                    way,
                    f"{flipped.scores[NPCR].mean:.5f}",
                    _rejected(flipped, NPCR),
                    f"{flipped.scores[UACI].mean:.5f}",
                    f"{flipped.expected_uaci:.5f}",
                    _rejected(flipped, UACI),
                    f"{key.refused} of {key.bits}" if way == security.DECRYPT else NONE,
                ]
            )
    return table(
        "key sensitivity: each of the 256 bits of the file key flipped",
        [*SUBJECT[:2], "way", "NPCR", "rejected of 256", "UACI", "ideal", "rejected of 256", "refused"],
        rows,
        "Encrypt: both ciphertexts of one payload. Decrypt: a payload, and what its ciphertext deciphers to below the "
        f'authentication. Means. {REJECTED} "Refused": bits of the owner\'s key which, flipped, left the file shut.',
        left=3,
    )


def _verdicts(results: Results) -> Table:
    rows = []
    for each in results.verdicts:
        name = NAMES.get(each.test, each.test)
        rows.append(
            [
                each.cipher,
                each.salt,
                f"{name}, key bit, {each.way}" if each.way else name,
                str(each.tests),
                _by_level(each.rejected, "d"),
                _by_level(each.expected, ".1f"),
                f"{min(each.chance.values()):.4f}",
                "passed" if each.passed else "FAILED",
            ]
        )
    return table(
        "all pictures and forms together",
        ["cipher", "salt", "test", "tests", f"rejected {AT}", "expected", "chance", "verdict"],
        rows,
        f"Chance: of so many or more with random bytes, at the level where it is least. Failed: below {LIMIT}. "
        + results.caveat,
        left=3,
    )


def _grouped(rows: list[list[str]]) -> list[list[str]]:
    """The rows of each picture together, the paper's, which come first, above ours."""
    named = [paper.picture_name(row[0].removesuffix(" gray").removesuffix(" color")) for row in rows]
    first = {name: named.index(name) for name in named}
    return [row for _, row in sorted(zip(named, rows, strict=True), key=lambda pair: first[pair[0]])]


def _lines(results: Results) -> Iterator[tuple[list[str], Portrait, Row | None]]:
    """Each plain picture, then its ciphertexts: the first cells, the portrait, and the row unless it is plain."""
    for plain in results.pictures:
        yield [f"{plain.picture} {plain.kind}", DIRECT, "plain"], plain, None
        for record in results.ciphertexts:
            if (record.picture, record.kind) == (plain.picture, plain.kind):
                for row in record.rows:
                    if ENTROPY in row.tests and not _is_control(row):
                        yield _subject(record, row), record, row


def _subject(record: Ciphertext, row: Row) -> list[str]:
    return [f"{record.picture} {record.kind}", record.form, f"{row.cipher}, {row.salt}"]


def _is_shown(row: Row | None) -> bool:
    """Whether the portrait is that of this row's first ciphertext, or of the plain picture."""
    return row is None or (row.cipher, row.salt) == Setting(security.CHAOS, security.FIXED)


def _is_control(row: Row) -> bool:
    """Whether the row stands in the last table alone."""
    return row.cipher == security.TOY


def _first(row: Row | None, name: str, plain: float | None) -> float | None:
    """The score of the plain picture, or of the row's first ciphertext; where one has no such score, neither has."""
    return row.scores[name].first if row and name in row.scores else plain


def _rejected(row: Row | Flipped | None, test: str) -> str:
    tally = row.tests.get(test) if row else None
    return NONE if tally is None else _by_level(tally.rejected, "d")


def _by_level(values: Mapping[float, float], form: str) -> str:
    return " / ".join(f"{values[alpha]:{form}}" for alpha in ALPHAS)


def _interval(values: tuple[float, float], digits: int) -> str:
    low, high = values
    return f"{low:.{digits}f} - {high:.{digits}f}"


def _printed(picture: str, column: str) -> list[str]:
    """First cells of what the paper prints in a column, as "cipher, paper (gray)", "gray" or "Shi 2019"."""
    what, _, kind = column.partition(" (")
    if column in ("gray", "color"):
        what, kind = "cipher, paper", column
    elif what == "plain":
        what = "plain, paper"
    elif what != "cipher, paper":
        what = what.removeprefix("cipher, ")
    return [f"{picture} {kind.rstrip(')')}".rstrip(), NONE, what]


def _signed(value: float | None) -> str:
    return NONE if value is None else f"{value:+.4f}"


def _bits(value: float | None) -> str:
    return NONE if value is None else f"{value:.4f}"
