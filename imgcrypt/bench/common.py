"""What the commands share: sizes as text, tables, results as JSON."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from imgcrypt import files
from imgcrypt.bench import machine
from imgcrypt.errors import ImgcryptError

if TYPE_CHECKING:
    from rich.table import Table

UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
NONE = "-"
"""An empty cell: nothing printed, nothing measured."""
WIDTH = 132
"""Columns of a table that is not shown on a terminal."""


class BenchError(ImgcryptError):
    """A measurement that cannot be made as asked."""


def parse_size(text: str) -> int:
    """Bytes: a number with K, M or G behind it for KiB, MiB or GiB.

    Raises:
        BenchError: it is something else.
    """
    match = re.fullmatch(r"(\d+)([KMG]?)", text.strip().upper())
    if match is None:
        raise BenchError(f"{text!r} is no size; give a number of bytes with K, M or G behind it, as 36K or 3M")
    return int(match[1]) * UNITS[match[2]]


def size_text(size: int) -> str:
    """As 36 KiB, or 1000 bytes if it is no whole number of KiB."""
    for unit in ("G", "M", "K"):
        if size and size % UNITS[unit] == 0:
            return f"{size // UNITS[unit]} {unit}iB"
    return f"{size} bytes"


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], caption: str = "", left: int = 1) -> Table:
    """A table whose first ``left`` columns are words and whose others are figures."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    made = Table(title=title, caption=caption or None, title_justify="left", caption_justify="left", box=SIMPLE_HEAD)
    for i, name in enumerate(columns):
        made.add_column(name, justify="left" if i < left else "right")
    for row in rows:
        made.add_row(*row)
    return made


def finish(
    command: str, settings: dict[str, Any], results: Any, tables: Iterable[Table], json_file: str | None
) -> None:
    """Print the tables and the machine, and write the figures with both to the JSON file if one is named.

    Tables go to standard error where the JSON goes to standard output.

    Raises:
        FileError: the file cannot be written.
    """
    from rich.console import Console

    console = Console(stderr=json_file == files.STANDARD, highlight=False)
    if not console.is_terminal:
        console = Console(stderr=json_file == files.STANDARD, highlight=False, width=WIDTH)
    ran_on = machine.describe()
    for each in tables:
        console.print(each, "")
    console.print(ran_on.line())
    if json_file is not None:
        document = {"command": command, "settings": settings, "machine": ran_on, "results": results}
        files.write(json_file, (json.dumps(as_json(document), indent=1) + "\n").encode(), force=True)


def as_json(value: Any) -> Any:
    """The same as JSON has it: dataclasses as objects, the parts of a key with slashes between, infinity as null."""
    if dataclasses.is_dataclass(value):
        return {field.name: as_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {" / ".join(key) if isinstance(key, tuple) else key: as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
