"""Packing and parsing of the header: inverses of each other, and nothing but ContainerErrors for other bytes."""

from __future__ import annotations

import dataclasses
import struct
import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from imgcrypt import container
from imgcrypt.container import Header, Mode, NetRecord, RecordType, Suite
from imgcrypt.errors import ContainerError, DamagedError, NewerVersionError, NotImgcError, TruncatedError

NAMES = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=24)
SIZES = st.integers(1, 100) | st.integers(1, 2**30)
NET = container.net_record(NetRecord("net-1", bytes(range(32)), 576))


@st.composite
def headers(draw: st.DrawFn, sizes: st.SearchStrategy[int] = SIZES) -> Header:
    mode = draw(st.sampled_from(Mode))
    height, width, channels = draw(sizes), draw(sizes), draw(st.sampled_from([1, 3, 4]))
    sample_bytes = draw(st.sampled_from([1, 2])) if mode in (Mode.RAW, Mode.LOSSLESS) else 1
    if mode is Mode.EXACT:
        height = width = channels = sample_bytes = 0
    slot = st.tuples(st.sampled_from([1, 2]), st.binary(max_size=120))
    optional = st.tuples(st.integers(0x8000, 0xFFFF), st.binary(max_size=300))
    records = draw(st.lists(slot | optional, max_size=8))
    assume(sum(kind == RecordType.PASSPHRASE_SLOT for kind, _ in records) <= container.MOST_PASSPHRASE_SLOTS)
    if mode is Mode.SAMPLED:
        net = NetRecord(draw(NAMES), draw(st.binary(min_size=32, max_size=32)), draw(st.integers(0, 2**32 - 1)))
        records.insert(draw(st.integers(0, len(records))), container.net_record(net))
    return Header(
        suite=draw(st.sampled_from(Suite)),
        mode=mode,
        sample_bytes=sample_bytes,
        channels=channels,
        height=height,
        width=width,
        payload_bytes={
            Mode.RAW: height * width * channels * sample_bytes,
            Mode.SAMPLED: draw(sizes),
            Mode.LOSSLESS: draw(sizes),
            Mode.EXACT: draw(st.just(0) | sizes),
        }[mode],
        metadata_bytes=draw(st.just(0) | st.integers(1, 200)),
        chunk_exponent=draw(st.integers(10, 24)),
        salt=draw(st.binary(min_size=32, max_size=32)),
        digest=draw(st.binary(min_size=32, max_size=32)),
        records=tuple(records),
    )


def lossless(**changes: object) -> Header:
    header = Header(
        suite=Suite.HYBRID,
        mode=Mode.RAW,
        sample_bytes=1,
        channels=1,
        height=5,
        width=7,
        payload_bytes=35,
        metadata_bytes=0,
        chunk_exponent=16,
        salt=b"s" * 32,
        digest=b"d" * 32,
        records=((RecordType.RAW_KEY_SLOT, b"w" * 80),),
    )
    return dataclasses.replace(header, **changes)


EXACT = lossless(mode=Mode.EXACT, height=0, width=0, channels=0, sample_bytes=0)


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
    assert container.FIXED.size == 104
    assert container.MAC_BYTES == 32
    assert lossless(records=()).header_bytes == 136


