"""The command that decrypts."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from imgcrypt import container, exitcodes, files, keychoice, naming
from imgcrypt import inputs as checked
from imgcrypt.commands import loading, many, wording
from imgcrypt.commands.options import (
    DistributorOption,
    ForceOption,
    GlobOption,
    JsonOption,
    KeyOption,
    OnErrorOption,
    PassphraseOption,
    Provider,
    ProviderOption,
    Quality,
    QuietOption,
    SchedulerOption,
    VerboseOption,
    WorkersOption,
    Written,
)
from imgcrypt.errors import ContainerError, ImageError
from imgcrypt.naming import Target
from imgcrypt.pictures import LOSSY_SUFFIXES
from imgcrypt.printable import printable
from imgcrypt.shell import ZooOption, say

if TYPE_CHECKING:
    from imgcrypt.arrays import Image
    from imgcrypt.info import Info
    from imgcrypt.pictures.metadata import Metadata


def dec(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="FILE", help="the encrypted file, - is standard input; or several, folders and URLs"),
    ],
    key: KeyOption = None,
    passphrase: PassphraseOption = False,
    output: Annotated[
        str | None,
        typer.Option("-o", "--output", metavar="FILE", help="- is standard output [default: the original name]"),
    ] = None,
    written: Annotated[
        Written | None,
        typer.Option("--format", help="of the picture [default: by the output's name, or the original one, or png]"),
    ] = None,
    recover: Annotated[
        bool,
        typer.Option("--recover", help="open what is left of a damaged file, and say what of it is proven"),
    ] = False,
    quality: Annotated[
        Quality, typer.Option(help="fast leaves out the default net: some tenths of a dB less, in less time")
    ] = Quality.BEST,
    own_zoo: ZooOption = None,
    provider: ProviderOption = Provider.AUTO,
    glob: GlobOption = None,
    on_error: OnErrorOption = None,
    workers: WorkersOption = None,
    distributor: DistributorOption = None,
    scheduler: SchedulerOption = None,
    force: ForceOption = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Decrypt FILE into what it was made from, under its original name, for your eyes alone (mode 0600).

    A picture that was kept lossless becomes a PNG where its own format was lossy or is not written here. A damaged file
    that its parity mends opens like any other, with a note; for the rest there is --recover.

    \b
    imgcrypt dec photo.jpg.imgc -k key.txt               -> photo.jpg
    imgcrypt dec photo.jpg.imgc -p -o back.png
    imgcrypt dec damaged.png.imgc -k key.txt --recover   what is left of it; exit code 3 or 4
    imgcrypt dec vault/ -o photos/ -k key.txt            a folder; again, and it does what is new or changed
    """
    how = many.How(glob, on_error, workers, distributor, scheduler)
    if many.are_many(sources, output, how):
        if recover:
            raise typer.BadParameter("it opens one file: name the damaged one alone", param_hint="--recover")
        settings = {
            "quality": quality.value,
            "written": None if written is None else f".{written}",
            "zoo": own_zoo,
            "provider": provider.value,
        }
        many.run("decrypt", sources, output, key, None, passphrase, settings, force, how, quiet, as_json)
        return
    file = sources[0]
    wording.check_json(as_json, output or naming.encrypted(file))
    key_files = keychoice.key_files(key, passphrase, file)
    inputs = [file, *key_files]
    # Where no name is given, the file has it; its folder is known already.
    given = output if output is not None else file if file == files.STANDARD else f"{file}.png"
    files.check_output(given, force or output is None, () if output is None else inputs)
    keychoice.check(key_files, passphrase or file != files.STANDARD)
    keys = [*map(keychoice.load, key_files)]
    kernels = loading.Kernels()
    tell = wording.nothing if quiet or as_json else say

    import imgcrypt
    from imgcrypt import opening, payload, pictures
    from imgcrypt.info import describe
    from imgcrypt.pictures import metadata

    data = files.read(file)
    with wording.named(file, recover):
        info = _info(data)
        if info is None:
            container.parse(data)
    keychoice.check(key_files, passphrase, file, info.keys if info else ())
    _suffix(output, written, info)
    if passphrase and (not keys or info is None or keychoice.PASSPHRASE in info.keys):
        keys.append(keychoice.passphrase(confirm=False))
    kernels.wait(tell)
    started = time.perf_counter()
    image = recovered = None
    with wording.named(file, recover):
        if recover:
            try:
                recovered = imgcrypt.recover(data, keys, provider=checked.provider(provider))
                image, info, said = recovered.image, recovered.info, recovered.metadata
            except ImageError:
                # Another file's bytes were encrypted.
                content, name = imgcrypt.recover_bytes(data, keys)
                said = metadata.Metadata(name=name)
        else:
            opened = opening.open_(data, keys)
            info, said = describe(opened.header), metadata.unpack(opened.metadata)
            targets = _targets(file, output, written, said, info, force, inputs)
            if info.mode == "exact":
                content = opened.payload.tobytes()
            else:
                image = payload.decode(opened.payload, opened.header.content, provider, quality)
    lost, said = said is None, said or metadata.Metadata()
    if recover:
        targets = _targets(file, output, written, said, info, force, inputs)
    seconds = time.perf_counter() - started
    target = targets[0]
    notes = ["what the file said beside the pixels is lost"] if lost else []
    if image is not None:
        target, content = _encode(image, targets, said)
        if target.suffix in LOSSY_SUFFIXES:
            notes.append(f"{target.suffix} loses detail, --format png would not")
        for field in pictures.left_out(target.suffix, said):
            notes.append(f"{target.suffix} does not hold the {wording.FIELDS[field]}")
    # What may be replaced was checked of the first target alone.
    files.write(target.name, content, force and target == targets[0], private=True)
    tell("; ".join([f"{file} -> {target.name}: {wording.shape(info, len(content))}", *notes]))
    done: dict[str, Any] = {"notes": notes}
    if recovered is not None:
        (tell if recovered.complete else say)(wording.loss(recovered))
        numbers = ("complete", "authentic", "parts", "whole", "failed_packets", "lost_bytes", "doubtful_bytes")
        done |= {each: getattr(recovered, each) for each in numbers}
    elif recover:
        tell("nothing was lost, and the file is authentic")
    if verbose and info is not None:
        tell(f"suite {info.suite}, {wording.net_and_provider(info, provider)}; decrypted in {seconds:.3f} s")
    wording.print_json(as_json, file, target.name, info, done)
    if recovered is not None and not recovered.complete:
        raise typer.Exit(exitcodes.COARSER if recovered.authentic else exitcodes.UNPROVEN)


