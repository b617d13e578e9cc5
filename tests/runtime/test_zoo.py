"""The manifest of the nets, the check of their files, and the choice among them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import imgcrypt
from imgcrypt import NetError, container
from imgcrypt.container import NetRecord
from imgcrypt.runtime import zoo
from imgcrypt.runtime.zoo import Entry

PARTS = ["sampler", "reconstructor"]


def entry(
    name: str, gray_rate: float | None, color_rate: float | None, weights: int = 0, block_bytes: int = 100
) -> Entry:
    return Entry(
        name=name,
        color_rate=color_rate,
        gray_rate=gray_rate,
        layout="blocks" if block_bytes else "layers",
        block=33,
        block_bytes=block_bytes,
        halo=1,
        sampler=Path("no-such-file.onnx"),
        sampler_sha256="00" * 32,
        reconstructor=Path("no-such-file.onnx"),
        reconstructor_sha256=f"{weights:064x}",
    )


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Entry]:
    """Some entries in place of the package's, in the order in which they were made."""
    entries = [
        entry("paper-0.18", 0.53, 0.18, weights=1),
        entry("paper-0.18", 0.53, 0.18, weights=2),
        entry("paper-gray-0.10", 0.10, None, weights=3),
        entry("paper-0.08", 0.25, 0.08, weights=4),
        entry("any-gray", 0.2, None, weights=5, block_bytes=0),
        entry("any-color", None, 0.2, weights=6, block_bytes=0),
        entry("other-0.10", 0.10, 0.10, weights=7),
    ]
    monkeypatch.setattr(zoo, "entries", lambda: tuple(entries))
    monkeypatch.setattr(zoo, "DEFAULT", "any")
    return entries


def test_manifest_lists_nets_and_the_default_among_them() -> None:
    assert zoo.entries()
    assert zoo.DEFAULT in {entry.kind for entry in zoo.entries()}
    weights = [entry.weights for entry in zoo.entries()]
    assert len(set(weights)) == len(weights)


@pytest.mark.parametrize("listed", zoo.entries(), ids=lambda entry: entry.name)
def test_listed_net_is_there_and_is_what_the_manifest_says(listed: Entry) -> None:
    for part in PARTS[listed.any_rate :]:
        assert hashlib.sha256(listed.read(part)).hexdigest() == getattr(listed, f"{part}_sha256")
    if not listed.any_rate and listed.gray_rate is not None:
        assert listed.gray_rate == pytest.approx(listed.block_bytes / listed.block**2, abs=zoo.RATE_TOLERANCE)
    if not listed.any_rate and listed.color_rate is not None:
        assert listed.color_rate == pytest.approx(listed.block_bytes / listed.block**2 / 3, abs=zoo.RATE_TOLERANCE)
    assert listed.halo >= 1
    # The header of a file can name it.
    record = NetRecord(listed.name, bytes.fromhex(listed.weights), listed.block_bytes)
    assert container._is_name(container.net_record(record)[1][: container.NAME_BYTES])


def test_every_file_in_the_zoo_is_listed() -> None:
    listed = {getattr(entry, part) for entry in zoo.entries() for part in PARTS} - {None}
    assert listed == {*zoo.FOLDER.glob("*.onnx")}


def refused(folder: Path, content: bytes) -> None:
    (folder / "manifest.json").write_bytes(content)
    with pytest.raises(NetError, match=r"manifest.*install imgcrypt again"):
        zoo.read(folder)


def genuine() -> list[dict[str, Any]]:
    manifest = json.loads((zoo.FOLDER / "manifest.json").read_text("utf-8"))
    assert len(manifest) == len(zoo.entries())
    return list(manifest)


@pytest.mark.parametrize(
    "content",
    [b"", b"[", b"\xff\xfe[", b"{}", b"7", b"null", b'"text"', b"[1]", b"[null]", b"[{}]", b"[[]]", b"[" * 10**5],
)
def test_malformed_manifest_is_refused(content: bytes, tmp_path: Path) -> None:
    refused(tmp_path, content)


