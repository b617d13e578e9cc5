"""The report is one valid page that needs nothing else, holds every section, and says what was measured."""

from __future__ import annotations

import base64
import dataclasses
import json
import re
import struct
import sys
import types
import xml.etree.ElementTree
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlparse

import numpy as np
import pytest
from typer.testing import CliRunner

pytest.importorskip("matplotlib", reason="the report needs imgcrypt[bench]")
pytest.importorskip("skimage", reason="the report needs imgcrypt[bench]")

from imgcrypt import pictures
from imgcrypt.bench import coldstart, common, quality, robustness, stages, subjects
from imgcrypt.bench.cli import app
from imgcrypt.bench.common import BenchError
from imgcrypt.bench.pictures import waves
from imgcrypt.bench.report import figures, page, report, sections
from imgcrypt.bench.report.sections import Effort
from imgcrypt.bench.stopwatch import Summary
from imgcrypt.errors import ImageError, ImgcryptError

TINY = Effort(pairs=1, sides=(64,), payloads=(4096,), attacked=16, known=(2,), repeats=1)
VOID = {"meta", "img", "br", "link", "input", "hr"}
HOSTILE = "<b>&\"'$title"


class Page(HTMLParser):
    """Checks that tags nest, and collects what the tests ask for."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.attributes: list[tuple[str, dict[str, str | None]]] = []
        self.cells: list[list[int]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.attributes.append((tag, dict(attrs)))
        if tag == "tr":
            self.cells.append([0])
        if tag in ("td", "th"):
            self.cells[-1][0] += 1
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data

    def values(self, tag: str, name: str) -> list[str]:
        return [str(attributes[name]) for each, attributes in self.attributes if each == tag and name in attributes]


def fake_cold_start(*arguments):
    return [coldstart.ColdStart("imgcrypt enc, 512 x 512 color", Summary(0.5, 0.5, 0.5, 1))]


def fake_quality(folders, nets, rates, provider, real=quality.run):
    """Of two nets, not of all."""
    return real(folders, ["fclbcnn-0.18", "dct"], [0.53, 0.18], provider)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """What the command writes for two small pictures: the folder."""
    folder = tmp_path_factory.mktemp("report")
    images = folder / "images"
    images.mkdir()
    for name, picture in (("a_b&c.png", waves(66, 1, 1)), ("lena.png", waves(70, 3))):
        (images / name).write_bytes(pictures.encode(picture, ".png"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(coldstart, "run", fake_cold_start)
        patch.setattr(quality, "run", fake_quality)
        for name, strength in (("GAUSSIAN", 0.2), ("SALT_AND_PEPPER", 0.01), ("LOSSES", 1 / 4)):
            patch.setattr(robustness, name, (strength,))
        patch.setattr(report, "Effort", lambda: TINY)
        options = ["-o", str(folder / "r.html"), "--png", str(folder / "png"), "--json", str(folder / "r.json")]
        done = CliRunner().invoke(app, ["report", *options, "--images", str(images), "--provider", "cpu"])
    assert done.exit_code == 0, (done.output, done.exception)
    return folder


@pytest.fixture(scope="module")
def text(written):
    return (written / "r.html").read_text("utf-8")


def test_every_part_is_there(written, text):
    document = json.loads((written / "r.json").read_text())
    assert document["command"] == "report"
    assert list(document["results"]) == list(sections.PARTS)
    ids = Page(text).values("section", "id")
    assert ids == list(sections.PARTS)
    for number in range(3, 10):
        assert f"table {number}" in text
    for number in (3, 5, 6, 7, 8, 9):
        assert f"Figure {number}" in text


def test_links_lead_somewhere_and_nothing_is_elsewhere(text):
    read = Page(text)
    links = read.values("a", "href")
    assert links
    assert {f"#{name}" for name in read.values("section", "id")} == set(links)
    for tag, attributes in read.attributes:
        assert tag not in ("script", "link", "iframe", "object")
        for name in ("src", "href", "srcset", "style", "action"):
            if attributes.get(name):
                assert urlparse(str(attributes[name])).scheme in ("", "data")
                assert not str(attributes[name]).startswith("//")
    assert not re.search(r"https?:|url\(|@import", text)


def test_pictures_are_in_the_page_and_in_the_folder(written, text):
    sources = [source.partition(";base64,") for source in Page(text).values("img", "src")]
    charts = [base64.b64decode(data) for kind, _, data in sources if "svg" in kind]
    inside = [pictures.read(base64.b64decode(data)).pixels for kind, _, data in sources if "svg" not in kind]
    files = {path.name: path.read_bytes() for path in (written / "png").iterdir()}
    assert len(files) == len(sources)
    assert {kind for kind, _, _ in sources} == {"data:image/png", "data:image/jpeg", "data:image/svg+xml"}
    for chart in charts:
        assert xml.etree.ElementTree.fromstring(chart).tag.endswith("svg")
        assert len(chart) < 1_500_000
    # Large ones are JPEG in the page.
    drawn = ("quality", "timing", "cipher", "scatter", "histograms")
    assert len(charts) == len([name for name in files if name.startswith(drawn)]) >= 6
    for name, data in files.items():
        if name.startswith(drawn):
            continue
        found = pictures.read(data).pixels[:, :, :3]
        errors = [
            np.abs(each[:, :, :3] - found.astype(int)).mean() for each in inside if each.shape[:2] == found.shape[:2]
        ]
        assert min(errors) < (12 if len(data) > page.LARGE else 0.001)
    assert {"stages-lena.png", "branches.png", "scatter-lena.png", "histograms-lena.png"} < set(files)
    assert {"robustness-gaussian-noise.png", "robustness-salt-and-pepper.png", "robustness-cut.png"} < set(files)
    assert "robustness-losses.png" in files
    assert {"attacks.png", "black-white.png", "timing.png", "cipher-speed.png", "quality.png"} < set(files)
    for data in files.values():
        assert data.startswith(b"\x89PNG\r\n\x1a\n")
        width, height = struct.unpack(">II", data[16:24])
        assert 900 < width < 1200
        assert 150 < height < 3000
        decoded = pictures.read(data).pixels
        assert decoded.std() > 5
    assert all(Page(text).values("img", "alt"))


def test_rows_have_the_cells_of_their_table(text):
    for table in re.findall(r"<table>.*?</table>", text, re.S):
        counts = {count for (count,) in Page(table).cells}
        assert len(counts) == 1
        assert counts.pop() > 1


def test_key_figures_are_those_of_the_results(written, text):
    results = json.loads((written / "r.json").read_text())["results"]
    read = Page(text).text
    (lena,) = (
        each
        for each in results["stages"]
        if (each["picture"], each["net"]) == ("lena", "fclbcnn-0.18") and each["kind"] == "color"
    )
    assert f"{lena['psnr_db']:.2f} dB" in read
    assert "0.50 s" in read
    assert "of an unseen picture" in read
    assert "no security proof" in read


def test_names_are_shown_not_obeyed(text):
    assert "a_b&amp;c gray" in text
    assert "a_b&c" not in text
    table = common.table(HOSTILE, [HOSTILE, "b"], [[HOSTILE, "[red]1[/red]"]], HOSTILE)
    drawing = page.Drawing("x", HOSTILE, b"")
    made = page.render(
        HOSTILE,
        [HOSTILE],
        [page.KeyFigure(HOSTILE, HOSTILE, HOSTILE)],
        HOSTILE,
        [page.Section("x", HOSTILE, HOSTILE, [drawing], [table])],
    )
    read = Page(made)
    # Title and heading, lead, key figure (3), machine, link, heading, text, the figure's caption, the table's four.
    assert read.text.count(HOSTILE) == 15
    assert "b" not in [tag for tag, _ in read.attributes]
    assert "[red]1[/red]" in read.text
    assert HOSTILE in read.values("img", "alt")


def test_lena_comes_first_and_two_pictures_are_enough(tmp_path):
    for name in ("b.png", "a.png", "a.bmp", "Peppers.png", "lena_color.png"):
        (tmp_path / name).write_bytes(pictures.encode(waves(64, 1), Path(name).suffix))
    (tmp_path / "lena_color.png").write_bytes(pictures.encode(waves(700, 3)[:400], ".png"))
    with report._folders(tmp_path) as (every, few):
        assert every == tmp_path
        assert sorted(path.name for path in few.iterdir()) == ["Peppers.png", "lena_color.png"]
        assert (pictures.read(few / "Peppers.png").pixels == waves(64, 1)).all()
        middle = pictures.read(few / "lena_color.png").pixels
        assert (middle == waves(700, 3)[:400, 94:606]).all()
    assert not few.exists()
    for name in ("b.png", "Peppers.png", "lena_color.png"):
        (tmp_path / name).unlink()
    with report._folders(tmp_path) as (_, few):
        assert [path.name for path in few.iterdir()] == ["a.png"]
    (tmp_path / "a.bmp").write_bytes(b"no picture")
    with pytest.raises(ImageError, match=r"cannot read a\.bmp"), report._folders(tmp_path):
        pass
    with report._folders(None) as (every, few):
        assert every == few
        assert [path.name for path in few.iterdir()] == ["astronaut.png"]


@pytest.mark.parametrize(("channels", "apart"), [(1, 1), (3, 1)])
def test_branches_add_up_to_the_rebuilt_picture(channels, apart):
    picture = waves(80, channels)
    shown = {}
    results = stages.run([("x", "color" if channels == 3 else "gray", picture)], "cpu", 0, shown.__setitem__)
    (rebuilt,) = (shown[key] for key in shown if (key.net, key.stage) == (subjects.FIGURE_2_NET, stages.REBUILT))
    colors, contours, both = stages.branches(picture, "cpu").values()
    assert colors.shape == contours.shape == both.shape == picture.shape
    assert np.abs(both - rebuilt).max() <= apart
    assert np.abs(np.clip(colors + contours, 0, 255) - both).mean() < 1
    assert contours.std() > 0.1
    assert [record.net for record in results] == [
        each.form for each in subjects.forms("x", "gray", picture, "cpu") if each.entry
    ]


def test_stages_are_what_they_say():
    shown = {}
    picture = waves(70, 3)
    record = stages.run([("lena", "color", picture)], "cpu", 0, shown.__setitem__)[-1]
    assert record.net == subjects.FIGURE_2_NET
    assert (record.paper_psnr_db, record.paper_ssim) == (32.5516, 0.9456)
    sizes = [stage.bytes for stage in record.stages]
    assert sizes == [70 * 70 * 3, 9 * 576, 9 * 576, 70 * 70 * 3]
    ciphertext = record.stages[2]
    assert ciphertext.entropy_bits == pytest.approx(ciphertext.ideal_entropy_bits, abs=0.02)
    assert record.stages[0].correlation > 0.8 > 0.1 > abs(ciphertext.correlation)
    (table,) = stages.tables([record])
    assert "(paper 32.55)" in list(table.columns[7].cells)[-1]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["-o", "photo.png"], "name it .html"),
        (["-o", "-"], "name it .html"),
        (["--images", "nosuch"], "there are no pictures"),
        (["--provider", "abacus"], "no provider is called 'abacus'"),
        (["--json", "."], "is a folder"),
        (["-o", "nosuch/report.html"], "cannot write nosuch/report.html"),
        (["--png", __file__], "cannot write into the folder"),
    ],
)
def test_refuses(tmp_path, monkeypatch, options, text):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["report", *options])
    assert done.exit_code != 0
    assert text in done.output + str(done.exception)
    assert done.exit_code == 2 or isinstance(done.exception, ImgcryptError)
    assert list(tmp_path.iterdir()) == []


def test_small_pictures_are_refused_by_name(tmp_path):
    (tmp_path / "small.png").write_bytes(pictures.encode(waves(40, 1), ".png"))
    with pytest.raises(BenchError, match=r"small\.png is below 64"):
        report.run(tmp_path, "cpu", 0, TINY)


def test_missing_extra_is_named(monkeypatch):
    for name in [name for name in sys.modules if name.startswith(("matplotlib", "imgcrypt.bench.report.figures"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib.backends.backend_agg", None)
    with pytest.raises(BenchError, match=r"pip install imgcrypt\[bench\]"):
        __import__("imgcrypt.bench.report.figures")


def test_every_part_is_measured(monkeypatch):
    monkeypatch.setattr(sections, "PARTS", dict.fromkeys(sections.PARTS, lambda job: (job.seed, None)))
    results, made = report.run(None, "cpu", 7, TINY)
    assert set(dataclasses.asdict(results).values()) == {7}
    assert made == [None] * len(sections.PARTS)


def test_histograms_of_gray_and_color_have_scales_of_their_own():
    def portrait(kind, *channels):
        return types.SimpleNamespace(picture="x", kind=kind, histogram=[list(each) for each in channels], form="f")

    flat = np.full(256, 4)
    tall, taller = flat.copy(), flat.copy()
    tall[7], taller[9] = 8, 4000
    results = types.SimpleNamespace(
        pictures=[portrait("gray", tall), portrait("color", tall, flat, taller)],
        ciphertexts=[portrait("gray", flat), portrait("color", flat, flat, flat)],
    )
    limits = [axis.get_ylim()[1] for axis in figures.histograms(results, "x").axes]
    # Nothing is cut off.
    peaks = [8 * 256 / tall.sum(), 2, 4000 * 256 / taller.sum(), 2]
    assert limits == pytest.approx([1.05 * peak for peak in peaks])


def test_a_picture_that_is_not_there_is_no_white_tile():
    """What a figure shows is asked for by the keys under which it was kept: one that differs is an error."""
    opened = robustness.Opened(
        "waves", "gray", "net", robustness.CUT, 0.5, "middle", "cut 50.0%", 0.5, 20.0, True, 4, 2,
    )  # fmt: skip
    shown = {robustness.Shown("waves", "net", opened.label, "middle"): waves(20, 1)}
    assert figures.damage([opened], shown, "waves", robustness.CUT).axes
    assert figures.losses([opened]).axes
    with pytest.raises(KeyError):
        figures.damage([opened], {}, "waves", robustness.CUT)
