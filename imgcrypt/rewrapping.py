"""Changes who may open a file: new slots in both copies of its header; what is between them stays as it is."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from imgcrypt import boundary, container, envelope, files, inputs, slots
from imgcrypt.container import Header, RecordType
from imgcrypt.errors import DamagedError, ImgcryptError, TruncatedError
from imgcrypt.keys import Key, Openers
from imgcrypt.recipients import Recipient

if TYPE_CHECKING:
    from typing_extensions import Buffer

SLOTS = frozenset(slot.number for slot in slots.SLOTS)


class Change(NamedTuple):
    """What is to be done to a file's slots. Whoever is in it already is not added again."""

    add: tuple[Key | Recipient, ...] = ()
    remove: tuple[Key | Recipient, ...] = ()
    remove_passphrases: bool = False
    """All of them, whichever they are."""


@dataclasses.dataclass(frozen=True)
class Done:
    """What came of a change in one file."""

    added: int
    removed: int
    keys: tuple[str, ...]
    """The kinds of key that the file opens with now, slot by slot, as imgcrypt.Info has them."""


@boundary.public
def rewrap(
    blob: Buffer,
    key: Openers,
    *,
    add: Sequence[Key | Recipient] = (),
    remove: Sequence[Key | Recipient] = (),
    associated_data: Buffer = b"",
) -> bytes:
    """A file that other keys open, made of one that ``key`` opens. The picture in it is not decrypted.

    Whoever is removed and kept the file key, or a copy of the file as it was, still opens the picture.

    Args:
        blob: the whole file.
        key: one that opens it, or several of which one does.
        add: who may open it, too; those who may already are not added again.
        remove: who may no longer. Those who may not open it anyway are passed over.
        associated_data: the bytes that it was made with.

    Raises:
        ContainerError: not an imgcrypt file, of a newer version, truncated or damaged (a subclass each).
        WrongKeyError: ``key`` does not open it.
        ImgcryptError: nobody would be left, or too many.
    """
    view, openers, associated = inputs.blob(blob), inputs.openers(key), inputs.associated_data(associated_data)
    change = Change(inputs.keys(add) if add else (), inputs.keys(remove) if remove else ())
    header = container.parse(view)
    packed, _ = _changed(header, view[: header.header_bytes], openers, change, associated)
    return b"".join([packed, view[header.header_bytes : header.trailer_at], packed])


def rewrap_file(path: Path, key: Openers, change: Change) -> Done:
    """As :func:`rewrap`, for a file in its place, of which only the header is taken into memory.

    The new file is written beside it and takes its name and permissions when it is whole. Where nothing is to be done,
    the file is left alone.

    Raises:
        FileError: the file cannot be read or written.
        ContainerError, WrongKeyError, ImgcryptError: as rewrap.
    """
    path = Path(os.path.realpath(path))  # not a link is to be replaced, but what it leads to
    try:
        with path.open("rb") as file:
            header, start = _read_header(file)
            packed, done = _changed(header, memoryview(start), key, change, b"")
            if packed != start:
                files.write_file(path, _pieces(file, header, packed), force=True, private=False)
            return done
    except OSError as error:
        raise files.FileError(f"cannot rewrap {path}: {error.strerror}") from None


def _read_header(file: BinaryIO) -> tuple[Header, bytes]:
    """The header of a whole file, and its bytes."""
    start = file.read(container.MOST_HEADER_BYTES)
    header = container.parse(start, whole=False)
    start = start[: header.header_bytes]
    length = file.seek(0, os.SEEK_END)
    if length < header.file_bytes:
        raise TruncatedError(f"the file ends early: {length} of {header.file_bytes} bytes are there; get a whole copy")
    file.seek(header.trailer_at)
    if file.read() != start:
        raise DamagedError
    return header, start


def _pieces(file: BinaryIO, header: Header, packed: bytes) -> Iterator[bytes]:
    """The bytes of the changed file. ``file`` is closed before the last ones: Windows replaces no open file."""
    yield packed
    file.seek(header.header_bytes)
    left = header.trailer_at - header.header_bytes
    while left:
        piece = file.read(min(left, files.PIECE_BYTES))
        if not piece:
            raise OSError(None, "it is being cut by another program")
        left -= len(piece)
        yield piece
    file.close()
    yield packed


def _changed(
    header: Header, packed: memoryview, key: Openers, change: Change, associated_data: bytes
) -> tuple[bytes, Done]:
    """The bytes of the changed header: the same as before if there was nothing to do."""
    file_key = envelope.unlock(header, packed, key, associated_data)
    before = [record for record in header.records if record[0] in SLOTS]
    gone = {record for each in change.remove for record in slots.owned(each, before, file_key, header.salt)}
    if change.remove_passphrases:
        gone |= {record for record in before if record[0] == RecordType.PASSPHRASE_SLOT}
    kept = [record for record in before if record not in gone]
    new = [
        slots.make(each, file_key, header.salt)
        for each in change.add
        if not slots.owned(each, kept, file_key, header.salt)
    ]
    after = [*kept, *new]
    if not slots.labels(after):
        raise ImgcryptError("nobody would be left who can open the file; add a key before you remove the last one")
    if len(after) > max(slots.MOST, len(before)):
        raise ImgcryptError(f"a file opens for {slots.MOST} keys and recipients at most; remove some first")
    passphrases = sum(kind == RecordType.PASSPHRASE_SLOT for kind, _ in after)
    if passphrases > container.MOST_PASSPHRASE_SLOTS:
        raise ImgcryptError(
            f"a file opens with {container.MOST_PASSPHRASE_SLOTS} passphrases at most; remove some first"
        )
    done = Done(len(new), len(before) - len(kept), slots.labels(after))
    if not new and len(kept) == len(before):
        return bytes(packed), done
    others = [record for record in header.records if record[0] not in SLOTS]
    changed = dataclasses.replace(header, records=(*after, *others))
    return envelope.pack(changed, file_key, associated_data), done