def test_packed_header_has_the_bytes_of_the_format() -> None:
    header = lossless(
        suite=Suite.CHAOS, sample_bytes=2, channels=4, height=0x01020304, width=0x05060708, metadata_bytes=0x0A0B0C0D
    )
    header = dataclasses.replace(header, payload_bytes=0x1112131415161718)
    expected = (
        bytes.fromhex("89696d67630d0a1a 0100 dc00 02 02 02 04 04030201 08070605 1817161514131211 0d0c0b0a 10 000000")
        + b"s" * 32
        + b"d" * 32
        + bytes.fromhex("0100 5000")
        + b"w" * 80
    )
    assert header.pack() == expected
    assert header.core() == expected[12:72]


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
    for length in (len(file) - 1, len(file) // 2, header.header_bytes, header.header_bytes - 1, 135, 8):
        with pytest.raises(TruncatedError):
            container.parse(file[:length])


@given(headers(sizes=st.integers(1, 300) | st.sampled_from([1 << 10, 1 << 11, 1 << 16])))
@example(lossless(height=32, width=32, payload_bytes=1024, chunk_exponent=10))
@example(lossless(height=32, width=96, payload_bytes=3072, chunk_exponent=10))
def test_chunks_metadata_and_trailer_fill_the_file_without_gaps(header: Header) -> None:
    at = header.header_bytes
    assume(header.chunks < 1000)
    for number in range(header.chunks):
        start, length = header.chunk_at(number)
        assert start == at
        assert length == (2**header.chunk_exponent if number < header.chunks - 1 else length)
        assert 1 <= length <= 2**header.chunk_exponent
        at += length + 16
    assert sum(header.chunk_at(number)[1] for number in range(header.chunks)) == header.payload_bytes
    assert header.metadata_at == at
    assert header.trailer_at == at + (header.metadata_bytes + 16 if header.metadata_bytes else 0)
    assert header.file_bytes == header.trailer_at + header.header_bytes


@given(headers().filter(lambda header: header.net is not None))
def test_net_comes_back(header: Header) -> None:
    (body,) = [body for kind, body in header.records if kind == RecordType.NET]
    assert container.net_record(header.net) == (RecordType.NET, body)


def test_lossless_header_has_no_net() -> None:
    assert lossless().net is None


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
    refuse_or_repack(container.MAGIC + struct.pack("<HHBB", 1, 136 + len(data) % 100, 1, 2) + data)


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


@pytest.mark.parametrize(
    ("error", "mutate"),
    {
        "empty": (NotImgcError, lambda data: b""),
        "magic": (NotImgcError, change(3, "B", 0)),
        "magic cut": (NotImgcError, lambda data: data[:7]),
        "fixed fields cut": (TruncatedError, lambda data: data[:135]),
        "records cut": (TruncatedError, lambda data: data[:150]),
        "fixed fields of a newer version cut": (TruncatedError, lambda data: change(8, "<H", 2)(data)[:135]),
        "version 0": (NewerVersionError, change(8, "<H", 0)),
        "version 2": (NewerVersionError, change(8, "<H", 2)),
        "suite 0": (NewerVersionError, change(12, "B", 0)),
        "suite 3": (NewerVersionError, change(12, "B", 3)),
        "mode 0": (NewerVersionError, change(13, "B", 0)),
        "mode 5": (NewerVersionError, change(13, "B", 5)),
        "exact with a picture": (DamagedError, change(13, "B", 3)),
        "reserved": (NewerVersionError, change(39, "B", 1)),
        "unknown record": (NewerVersionError, change(104, "<H", 17)),
        "record 4": (NewerVersionError, change(104, "<H", 4)),
        "highest record that must be known": (NewerVersionError, change(104, "<H", 0x7FFF)),
        "header_bytes 135": (DamagedError, change(10, "<H", 135)),
        "header_bytes 0": (DamagedError, change(10, "<H", 0)),
        "record overruns": (DamagedError, change(106, "<H", 81)),
        "record's head cut": (DamagedError, change(106, "<H", 77)),
        "net record without net": (DamagedError, change(104, "<H", 16)),
        "sampled without net": (DamagedError, change(13, "B", 1)),
        "sample_bytes 0": (DamagedError, change(14, "B", 0)),
        "sample_bytes 3": (DamagedError, change(14, "B", 3)),
        "channels 2": (DamagedError, change(15, "B", 2)),
        "height 0": (DamagedError, change(16, "<I", 0)),
        "width 0": (DamagedError, change(20, "<I", 0)),
        "payload empty": (DamagedError, change(24, "<Q", 0)),
        "payload does not fit": (DamagedError, change(24, "<Q", 36)),
        "chunk_exponent 9": (DamagedError, change(36, "B", 9)),
        "chunk_exponent 25": (DamagedError, change(36, "B", 25)),
    }.values(),
)
def test_fault_is_refused_by_its_own_error(error: type[ContainerError], mutate: Callable[[bytes], bytes]) -> None:
    good = packed(lossless())
    container.parse(good, whole=False)
    with pytest.raises(error) as caught:
        container.parse(mutate(good), whole=False)
    assert type(caught.value) is error


def slots(count: int) -> tuple[tuple[int, bytes], ...]:
    return ((RecordType.PASSPHRASE_SLOT, bytes(104)),) * count


@pytest.mark.parametrize(
    "header",
    {
        "two nets": lossless(mode=Mode.SAMPLED, records=(NET, NET)),
        "lossless with net": lossless(records=(NET,)),
        "exact with net": dataclasses.replace(EXACT, records=(NET,)),
        "exact with height": dataclasses.replace(EXACT, height=1),
        "exact with width": dataclasses.replace(EXACT, width=1),
        "exact with channels": dataclasses.replace(EXACT, channels=1),
        "exact with depth": dataclasses.replace(EXACT, sample_bytes=1),
        "sampled 16 bits": lossless(mode=Mode.SAMPLED, sample_bytes=2, records=(NET,)),
        "5 passphrase slots": lossless(records=slots(5)),
        "net name empty": lossless(mode=Mode.SAMPLED, records=((16, bytes(60)),)),
        "net name with escape": lossless(mode=Mode.SAMPLED, records=((16, b"\x1b[2Jx" + bytes(55)),)),
        "net name with a gap": lossless(mode=Mode.SAMPLED, records=((16, b"a\0b" + bytes(57)),)),
        "net record long": lossless(mode=Mode.SAMPLED, records=((16, NET[1] + b"\0"),)),
    }.values(),
)
def test_contradicting_records_are_damage(header: Header) -> None:
    with pytest.raises(DamagedError):
        container.parse(packed(header), whole=False)


def test_four_passphrase_slots_are_fine() -> None:
    assert len(container.parse(packed(lossless(records=slots(4))), whole=False).records) == 4


def test_copies_that_differ_are_refused() -> None:
    file = bytearray(file_of(lossless()))
    file[-1] ^= 1
    with pytest.raises(DamagedError):
        container.parse(bytes(file))


def test_hostile_sizes_allocate_nothing() -> None:
    huge = lossless(height=2**32 - 1, width=2**31 - 1, payload_bytes=(2**32 - 1) * (2**31 - 1), chunk_exponent=10)
    data = packed(huge)
    tracemalloc.start()
    try:
        with pytest.raises(TruncatedError):
            container.parse(data * 2)
        assert container.parse(data, whole=False) == huge
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()
