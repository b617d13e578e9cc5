"""The command that checks a folder."""

from __future__ import annotations

from typing import Annotated

import typer

from imgcrypt.commands import many
from imgcrypt.commands.options import (
    DistributorOption,
    JsonOption,
    KeyOption,
    OnErrorOption,
    PassphraseOption,
    QuietOption,
    SchedulerOption,
    WorkersOption,
)


def verify(
    folder: Annotated[str, typer.Argument(metavar="FOLDER", help="what enc or dec wrote to; a path or URL")],
    key: KeyOption = None,
    passphrase: PassphraseOption = False,
    on_error: OnErrorOption = None,
    workers: WorkersOption = None,
    distributor: DistributorOption = None,
    scheduler: SchedulerOption = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Check a folder of many files against its manifests, and with a key that every file opens.

    \b
    imgcrypt verify vault/               all is there, and as it was written
    imgcrypt verify vault/ -k key.txt    and it opens
    """
    how = many.How(None, on_error, workers, distributor, scheduler)
    with_key = {"opened": bool(key or passphrase)}
    many.run("verify", [], folder, key, None, passphrase, with_key, False, how, quiet, as_json)