def _info(data: bytes) -> Info | None:
    """What a file's header says, any copy that can be read, or None. Nothing is authenticated."""
    from imgcrypt.info import describe

    for at in (0, max(data.rfind(container.MAGIC), 0)):
        with contextlib.suppress(ContainerError):
            return describe(container.parse(memoryview(data)[at:], whole=False))
    return None


def _suffix(output: str | None, written: Written | None, info: Info | None) -> str | None:
    """The key of FORMATS that was asked for, by the option or the output's name."""
    if info is None or info.mode == "exact":
        if info is not None and written is not None:
            raise typer.BadParameter("the file holds another file as it is, of its own format", param_hint="--format")
        return None
    if written is not None:
        return f".{written}"
    if output is None or output == files.STANDARD:
        return None
    suffix = Path(output).suffix.lower()
    wording.check_suffix(suffix, ", or --format")
    return suffix


def _targets(
    file: str,
    output: str | None,
    written: Written | None,
    said: Metadata,
    info: Info | None,
    force: bool,
    inputs: list[str],
) -> list[Target]:
    """Where the picture or file may go, best first, and that the first is free."""
    name = naming.decrypted(file, said.name) if output is None else output
    if name is None:
        raise typer.BadParameter(
            f"{printable(file)} is not the name of a picture with {naming.SUFFIX} behind it, and there is none in it; "
            "name the picture with -o",
            param_hint="-o",
        )
    suffix = _suffix(output, written, info)
    if info is None or info.mode == "exact":
        found = [Target(name, "")]
    elif suffix is not None:
        found = [Target(naming.renamed(name, suffix) if output is None else name, suffix)]
    else:
        found = naming.targets(name, said, lossless=info.net is None, channels=info.channels, bits=info.bits)
    first = found[0].name
    by_the_file = output is None and file != files.STANDARD and Path(name) != Path(naming.stripped(file) or file)
    if by_the_file and force and os.path.lexists(first):
        # Whoever encrypted the file chose the name: it must not decide what is replaced.
        raise files.FileError(f"{first}, the name that is encrypted in {file}, exists; to replace it, give it with -o")
    files.check_output(first, force, inputs)
    return found


def _encode(image: Image, targets: list[Target], said: Metadata) -> tuple[Target, bytes]:
    from imgcrypt import pictures

    for target in targets[:-1]:
        # Some formats cannot hold sides as long.
        with contextlib.suppress(ImageError):
            return target, pictures.encode(image, target.suffix, said)
    return targets[-1], pictures.encode(image, targets[-1].suffix, said)