def test_missing_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NetError, match="cannot read"):
        zoo.read(tmp_path)


FIELDS = ["name", "color_rate", "gray_rate", "layout", "block", "block_bytes", "halo", "sampler", "reconstructor"]


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("value", [True, [], {}, {"file": "../b", "sha256": "0" * 64}, {"file": "b", "sha256": "0"}])
def test_entry_with_a_malformed_or_missing_field_is_refused(field: str, value: object, tmp_path: Path) -> None:
    entry = genuine()[0]
    refused(tmp_path, json.dumps([entry | {field: value}]).encode())
    del entry[field]
    refused(tmp_path, json.dumps([entry]).encode())


@pytest.mark.parametrize(("field", "value"), [("name", 5), ("block", "33"), ("block", None), ("gray_rate", "0.1")])
def test_entry_with_a_field_of_another_type_is_refused(field: str, value: object, tmp_path: Path) -> None:
    refused(tmp_path, json.dumps([genuine()[0] | {field: value}]).encode())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(FIELDS) | st.text(), inner),
    max_leaves=20,
)


@given(JSON.filter(bool) | st.lists(st.fixed_dictionaries(dict.fromkeys(FIELDS, JSON)), min_size=1))
def test_arbitrary_manifest_is_refused(value: object) -> None:
    with tempfile.TemporaryDirectory() as folder:
        refused(Path(folder), json.dumps(value).encode())


@pytest.mark.parametrize("part", PARTS)
def test_other_or_missing_file_is_refused(part: str, tmp_path: Path) -> None:
    genuine = zoo.entries()[0]
    data = bytearray(genuine.read(part))
    path = tmp_path / "net.onnx"
    moved = dataclasses.replace(genuine, **{part: path})
    path.write_bytes(data)
    assert moved.read(part) == data
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(NetError, match="not the file that its manifest names"):
        moved.read(part)
    path.unlink()
    with pytest.raises(NetError, match=f"cannot read the net {genuine.name}"):
        moved.read(part)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_default_serves_every_kind_of_picture(channels: int) -> None:
    assert zoo.choose(None, None, channels).kind == zoo.DEFAULT


@pytest.mark.parametrize(
    ("net", "rate", "channels", "weights"),
    [
        (None, None, 1, 5),
        (None, None, 3, 6),
        (None, None, 4, 6),
        (None, 0.005, 1, 5),
        (None, 0.75, 4, 6),
        ("any", 0.1234, 3, 6),
        ("any-color", 0.3, 3, 6),
        ("paper-0.18", None, 3, 2),
        ("paper-0.18", 0.53, 1, 2),
        ("paper", None, 3, 2),
        ("paper", 0.184, 4, 2),
        ("paper", 0.08, 3, 4),
        ("paper", 0.10, 1, 3),
        ("paper-gray-0.10", None, 1, 3),
        ("other", 0.1, 3, 7),
    ],
)
def test_newest_net_that_fits_is_chosen(
    net: str | None, rate: float | None, channels: int, weights: int, served: list[Entry]
) -> None:
    assert zoo.choose(net, rate, channels) is served[weights - 1]


@pytest.mark.parametrize(
    ("net", "rate", "channels", "told"),
    [
        (
            "none",
            None,
            3,
            "paper, any, other, paper-0.18, paper-gray-0.10, paper-0.08, any-gray, any-color, other-0.10",
        ),
        (None, 0.004, 1, "gray pictures at rate 0.004; the rates served are: any from 0.005 to 0.75"),
        (None, 0.76, 3, "any from 0.005 to 0.75"),
        (None, float("nan"), 3, "any from"),
        ("any-color", None, 1, "none"),
        ("paper", 0.33, 1, "are: 0.10, 0.25, 0.53, 0.53"),
        ("pap", None, 3, "no net is called 'pap'"),
        ("paper-0.18", 0.08, 3, "0.18, 0.18"),
        ("paper-gray-0.10", None, 3, "none"),
        ("paper-gray-0.10", 0.1, 4, "none"),
    ],
)
def test_error_tells_what_is_served(
    net: str | None, rate: float | None, channels: int, told: str, served: list[Entry]
) -> None:
    assert served
    with pytest.raises(NetError, match=told):
        zoo.choose(net, rate, channels)


