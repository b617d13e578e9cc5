"""The figures of ``bench report``: pictures side by side, and charts. Drawn off screen, each a figure of its own."""

from __future__ import annotations

import io
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgcrypt import metrics
from imgcrypt.arrays import Bytes
from imgcrypt.bench import attack, cipher, paper, pictures, robustness, security, stages, timing
from imgcrypt.bench.attack import BLACK_WHITE, CIPHERTEXT, DIFFERENCES, FEW, RELEASED, SINGLE
from imgcrypt.bench.common import BenchError, size_text
from imgcrypt.bench.quality import Measured

try:
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
except ImportError:
    raise BenchError("figures need matplotlib; install it with: pip install imgcrypt[bench]") from None

WIDTH = 7.2
"""Inches: the width of a page's text."""
DPI = 150
SMALL, TEXT = 7.5, 8.5
"""Sizes of letters, in points."""
INKS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#8c564b", "#17becf")
"""Colors that the color-blind can tell from each other (Okabe and Ito, 2008), then two more."""
GRAY = "#777777"
COLUMNS = 4
"""Pictures side by side, at least: fewer would be too large."""
NOTHING: Bytes = np.full((8, 8), 255, np.uint8)
"""Stands for a picture of which nothing is left."""
MIDDLE = 192
"""Pixels a side that are shown of what has fine detail: each is one of the figure's or more."""
LEFT_OUT = ("none", robustness.SURVIVE, robustness.LOSSLESS, *robustness.PARITIES)
"""Forms that figures 6 and 7 do not show."""
CHANNELS = ("#c0392b", "#2e8b57", "#2a5db0")


def png(figure: Figure) -> bytes:
    """The figure's file."""
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=DPI, metadata={"Software": None})
    return out.getvalue()


def svg(figure: Figure) -> bytes:
    """The figure as a vector graphic, the same bytes at every call."""
    out = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "imgcrypt"}):
        figure.savefig(out, format="svg", dpi=DPI, metadata={"Date": None})
    return out.getvalue()


def panel(rows: Mapping[str, Sequence[tuple[str, Bytes]]]) -> Figure:
    """Pictures in rows, each under its caption, each row behind its name."""
    columns = max(COLUMNS, *(len(row) for row in rows.values()))
    side = WIDTH / columns
    figure = _figure(len(rows) * (side + 0.12))
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for line, (name, row) in zip(axes, rows.items(), strict=True):
        for axis in line[len(row) :]:
            axis.set_axis_off()
        for axis, (caption, picture) in zip(line, row, strict=False):
            axis.imshow(picture, cmap="gray", vmin=0, vmax=255)
            axis.set_title(caption, fontsize=SMALL, pad=3)
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
        line[0].set_ylabel(name, fontsize=SMALL)
    return figure


def branches(shown: Mapping[str, tuple[Bytes, Mapping[str, NDArray[np.float32]]]]) -> Figure:
    """The paper's figure 3: by name a picture and what stages.branches gives of it; the middle of each."""
    rows = {}
    for name, (picture, found) in shown.items():
        colors, contours, both = (found[branch] for branch in stages.BRANCHES)
        contours = contours - contours.mean((0, 1))
        contrast = 100 / max(float(np.percentile(np.abs(contours), 99)), 1)
        raised = contours * contrast + 128
        planes = [
            ("picture", picture),
            (stages.BRANCHES[0], colors),
            (f"bilinear + CNN, contrast x {contrast:.0f}", raised),
            ("their sum", both),
        ]
        rows[name] = [
            (caption, pictures.middle(np.asarray(plane.clip(0, 255), np.uint8), MIDDLE)) for caption, plane in planes
        ]
    return panel(rows)


