"""Many files: what imgcrypt.batch does for a command."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

from imgcrypt import files, keychoice
from imgcrypt.commands.options import Distributor, OnError

if TYPE_CHECKING:
    from imgcrypt.batch import Progress, Result
    from imgcrypt.keys import Key
    from imgcrypt.recipients import Recipient


class How(NamedTuple):
    """The options of many files."""

    glob: str | None
    on_error: OnError | None
    workers: int | None
    distributor: Distributor | None
    scheduler: str | None


def are_many(sources: list[str], output: str | None, how: How) -> bool:
    """Whether imgcrypt.batch is to work on the sources: on everything but one file of this machine."""
    names = [*sources, output or ""]
    if len(sources) > 1 or Path(sources[0]).is_dir() or any("://" in name for name in names):
        if files.STANDARD in names:
            raise typer.BadParameter("standard input and output are for one file alone", param_hint=files.STANDARD)
        if not output:
            raise typer.BadParameter("name the folder that all goes to, a path or URL", param_hint="-o")
        return True
    for name, value in how._asdict().items():
        if value is not None:
            hint = f"--{name.replace('_', '-')}"
            raise typer.BadParameter("it is for several files, a folder or a URL", param_hint=hint)
    return False


def run(
    action: str,
    sources: list[str],
    target: str | None,
    key: list[str] | None,
    recipient: list[str] | None,
    passphrase: bool,
    settings: dict[str, Any],
    force: bool,
    how: How,
    quiet: bool,
    as_json: bool,
) -> None:
    """Have imgcrypt.batch do it. Its processes are handed the keys; Dask's workers read the keys' files themselves."""
    key_files = keychoice.key_files(key, passphrase or bool(recipient), "")
    whom: list[Key | Recipient | str] = []
    if action != "verify" or settings["opened"]:
        keychoice.check(key_files, passphrase or bool(recipient))
        whom += keychoice.recipients(recipient)
        if how.distributor is not Distributor.DASK:
            whom += map(keychoice.load, key_files)
            whom += [keychoice.passphrase(confirm=action == "encrypt")] if passphrase else []
        elif files.STANDARD in key_files:
            raise typer.BadParameter("Dask's workers read the key from a file of theirs: name it", param_hint="-k")
        elif passphrase and (key_files or whom):
            raise typer.BadParameter(
                "Dask's workers take the passphrase of their environment, and no key beside it", param_hint="-p"
            )
        elif key:
            whom += key_files
    from imgcrypt import batch
    from imgcrypt.batch import command

    def start(report: Callable[[Progress], None]) -> Iterator[Result]:
        options = settings | {"workers": how.workers, "scheduler": how.scheduler, "progress": report}
        options |= {"distributor": (how.distributor or Distributor.PROCESSES).value}
        options |= {"on_error": (how.on_error or OnError.RECORD).value}
        if action == "verify":
            return batch.verify(target or "", whom or None, **options)
        work = batch.encrypt if action == "encrypt" else batch.decrypt
        return work(sources, target or "", whom or None, force=force, glob=how.glob, **options)

    command.follow(start, quiet, as_json)
