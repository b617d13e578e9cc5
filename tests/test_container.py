"""Packing and parsing of the header: inverses of each other, and nothing but ContainerErrors for other bytes."""

from __future__ import annotations

import dataclasses
import re
import struct
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from imgcrypt import container
from imgcrypt.container import Header, Mode, NetRecord, Part, RecordType, Suite
from imgcrypt.errors import ContainerError, DamagedError, NewerVersionError, NotImgcError, TruncatedError

NAMES = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=24)
SIZES = st.integers(1, 100) | st.integers(1, 2**30)
NET = container.net_record(NetRecord("net-1", bytes(range(32)), 576))


@st.composite
def cuts(draw: st.DrawFn, length: int, most: int) -> list[int]:
    """Lengths of parts that come to a length together."""
    inner = draw(st.sets(st.integers(1, max(length - 1, 1)), max_size=most - 1)) - {length}
    ends = [*sorted(inner), length]
    return [end - start for start, end in zip([0, *ends], ends, strict=False)]


@st.composite
def headers(draw: st.DrawFn, sizes: st.SearchStrategy[int] = SIZES) -> Header:
    mode = draw(st.sampled_from(Mode))
    height, width, channels = draw(sizes), draw(sizes), draw(st.sampled_from([1, 3, 4]))
    sample_bytes = draw(st.sampled_from([1, 2])) if mode in (Mode.RAW, Mode.LOSSLESS) else 1
    if mode is Mode.EXACT:
        height = width = channels = sample_bytes = 0
    payload_bytes = {
        Mode.RAW: height * width * channels * sample_bytes,
        Mode.SAMPLED: draw(sizes),
        Mode.LOSSLESS: draw(sizes),
        Mode.EXACT: draw(st.just(0) | sizes),
    }[mode]
    slot = st.tuples(st.sampled_from([1, 2]), st.binary(max_size=120))
    optional = st.tuples(st.integers(0x8000, 0xFFFF), st.binary(max_size=300))
    records = draw(st.lists(slot | optional, max_size=8))
    assume(sum(kind == RecordType.PASSPHRASE_SLOT for kind, _ in records) <= container.MOST_PASSPHRASE_SLOTS)
    if mode is Mode.SAMPLED:
        net = NetRecord(draw(NAMES), draw(st.binary(min_size=32, max_size=32)), draw(st.integers(0, 2**32 - 1)))
        records.insert(draw(st.integers(0, len(records))), container.net_record(net))
    packets, flags = draw(st.integers(1, 255)), draw(st.integers(0, 3))
    lengths = draw(cuts(payload_bytes, 15)) if payload_bytes else [0]
    least = 0 if flags & container.FRONT and len(lengths) > 1 else 1
    lengths += [draw(st.integers(1, 200))] if flags & container.METADATA else []
    parts = [Part(length, draw(st.integers(1 if i else least, packets))) for i, length in enumerate(lengths)]
    return Header(
        suite=draw(st.sampled_from(Suite)),
        mode=mode,
        sample_bytes=sample_bytes,
        channels=channels,
        height=height,
        width=width,
        packets=packets,
        flags=flags,
        salt=draw(st.binary(min_size=32, max_size=32)),
        parts=tuple(parts),
        digests=tuple(draw(st.binary(min_size=32, max_size=32)) for _ in parts),
        records=tuple(records),
    )


def raw(**changes: Any) -> Header:
    """Of a raw picture of 5 x 7 samples: one part, of which 2 of 3 packets give back all."""
    header = Header(
        suite=Suite.HYBRID,
        mode=Mode.RAW,
        sample_bytes=1,
        channels=1,
        height=5,
        width=7,
        packets=3,
        flags=0,
        salt=b"s" * 32,
        parts=(Part(35, 2),),
        digests=(b"d" * 32,),
        records=((RecordType.RAW_KEY_SLOT, b"w" * 80),),
    )
    digests = (b"d" * 32,) * len(changes.get("parts", header.parts))
    return dataclasses.replace(header, digests=digests, **changes)


