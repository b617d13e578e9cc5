"""The page that ``bench report`` writes: one HTML file with its style and figures inside. Knows nothing of imgcrypt."""

from __future__ import annotations

import base64
import dataclasses
import html
import string
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from imgcrypt.opencv import cv2

if TYPE_CHECKING:
    from rich.table import Table

LARGE = 300_000
"""Bytes of a PNG above which the page holds the figure as JPEG: those are photographs and noise."""


@dataclasses.dataclass(frozen=True)
class Drawing:
    """A figure: the name of its file, what it shows, the bytes of its PNG, and of its SVG if it is a chart."""

    name: str
    caption: str
    png: bytes
    svg: bytes | None = None


@dataclasses.dataclass(frozen=True)
class Section:
    """A part of the page: ``name`` is its anchor."""

    name: str
    title: str
    text: str
    drawings: Sequence[Drawing]
    tables: Sequence[Table]


@dataclasses.dataclass(frozen=True)
class KeyFigure:
    """For the top of the page: a value as ``37.9 dB``, of what it is, and what to hold it against."""

    value: str
    what: str
    beside: str


def render(title: str, lead: Sequence[str], key: Sequence[KeyFigure], machine: str, sections: Sequence[Section]) -> str:
    """The page. All text is plain: what looks like markup in it is shown, not obeyed."""
    template = string.Template(Path(__file__).with_name("page.html").read_text("utf-8"))
    return template.substitute(
        title=html.escape(title),
        lead="\n".join(f"<p>{html.escape(paragraph)}</p>" for paragraph in lead),
        key="\n".join(map(_key, key)),
        machine=html.escape(machine),
        nav="\n".join(f'<a href="#{html.escape(each.name)}">{html.escape(each.title)}</a>' for each in sections),
        sections="\n".join(map(_section, sections)),
    )


def _key(figure: KeyFigure) -> str:
    what, value, beside = (html.escape(text) for text in (figure.what, figure.value, figure.beside))
    return f'<div><dt>{what}</dt><dd class="value">{value}</dd><dd class="note">{beside}</dd></div>'


def _section(section: Section) -> str:
    head = f'<section id="{html.escape(section.name)}">\n<h2>{html.escape(section.title)}</h2>'
    text = f"<p>{html.escape(section.text)}</p>"
    return "\n".join([head, text, *map(_drawing, section.drawings), *map(_table, section.tables), "</section>"])


def _drawing(drawing: Drawing) -> str:
    caption, kind, data = html.escape(drawing.caption), "png", drawing.png
    if drawing.svg is not None:
        kind, data = "svg+xml", drawing.svg
    elif len(data) > LARGE:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        kind, data = "jpeg", cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()
    image = f'<img src="data:image/{kind};base64,{base64.b64encode(data).decode()}" alt="{caption}">'
    return f'<figure><div class="scroll">{image}</div><figcaption>{caption}</figcaption></figure>'


def _table(table: Table) -> str:
    """A table of rich's, whose cells are plain text."""
    classes = [' class="right"' if column.justify == "right" else "" for column in table.columns]

    def row(tag: str, cells: Sequence[object]) -> str:
        made = [f"<{tag}{kind}>{html.escape(str(cell))}</{tag}>" for kind, cell in zip(classes, cells, strict=True)]
        return f"<tr>{''.join(made)}</tr>"

    head = row("th", [column.header for column in table.columns])
    body = "\n".join(row("td", cells) for cells in zip(*(column.cells for column in table.columns), strict=True))
    note = f'<p class="note">{html.escape(str(table.caption))}</p>' if table.caption else ""
    return (
        f'<div class="scroll"><table>\n<caption>{html.escape(str(table.title))}</caption>\n<thead>{head}</thead>\n'
        f"<tbody>\n{body}\n</tbody>\n</table></div>\n{note}"
    )
