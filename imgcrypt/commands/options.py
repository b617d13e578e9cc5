"""The options that several commands have."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from imgcrypt import keychoice


class Provider(StrEnum):
    """What runs the net."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


class Suite(StrEnum):
    """What protects the file."""

    HYBRID = "hybrid"
    CHAOS = "chaos"


class Quality(StrEnum):
    """How sampled pictures are rebuilt."""

    BEST = "best"
    FAST = "fast"


class Protection(StrEnum):
    """Against loss and damage."""

    NONE = "none"
    LIGHT = "light"
    STRONG = "strong"


class Distributor(StrEnum):
    """Who works on many files."""

    PROCESSES = "processes"
    DASK = "dask"


class OnError(StrEnum):
    """What a failure among many files does."""

    RECORD = "record"
    STOP = "stop"


class Written(StrEnum):
    """Formats in which pictures are written."""

    PNG = "png"
    TIF = "tif"
    BMP = "bmp"
    JPG = "jpg"


KeyOption = Annotated[
    list[str] | None,
    typer.Option(
        "-k",
        "--key",
        metavar="FILE",
        help=f"key file, again for several; - is standard input [default: ${keychoice.KEY_VARIABLE}]",
    ),
]
RecipientOption = Annotated[
    list[str] | None,
    typer.Option(
        "-r", "--recipient", metavar="PUBLIC", help="who may open it: a line age1..., or a file of such; again for more"
    ),
]
PassphraseOption = Annotated[
    bool, typer.Option("-p", "--passphrase", help=f"ask for a passphrase, or read ${keychoice.PASSPHRASE_VARIABLE}")
]
ForceOption = Annotated[bool, typer.Option("--force", help="replace an existing output file")]
ProviderOption = Annotated[Provider, typer.Option(help="what runs the net")]
QuietOption = Annotated[bool, typer.Option("-q", "--quiet", help="say nothing but errors and warnings")]
JsonOption = Annotated[bool, typer.Option("--json", help="print on standard output what was done, as JSON")]
VerboseOption = Annotated[bool, typer.Option("-v", "--verbose", help="say what ran, where and for how long")]
GlobOption = Annotated[
    str | None, typer.Option("--glob", metavar="NAMES", help="files in folders that are taken, as '*.png'")
]
OnErrorOption = Annotated[
    OnError | None, typer.Option(help="many files: record a failure and go on [default], or stop")
]
WorkersOption = Annotated[int | None, typer.Option(min=1, help="many files: processes [default: one for each core]")]
DistributorOption = Annotated[
    Distributor | None, typer.Option(help="many files: who works on them [default: processes]")
]
SchedulerOption = Annotated[
    str | None, typer.Option(metavar="URL", help="of dask: tcp://... [default: one started here]")
]