def damage(
    results: Sequence[robustness.Opened],
    shown: Mapping[robustness.Shown, Bytes],
    picture: str,
    name: str,
) -> Figure:
    """The paper's figures 6 and 7: what comes out of files with one kind of damage, from ``bench robustness``.

    Args:
        results: of robustness.run.
        shown: what it showed.
        picture: its name.
        name: of the damage. Of cuts four in the middle are shown.
    """
    mine = [
        record
        for record in results
        if record.picture == picture
        and record.damage == name
        and record.place in (None, "middle")
        and record.form not in LEFT_OUT
    ]
    strengths = sorted({record.strength for record in mine})
    strengths = strengths[:: -(-len(strengths) // COLUMNS)]
    rows: dict[str, list[tuple[str, Bytes]]] = {}
    for record in mine:
        if record.strength in strengths:
            told, image = "nothing left", NOTHING
            if record.psnr_db is not None:
                told = f"{record.psnr_db:.1f} dB" + ("" if record.authentic else ", unproven")
                image = shown[robustness.Shown(picture, record.form, record.label, record.place)]
            extent = robustness.extent(name, record.strength)
            rows.setdefault(record.form.replace(", ", ",\n"), []).append((f"{extent}: {told}", image))
    return panel(rows)


def losses(results: Sequence[robustness.Opened]) -> Figure:
    """Mean PSNR by the share of a file that is lost, in whatever way, from ``bench robustness``."""
    figure = _figure(3.8)
    axis = figure.subplots()
    cells: dict[str, dict[float, list[robustness.Opened]]] = {}
    for record in results:
        if record.damage in (robustness.UNDAMAGED, *robustness.LOST):
            cells.setdefault(record.form, {}).setdefault(record.strength, []).append(record)
    for ink, (form, by_share) in zip(itertools.cycle(INKS), cells.items(), strict=False):
        points = [
            (share, np.mean([each.psnr_db for each in found if each.psnr_db is not None]))
            for share, found in sorted(by_share.items())
            if all(each.psnr_db is not None and math.isfinite(each.psnr_db) for each in found)
        ]
        proven = all(each.authentic for found in by_share.values() for each in found if each.psnr_db is not None)
        style = "--" if form in robustness.PARITIES else "-" if proven else ":"
        axis.plot(*zip(*points, strict=True) if points else ((), ()), style, marker="o", color=ink, label=form, ms=3)
    _dress(axis, "", "share of the file that is lost", "mean PSNR, dB")
    _legend_below(figure)
    return figure


def scatter(results: security.Results, picture: str) -> Figure:
    """The paper's figure 5: neighbors of a gray picture and of its ciphertexts, from ``bench security``."""
    portraits = _portraits(results, picture, pictures.GRAY)
    columns = len(metrics.DIRECTIONS)
    figure = _figure(len(portraits) * (WIDTH / columns - 0.2))
    axes = figure.subplots(len(portraits), columns, sharex=True, sharey=True, squeeze=False)
    for line, (name, portrait) in zip(axes, portraits.items(), strict=True):
        for axis, (direction, (one, other)) in zip(line, (portrait.scatter or {}).items(), strict=True):
            axis.plot(one, other, ".", color=INKS[0], alpha=0.7, ms=2.6, mew=0, rasterized=True)
            _dress(axis, f"{direction}, r = {portrait.correlation[direction]:+.3f}")
            axis.set(xlim=(-3, 258), ylim=(-3, 258), xticks=(0, 128, 255), yticks=(0, 128, 255), aspect="equal")
        line[0].set_ylabel(f"{name}\nvalue of its neighbor", fontsize=SMALL)
    figure.supxlabel("value of a byte", fontsize=TEXT)
    return figure


def histograms(results: security.Results, picture: str) -> Figure:
    """The paper's figure 9: histograms of a picture and of its ciphertexts, from ``bench security``."""
    kinds = [plain.kind for plain in results.pictures if plain.picture == picture]
    by_kind = {kind: _portraits(results, picture, kind) for kind in kinds}
    columns = max(len(portraits) for portraits in by_kind.values())
    figure = _figure(len(kinds) * 2.0)
    axes = figure.subplots(len(kinds), columns, sharex=True, squeeze=False)
    for line, (kind, portraits) in zip(axes, by_kind.items(), strict=True):
        plain, *enciphered = map(_peak, portraits.values())
        for axis, peak in zip(line, (plain, *[max(2.0, *enciphered)] * len(enciphered)), strict=False):
            axis.set_ylim(0, 1.05 * peak)
        for axis in line[len(portraits) :]:
            axis.set_axis_off()
        for axis, (name, portrait) in zip(line, portraits.items(), strict=False):
            _histogram(axis, portrait.histogram)
            _dress(axis, f"{kind}, {name}".replace(" of ", "\nof "))
    figure.supxlabel("value of a byte", fontsize=TEXT)
    figure.supylabel("times as often as the average value", fontsize=TEXT)
    return figure


def attacks(results: attack.Results, planes: Mapping[attack.Shown, Bytes]) -> Figure:
    """What the attacks make of an unseen ciphertext, a row for each victim: from ``bench attack``."""
    known = [
        each.attack for each in results.attacks if each.attack not in (BLACK_WHITE, SINGLE, DIFFERENCES, *FEW.values())
    ]
    drawn = [FEW[1], DIFFERENCES, *known[-1:]]
    rows = {}
    for bound_to in dict.fromkeys(record.bound_to for record in results.attacks):
        rows[f"key bound to\n{bound_to}"] = [
            (CIPHERTEXT, planes[attack.Shown(bound_to, CIPHERTEXT)]),
            *(
                (f"{record.attack}\n{record.right_share:.1%} right", planes[attack.Shown(bound_to, record.attack)])
                for record in results.attacks
                if record.bound_to == bound_to and record.attack in drawn
            ),
        ]
    return panel(rows)


def black_and_white(results: attack.Results, planes: Mapping[attack.Shown, Bytes]) -> Figure:
    """The paper's figure 8: ciphertexts of a black and of a white picture, and their histograms."""
    found = [each for each in results.ciphertexts if each.bound_to == RELEASED]
    figure = _figure(WIDTH / 4 + 0.35)
    axes = figure.subplots(1, 2 * len(found), squeeze=False)[0]
    for (left, right), each in zip(axes.reshape(-1, 2), found, strict=True):
        left.imshow(planes[attack.Shown(RELEASED, each.picture)], cmap="gray", vmin=0, vmax=255)
        left.set_title(f"{each.picture}, enciphered", fontsize=SMALL, pad=3)
        left.set(xticks=[], yticks=[])
        left.spines[:].set_visible(False)
        _histogram(right, [each.histogram])
        right.set_ylim(bottom=0)
        _dress(right, "its histogram")
        right.set_box_aspect(1)
        right.set_xlabel("value of a byte", fontsize=SMALL)
    return figure


def quality(results: Sequence[Measured]) -> Figure:
    """Mean PSNR by rate, gray and color, from ``bench quality``, and the paper's where it has the same pictures."""
    kinds = list(dict.fromkeys(record.kind for record in results))
    nets = list(dict.fromkeys(record.net.partition("-")[0] for record in results))
    figure = _figure(3.6)
    for axis, kind in zip(figure.subplots(1, len(kinds), squeeze=False)[0], kinds, strict=True):
        for ink, net in zip(itertools.cycle(INKS), nets, strict=False):
            points = sorted(
                (
                    record.rate,
                    record.mean.psnr_db,
                    math.nan if record.mean.paper_psnr_db is None else record.mean.paper_psnr_db,
                )
                for record in results
                if (record.kind, record.net.partition("-")[0]) == (kind, net)
            )
            if not points:
                continue
            rates, ours, printed = zip(*points, strict=True)
            axis.plot(rates, ours, "o-", color=ink, label=net, ms=4, lw=1.2)
            if not all(map(math.isnan, printed)):
                axis.plot(rates, printed, "o:", color=ink, mfc="white", label=f"{net}, paper", ms=4, lw=1)
        _dress(axis, kind, "rate, bytes of measurements a sample", "mean PSNR, dB")
    _legend_below(figure)
    return figure


def seconds(results: Sequence[timing.Timed]) -> Figure:
    """Table 9 by size, the paper's and ours, and the time for a pixel, from ``bench timing``."""
    figure = _figure(5.6)
    kinds = (pictures.GRAY, pictures.COLOR)
    for line, kind in zip(figure.subplots(2, 2, sharex=True), kinds, strict=True):
        mine = [record for record in results if record.kind == kind]
        inks = itertools.cycle(INKS)
        for net in dict.fromkeys(record.net for record in mine):
            part = timing.TOTAL if net else timing.DIRECT
            records = [record for record in mine if record.net == net]
            ink, sizes = next(inks), [record.size for record in records]
            label = f"total, {net}" if net else part
            line[0].plot(sizes, [each.seconds[part].median for each in records], "o-", color=ink, label=label)
            line[1].plot(sizes, [each.ns_per_pixel[part] for each in records], "o-", color=ink, label=label)
        for part, mark in ((timing.TOTAL, "s:"), (timing.DIRECT, "^:")):
            printed = {size: paper.seconds(size, kind).get(part) for size in {record.size for record in mine}}
            points = sorted((size, value) for size, value in printed.items() if value is not None)
            if points:
                line[0].plot(*zip(*points, strict=True), mark, color=GRAY, label=f"{part}, paper")
        for axis, what, unit in zip(line, ("there and back", "for each pixel"), ("seconds", "ns a pixel"), strict=True):
            axis.set_xscale("log", base=2)
            axis.set_yscale("log")
            _dress(axis, f"{kind}, {what}", "pixels a side", unit)
            axis.set_xticks(sorted({record.size for record in mine}))
            axis.xaxis.set_major_formatter(lambda value, _: f"{value:.0f}")
    _legend_below(figure)
    return figure


def speeds(results: Sequence[cipher.Speed]) -> Figure:
    """GB/s of the ciphers by size, a chart for each number of threads, from ``bench cipher``."""
    counts = list(dict.fromkeys(record.threads for record in results))
    figure = _figure(3.6)
    for axis, count in zip(figure.subplots(1, len(counts), sharey=True, squeeze=False)[0], counts, strict=True):
        mine = sorted((record for record in results if record.threads == count), key=lambda each: each.size)
        for way, line in ((cipher.ENCRYPT, "o-"), (cipher.DECRYPT, "o:")):
            for ink, name in zip(INKS, mine[0].gb_per_s[way], strict=False):
                values = [record.gb_per_s[way][name] for record in mine]
                axis.plot(range(len(mine)), values, line, color=ink, label=f"{name}, {way}", ms=4, lw=1.2)
        axis.set_yscale("log")
        _dress(axis, cipher.threads_text(count), "payload", "GB/s")
        axis.set_xticks(range(len(mine)), [size_text(record.size).replace(" ", "\n") for record in mine])
        axis.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    _legend_below(figure)
    return figure


def cipher_stages(results: Sequence[cipher.Speed]) -> Figure:
    """Time of each step of the hybrid path at the largest payload, by threads, from ``bench cipher``."""
    size = max(record.size for record in results)
    mine = [record for record in results if record.size == size]
    names = list(mine[0].stages)
    figure = _figure(0.28 * len(names) + 0.8)
    axis = figure.subplots()
    height = 0.8 / len(mine)
    for i, (ink, record) in enumerate(zip(INKS, mine, strict=False)):
        values = [record.stages[name].median / size * 1e9 for name in names]
        places = np.arange(len(names)) + (i - (len(mine) - 1) / 2) * height
        bars = axis.barh(places, values, height, color=ink, label=cipher.threads_text(record.threads))
        axis.bar_label(bars, fmt="%.3f", fontsize=SMALL - 1, padding=2)
    axis.set_yticks(range(len(names)), names)
    axis.invert_yaxis()
    axis.margins(x=0.12)
    _dress(axis, f"{size_text(size)} of payload", "ns a byte")
    axis.legend(fontsize=SMALL, frameon=False, loc="lower right")
    return figure


def _portraits(results: security.Results, picture: str, kind: str) -> dict[str, security.Portrait]:
    """The statistics of a picture and of its ciphertexts, by what they are of."""
    (plain,) = (each for each in results.pictures if (each.picture, each.kind) == (picture, kind))
    found = {"plain": plain}
    for each in results.ciphertexts:
        if (each.picture, each.kind) == (picture, kind):
            found[f"ciphertext of {each.form}"] = each
    return found


def _peak(portrait: security.Portrait) -> float:
    """The most frequent value of any channel, in times of the average one."""
    return max(max(counts) * len(counts) / sum(counts) for counts in portrait.histogram)


def _histogram(axis: Any, channels: Sequence[Sequence[int]]) -> None:
    inks = CHANNELS if len(channels) > 1 else INKS
    for ink, counts in zip(inks, channels, strict=False):
        share = np.asarray(counts) * len(counts) / sum(counts)
        if len(channels) > 1:
            axis.plot(share, color=ink, lw=0.7)
        else:
            axis.fill_between(range(len(share)), share, color=ink, lw=0)
    axis.set(xlim=(0, 255), xticks=(0, 128, 255))


def _figure(height: float) -> Figure:
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _dress(axis: Any, title: str, x: str = "", y: str = "") -> None:
    axis.set_title(title, fontsize=SMALL, pad=3)
    axis.set_xlabel(x, fontsize=TEXT)
    axis.set_ylabel(y, fontsize=TEXT)
    axis.tick_params(labelsize=SMALL, which="both")
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(color="#dddddd", lw=0.5)
    axis.set_axisbelow(True)


def _legend_below(figure: Figure) -> None:
    """One legend for all charts of the figure."""
    handles: dict[str, Any] = {}
    for axis in figure.axes:
        handles |= {label: handle for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    figure.legend(
        handles.values(),
        handles.keys(),
        loc="outside lower center",
        ncols=min(4, len(handles)),
        fontsize=SMALL,
        frameon=False,
    )