EXACT = raw(mode=Mode.EXACT, height=0, width=0, channels=0, sample_bytes=0)


def packed(header: Header) -> bytes:
    return header.pack() + b"m" * container.MAC_BYTES


def file_of(header: Header) -> bytes:
    whole = packed(header)
    return whole + bytes(header.file_bytes - 2 * len(whole)) + whole


def test_wire_ids_are_the_ones_of_the_format() -> None:
    assert {suite.name: int(suite) for suite in Suite} == {"HYBRID": 1, "CHAOS": 2}
    assert {mode.name: int(mode) for mode in Mode} == {"SAMPLED": 1, "RAW": 2, "EXACT": 3, "LOSSLESS": 4}
    assert {kind.name: int(kind) for kind in RecordType} == {
        "RAW_KEY_SLOT": 1,
        "PASSPHRASE_SLOT": 2,
        "RECIPIENT_SLOT": 3,
        "NET": 16,
    }
    assert bytes.fromhex("89696d67630d0a1a") == container.MAGIC
    assert (container.VERSION, container.OPTIONAL_RECORDS, container.TAG_BYTES) == (1, 0x8000, 16)
    assert (container.FRONT, container.METADATA, container.MOST_PARTS) == (1, 2, 16)
    assert (container.FIXED.size, container.PART.size, container.DIGEST_BYTES) == (60, 9, 32)
    assert container.MAC_BYTES == 32
    assert raw(records=()).header_bytes == 60 + 41 + 32


def test_packed_header_has_the_bytes_of_the_format() -> None:
    header = raw(
        suite=Suite.CHAOS,
        sample_bytes=2,
        channels=4,
        height=0x01020304,
        width=0x05060708,
        packets=0x20,
        flags=3,
        parts=(Part(0x1112131415161718, 0), Part(0x0A0B, 0x1F), Part(0x0C, 0x20)),
    )
    header = dataclasses.replace(header, digests=(b"d" * 32, b"e" * 32, b"f" * 32))
    expected = (
        bytes.fromhex("89696d67630d0a1a 0100 2b01 02 02 02 04 04030201 08070605 20 03 03 00")
        + b"s" * 32
        + bytes.fromhex("1817161514131211 00 0b0a000000000000 1f 0c00000000000000 20")
        + b"d" * 32
        + b"e" * 32
        + b"f" * 32
        + bytes.fromhex("0100 5000")
        + b"w" * 80
    )
    assert header.pack() == expected
    assert header.core() == expected[12:87]
    assert header.header_bytes == len(expected) + 32 == 0x012B


def test_net_record_has_the_bytes_of_the_format() -> None:
    kind, body = NET
    assert kind == 16
    assert body == b"net-1" + bytes(19) + bytes(range(32)) + bytes.fromhex("40020000")


@given(headers())
def test_parsing_undoes_packing(header: Header) -> None:
    assert container.parse(packed(header), whole=False) == header
    assert len(packed(header)) == header.header_bytes


@given(headers(sizes=st.integers(1, 60)))
def test_whole_file_parses_and_every_other_length_is_refused(header: Header) -> None:
    file = file_of(header)
    assert container.parse(file) == header
    assert container.parse(memoryview(file)) == header
    for other in (file + b"\0", file + file):
        with pytest.raises(DamagedError):
            container.parse(other)
    for length in (len(file) - 1, header.header_bytes, header.header_bytes - 1, 101, 59, 8):
        with pytest.raises(TruncatedError):
            container.parse(file[:length])


