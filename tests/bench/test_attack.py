"""The attacks succeed where several pictures share an image key, and nowhere else."""

from __future__ import annotations

import ast
import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

import imgcrypt
from imgcrypt import cipher, container, envelope, pictures, profiles
from imgcrypt.bench import attack, cryptanalysis, subjects
from imgcrypt.bench.cli import app
from imgcrypt.bench.common import BenchError
from imgcrypt.container import Content, Mode, Suite
from imgcrypt.errors import ImageError
from imgcrypt.keys import RawKey

KEY = bytes(range(32))
SIZES = [1, 2, 3, 64, 65, 4097, 65535, 65536, 65537, 140001]
TOLERANCE = 7
"""Standard deviations: beyond them once in hundreds of millions of runs."""


def one_key(message):
    return cipher.encipher(message, KEY)


def own_keys():
    """An oracle that gives each message a key of its own."""
    rng = np.random.default_rng(0)
    return lambda message: cipher.encipher(message, rng.bytes(32))


def messages(count, size, seed=0):
    return np.random.default_rng([seed, size]).integers(0, 256, (count, size), np.uint8)


def known(oracle, plain):
    return cryptanalysis.known_plaintext(plain, np.stack([oracle(message) for message in plain]))


def assert_permutation(key, size):
    assert (np.sort(key.source) == np.arange(size)).all()


@pytest.mark.parametrize("size", SIZES)
def test_chosen_pictures_give_everything(size):
    asked = []

    def oracle(message):
        asked.append(message)
        return one_key(message)

    key = cryptanalysis.chosen_plaintext(oracle, cryptanalysis.numbers(size))
    assert len(asked) == 2 + math.ceil(math.log2(size))
    (unseen,) = messages(1, size)
    assert key.solved.all()
    assert (key.decipher(one_key(unseen)) == unseen).all()


@pytest.mark.parametrize("size", [3, 64, 256, 257, 4097, 65536, 65537])
@pytest.mark.parametrize("noise", [1, 3])
def test_few_chosen_pictures_give_nearly_everything(size, noise):
    asked = []

    def oracle(message):
        asked.append(message)
        return one_key(message)

    key = cryptanalysis.few_chosen(oracle, messages(noise, size, seed=1))
    assert len(asked) == 2 + math.ceil(math.log(size, 256) - 1e-9) + noise
    (unseen,) = messages(1, size)
    right = key.decipher(one_key(unseen)) == unseen
    assert right[key.solved].mean() > 0.9999
    assert size < 4097 or key.solved.mean() > (0.9 if noise == 1 else 0.98)
    assert size < 4097 or right.mean() > (0.97 if noise == 1 else 0.99)
    assert_permutation(key, size)


@given(st.integers(1, 600), st.binary(min_size=32, max_size=32))
def test_chosen_pictures_give_everything_under_any_key(size, secret):
    key = cryptanalysis.chosen_plaintext(lambda each: cipher.encipher(each, secret), cryptanalysis.numbers(size))
    (unseen,) = messages(1, size)
    assert (key.decipher(cipher.encipher(unseen, secret)) == unseen).all()


@pytest.mark.parametrize("size", SIZES)
def test_known_pictures_give_everything(size):
    key = known(one_key, messages(48, size, seed=1))
    (unseen,) = messages(1, size)
    assert key.solved.all()
    assert (key.decipher(one_key(unseen)) == unseen).all()


@pytest.mark.parametrize(("count", "least", "most"), [(2, 0, 0.01), (10, 0, 0.2), (16, 0.3, 0.99)])
def test_few_known_pictures_give_a_part_and_claim_no_more(count, least, most):
    key = known(one_key, messages(count, 4097, seed=1))
    (unseen,) = messages(1, 4097)
    assert least <= key.solved.mean() <= most
    assert (key.decipher(one_key(unseen)) == unseen)[key.solved].all()
    assert_permutation(key, 4097)


def test_equal_known_bytes_are_left_out():
    plain = messages(48, 500, seed=1)
    plain[:, 7] = plain[:, 300]
    plain[:, 100:110] = 255
    key = known(one_key, plain)
    (unseen,) = messages(1, 500)
    # Neither these twelve bytes nor their partners.
    assert 500 - 24 <= key.solved.sum() <= 500 - 12
    assert not key.solved[[7, 300, *range(100, 110)]].any()
    assert (key.decipher(one_key(unseen)) == unseen)[key.solved].all()


