"""NIST SP 800-22 against the document's own examples, and the battery made of it."""

from __future__ import annotations

import json
import math
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

pytest.importorskip("scipy", reason="the tests of SP 800-22 need SciPy: pip install imgcrypt[bench]")

from imgcrypt import cipher
from imgcrypt.bench.cli import app
from imgcrypt.bench.randomness import nist, nist_tests

SIX = {"rel": 0, "abs": 1.1e-6}
"""The document prints six decimals, the last one cut off in some places."""


def bits_of(text):
    return np.array([int(digit) for digit in text if digit in "01"], np.uint8)


PI = bits_of("11001001000011111101101010100010001000010110100011 00001000110100110001001100011001100010100010111000")


def sum_of_inverse_factorials(first, last):
    """p, q with p / q = 1 / (first + 1) + 1 / (first + 1)(first + 2) + ... up to ``last``."""
    if last - first == 1:
        return 1, last
    middle = (first + last) // 2
    p, q = sum_of_inverse_factorials(first, middle)
    more_p, more_q = sum_of_inverse_factorials(middle, last)
    return p * more_q + more_p, q * more_q


@pytest.fixture(scope="module")
def e():
    """The first 1,000,000 binary digits of e, with its integer part 10."""
    size = 1_000_000
    # 77,000! has more than 1,100,000 binary digits.
    p, q = sum_of_inverse_factorials(0, 77_000)
    digits = ((p + q) << (size - 2)) // q
    return np.unpackbits(np.frombuffer(digits.to_bytes(size // 8, "big"), np.uint8))


def test_appendix_b_on_e(e):
    # Where a test gives many values, the document prints this one.
    found = {name: values[0] for name, values in nist_tests.run(e).items()}
    expected = {
        "frequency": 0.953749,
        "block frequency": 0.211072,
        "cumulative sums": 0.669887,
        "runs": 0.561917,
        "longest run of ones": 0.718945,
        "matrix rank": 0.306156,
        "spectral": 0.847187,
        "non-overlapping templates": 0.078790,
        "universal": 0.282568,
        "approximate entropy": 0.700073,
        "serial": 0.766182,
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected, **SIX)
    assert nist_tests.cumulative_sums(e)[1] == pytest.approx(0.724266, **SIX)
    assert sum(map(len, nist_tests.run(e).values())) == 188


def test_appendix_b_on_e_with_the_constants_of_its_time(e, monkeypatch):
    # Revision 1a corrected these constants and left the examples as they were.
    monkeypatch.setattr(nist_tests, "OVERLAPPING_CLASSES", (0.367879, 0.183940, 0.137955, 0.099634, 0.069935, 0.140657))
    assert nist_tests.overlapping_template(e) == pytest.approx(0.110434, rel=0, abs=5e-6)
    monkeypatch.setattr(nist_tests, "COMPLEXITY_CLASSES", (0.01047, 0.03125, 0.125, 0.5, 0.25, 0.0625, 0.020833))
    assert nist_tests.linear_complexity(e) == pytest.approx(0.826335, **SIX)
    assert nist_tests.linear_complexity(e, 1000) == pytest.approx(0.845406, **SIX)


def test_random_excursions_of_e(e):
    # Section 2.14.8; its values for positive states belong to another sequence, appendix B's for +1 to this.
    assert nist_tests.random_excursions(e)[:5] == pytest.approx(
        [0.573306, 0.197996, 0.164011, 0.007779, 0.786868], **SIX
    )
    # Section 2.15.8.
    negative = [0.858946, 0.794755, 0.576249, 0.493417, 0.633873, 0.917283, 0.934708, 0.816012, 0.826009]
    positive = [0.137861, 0.200642, 0.441254, 0.939291, 0.505683, 0.445935, 0.512207, 0.538635, 0.593930]
    assert nist_tests.random_excursions_variant(e) == pytest.approx(negative + positive, **SIX)


def test_frequency_of_sections_2_1():
    assert nist_tests.frequency(bits_of("1011010101")) == pytest.approx(0.527089, **SIX)
    assert nist_tests.frequency(PI) == pytest.approx(0.109599, **SIX)


def test_block_frequency_of_section_2_2():
    assert nist_tests.block_frequency(bits_of("0110011010"), 3) == pytest.approx(0.801252, **SIX)
    assert nist_tests.block_frequency(PI, 10) == pytest.approx(0.706438, **SIX)


def test_runs_of_section_2_3():
    assert nist_tests.runs(bits_of("1001101011")) == pytest.approx(0.147232, **SIX)
    assert nist_tests.runs(PI) == pytest.approx(0.500798, **SIX)
    assert nist_tests.runs(np.ones(100, np.uint8)) == 0


def test_longest_run_of_section_2_4():
    bits = bits_of(
        "11001100000101010110110001001100111000000000001001 00110101010001000100111101011010000000110101111100"
        "1100111001101101100010110010"
    )
    # The document computes with probabilities of four decimals.
    assert nist_tests.longest_run(bits, 8) == pytest.approx(0.180609, rel=0, abs=2e-5)


def test_matrix_rank_of_section_2_5(e):
    assert nist_tests.matrix_rank(e[:100_000]) == pytest.approx(0.532069, **SIX)


def test_spectral_of_section_2_6():
    # The document counts 46 low peaks in these bits. There are 48, as the sums that define them say.
    places = np.arange(100)
    peaks = [abs(((2.0 * PI - 1) * np.exp(2j * np.pi * places * j / 100)).sum()) for j in range(50)]
    assert sum(peak < np.sqrt(np.log(20) * 100) for peak in peaks) == 48
    d = (48 - 47.5) / np.sqrt(100 * 0.95 * 0.05 / 4)
    assert nist_tests.spectral(PI) == pytest.approx(math.erfc(d / math.sqrt(2)))


def test_non_overlapping_templates_of_section_2_7():
    values = nist_tests.non_overlapping_templates(bits_of("10100100101110010110"), 3, 2)
    assert nist_tests.templates(3) == [0b001, 0b011, 0b100, 0b110]
    assert values[0] == pytest.approx(0.344154, **SIX)


def test_serial_of_section_2_11(e):
    assert nist_tests.serial(bits_of("0011011101"), 3) == pytest.approx([0.808792, 0.670320], **SIX)
    assert nist_tests.serial(e, 2) == pytest.approx([0.843764, 0.561915], **SIX)


def test_approximate_entropy_of_section_2_12():
    assert nist_tests.approximate_entropy(bits_of("0100110101"), 3) == pytest.approx(0.261961, **SIX)
    assert nist_tests.approximate_entropy(PI, 2) == pytest.approx(0.235301, **SIX)


def test_cumulative_sums_of_section_2_13():
    assert nist_tests.cumulative_sums(PI) == pytest.approx([0.219194, 0.114866], **SIX)


def test_excursions_of_sections_2_14_and_2_15():
    bits = bits_of("0110110101")
    assert nist_tests.random_excursions(bits)[4] == pytest.approx(0.502529, rel=0, abs=5e-5)
    assert nist_tests.random_excursions_variant(bits)[9] == pytest.approx(0.683091, **SIX)


def test_templates_are_as_many_as_in_the_document():
    assert [len(nist_tests.templates(m)) for m in range(2, 10)] == [2, 4, 6, 12, 20, 40, 74, 148]


def test_overlapping_classes_are_the_distribution_of_random_blocks():
    # share[run, found]: of all beginnings of a block, by ones at its end (9 at most) and windows of nine ones (5).
    share = np.zeros((10, 6))
    share[0, 0] = 1
    for _ in range(1032):
        after = np.zeros_like(share)
        after[0] = share.sum(0) / 2
        after[1:9] = share[:8] / 2
        nine = (share[8] + share[9]) / 2
        after[9, 1:] = nine[:5]
        after[9, 5] += nine[5]
        share = after
    assert share.sum(0) == pytest.approx(nist_tests.OVERLAPPING_CLASSES, abs=1e-6)


@given(taps=st.lists(st.booleans(), min_size=1, max_size=90), start=st.binary(min_size=12, max_size=12))
def test_complexity_is_never_above_the_register_that_made_the_bits(taps, start):
    bits = [int(bit) for bit in np.unpackbits(np.frombuffer(start, np.uint8))[: len(taps)]]
    while len(bits) < 300:
        bits.append(sum(bit for bit, tap in zip(bits[-len(taps) :], taps, strict=True) if tap) % 2)
    assert nist_tests.complexities(np.array([bits], np.uint8)).item() <= len(taps)


def test_complexity_of_known_sequences():
    blocks = np.zeros((4, 130), np.uint8)
    blocks[1, 129] = 1
    blocks[2, :13] = blocks[2, 13:26] = bits_of("1101011110001")
    blocks[3] = 1
    assert nist_tests.complexities(blocks).tolist()[0:2] == [0, 130]
    assert nist_tests.complexities(blocks)[3] == 1
    # The example of section 2.10.4.
    assert nist_tests.complexities(blocks[2:3, :13]) == 4


def test_few_cycles_leave_the_excursions_out():
    results = nist_tests.run(np.concatenate([np.zeros(500_000, np.uint8), np.ones(500_000, np.uint8)]))
    assert len(results) == 13
    assert all(values.max() < 1e-6 for name, values in results.items() if name not in ("frequency", "cumulative sums"))


def test_sequences_are_the_keystream():
    key = bytes(32)
    bits = np.concatenate(list(nist._sequences(key, 40)))
    assert (np.packbits(bits) == cipher.keystream(key, 40 * 125_000)).all()


def values_with(failing, count):
    """P-values spread evenly, but for ``failing`` too small ones."""
    values = (np.arange(count) + 0.5) / count
    values[values < nist.ALPHA] = 0.5
    values[-failing:] = 0.001
    return values


def test_proportion_is_judged_after_section_4_2_1():
    # The document's example: of 1,000 sequences, 0.9805607 or more must pass.
    assert nist._allowed(1000) == (981, 999)
    assert not nist.assess(values_with(19, 1000)).failed
    assert nist.assess(values_with(20, 1000)).failed
    assert nist.assess((np.arange(1000) + 1000) / 2000).failed


def test_uniformity_is_judged_after_section_4_2_2():
    spread = np.arange(1000) / 1000
    assert nist.assess(spread).p_uniformity == 1
    uneven = np.where(np.arange(1000) < 70, 0.99, spread)
    assert nist.assess(uneven).p_uniformity < nist.UNIFORM
    assert nist.assess(uneven).failed
    assert nist.assess(np.array([0.5] * 54)).p_uniformity is None
    assert nist.assess(np.array([0.5, 1.0] * 30)).failed


def test_perfect_randomness_fails_as_often_as_the_table_says():
    # 1 - P(981 to 999 of 1,000 pass), summed up exactly, and the histogram's share.
    outside = 1 - sum(math.comb(1000, k) * 0.99**k * 0.01 ** (1000 - k) for k in range(981, 1000))
    assert nist._chance(1000) == pytest.approx(outside + 0.0001, rel=1e-6)


def test_command(tmp_path):
    file = tmp_path / "r.json"
    arguments = ["randomness", "--battery", "nist", "--sequences", "2", "--seed", "5", "--json", str(file)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    document = json.loads(file.read_text())
    assert document["settings"] == {"battery": "nist", "sequences": 2, "seed": 5}
    results = document["results"]["results"]
    assert document["results"]["bytes"] == 250_000
    assert document["results"]["failed"] == sum(row["failed"] for row in results)
    expected = nist_tests.run(np.unpackbits(cipher.keystream((5).to_bytes(32, "big"), 125_000)))
    assert {row["test"] for row in results} >= set(expected)
    assert "linear complexity" in result.stdout


def test_a_bad_keystream_fails(monkeypatch):
    # Bytes whose top bit is never set.
    def parts(key, size):
        yield memoryview((np.frombuffer(np.random.default_rng(0).bytes(size), np.uint8) & 127).tobytes())

    monkeypatch.setattr(nist.keystream, "parts", parts)
    result = nist.run(bytes(32), 1, lambda line: None)
    assert result.failed > 100


def test_missing_scipy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "imgcrypt.bench.randomness.nist_tests", None)
    monkeypatch.delattr("imgcrypt.bench.randomness.nist_tests")
    with pytest.raises(nist.BenchError, match=r"pip install imgcrypt\[bench\]"):
        nist.run(bytes(32), 1, lambda line: None)


@pytest.mark.parametrize("options", [["--battery", "other"], ["--battery", "nist", "--sequences", "0"]])
def test_command_refuses(options):
    assert CliRunner().invoke(app, ["randomness", *options]).exit_code == 2