@given(headers())
def test_front_packets_and_trailer_fill_the_file_without_gaps(header: Header) -> None:
    lengths = [part.length for part in header.parts]
    assert header.front_bytes == (lengths[0] + 16 if header.flags & 1 else 0)
    assert header.packet_at(0) == header.header_bytes + header.front_bytes
    assert header.packet_bytes == 16 + sum(part.share_bytes for part in header.parts)
    for number in range(header.packets):
        assert header.packet_at(number + 1) == header.packet_at(number) + header.packet_bytes
    assert header.trailer_at == header.packet_at(header.packets)
    assert header.file_bytes == header.trailer_at + header.header_bytes
    assert header.metadata_bytes == (lengths.pop() if header.flags & 2 else 0)
    assert [part.length for part in header.payload_parts] == lengths
    assert header.payload_bytes == sum(lengths)


@given(st.integers(0, 2**64 - 1), st.integers(0, 255))
def test_shares_hold_their_part_and_no_more_than_they_must(length: int, needed: int) -> None:
    share = Part(length, needed).share_bytes
    if needed == 0:
        assert share == 0
    else:
        assert needed * share >= length > needed * (share - 1) or share == length == 0


@given(headers())
def test_content_and_layout_make_the_same_header_again(header: Header) -> None:
    others = tuple(record for record in header.records if record[0] != RecordType.NET)
    made = container.make_header(header.content, header.layout, others, header.metadata_bytes, header.salt)
    made = dataclasses.replace(made, digests=header.digests)
    assert dataclasses.replace(made, records=()) == dataclasses.replace(header, records=())
    assert sorted(made.records) == sorted(header.records)


@given(headers().filter(lambda header: header.net is not None))
def test_net_comes_back(header: Header) -> None:
    (body,) = [body for kind, body in header.records if kind == RecordType.NET]
    assert container.net_record(header.net) == (RecordType.NET, body)


def test_raw_header_has_no_net() -> None:
    assert raw().net is None


def refuse_or_repack(data: bytes) -> None:
    """Parsing raises nothing but ContainerErrors, and what it takes packs to the same bytes."""
    try:
        header = container.parse(data, whole=False)
    except ContainerError:
        return
    assert header.pack() == data[: header.header_bytes - container.MAC_BYTES]


@given(st.binary(max_size=400))
def test_arbitrary_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(ContainerError):
        container.parse(data)
    refuse_or_repack(container.MAGIC + data)
    refuse_or_repack(container.MAGIC + struct.pack("<HHBB", 1, 133 + len(data) % 100, 1, 2) + data)


@given(headers(), st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=4), st.integers(0, 2000))
def test_mutated_header_is_refused_or_packs_to_the_same_bytes(
    header: Header, changes: list[tuple[int, int]], length: int
) -> None:
    data = bytearray(packed(header))
    for at, value in changes:
        data[at % len(data)] = value
    refuse_or_repack(bytes(data))
    refuse_or_repack(bytes(data[:length]))


def change(at: int, layout: str, value: int) -> Callable[[bytes], bytes]:
    return lambda data: data[:at] + struct.pack(layout, value) + data[at + struct.calcsize(layout) :]


