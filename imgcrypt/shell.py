"""What the shell commands share: they end in one line on standard error and an exit code, never in a traceback."""

from __future__ import annotations

import io
import logging
import os
import sys
import warnings
from typing import Annotated

import typer

from imgcrypt import exitcodes, threads
from imgcrypt.errors import ImgcryptError
from imgcrypt.printable import printable


def _use_zoo(context: typer.Context, folder: str | None) -> str | None:
    """Take nets from a zoo of one's own, until the command ends."""
    if folder is not None:
        from imgcrypt.runtime import zoo

        context.with_resource(zoo.using(folder))
    return folder


ZooOption = Annotated[
    str | None,
    typer.Option(
        "--zoo", metavar="FOLDER", callback=_use_zoo, help="nets of one's own, as python -m imgcrypt.export writes them"
    ),
]


def run(commands: typer.Typer, name: str) -> None:
    """Run the command of this name; turn every expected error into one line on standard error."""
    # What libraries find odd about files would land among the messages.
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    os.environ.setdefault("OPENCV_FOR_THREADS_NUM", str(threads.count()))
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    logging.getLogger().addHandler(logging.NullHandler())
    # What this library has to say, such as that compiled code cannot be kept.
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter(f"{name}: %(message)s"))
    logging.getLogger("imgcrypt").handlers = [handler]
    for stream in (sys.stdout, sys.stderr):
        # File names may hold bytes that are no text.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            commands(prog_name=name)
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except ImgcryptError as error:
        say(f"{name}: {error}")
        sys.exit(exitcodes.ERROR)
    except OSError as error:
        leave_output()
        if not isinstance(error, BrokenPipeError):
            say(f"{name}: cannot use {error.filename or 'standard output'}: {error.strerror}")
        sys.exit(exitcodes.ERROR)
    except MemoryError:
        say(f"{name}: this does not fit into memory; use a machine with more of it, or a smaller picture")
        sys.exit(exitcodes.ERROR)
    except (KeyboardInterrupt, SystemExit) as error:
        if isinstance(error, SystemExit) and error.code != exitcodes.INTERRUPTED:
            raise
        # At once: another thread may be compiling, and would still do so while the interpreter is taken down.
        os._exit(exitcodes.INTERRUPTED)


def leave_output() -> None:
    """Whoever read the output has enough, or its device is full; Python would complain again when it closes it."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def say(text: str) -> None:
    """One line on standard error."""
    print(printable(text), file=sys.stderr)
