"""The ``imgcrypt`` command: its subcommands are in imgcrypt.commands, the shortest of them here."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from imgcrypt import exitcodes, files
from imgcrypt.commands import dec, enc, inspect, keygen, loading, preview, repair, rewrap, verify
from imgcrypt.commands.options import ForceOption
from imgcrypt.printable import printable
from imgcrypt.shell import run, say

EXIT_CODES = (
    "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 recovered (--recover) in part, authentic, 4 recovered but not "
    "authentic, 130 interrupted."
)
app = typer.Typer(
    no_args_is_help=True,
    # Rich would take the brackets around defaults for markup.
    rich_markup_mode=None,
    # Tracebacks with local variables would show keys.
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=EXIT_CODES,
)


def main() -> None:
    """The ``imgcrypt`` command."""
    run(app, "imgcrypt")


def _version(wanted: bool) -> None:
    if wanted:
        from imgcrypt import __version__

        print(f"imgcrypt {__version__}")
        raise typer.Exit


@app.callback()
def imgcrypt_(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="print the version and leave")
    ] = False,
) -> None:
    """Encrypt pictures by deep compressed sensing and a compound chaotic cipher, sealed by AES-256-GCM.

    \b
    imgcrypt keygen -o key.txt                make a key
    imgcrypt enc photo.png -k key.txt         -> photo.png.imgc
    imgcrypt dec photo.png.imgc -k key.txt    -> photo.png
    imgcrypt doctor                           what a report of a bug needs

    By default pictures are sampled, which is lossy: small files that look alike. --lossless keeps every sample, --exact
    the file itself, whatever is in it.
    """


for command in (
    keygen.keygen, enc.enc, dec.dec, preview.preview, repair.repair, verify.verify, inspect.inspect, rewrap.rewrap,
):  # fmt: skip
    app.command(epilog=EXIT_CODES)(command)


@app.command(epilog=EXIT_CODES)
def demo(
    output: Annotated[str, typer.Option("-o", "--output", metavar="FILE", help="picture of the stages")] = (
        "imgcrypt-demo.png"
    ),
    force: ForceOption = False,
) -> None:
    """Do the whole job on a picture in the package: write its stages as one PNG, print a table."""
    if output != files.STANDARD and Path(output).suffix.lower() != ".png":
        raise typer.BadParameter(f"the stages are a PNG; name it .png, not {printable(output)}", param_hint="-o")
    files.check_output(output, force)
    kernels = loading.Kernels()
    from imgcrypt import demo_job

    kernels.wait(say)
    messages = sys.stderr if output == files.STANDARD else sys.stdout
    files.write(output, demo_job.run(messages), force)
    print(f"The stages are in {'the output' if output == files.STANDARD else printable(output)}.", file=messages)


@app.command(epilog=EXIT_CODES)
def doctor(as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False) -> None:
    """Say what is installed and test whether it works: the first thing to paste into a report of a bug.

    There is no secret in it.
    """
    from imgcrypt import doctor as examination

    with contextlib.suppress(Exception):  # it will say what is wrong
        loading.Kernels().wait(say)
    report = examination.examine()
    print(json.dumps(report, indent=1) if as_json else examination.text(report))
    if not report["ok"]:
        raise typer.Exit(exitcodes.ERROR)


@app.command(epilog=EXIT_CODES)
def warmup() -> None:
    """Compile the cipher ahead of its first use, when a container is built for example."""
    started = time.perf_counter()
    loading.warm_up(everything=True)
    print(f"The cipher is compiled and cached ({time.perf_counter() - started:.1f} s).")


@app.command(
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "allow_interspersed_args": False},
)
def bench(context: typer.Context) -> None:
    """Measure imgcrypt: the same as the command bench."""
    # Loaded here alone: building its commands would slow down all the others.
    from imgcrypt.bench import cli

    cli.app(context.args, prog_name=context.command_path)


if __name__ == "__main__":
    main()
