"""Table 9's figures are what they say, net by net; cold starts are those of real processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from imgcrypt import cli
from imgcrypt.bench import coldstart, timing
from imgcrypt.bench.cli import app
from imgcrypt.bench.common import BenchError
from imgcrypt.bench.stopwatch import Summary
from imgcrypt.errors import NetError
from imgcrypt.runtime import zoo

NO_NET = ["cipher directly", "cipher directly, chaos layer alone"]


@pytest.fixture
def no_cold_start(monkeypatch):
    """The command without its processes, of which another test makes some."""
    started = coldstart.ColdStart("imgcrypt --help", Summary(0.5, 0.5, 0.5, 1))
    monkeypatch.setattr(coldstart, "run", lambda *arguments: [started])


@pytest.mark.usefixtures("no_cold_start")
def test_command(tmp_path):
    file = tmp_path / "figures.json"
    options = ["--sizes", "33,256", "--nets", "fclbcnn-0.18", "--repeats", "1", "--provider", "cpu", "--seed", "3"]
    result = CliRunner().invoke(app, ["timing", *options, "--json", str(file)])
    assert result.exit_code == 0, (result.output, result.exception)
    document = json.loads(file.read_text())
    assert document["settings"]["nets"] == ["fclbcnn-0.18"]
    assert document["settings"]["seed"] == 3
    assert document["results"]["cold_start"][0]["seconds"]["median"] == 0.5
    records = document["results"]["pictures"]
    assert [(each["size"], each["kind"], each["net"]) for each in records] == [
        (size, kind, net) for size in (33, 256) for kind in ("gray", "color") for net in ("fclbcnn-0.18", None)
    ]
    for record in records:
        assert record["provider"] == ("cpu" if record["net"] else None)
        assert list(record["seconds"]) == (
            ["sampling + reconstruction", "encryption + decryption", "total"] if record["net"] else NO_NET
        )
        for part, taken in record["seconds"].items():
            assert taken["median"] > 0
            assert record["ns_per_pixel"][part] == pytest.approx(taken["median"] * 1e9 / record["size"] ** 2)
    assert all(each["paper_seconds"] == each["times_faster"] == {} for each in records[:4])
    color, direct = records[6:]
    assert color["rate"] == 0.18
    assert color["paper_seconds"]["total"] == 0.85
    assert color["times_faster"]["total"] == pytest.approx(0.85 / color["seconds"]["total"]["median"])
    assert direct["paper_seconds"] == {"cipher directly": 2.81}
    for text in ("0.85", "256 / 33", "imgcrypt --help"):
        assert text in result.stdout


def test_one_size_grows_not():
    results = timing.run([40], ["fclbcnn-0.08"], "cpu", 1)
    assert [table.title for table in timing.tables(results)] == ["table 9: seconds, there and back"]


def test_each_net_is_timed_once_and_where_it_serves():
    default = zoo.choose(None, None, 1).name
    assert [each.name for each in timing._choose(["default", default, "default"], 1)] == [default]
    assert [each.name for each in timing._choose(["fclbcnn", "fclbcnn-0.08"], 3)] == ["fclbcnn-0.18", "fclbcnn-0.08"]
    assert timing._choose(["fclbcnn-gray-0.10"], 3) == []
    results = timing.run([40], ["fclbcnn-gray-0.10"], "cpu", 1)
    assert [(each.kind, each.net) for each in results] == [
        ("gray", "fclbcnn-gray-0.10"),
        ("gray", None),
        ("color", None),
    ]


@pytest.mark.parametrize(
    ("sizes", "nets", "error", "text"),
    [
        ([0], ["default"], BenchError, "cannot time 0"),
        ([16385], ["default"], BenchError, "1 to 16384"),
        ([64], ["other"], NetError, "no net is called 'other'"),
        ([64], [], BenchError, "nothing to time"),
        ([], ["default"], BenchError, "nothing to time"),
    ],
)
def test_refuses(sizes, nets, error, text):
    with pytest.raises(error, match=text):
        timing.run(sizes, nets, "cpu", 1)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system cannot confine a process to some cores")
def test_threads_are_confined():
    code = (
        "from imgcrypt import threads; from imgcrypt.bench import timing;timing.use_threads(1); print(threads.count())"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"1\n"


def test_cold_starts_are_processes(monkeypatch):
    ran = []
    real = subprocess.run

    def watch(arguments, **options):
        done = real(arguments, **options)
        ran.append((arguments[3], done.returncode, done.stderr))
        return done

    monkeypatch.setattr(coldstart, "SIDE", 64)
    monkeypatch.setattr(subprocess, "run", watch)
    results = coldstart.run("cpu", 1)
    assert [(command, code) for command, code, _ in ran] == [("enc", 0), ("--help", 0), ("enc", 0), ("dec", 0)]
    assert "64 x 64 color" in ran[3][2]
    assert [row.command for row in results] == [
        "imgcrypt --help",
        "imgcrypt enc, 64 x 64 color",
        "imgcrypt dec, 64 x 64 color",
    ]
    assert all(0.01 < row.seconds.median < 600 for row in results)
    (table,) = coldstart.tables(results)
    assert table.row_count == 3


def test_a_command_that_fails_is_an_error():
    with pytest.raises(BenchError, match=r"imgcrypt enc failed: .*nosuch"):
        coldstart._seconds(["enc", "nosuch.png", "-k", "nosuch.txt"])


def test_bench_is_a_command_of_imgcrypt():
    runner = CliRunner()
    own, same = runner.invoke(app, ["timing", "--help"]), runner.invoke(cli.app, ["bench", "timing", "--help"])
    assert same.exit_code == 0
    assert "bench timing" in same.output
    words = [each.output.partition("[OPTIONS]")[2].split() for each in (own, same)]
    assert words[0] == words[1] != []
    # Options of bench reach it, also those that imgcrypt has of its own, and so do its refusals.
    refused = runner.invoke(cli.app, ["bench", "timing", "--sizes", "0", "--repeats", "1"])
    assert isinstance(refused.exception, BenchError)
    assert "cannot time 0" in str(refused.exception)
    assert runner.invoke(cli.app, ["bench", "nosuch"]).exit_code == 2
    assert "timing" in runner.invoke(cli.app, ["bench"]).output


def test_refusals_of_imgcrypt_bench_are_one_line():
    ran = subprocess.run(
        [sys.executable, "-m", "imgcrypt.cli", "bench", "cipher", "--sizes", "1Q"], capture_output=True, text=True
    )
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith("imgcrypt: '1Q' is no size")
    assert ran.stderr.count("\n") == 1


def test_other_commands_do_not_load_bench():
    code = (
        "import sys; from imgcrypt import cli; sys.argv = ['imgcrypt', '--help']\n"
        "try:\n    cli.main()\nexcept SystemExit:\n    pass\n"
        "print([name for name in sys.modules if name.startswith('imgcrypt.bench')])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "bench" in ran.stdout
    assert ran.stdout.splitlines()[-1] == "[]"
