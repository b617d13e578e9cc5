"""The ``bench`` command."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from imgcrypt import files
from imgcrypt.bench import steps
from imgcrypt.shell import ZooOption, leave_output, run


class Battery(StrEnum):
    """Tests of randomness."""

    DIEHARDER = "dieharder"
    NIST = "nist"


app = typer.Typer(
    help="Measure imgcrypt: its cipher, its nets, and the tables of the paper.",
    no_args_is_help=True,
    # Rich would take the brackets around defaults for markup.
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

JsonOption = Annotated[
    str | None, typer.Option("--json", metavar="FILE", help="write the figures there; - is standard output")
]
SeedOption = Annotated[
    int, typer.Option(min=0, max=2**256 - 1, help="number of the keystream; another one, another keystream")
]
ProviderOption = Annotated[str, typer.Option(help="what runs the net: auto, cpu or cuda")]


def main() -> None:
    """The ``bench`` command."""
    run(app, "bench")


@app.command()
def cipher(
    sizes: Annotated[str, typer.Option(help="payloads in bytes, with K, M or G")] = "36K,192K,768K,3M,12M,192M",
    threads: Annotated[str, typer.Option(help="numbers of threads; all for every core")] = "1,all",
    repeats: Annotated[int, typer.Option(min=1, help="turns of each measurement")] = 11,
    json: JsonOption = None,
) -> None:
    """Time the cipher, and its stages, beside AES-256-GCM and ChaCha20-Poly1305."""
    from imgcrypt.bench import cipher as bench
    from imgcrypt.bench.common import finish, parse_size

    _check(json)
    counts = [bench.all_threads() if text == "all" else _number(text, "--threads") for text in _list(threads)]
    settings = {"sizes": [parse_size(text) for text in _list(sizes)], "threads": list(dict.fromkeys(counts))}
    with steps.shown():
        results = bench.run(**settings, repeats=repeats)
    finish("cipher", settings | {"repeats": repeats}, results, bench.tables(results), json)


@app.command()
def keystream(
    size: Annotated[str, typer.Option("--bytes", metavar="N", help="how many, with K, M or G; 0 never ends")],
    suite: Annotated[str, typer.Option(help="chaos is the only one with a keystream of its own")] = "chaos",
    seed: SeedOption = 0,
) -> None:
    """Write raw keystream to standard output, for any battery of tests to read."""
    from imgcrypt.bench.common import parse_size

    if suite != "chaos":
        raise typer.BadParameter("only the suite chaos has a keystream of its own", param_hint="--suite")
    count = parse_size(size)
    if sys.stdout.isatty():
        raise files.FileError("standard output is a terminal, and keystream is not text; send it to a file or a pipe")
    from imgcrypt.bench.randomness import keystream as bench

    try:
        for part in bench.parts(seed.to_bytes(32, "big"), count):
            sys.stdout.buffer.write(part)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        # The reader has enough, as it may.
        leave_output()


@app.command()
def randomness(
    battery: Annotated[Battery, typer.Option(help="dieharder, where it is installed, or NIST SP 800-22")] = (
        Battery.DIEHARDER
    ),
    size: Annotated[str, typer.Option("--bytes", metavar="N", help="of dieharder: at most; 0 is all that it reads")] = (
        "0"
    ),
    sequences: Annotated[int, typer.Option(min=1, help="of nist: how many of 1,000,000 bits")] = 1000,
    seed: SeedOption = 0,
    json: JsonOption = None,
) -> None:
    """Run a battery of tests on raw keystream: dieharder takes hours, nist minutes."""
    from imgcrypt.bench.common import finish, parse_size
    from imgcrypt.bench.randomness import dieharder, nist

    _check(json)
    key = seed.to_bytes(32, "big")
    if battery is Battery.NIST:
        found = nist.run(key, sequences, _say)
        finish(
            "randomness", {"battery": battery, "sequences": sequences, "seed": seed}, found, nist.tables(found), json
        )
        return

    def tell(test: dieharder.Test) -> None:
        _say(f"{test.name:>22} {test.ntuple:>3}  p {test.p:.8f}  {test.assessment}")

    result = dieharder.run(key, parse_size(size), tell)
    settings = {"battery": battery, "command": " ".join(dieharder.DIEHARDER), "bytes": parse_size(size), "seed": seed}
    finish("randomness", settings, result, dieharder.tables(result), json)


@app.command()
def quality(
    images: Annotated[list[str], typer.Option(metavar="DIR", help="folder of pictures; may be given again")],
    nets: Annotated[str, typer.Option(help="names, or kinds as fclbcnn and dct [default: all]")] = "",
    rates: Annotated[str, typer.Option(help="bytes of measurements per sample [default: all]")] = "",
    summary: Annotated[
        bool | None,
        typer.Option("--summary/--pictures", help="means alone, or each picture too [default: that, up to 24]"),
    ] = None,
    own_zoo: ZooOption = None,
    provider: ProviderOption = "auto",
    json: JsonOption = None,
) -> None:
    """Measure PSNR, SSIM and MS-SSIM of every picture after the job: tables 1, 2 and 3; and BD-rate against AVIF."""
    _check(json)
    wanted = [_rate(text) for text in _list(rates)]
    from imgcrypt.bench import quality as bench
    from imgcrypt.bench.common import finish

    with steps.shown():
        results = bench.run([Path(folder) for folder in images], _list(nets), wanted, provider)
    settings = {"nets": _list(nets), "rates": wanted, "provider": provider}
    finish("quality", settings, results, bench.tables(results, summary), json)


@app.command()
def security(
    images: Annotated[
        str | None, typer.Option(metavar="DIR", help="folder of pictures [default: a made one and the bundled one]")
    ] = None,
    pairs: Annotated[int, typer.Option(help="pairs of pictures that differ in one pixel, for each form")] = 100,
    paper_size: Annotated[
        bool, typer.Option("--paper-size", help="pictures of 256 x 256, whose measurements are 36,864 bytes")
    ] = False,
    ciphers: Annotated[
        list[str] | None,
        typer.Option(
            "--cipher", metavar="MODULE:FUNCTION", help="one of your own, f(payload, key, nonce); may be given again"
        ),
    ] = None,
    own_zoo: ZooOption = None,
    provider: ProviderOption = "auto",
    seed: Annotated[int, typer.Option(min=0, help="of the pixels, keys and salts")] = 0,
    json: JsonOption = None,
) -> None:
    """Count what statistical tests reject of the chaos suite, beside AES and a toy cipher: tables 4 to 8."""
    _check(json)
    from imgcrypt.bench import security as bench
    from imgcrypt.bench import security_tables, subjects
    from imgcrypt.bench.common import finish

    with steps.shown():
        others = {name.rpartition(":")[2]: subjects.load(name) for name in ciphers or ()}
        side = bench.PAPER_SIDE if paper_size else None
        results = bench.run(None if images is None else Path(images), pairs, seed, provider, others, side)
    settings = {"images": images is not None, "pairs": pairs, "seed": seed, "provider": provider}
    settings |= {"paper_size": paper_size, "ciphers": ciphers or []}
    finish("security", settings, results, security_tables.tables(results), json)


@app.command()
def timing(
    sizes: Annotated[str, typer.Option(help="pixels a side, up to 16384")] = "256,512,1024",
    nets: Annotated[str, typer.Option(help="names, or kinds as fclbcnn; default is the default net")] = (
        "fclbcnn,default"
    ),
    own_zoo: ZooOption = None,
    provider: ProviderOption = "auto",
    threads: Annotated[int | None, typer.Option(min=1, help="cores to use [default: all]")] = None,
    repeats: Annotated[int, typer.Option(min=1, help="turns of each measurement")] = 7,
    seed: Annotated[int, typer.Option(min=0, help="of the pictures")] = 0,
    json: JsonOption = None,
) -> None:
    """Time every part of the job on square pictures, gray and color, and cold starts of the commands: table 9."""
    _check(json)
    sides = [_number(text, "--sizes") for text in _list(sizes)]
    from imgcrypt.bench import coldstart
    from imgcrypt.bench import timing as bench
    from imgcrypt.bench.common import finish

    if threads is not None:
        bench.use_threads(threads)
    with steps.shown():
        pictures = bench.run(sides, _list(nets), provider, repeats, seed)
        cold = coldstart.run(provider, repeats, seed)
    settings = {
        "sizes": sides,
        "nets": _list(nets),
        "provider": provider,
        "threads": threads,
        "repeats": repeats,
        "seed": seed,
    }
    results = {"pictures": pictures, "cold_start": cold}
    finish("timing", settings, results, [*bench.tables(pictures), *coldstart.tables(cold)], json)


@app.command()
def batch(
    size: Annotated[int, typer.Option(help="pixels a side")] = 512,
    count: Annotated[int, typer.Option(min=1, help="files")] = 200,
    growth: Annotated[str, typer.Option(help="numbers of files, to show how time and memory grow")] = "",
    dask: Annotated[bool, typer.Option(help="measure Dask too")] = True,
    json: JsonOption = None,
) -> None:
    """Time many files by processes and by Dask, beside one call times the cores and AES-256-GCM."""
    _check(json)
    from imgcrypt.bench import batch as bench
    from imgcrypt.bench.common import finish

    numbers = [_number(text, "--growth") for text in _list(growth)]
    result = bench.run(size, count, numbers, dask, _say)
    settings = {"size": size, "count": count, "growth": numbers, "dask": dask}
    finish("batch", settings, result, bench.tables(result), json)


@app.command()
def attack(
    images: Annotated[
        str | None, typer.Option(metavar="DIR", help="folder of pictures [default: the bundled one, and made ones]")
    ] = None,
    size: Annotated[int, typer.Option(help="pixels a side")] = 256,
    known: Annotated[str, typer.Option(help="numbers of known pictures")] = "16,24,48",
    seed: Annotated[int, typer.Option(min=0, help="of the pictures and of keys that are held fixed")] = 0,
    json: JsonOption = None,
) -> None:
    """Attack the chaos suite with chosen and known pictures: figure 8."""
    _check(json)
    counts = [_number(text, "--known") for text in _list(known)]
    from imgcrypt.bench import attack as bench
    from imgcrypt.bench.common import finish

    with steps.shown():
        results = bench.run(None if images is None else Path(images), size, counts, seed)
    settings = {"size": size, "known": counts, "seed": seed, "images": images is not None}
    finish("attack", settings, results, bench.tables(results), json)


@app.command()
def robustness(
    images: Annotated[
        str | None, typer.Option(metavar="DIR", help="folder of pictures [default: the bundled picture]")
    ] = None,
    net: Annotated[str | None, typer.Option(help="net of the sampled files [default: the default net]")] = None,
    own_zoo: ZooOption = None,
    provider: ProviderOption = "auto",
    seed: Annotated[int, typer.Option(min=0, help="of the file keys and the damage")] = 0,
    json: JsonOption = None,
) -> None:
    """Damage files by noise and cuts, and measure what recovery makes of them: figures 6 and 7."""
    _check(json)
    from imgcrypt.bench import robustness as bench
    from imgcrypt.bench.common import finish

    with steps.shown():
        results = bench.run(None if images is None else Path(images), net, seed, provider)
    settings = {"net": net, "provider": provider, "seed": seed, "images": images is not None}
    finish("robustness", settings, results, bench.tables(results), json)


@app.command()
def report(
    output: Annotated[str, typer.Option("-o", "--output", metavar="FILE", help="the page, an .html file")] = (
        "report.html"
    ),
    images: Annotated[
        str | None, typer.Option(metavar="DIR", help="folder of pictures [default: the bundled picture]")
    ] = None,
    png: Annotated[str | None, typer.Option(metavar="DIR", help="write each figure as a PNG there, too")] = None,
    own_zoo: ZooOption = None,
    provider: ProviderOption = "auto",
    seed: Annotated[int, typer.Option(min=0, help="of the pictures, keys and salts")] = 0,
    json: JsonOption = None,
) -> None:
    """Measure every table and figure, and write them as one HTML page: some minutes on two cores."""
    if Path(output).suffix.lower() not in (".html", ".htm"):
        raise typer.BadParameter(f"the report is a web page; name it .html, not {output}", param_hint="-o")
    _check(output)
    _check(json)
    if png is not None:
        try:
            Path(png).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise files.FileError(f"cannot write into the folder {png}: {error.strerror}") from None
    from imgcrypt.bench.common import finish
    from imgcrypt.bench.report import report as bench

    with steps.shown():
        results, sections = bench.run(None if images is None else Path(images), provider, seed)
    files.write(output, bench.html(results, sections).encode(), force=True)
    drawings = [drawing for section in sections for drawing in section.drawings]
    for drawing in drawings if png is not None else ():
        files.write(str(Path(png or "", f"{drawing.name}.png")), drawing.png, force=True)
    finish("report", {"images": images is not None, "provider": provider, "seed": seed}, results, [], json)
    _say(f"{output}: {len(drawings)} figures, {sum(len(section.tables) for section in sections)} tables")


def _check(output: str | None) -> None:
    """Refuse a file that cannot be written before anything is measured."""
    if output is None or output == files.STANDARD:
        return
    files.check_output(output, force=True)
    if not Path(output).absolute().parent.is_dir():
        raise files.FileError(f"cannot write {output}: there is no folder {str(Path(output).parent)!r}; make it first")


def _list(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _number(text: str, option: str) -> int:
    if not text.isdecimal():
        raise typer.BadParameter(f"{text!r} is not a whole number", param_hint=option)
    return int(text)


def _rate(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a rate, as 0.18 is", param_hint="--rates") from None


def _say(text: str) -> None:
    print(text, file=sys.stderr)


if __name__ == "__main__":
    main()
