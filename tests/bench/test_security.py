"""The security bench on tiny pictures: what it measures is the released cipher, and what is broken does not pass."""

from __future__ import annotations

import io
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

import imgcrypt
from imgcrypt import cipher, container, envelope, metrics, pictures
from imgcrypt import payload as payloads
from imgcrypt.bench import common, security, security_tables, significance, subjects
from imgcrypt.bench.cli import app
from imgcrypt.bench.common import BenchError
from imgcrypt.bench.pictures import waves
from imgcrypt.errors import ImageError

SIDE = 70
Results = dict[str, Any]


def write(folder: Path, name: str, picture: Any) -> None:
    (folder / name).write_bytes(pictures.encode(picture, ".png"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("pictures")
    write(made, "lena_70.png", waves(SIDE, 3))
    return made


@pytest.fixture(scope="module")
def results(folder: Path) -> Results:
    """What the command writes."""
    file = folder.parent / "security.json"
    command = ["security", "--images", str(folder), "--pairs", "12", "--provider", "cpu", "--json", str(file)]
    ran = CliRunner().invoke(app, command)
    assert ran.exit_code == 0, (ran.output, ran.exception)
    document = json.loads(file.read_text())
    assert document["command"] == "security"
    assert str(folder) not in file.read_text()
    results: Results = document["results"]
    return results


@pytest.fixture(scope="module")
def found(folder: Path) -> security.Results:
    """The same as the command prints it."""
    return security.run(folder, 12, 0, "cpu")


def make(form: str, channels: int = 3, side: int = SIDE) -> subjects.Subject:
    picture = waves(side, channels)
    found = {each.form: each for each in subjects.forms("waves", "color", picture, "cpu")}
    return found[form]


FORMS = (subjects.DIRECT, subjects.FIGURE_2_NET)


def test_every_picture_is_measured_in_every_form(results: Results) -> None:
    assert [(each["picture"], each["kind"]) for each in results["pictures"]] == [
        ("lena_70", "gray"),
        ("lena_70", "color"),
    ]
    found = {(each["kind"], each["form"]): each for each in results["ciphertexts"]}
    assert {form for _, form in found} >= set(FORMS)
    assert len(found) == len(results["ciphertexts"])
    assert found["gray", "pixels"]["bytes"] == SIDE**2
    assert found["color", "pixels"]["bytes"] == 3 * SIDE**2
    assert found["color", subjects.FIGURE_2_NET]["bytes"] == 9 * 576
    assert found["color", subjects.FIGURE_2_NET]["rate"] == 0.18


def test_figures_have_what_they_show(results: Results) -> None:
    for each in (*results["pictures"], *results["ciphertexts"]):
        assert sum(map(sum, each["histogram"])) == each["bytes"]
        assert all(len(histogram) == 256 for histogram in each["histogram"])
        assert (each["scatter"] is not None) == (each["kind"] == "gray")
        for one, other in (each["scatter"] or {}).values():
            assert len(one) == len(other) == security.SCATTER_PAIRS
            assert {*one, *other} <= set(range(256))
    assert [len(each["histogram"]) for each in results["pictures"]] == [1, 3]


def test_plain_pictures_are_far_off_and_ciphertexts_are_not(results: Results) -> None:
    for each in results["pictures"]:
        assert min(each["correlation"].values()) > 0.4
        assert each["chi_square_p"] < 1e-6
        assert each["entropy"] < each["ideal_entropy"] - 0.1
    for each in results["ciphertexts"]:
        assert max(map(abs, each["correlation"].values())) < 6 / math.sqrt(each["bytes"])
        # The entropy of n random bytes has the variance of a chi-square of 255 degrees of freedom, over (2 n ln 2)^2.
        deviation = math.sqrt(2 * 255) / (2 * math.log(2) * each["bytes"])
        assert each["entropy"] == pytest.approx(each["ideal_entropy"], abs=5 * deviation)
        assert each["ideal_entropy"] == metrics.ideal_entropy(each["bytes"])
        # A plane of rows leaves out the last one if that is not full.
        assert 0 <= each["payload_bytes"] - each["bytes"] < each["shape"][1]
        for alpha in significance.ALPHAS:
            assert each["npcr_critical"][str(alpha)] == significance.npcr_critical(each["payload_bytes"], alpha)


def test_rows_are_as_known(results: Results) -> None:
    for record in results["ciphertexts"]:
        rows = {(row["cipher"], row["salt"]): row for row in record["rows"]}
        assert tuple(rows) == security.ROWS
        # A stream cipher under one nonce: one sample changed is one byte changed.
        fixed = rows[security.AES, security.FIXED]
        if record["form"] == subjects.DIRECT:
            assert fixed["scores"]["npcr"]["least"] == fixed["scores"]["npcr"]["most"] == 1 / record["bytes"]
            assert record["changes_without_effect"] == 0
        assert fixed["tests"]["npcr"]["rejected"] == {"0.05": 12, "0.01": 12, "0.001": 12}
        assert set(fixed["tests"]) == {"npcr", "uaci"}
        for row in security.ROWS:
            if row != security.DEPENDENT:
                assert rows[row]["scores"]["npcr"]["mean"] == pytest.approx(255 / 256, abs=0.002)
                assert rows[row]["scores"]["uaci"]["mean"] == pytest.approx(0.3346, abs=0.01)
                assert rows[row]["tests"]["correlation"]["tests"] == 36
                assert rows[row]["tests"]["chi_square"]["tests"] == 12


def test_key_bits_are_all_flipped_and_refused(results: Results) -> None:
    for record in results["ciphertexts"]:
        key = record["key"]
        assert (key["bits"], key["refused"]) == (256, 256)
        for way in ("encrypt", "decrypt"):
            assert key[way]["tests"]["npcr"]["tests"] == 256
            assert key[way]["scores"]["npcr"]["mean"] == pytest.approx(255 / 256, abs=0.001)
            assert key[way]["scores"]["uaci"]["mean"] == pytest.approx(key[way]["expected_uaci"], abs=0.003)


def test_verdicts_are_over_everything(results: Results) -> None:
    verdicts = {(each["cipher"], each["salt"], each["test"], each["way"]): each for each in results["verdicts"]}
    forms = len(results["ciphertexts"])
    assert verdicts[security.CHAOS, security.FIXED, "correlation", None]["tests"] == 36 * forms
    assert verdicts[security.CHAOS, security.FIXED, "npcr", "decrypt"]["tests"] == 256 * forms
    failed = {name for name, each in verdicts.items() if not each["passed"]}
    assert failed == {(security.AES, security.FIXED, test, None) for test in ("npcr", "uaci")}


def test_tables_have_the_papers_figures_and_ours(found: security.Results) -> None:
    console = Console(width=200, record=True, file=io.StringIO())
    for each in security_tables.tables(found):
        console.print(each)
    text = console.export_text()
    for printed in ("+0.9396", "-0.0227", "7.9949", "7.9027", "0.9957", "0.3352", "FAILED", "256 of 256", "key bit"):
        assert printed in text
    lines = text[text.index("table 5") : text.index("table 6")].splitlines()
    order = [line.split()[0] for line in lines if line.strip().startswith(("Lena", "lena_70", "Peppers"))]
    assert list(dict.fromkeys(order)) == ["Lena", "lena_70", "Peppers"]
    assert " ".join(text.split()).endswith(" ".join(security.CAVEAT.split()))


def test_the_seed_decides_everything(folder: Path, found: security.Results, results: Results) -> None:
    assert json.loads(json.dumps(common.as_json(found))) == results
    other = security.run(folder, 1, 1, "cpu")
    assert other.ciphertexts[0].correlation != found.ciphertexts[0].correlation
    assert other.ciphertexts[0].key != found.ciphertexts[0].key


def test_a_cipher_that_does_nothing_fails(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(security.CIPHERS, security.CHAOS, lambda subject, payload, secrets: payload.copy())
    verdicts = security.run(folder, 4, 0, "cpu").verdicts
    failed = {each.test for each in verdicts if each.cipher == security.CHAOS and not each.passed}
    assert failed == {"correlation", "entropy", "chi_square", "local_entropy", "npcr", "uaci"}


@pytest.mark.parametrize("form", FORMS)
def test_what_is_measured_is_the_released_cipher(form: str) -> None:
    subject, secrets = make(form), subjects.draw(np.random.default_rng(1))
    blob = subjects.seal(subject, subject.payload, secrets)
    header, payload, _ = envelope.open_(blob, subjects.KEY)
    assert (payload == subject.payload).all()
    assert (header.salt, header.suite) == (secrets.salt, container.Suite.CHAOS)
    found = subjects.ciphertext(blob)
    assert (found == subjects.chaos(subject, subject.payload, secrets)).all()
    parts = subjects.enciphered(blob)
    opened = [cipher.decipher(part, envelope.part_key(header, secrets.file_key, i)) for i, part in enumerate(parts)]
    assert (np.concatenate(opened) == subject.payload).all()
    # All of it, and parity, but neither tags nor what fills up shares.
    assert len(found) >= sum(map(len, parts))
    assert len(found) <= header.packets * (header.packet_bytes - container.TAG_BYTES)
    back = imgcrypt.decrypt(blob, subjects.KEY, provider="cpu")
    assert back.shape == subject.picture.shape
    assert (back == subject.picture).all() == (form == subjects.DIRECT)


def test_ciphertext_leaves_out_the_tags_of_every_packet() -> None:
    subject, secrets = make(subjects.DIRECT, side=301), subjects.draw(np.random.default_rng(1))
    blob = subjects.seal(subject, subject.payload, secrets)
    header = container.parse(blob)
    assert header.packets > 1
    image_key = envelope.part_key(header, secrets.file_key, 0)
    assert (subjects.ciphertext(blob) == cipher.encipher(subject.payload, image_key)).all()


@pytest.mark.parametrize("encrypt", [subjects.aes_ctr, subjects.toy])
def test_controls_are_xor_with_a_keystream_of_the_secrets(encrypt: subjects.Encrypt) -> None:
    subject, rng = make(subjects.DIRECT), np.random.default_rng(2)
    one, other = subjects.draw(rng), subjects.draw(rng)
    first = encrypt(subject, subject.payload, one)
    assert (first == encrypt(subject, subject.payload, one)).all()
    for secrets in (other, envelope.Secrets(one.file_key, other.salt), envelope.Secrets(other.file_key, one.salt)):
        assert metrics.npcr(first, encrypt(subject, subject.payload, secrets)) > 0.98


def test_aes_ctr_is_the_standards() -> None:
    # NIST SP 800-38A, F.5.5, first block.
    secrets = envelope.Secrets(
        bytes.fromhex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4"),
        bytes.fromhex("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff") + bytes(16),
    )
    block = np.frombuffer(bytes.fromhex("6bc1bee22e409f96e93d7e117393172a"), np.uint8)
    found = subjects.aes_ctr(make(subjects.DIRECT), block, secrets)
    assert found.tobytes().hex() == "601ec313775789a5b7a7f504bbf3d228"


@pytest.mark.parametrize("channels", [1, 3])
def test_walk_changes_one_sample_by_one_level(channels: int) -> None:
    subject = make(subjects.DIRECT, channels)
    walk = subject.walk(np.random.default_rng(3))
    before, changes = next(walk)
    assert changes == 0
    assert (before == subject.payload).all()
    for _ in range(50):
        before = before.copy()
        after, changes = next(walk)
        assert changes == 1
        assert np.sort(abs(after.astype(int) - before)).tolist()[-2:] == [0, 1]
        before = after
    assert (subject.payload == subject.picture.reshape(-1)).all()


def test_walk_stays_within_the_gray_levels() -> None:
    subject = make(subjects.DIRECT, 1)
    for level in (0, 255):
        subject.payload[:] = subject.picture[:] = level
        walk = subject.walk(np.random.default_rng(4))
        next(walk)
        after, _ = next(walk)
        assert sorted({*after.tolist()}) == sorted({level, abs(level - 1)})


@pytest.mark.parametrize("channels", [1, 3])
def test_walk_gives_the_measurements_of_the_changed_picture(channels: int) -> None:
    subject = make(subjects.FIGURE_2_NET, channels, side=180)
    assert subject.entry is not None
    rng = np.random.default_rng(5)
    picture, payload = subject.picture.copy(), subject.payload.copy()
    for _ in range(12):
        before = payload.copy()
        subject._step(picture, payload, rng)
        assert (payload != before).any()
    assert np.abs(picture.astype(int) - subject.picture).sum() == 12
    whole = payloads.measure(picture, subject.entry, "cpu")
    # All but what different sizes round differently.
    changed = (whole != subject.payload).sum()
    assert (whole != payload).sum() <= changed // 10


def test_walk_gives_up_where_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subjects, "TRIES", 3)
    subject = make(subjects.FIGURE_2_NET)
    monkeypatch.setattr(payloads, "measure", lambda *_: subject.payload)
    walk = subject.walk(np.random.default_rng(0))
    next(walk)
    with pytest.raises(BenchError, match="no change of one pixel changes the measurements of waves"):
        next(walk)


def test_planes_hold_every_byte_once() -> None:
    subject = make(subjects.FIGURE_2_NET)
    tiles = subject.plane((np.arange(len(subject.payload)) // 576).astype(np.uint8))
    assert tiles.shape == (72, 72)
    # Each block is a tile of 24 x 24, block after block.
    assert (tiles == (np.arange(72) // 24)[:, None] * 3 + np.arange(72) // 24).all()
    rows = subject.plane((np.arange(len(subject.payload)) % 24).astype(np.uint8))
    assert (rows == np.arange(72) % 24).all()
    direct = make(subjects.DIRECT)
    assert (direct.plane(direct.payload) == direct.picture).all()


@pytest.mark.parametrize("bit", [0, 7, 8, 255])
def test_flip_changes_that_bit_alone(bit: int) -> None:
    secret = bytes(range(32))
    flipped = subjects.flip(secret, bit)
    assert len(flipped) == 32
    assert (int.from_bytes(secret) ^ int.from_bytes(flipped)).bit_count() == 1
    assert subjects.flip(flipped, bit) == secret


@pytest.mark.parametrize("pairs", [0, -1, security.MOST_PAIRS + 1])
def test_number_of_pairs_is_checked(pairs: int) -> None:
    ran = CliRunner().invoke(app, ["security", "--pairs", str(pairs)])
    assert ran.exit_code != 0
    assert f"cannot measure {pairs} pairs" in str(ran.exception)


def test_folders_are_checked(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="there are no pictures"):
        security.run(tmp_path, 1, 0, "cpu")
    write(tmp_path, "small.png", waves(63, 1))
    with pytest.raises(BenchError, match=r"small.png is below 64 pixels a side; take it out"):
        security.run(tmp_path, 1, 0, "cpu")
    write(tmp_path, "deep.png", waves(70, 1).astype(np.uint16) * 257)
    with pytest.raises(ImageError, match=r"deep.png is not of 8 bits"):
        security.run(tmp_path, 1, 0, "cpu")


def test_the_commands_errors_are_one_line() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "imgcrypt.bench.cli", "security", "--pairs", "0"], capture_output=True, text=True
    )
    assert ran.returncode == 1
    assert ran.stdout == ""
    assert ran.stderr == "bench: cannot measure 0 pairs; give a number from 1 to 100000\n"


OWN = """
import numpy as np
def plus(payload, key, nonce):
    noise = np.random.default_rng(list(key + nonce)).integers(0, 256, len(payload), np.uint8)
    return payload + noise
def short(payload, key, nonce):
    return payload[1:]
"""


def test_own_cipher_at_the_papers_size(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_cipher.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    options = ["--images", str(folder), "--pairs", "1", "--provider", "cpu", "--paper-size", "--json", "found.json"]
    ran = CliRunner().invoke(app, ["security", *options, "--cipher", "own_cipher:plus"])
    assert ran.exit_code == 0, (ran.output, ran.exception)
    document = json.loads(Path("found.json").read_text())
    assert document["settings"]["ciphers"] == ["own_cipher:plus"]
    for record in document["results"]["ciphertexts"]:
        assert record["payload_bytes"] == 36_864 or record["form"] != subjects.FIGURE_2_NET
        rows = {(row["cipher"], row["salt"]): row for row in record["rows"]}
        # One sample changed is one byte changed under one noise, and all of them under another.
        if record["form"] == subjects.DIRECT:
            assert rows["plus", "fixed"]["scores"]["npcr"]["most"] == 1 / record["payload_bytes"]
        assert rows["plus", "fresh"]["scores"]["npcr"]["least"] > 0.99
    assert ran.stdout.count("plus, fresh") >= 5 * len(document["results"]["ciphertexts"])
    assert "Pass/Pass/Pass" in ran.stdout
    assert "Fail/Fail/Fail" in ran.stdout


@pytest.mark.parametrize("name", ["own_cipher:none", "no_such_module:plus", "own_cipher", ":plus"])
def test_cipher_that_is_not_there(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_cipher.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    with pytest.raises(BenchError, match=r"package\.module:function"):
        subjects.load(name)


def test_cipher_that_returns_something_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_cipher.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "own_cipher", raising=False)
    subject = make(subjects.DIRECT, 1)
    with pytest.raises(BenchError, match="as many bytes"):
        subjects.load("own_cipher:short")(subject, subject.payload, envelope.Secrets(bytes(32), bytes(32)))