def test_net_is_found_by_its_weights_alone(served: list[Entry]) -> None:
    for wanted in served:
        assert zoo.find(bytes.fromhex(wanted.weights), "any name") is wanted
    with pytest.raises(NetError, match=r"needs the net strange-1 with weights abababababababab"):
        zoo.find(b"\xab" * 32, "strange-1")


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A zoo of one's own: a net of the package under another name and with other bytes."""
    (entry,) = (entry for entry in genuine() if entry["name"] == "fclbcnn-0.18")
    data = zoo.choose("fclbcnn-0.18", None, 3).read("reconstructor") + b"\xb2\x01\x00"  # an empty field of ONNX's
    (tmp_path / "mine.onnx").write_bytes(data)
    (tmp_path / entry["sampler"]["file"]).write_bytes(zoo.choose("fclbcnn-0.18", None, 3).read("sampler"))
    weights = hashlib.sha256(data).hexdigest()
    (tmp_path / "manifest.json").write_text(
        json.dumps([entry | {"name": "mine-0.18", "reconstructor": {"file": "mine.onnx", "sha256": weights}}])
    )
    return tmp_path


def test_own_zoo_is_there_while_it_is_named(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NetError, match="no net is called 'mine'"):
        zoo.choose("mine", None, 3)
    with zoo.using(own):
        entry = zoo.choose("mine", None, 3)
        assert zoo.find(bytes.fromhex(entry.weights), entry.name) == entry
        with zoo.using(None):
            assert zoo.choose("mine", None, 3) == entry
    with pytest.raises(NetError, match=zoo.VARIABLE):
        zoo.find(bytes.fromhex(entry.weights), entry.name)
    monkeypatch.setenv(zoo.VARIABLE, str(own))
    assert zoo.choose("mine-0.18", None, 3) == entry
    assert zoo.choose(None, None, 3).kind == zoo.DEFAULT


def test_own_zoo_that_is_none_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NetError, match="cannot read the nets' manifest"), zoo.using(tmp_path):
        pass
    monkeypatch.setenv(zoo.VARIABLE, str(tmp_path))
    with pytest.raises(NetError, match="cannot read the nets' manifest"):
        zoo.entries()


def test_changed_file_of_an_own_zoo_is_refused(own: Path) -> None:
    (own / "mine.onnx").write_bytes(b"other")
    with zoo.using(own), pytest.raises(NetError, match="not the file that its manifest names"):
        zoo.choose("mine", None, 3).read("reconstructor")


def test_codec_and_command_take_an_own_zoo(own: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    key = imgcrypt.Key.generate()
    image = np.zeros((20, 30, 3), np.uint8)
    with imgcrypt.Codec(key, net="mine", zoo=own) as codec:
        blob = codec.encrypt(image)
        assert codec.decrypt(blob).shape == image.shape
    with pytest.raises(NetError, match=r"mine-0\.18"):
        imgcrypt.decrypt(blob, key)
    folder = tmp_path_factory.mktemp("command")
    (folder / "file.imgc").write_bytes(blob)
    key.save(folder / "key")
    command = [sys.executable, "-m", "imgcrypt", "dec", "file.imgc", "-k", "key", "-o", "back.png"]
    refused = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert refused.returncode == 1
    assert not (folder / "back.png").exists()
    subprocess.run([*command, "--zoo", str(own)], cwd=folder, check=True, capture_output=True)
    assert (folder / "back.png").exists()