@pytest.mark.parametrize("size", [5, 4097, 65537])
def test_single_pixels_give_themselves(size):
    places = np.array([0, size // 2, size - 1])
    key = cryptanalysis.chosen_plaintext(one_key, cryptanalysis.single_pixels(size, places))
    (unseen,) = messages(1, size)
    assert (np.flatnonzero(key.solved) == places).all()
    assert (key.decipher(one_key(unseen)) == unseen)[places].all()
    assert_permutation(key, size)


def test_black_alone_is_the_mask():
    black, bits = one_key(np.zeros(4096, np.uint8)), cryptanalysis.numbers(4096)
    assert (cryptanalysis.chosen_plaintext(one_key, bits).mask == black).all()


@pytest.mark.parametrize("size", [64, 4097, 65537])
@pytest.mark.parametrize(
    "recover",
    [
        lambda oracle, size: cryptanalysis.chosen_plaintext(oracle, cryptanalysis.numbers(size)),
        lambda oracle, size: cryptanalysis.chosen_plaintext(oracle, cryptanalysis.single_pixels(size, np.arange(20))),
        lambda oracle, size: known(oracle, messages(48, size, seed=1)),
        lambda oracle, size: cryptanalysis.few_chosen(oracle, messages(3, size, seed=1)),
    ],
    ids=["differences", "single pixels", "known", "few"],
)
def test_keys_of_their_own_give_nothing(size, recover):
    oracle = own_keys()
    (unseen,) = messages(1, size)
    target = oracle(unseen)
    key = recover(oracle, size)
    assert not key.solved.any()
    assert_permutation(key, size)
    right = (key.decipher(target) == unseen).sum()
    assert right < size / 256 + TOLERANCE * math.sqrt(size / 256) + 2


def test_the_attacks_know_no_keys():
    tree = ast.parse(Path(cryptanalysis.__file__).read_text("utf-8"))
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    assert {name for name in imported if name.startswith("imgcrypt")} == {"imgcrypt.arrays", "imgcrypt.cipher.layout"}


@pytest.mark.parametrize("side", [64, 65])
def test_run(side):
    shown = {}
    results = attack.run(None, side, [2, 48], 3, shown.__setitem__)
    truth, chance = shown[attack.Shown(None, attack.PICTURE)], results.chance
    assert truth.shape == (side, side)
    assert truth.std() > 20
    found = {(record.bound_to, record.attack): record for record in results.attacks}
    assert len(found) == 3 * 7
    for (bound_to, name), record in found.items():
        recovered = shown[attack.Shown(bound_to, name)]
        assert record.right_share == (recovered == truth).mean()
        assert record.seconds > 0
        if bound_to != attack.BARE:
            # One picture of noise confirms a byte by chance now and then.
            assert record.claimed_share < (0.01 if name == attack.FEW[1] else 1e-9)
            assert record.claimed_share or record.claimed_right_share is None
            deviations = (record.right_share - chance.right_share) / chance.right_share_deviation
            assert abs(deviations) < TOLERANCE
            assert abs(record.correlation) < TOLERANCE * chance.correlation_deviation
            assert record.psnr_db == pytest.approx(chance.psnr_db, abs=1)
    for name, asked in ((attack.DIFFERENCES, 2 + math.ceil(math.log2(side**2))), ("48 known pictures", 48)):
        record = found[attack.BARE, name]
        assert record.pictures == asked
        assert record.claimed_share == record.claimed_right_share == record.right_share == 1
        assert record.psnr_db == math.inf
        assert record.correlation == pytest.approx(1)
        assert (shown[attack.Shown(attack.BARE, name)] == truth).all()
    for noise, name in attack.FEW.items():
        assert found[attack.BARE, name].pictures == 2 + 2 + noise
        assert found[attack.BARE, name].right_share > 0.95
    single = found[attack.BARE, attack.SINGLE]
    assert single.claimed_share == attack.SINGLE_PIXELS / side**2
    assert single.claimed_right_share == 1
    assert found[attack.BARE, attack.BLACK_WHITE].claimed_share == 0

    changed = {row.bound_to: row for row in results.one_pixel}
    assert changed[attack.BARE].most * side**2 <= 2
    assert changed[attack.RELEASED].least > 0.98
    assert changed[attack.DIGEST].least > 0.98
    for row in results.ciphertexts:
        assert row.entropy_bits == pytest.approx(row.ideal_entropy_bits, abs=0.02)
        assert sum(row.histogram) == side**2
        plane = shown[attack.Shown(row.bound_to, row.picture)]
        assert (np.bincount(plane.reshape(-1), minlength=256) == row.histogram).all()


def test_chance_is_what_noise_gives():
    truth = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 256, 1) // 2
    chance = attack._chance(truth)
    noise = np.random.default_rng(0).integers(0, 256, (100, 256, 256), np.uint8)
    shares = [(each == truth).mean() for each in noise]
    correlations = [attack._pearson(each, truth) for each in noise]
    assert np.mean(shares) == pytest.approx(chance.right_share, rel=0.02)
    assert np.std(shares) == pytest.approx(chance.right_share_deviation, rel=0.3)
    assert np.std(correlations) == pytest.approx(chance.correlation_deviation, rel=0.3)
    assert imgcrypt.metrics.psnr(truth, noise[0]) == pytest.approx(chance.psnr_db, abs=0.1)


def test_victims_differ_in_what_they_bind():
    victims = attack._victims(32, np.random.default_rng(0))
    black, white = np.zeros(1024, np.uint8), np.full(1024, 255, np.uint8)
    same = {name: bool((victim(black) == victim(black)).all()) for name, victim in victims.items()}
    assert same == {attack.RELEASED: False, attack.DIGEST: True, attack.BARE: True}
    assert all((victim(black) != victim(white)).any() for victim in victims.values())
    assert [victim.asked for victim in victims.values()] == [4, 4, 4]


def test_ciphertext_is_that_of_the_file():
    (message,) = messages(1, 70000)
    key, secrets = RawKey(KEY), envelope.Secrets(bytes(32), bytes(32))
    content = Content(Suite.CHAOS, Mode.RAW, 1, 70000, 1, 1, None)
    file = envelope.seal(message, content, profiles.lay_out(profiles.NONE, 70000, False), key, secrets)
    image_key = envelope.part_key(container.parse(file), secrets.file_key, 0)
    assert (subjects.ciphertext(file) == cipher.encipher(message, image_key)).all()


def folder_of(tmp_path, *shapes):
    for i, (height, width) in enumerate(shapes):
        plane = messages(1, height * width, seed=i).reshape(height, width)
        (tmp_path / f"{i}.png").write_bytes(pictures.encode(plane, ".png"))
    return tmp_path


def test_pictures_of_a_folder(tmp_path):
    folder = folder_of(tmp_path, (40, 40), (90, 70), (20, 31))
    shown = {}
    results = attack.run(folder, 40, [48], 0, shown.__setitem__)
    assert (shown[attack.Shown(None, attack.PICTURE)] == messages(1, 1600).reshape(40, 40)).all()
    assert results.attacks[-1].right_share > 0.99
    _, others = attack._pictures(folder, 40, 3, np.random.default_rng(0))
    assert others.shape == (3, 1600)


def test_seed_chooses_the_known_pictures():
    one, again, other = (attack._pictures(None, 20, 2, np.random.default_rng(seed))[1] for seed in (0, 0, 1))
    assert (one == again).all()
    assert (one != other).any()


@pytest.mark.parametrize(
    ("size", "counts", "said"),
    [
        (15, [48], "from 16 to 1024"),
        (1025, [48], "from 16 to 1024"),
        (64, [48, 1], "2 to 256"),
        (64, [257], "2 to 256"),
    ],
)
def test_numbers_out_of_range(size, counts, said):
    with pytest.raises(BenchError, match=said):
        attack.run(None, size, counts, 0)


def test_folder_needs_two_pictures(tmp_path):
    with pytest.raises(BenchError, match="no pictures"):
        attack.run(tmp_path, 64, [48], 0)
    with pytest.raises(BenchError, match="holds one picture"):
        attack.run(folder_of(tmp_path, (40, 40)), 64, [48], 0)
    (tmp_path / "1.png").write_bytes(b"no picture")
    with pytest.raises(ImageError, match=r"1\.png"):
        attack.run(tmp_path, 64, [48], 0)


def test_command(tmp_path):
    file = tmp_path / "figures.json"
    result = CliRunner().invoke(app, ["attack", "--size", "24", "--known", "40", "--seed", "5", "--json", str(file)])
    assert result.exit_code == 0, (result.output, result.exception)
    document = json.loads(file.read_text())
    assert document["command"] == "attack"
    assert document["settings"] == {"size": 24, "known": [40], "seed": 5, "images": False}
    assert {record["right_share"] for record in document["results"]["attacks"]} >= {1.0}
    assert "no proof of security" in " ".join(result.stdout.split())
    assert "exact" in result.stdout


@pytest.mark.parametrize("options", [["--size", "x"], ["--size", "15"], ["--known", "some"], ["--seed", "-1"]])
def test_command_refuses(options):
    assert CliRunner().invoke(app, ["attack", *options]).exit_code != 0