FAULTS: dict[str, tuple[type[ContainerError], str, Callable[[bytes], bytes]]] = {
    "empty": (NotImgcError, "not an imgcrypt file", lambda data: b""),
    "magic": (NotImgcError, "not an imgcrypt file", change(3, "B", 0)),
    "magic cut": (NotImgcError, "not an imgcrypt file", lambda data: data[:7]),
    "fixed fields cut": (TruncatedError, "ends inside its header", lambda data: data[:59]),
    "fixed fields of a newer version cut": (
        TruncatedError,
        "ends inside its header",
        lambda data: change(8, "<H", 2)(data)[:59],
    ),
    "version 0": (NewerVersionError, "format version 0, this release reads version 1", change(8, "<H", 0)),
    "version 2": (NewerVersionError, "format version 2, this release reads version 1", change(8, "<H", 2)),
    "newer version without records": (NewerVersionError, "version 2", lambda data: change(8, "<H", 2)(data)[:60]),
    "suite 0": (NewerVersionError, "a suite, mode or field", change(12, "B", 0)),
    "suite 3": (NewerVersionError, "a suite, mode or field", change(12, "B", 3)),
    "mode 0": (NewerVersionError, "a suite, mode or field", change(13, "B", 0)),
    "mode 5": (NewerVersionError, "a suite, mode or field", change(13, "B", 5)),
    "flag 4": (NewerVersionError, "a suite, mode or field", change(26, "B", 4)),
    "reserved": (NewerVersionError, "a suite, mode or field", change(27, "B", 1)),
    "header_bytes 132": (DamagedError, "its length is impossible", change(10, "<H", 132)),
    "header_bytes 0": (DamagedError, "its length is impossible", change(10, "<H", 0)),
    "more parts than there is room for": (DamagedError, "its length is impossible", change(25, "B", 4)),
    "records cut": (TruncatedError, "ends inside its header", lambda data: data[:150]),
    "unknown record": (NewerVersionError, "a record that this release does not know", change(101, "<H", 17)),
    "record 4": (NewerVersionError, "a record that this release", change(101, "<H", 4)),
    "highest record that must be known": (NewerVersionError, "a record that this", change(101, "<H", 0x7FFF)),
    "record overruns": (DamagedError, "a record is cut", change(103, "<H", 81)),
    "record's head cut": (DamagedError, "a record is cut", change(103, "<H", 77)),
    "net record of another length": (DamagedError, "its net record is malformed", change(101, "<H", 16)),
    "no packets": (DamagedError, "no packets, no parts or too many", change(24, "B", 0)),
    "the only part is the metadata": (DamagedError, "no packets, no parts or too many", change(26, "B", 2)),
    "needed above packets": (DamagedError, "impossible numbers of packets", change(68, "B", 4)),
    "needed 0": (DamagedError, "impossible numbers of packets", change(68, "B", 0)),
    "sampled without net": (DamagedError, "it names no net, or several", change(13, "B", 1)),
    "sample_bytes 0": (DamagedError, "its picture type is impossible", change(14, "B", 0)),
    "sample_bytes 3": (DamagedError, "its picture type is impossible", change(14, "B", 3)),
    "channels 2": (DamagedError, "its picture type is impossible", change(15, "B", 2)),
    "height 0": (DamagedError, "its picture is empty", change(16, "<I", 0)),
    "width 0": (DamagedError, "its picture is empty", change(20, "<I", 0)),
    "exact with a picture": (DamagedError, "it describes a picture, and the file holds", change(13, "B", 3)),
    "part empty": (DamagedError, "one of its parts is empty", change(60, "<Q", 0)),
    "payload does not fit": (DamagedError, "its payload does not fit its picture", change(60, "<Q", 36)),
}


@pytest.mark.parametrize(("error", "sentence", "mutate"), FAULTS.values(), ids=FAULTS)
def test_fault_is_refused_by_its_own_error(
    error: type[ContainerError], sentence: str, mutate: Callable[[bytes], bytes]
) -> None:
    good = packed(raw())
    container.parse(good, whole=False)
    with pytest.raises(error, match=sentence) as caught:
        container.parse(mutate(good), whole=False)
    assert type(caught.value) is error
    # Every sentence says what to do, too.
    assert re.search(r"get another copy|copy it again|upgrade it|check that it is the right file", str(caught.value))


def slots(count: int) -> tuple[tuple[int, bytes], ...]:
    return ((RecordType.PASSPHRASE_SLOT, bytes(104)),) * count


