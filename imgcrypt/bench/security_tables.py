"""What ``bench security`` prints of its results, with the paper's tables 4 to 8 above its own rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from imgcrypt import metrics
from imgcrypt.bench import paper
from imgcrypt.bench.common import NONE, table
from imgcrypt.bench.tallies import ALPHAS, LEVELS, LIMIT, Tally

if TYPE_CHECKING:
    from rich.table import Table

Record = dict[str, Any]

SUBJECT = ["picture", "of", "what, salt"]
NAMES = {"npcr": "NPCR", "uaci": "UACI", "chi_square": "chi-square", "local_entropy": "local entropy"}
AT = f"at {' / '.join(LEVELS)}"
AES = "AES-CTR is AES-256 in counter mode on the same payloads, its key and nonce fixed or fresh as salt and file key."
REJECTED = f'"Rejected" counts ciphertexts that are beyond chance {AT}; of random bytes it is 5%, 1% and 0.1% of them.'


def tables(results: Record) -> Iterator[Table]:
    """Tables 4 to 8, key sensitivity, key space, and the verdicts with what they do not show."""
    yield _correlation(results)
    yield _entropy(results)
    yield _local_entropy(results)
    yield _differential(results, "npcr", "table 7: NPCR")
    yield _differential(results, "uaci", "table 8: UACI")
    yield _key_sensitivity(results)
    space = results["key_space"]
    rows = [[each["secret"], NONE if each["bits"] is None else str(each["bits"]), each["note"]] for each in space]
    yield table("key space", ["secret", "bits", "what of it"], rows, left=3)
    yield _verdicts(results)


def _correlation(results: Record) -> Table:
    rows = [
        [*_printed(picture, column), *map(_signed, values), NONE, NONE]
        for picture in paper.STATISTICS_PICTURES
        for column, values in paper.correlations(picture).items()
    ]
    for cells, portrait, row in _lines(results):
        drawn = portrait["correlation_of_random_pairs"].values() if _is_shown(row) else ()
        ours = (_first(portrait["correlation"], row, direction) for direction in metrics.DIRECTIONS)
        random_pairs = " ".join(f"{value:+.3f}" for value in drawn) or NONE
        rows.append([*cells, *map(_signed, ours), random_pairs, _rejected(row, "correlation")])
    reach = metrics.correlation_critical(results["random_pairs"], ALPHAS[0])
    return table(
        "table 4: correlation of neighbors",
        [*SUBJECT, *metrics.DIRECTIONS, "of 5,000 pairs", f"rejected of {3 * results['pairs']}"],
        rows,
        "All pairs of neighbors in one ciphertext, and 5,000 random ones: by these, random bytes are beyond "
        f"±{reach:.3f} one time in 20, and a paper's third digit says nothing. {REJECTED} Three directions are three "
        f"tests. {AES}",
        left=3,
    )


def _entropy(results: Record) -> Table:
    rows = [
        [*_printed(picture, column), NONE, _bits(value), *[NONE] * 4]
        for picture in paper.STATISTICS_PICTURES
        for column, value in paper.entropies(picture).items()
    ]
    rows += [
        [
            *cells,
            f"{portrait['bytes']:,}",
            _bits(_first(portrait, row, "entropy")),
            _bits(portrait["ideal_entropy"]),
            _rejected(row, "entropy"),
            f"{_first(portrait, row, 'chi_square'):,.1f}",
            _rejected(row, "chi_square"),
        ]
        for cells, portrait, row in _lines(results)
    ]
    rejected = f"rejected of {results['pairs']}"
    return table(
        "table 5: entropy of the histogram in bits a byte, and its chi-square",
        [*SUBJECT, "bytes", "entropy", "ideal", rejected, "chi-square", rejected],
        rows,
        f"Ideal: the mean of as many random bytes. {REJECTED} Chi-square, which is above 293.2, 310.5 and 330.5 then, "
        "tests almost the same: what it rejects, entropy does.",
        left=3,
    )


def _local_entropy(results: Record) -> Table:
    rows = [
        [f"{picture} {kind}", NONE, "cipher, paper", NONE, _bits(value), *[NONE] * 3]
        for picture in paper.STATISTICS_PICTURES
        for kind, value in paper.local_entropies(picture).items()
    ]
    for cells, portrait, row in _lines(results):
        blocks = portrait["local_blocks"]
        outside = (row or {}).get("outside_customary_interval")
        rows.append(
            [
                *cells,
                str(blocks),
                _bits(_first(portrait, row, "local_entropy")),
                _interval(metrics.local_entropy_interval(ALPHAS[0], blocks), 4) if blocks else NONE,
                _rejected(row, "local_entropy"),
                _by_level(outside, "d") if outside else NONE,
            ]
        )
    right, customary = (
        ", ".join(f"{_interval(interval(alpha), 4)} at {alpha}" for alpha in ALPHAS)
        for interval in (metrics.local_entropy_interval, metrics.customary_local_entropy_interval)
    )
    pairs = results["pairs"]
    return table(
        "table 6: local entropy in bits a byte, of random blocks of 44 x 44",
        [*SUBJECT, "blocks", "mean", f"interval at {LEVELS[0]}", f"rejected of {pairs}", "outside the customary"],
        rows,
        f"30 blocks: {right}. {REJECTED} The customary intervals of this paper and others, {customary}, divide by 30 "
        "instead of its square root: random bytes fall outside 72, 64 and 55 times in 100. A ciphertext of 192 x 192, "
        "which a picture of 256 x 256 has in the paper, does not hold 30 blocks.",
        left=3,
    )


def _differential(results: Record, measure: str, title: str) -> Table:
    rows = [
        [*_printed(picture, column), f"{value:.4f}", *[NONE] * 5]
        for picture in paper.STATISTICS_PICTURES
        for column, value in paper.differential(measure, picture).items()
    ]
    for record in results["ciphertexts"]:
        critical = record[f"{measure}_critical"][LEVELS[0]]
        for row in record["rows"]:
            if _is_control(row):
                continue
            rows.append(
                [
                    *_subject(record, row),
                    *(f"{row['scores'][measure][name]:.5f}" for name in ("mean", "least", "most")),
                    f">= {critical:.5f}" if measure == "npcr" else _interval(critical, 5),
                    _rejected(row, measure),
                    f"{record['changes_without_effect']:.0%}",
                ]
            )
    ideal = 255 / 256 if measure == "npcr" else metrics.uaci_moments(1)[0]
    pairs = results["pairs"]
    return table(
        title,
        [*SUBJECT, "mean", "least", "most", f"critical at {LEVELS[0]}", f"rejected of {pairs}", "no effect"],
        rows,
        f"Ideal: {ideal:.5f}. {pairs} pairs of pictures that differ in one sample by one level. {REJECTED} {AES} "
        "Critical values are those of the actual size; the paper takes those of 256 x 256. "
        '"No effect": measurements are rounded, so that this share of such changes leaves all of them as they were. '
        "Equal measurements under one salt and file key give equal ciphertexts; such pairs are not counted.",
        left=3,
    )


def _key_sensitivity(results: Record) -> Table:
    rows = []
    for record in results["ciphertexts"]:
        key = record["key"]
        for way in ("encrypt", "decrypt"):
            scores = key[way]["scores"]
            rows.append(
                [
                    f"{record['picture']} {record['kind']}",
                    record["form"],
                    way,
                    f"{scores['npcr']['mean']:.5f}",
                    _rejected(key[way], "npcr"),
                    f"{scores['uaci']['mean']:.5f}",
                    f"{key[way]['expected_uaci']:.5f}",
                    _rejected(key[way], "uaci"),
                    f"{key['refused']} of {key['bits']}" if way == "decrypt" else NONE,
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


def _verdicts(results: Record) -> Table:
    rows = []
    for each in results["verdicts"]:
        test, _, way = each["test"].partition(", ")
        rows.append(
            [
                each["cipher"],
                each["salt"],
                ", ".join(filter(None, (NAMES.get(test, test), way))),
                str(each["tests"]),
                _by_level(each["rejected"], "d"),
                _by_level(each["expected"], ".1f"),
                f"{min(each['chance'].values()):.4f}",
                "passed" if each["passed"] else "FAILED",
            ]
        )
    return table(
        "all pictures and forms together",
        ["cipher", "salt", "test", "tests", f"rejected {AT}", "expected", "chance", "verdict"],
        rows,
        f"Chance: of so many or more with random bytes, at the level where it is least. Failed: below {LIMIT}. "
        + results["caveat"],
        left=3,
    )


def _lines(results: Record) -> Iterator[tuple[list[str], Record, Record | None]]:
    """Each plain picture, then its ciphertexts: the first cells, the portrait, and the row unless it is plain."""
    for plain in results["pictures"]:
        yield [f"{plain['picture']} {plain['kind']}", "pixels", "plain"], plain, None
        for record in results["ciphertexts"]:
            if (record["picture"], record["kind"]) == (plain["picture"], plain["kind"]):
                for row in record["rows"]:
                    if "entropy" in row["tests"] and not _is_control(row):
                        yield _subject(record, row), record, row


def _subject(record: Record, row: Record) -> list[str]:
    return [f"{record['picture']} {record['kind']}", record["form"], f"{row['cipher']}, {row['salt']}"]


def _is_shown(row: Record | None) -> bool:
    """Whether the portrait is that of this row's first ciphertext, or of the plain picture."""
    return row is None or (row["cipher"], row["salt"]) == ("chaos", "fixed")


def _is_control(row: Record) -> bool:
    """Whether the row stands in the last table alone."""
    return bool(row["cipher"] not in ("chaos", "AES-CTR"))


def _first(portrait: Record, row: Record | None, name: str) -> Any:
    """The score of the plain picture, or of the row's first ciphertext."""
    return portrait[name] if row is None else row["scores"].get(name, {}).get("first")


def _rejected(row: Record | None, test: str) -> str:
    tally: Tally | None = (row or {}).get("tests", {}).get(test)
    return NONE if tally is None else _by_level(tally["rejected"], "d")


def _by_level(values: Record, form: str) -> str:
    return " / ".join(f"{values[level]:{form}}" for level in LEVELS)


def _interval(values: Any, digits: int) -> str:
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