@pytest.mark.parametrize(
    "header",
    {
        "no parts": raw(parts=()),
        "17 parts": raw(parts=(Part(2, 1),) * 16 + (Part(3, 1),)),
        "metadata without payload": raw(flags=2),
        "needed 0 without a front": raw(parts=(Part(20, 0), Part(15, 2))),
        "needed 0 of the second part": raw(parts=(Part(20, 2), Part(15, 0)), flags=1),
        "needed 0 of the only part": raw(parts=(Part(35, 0),), flags=1),
        "needed 0 beside metadata": raw(parts=(Part(35, 0), Part(256, 2)), flags=3),
        "needed 0 of metadata": raw(parts=(Part(35, 2), Part(256, 0)), flags=3),
        "needed above packets of metadata": raw(parts=(Part(35, 2), Part(256, 4)), flags=2),
        "empty part": raw(parts=(Part(0, 1), Part(35, 2))),
        "empty metadata": raw(parts=(Part(35, 2), Part(0, 1)), flags=2),
        "lossless of no bytes": raw(mode=Mode.LOSSLESS, parts=(Part(0, 1),)),
        "exact with an empty part": dataclasses.replace(
            EXACT, parts=(Part(0, 1), Part(35, 1)), digests=(bytes(32),) * 2
        ),
        "exact with empty metadata": dataclasses.replace(
            EXACT, parts=(Part(0, 1), Part(0, 1)), digests=(bytes(32),) * 2, flags=2
        ),
        "lengths that come to the picture's modulo 2^64": raw(parts=(Part(2**64 - 1, 1), Part(36, 1))),
        "two nets": raw(mode=Mode.SAMPLED, records=(NET, NET)),
        "raw with net": raw(records=(NET,)),
        "exact with net": dataclasses.replace(EXACT, records=(NET,)),
        "exact with height": dataclasses.replace(EXACT, height=1),
        "exact with width": dataclasses.replace(EXACT, width=1),
        "exact with channels": dataclasses.replace(EXACT, channels=1),
        "exact with depth": dataclasses.replace(EXACT, sample_bytes=1),
        "sampled 16 bits": raw(mode=Mode.SAMPLED, sample_bytes=2, records=(NET,)),
        "5 passphrase slots": raw(records=slots(5)),
        "net name empty": raw(mode=Mode.SAMPLED, records=((16, bytes(60)),)),
        "net name with escape": raw(mode=Mode.SAMPLED, records=((16, b"\x1b[2Jx" + bytes(55)),)),
        "net name with a gap": raw(mode=Mode.SAMPLED, records=((16, b"a\0b" + bytes(57)),)),
        "net record long": raw(mode=Mode.SAMPLED, records=((16, NET[1] + b"\0"),)),
    }.values(),
)
def test_contradictions_are_damage(header: Header) -> None:
    with pytest.raises(DamagedError):
        container.parse(packed(header), whole=False)


def test_four_passphrase_slots_are_fine() -> None:
    assert len(container.parse(packed(raw(records=slots(4))), whole=False).records) == 4


def test_copies_that_differ_are_refused() -> None:
    file = bytearray(file_of(raw()))
    file[-1] ^= 1
    with pytest.raises(DamagedError):
        container.parse(bytes(file))


def test_another_file_may_be_empty() -> None:
    empty = dataclasses.replace(EXACT, parts=(Part(0, 2),))
    assert container.parse(file_of(empty)) == empty
    named = dataclasses.replace(EXACT, parts=(Part(0, 2), Part(256, 3)), digests=(bytes(32),) * 2, flags=3)
    assert container.parse(file_of(named)) == named


def test_length_of_a_header_is_known_from_its_first_bytes() -> None:
    data = packed(raw())
    assert [container.header_length(data[:length]) for length in (0, 11, 12, 60)] == [0, 0, len(data), len(data)]


@pytest.mark.parametrize(
    "parts",
    [
        (Part((2**32 - 1) ** 2, 1),),
        (Part(2**64 - 1, 1),) * 16,
    ],
)
def test_hostile_sizes_allocate_nothing(parts: tuple[Part, ...]) -> None:
    huge = raw(mode=Mode.LOSSLESS, height=2**32 - 1, width=2**32 - 1, parts=parts, packets=255)
    data = packed(huge)
    tracemalloc.start()
    try:
        with pytest.raises(TruncatedError, match=f"of {huge.file_bytes} bytes are there"):
            container.parse(data * 2)
        assert container.parse(data, whole=False) == huge
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()
