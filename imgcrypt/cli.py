"""The ``imgcrypt`` command."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from imgcrypt import compiled, container, exitcodes, files, keychoice, naming
from imgcrypt import inputs as checked
from imgcrypt.errors import (
    ContainerError,
    DamagedError,
    ImageError,
    ImgcryptError,
    SeveralPicturesError,
    TooLargeError,
    TruncatedError,
    WrongKeyError,
)
from imgcrypt.naming import Target
from imgcrypt.pictures import FORMATS, LOSSY_SUFFIXES, MAX_PIXELS, most_bytes
from imgcrypt.printable import printable
from imgcrypt.shell import ZooOption, run, say

if TYPE_CHECKING:
    from imgcrypt.api import Recovered
    from imgcrypt.arrays import Image
    from imgcrypt.batch import Progress, Result
    from imgcrypt.info import Info
    from imgcrypt.keys import Key
    from imgcrypt.pictures import Picture
    from imgcrypt.pictures.metadata import Metadata
    from imgcrypt.recipients import Recipient


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


EXIT_CODES = (
    "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 recovered (--recover) in part, authentic, 4 recovered but not "
    "authentic, 130 interrupted."
)

EXACT_BYTES = 1024
"""More than a file kept exactly takes beside its bytes, up to some megabytes."""
FIELDS = {
    "profile": "color profile",
    "exif": "EXIF",
    "xmp": "XMP",
    "resolution": "resolution",
    "gamma": "gamma",
    "chromaticities": "chromaticities",
    "intent": "rendering intent",
    "coding": "coding of colors",
}
"""Fields of imgcrypt.pictures.metadata.Metadata, as people call them."""

app = typer.Typer(
    no_args_is_help=True,
    # Rich would take the brackets around defaults for markup.
    rich_markup_mode=None,
    # Tracebacks with local variables would show keys.
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=EXIT_CODES,
)

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


@app.command(epilog=EXIT_CODES)
def keygen(
    output: Annotated[str, typer.Option("-o", "--output", metavar="FILE", help="the new key file")],
    pair: Annotated[
        bool, typer.Option("--pair", help="a private key, and the public one that belongs to it, FILE.pub")
    ] = False,
    passphrase: Annotated[
        bool,
        typer.Option(
            "-p", "--passphrase", help=f"protect the file: ask for a passphrase, or read ${keychoice.LOCK_VARIABLE}"
        ),
    ] = False,
) -> None:
    """Make a key file that only you can read, and print the key's fingerprint.

    \b
    imgcrypt keygen -o key.txt            who encrypts and who opens have the same key
    imgcrypt keygen --pair -o me.key      me.pub encrypts (enc -r me.pub), me.key opens

    Of a pair, it prints the public key, which is for everybody.
    """
    from imgcrypt.keys import Identity, Key

    standard = output == files.STANDARD
    public = Path(output).with_suffix(".pub") if pair and not standard and Path(output).name else None
    if public is not None:
        if public == Path(output):
            raise typer.BadParameter("public keys are named .pub; name the private one .key", param_hint="-o")
        files.check_output(str(public), force=False)
    files.check_output(output, force=True)
    key = Identity.generate() if pair else Key.generate()
    lock = keychoice.ask("Passphrase of the key", keychoice.LOCK_VARIABLE, confirm=True) if passphrase else None
    if standard:
        print(key.text(lock))
        say(str(key.recipient) if isinstance(key, Identity) else f"key {key.fingerprint()}")
        return
    key.save(output, lock)
    if public is None or not isinstance(key, Identity):
        print(f"{printable(output)}: key {key.fingerprint()}")
        return
    files.write(str(public), f"{key.recipient}\n".encode(), force=False)
    print(key.recipient)
    say(f"{output}: private key {key.fingerprint()}, yours alone; {public}: the public key, for those who encrypt")


@app.command(epilog=EXIT_CODES)
def enc(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="PICTURE", help="the picture file, - is standard input; or several, folders and URLs"),
    ],
    key: KeyOption = None,
    recipient: RecipientOption = None,
    passphrase: PassphraseOption = False,
    output: Annotated[
        str | None,
        typer.Option("-o", "--output", metavar="FILE", help="- is standard output [default: PICTURE.imgc]"),
    ] = None,
    lossless: Annotated[bool, typer.Option("--lossless", help="keep every sample exactly")] = False,
    raw: Annotated[
        bool, typer.Option("--raw", help="as --lossless, not compressed: larger, but the length tells nothing")
    ] = False,
    exact: Annotated[bool, typer.Option("--exact", help="keep the file as it is, of any format and kind")] = False,
    rate: Annotated[float | None, typer.Option(help="bytes of measurements per sample, 0.005 to 0.75")] = None,
    target_psnr: Annotated[
        float | None,
        typer.Option(
            metavar="DB", help="the PSNR that it comes back with, in as few bytes as that takes [default: 42]"
        ),
    ] = None,
    net: Annotated[str | None, typer.Option(help="the sampling net [default: picture]")] = None,
    strip: Annotated[
        bool, typer.Option("--strip", help="leave out profile, EXIF (with places), XMP, resolution and name")
    ] = False,
    frame: Annotated[int | None, typer.Option(min=0, help="which picture of a file that holds several, from 0")] = None,
    max_pixels: Annotated[int, typer.Option(min=1, help="refuse larger pictures")] = MAX_PIXELS,
    protect: Annotated[
        Protection | None,
        typer.Option(help="what the file is to stand [default: light; with --raw or a net of the paper none]"),
    ] = None,
    survive: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="the share of the file without which all comes back, 0.25 for example"),
    ] = None,
    suite: Annotated[Suite, typer.Option(help="chaos is for research")] = Suite.HYBRID,
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
    """Encrypt PICTURE into PICTURE.imgc.

    By default it is sampled, which is lossy; what it says at the end has the PSNR. What the file says beside the pixels
    (profile, EXIF, XMP, its name) is encrypted too, and comes back.

    Protected lightly, everything comes back though a twentieth of the file is lost or wrong, and a coarse picture
    though three quarters are; strongly, less comes back the more is lost, and the file says less at first.

    \b
    imgcrypt enc photo.jpg -k key.txt                       as small as 42 dB allow
    imgcrypt enc photo.jpg -k key.txt --survive 0.25        all of it, though any quarter is lost
    imgcrypt enc photo.jpg -p --target-psnr 40              by a passphrase, as small as 40 dB allow
    imgcrypt enc scan.tif -k key.txt --lossless --strip     every sample, and nothing else
    imgcrypt enc clip.gif -k key.txt --exact                the file itself
    imgcrypt enc photo.jpg -r age1... -r team.txt           for those who have the private keys
    imgcrypt enc photos/ -o vault/ -k key.txt               a folder; again, and it does what is new or changed
    """
    chosen = (rate, target_psnr, net) != (None, None, None)
    if (lossless or raw) and chosen:
        raise typer.BadParameter(
            "it keeps every sample: leave out --rate, --target-psnr and --net", param_hint="--lossless"
        )
    if exact and (lossless or raw or chosen or strip or frame is not None):
        raise typer.BadParameter("it keeps the file as it is: leave out all that would change it", param_hint="--exact")
    if rate is not None and target_psnr is not None:
        raise typer.BadParameter("leave out --rate, which it finds", param_hint="--target-psnr")
    if survive is not None and (protect is not None or not 0 < survive <= 0.9):
        raise typer.BadParameter("a share up to 0.9, and no --protect beside it", param_hint="--survive")
    how = _How(glob, on_error, workers, distributor, scheduler)
    if _are_many(sources, output, how):
        settings = {
            "lossless": lossless,
            "raw": raw,
            "exact": exact,
            "rate": rate,
            "target_psnr": target_psnr,
            "net": net,
            "strip": strip,
            "frame": frame,
            "max_pixels": max_pixels,
            "suite": suite.value,
            "protection": None if protect is None else protect.value,
            "survive": survive,
            "zoo": own_zoo,
            "provider": provider.value,
        }
        _many("encrypt", sources, output, key, recipient, passphrase, settings, force, how, quiet, as_json)
        return
    picture = sources[0]
    target = naming.encrypted(picture) if output is None else output
    if (suffix := Path(target).suffix.lower()) in naming.PICTURE_SUFFIXES:
        raise typer.BadParameter(
            f"a ciphertext named {suffix} would be recompressed or refused as a picture; name it {naming.SUFFIX}",
            param_hint="-o",
        )
    _check_json(as_json, target)
    key_files = keychoice.key_files(key, passphrase or bool(recipient), picture)
    keychoice.check(key_files, passphrase or bool(recipient))
    files.check_output(target, force, [picture, *key_files])
    whom: list[Key | Recipient] = [*map(keychoice.load, key_files), *keychoice.recipients(recipient)]
    loading = _Loading()
    tell = _nothing if quiet or as_json else say

    import imgcrypt
    from imgcrypt import proving

    protection = None if protect is None else checked.protection(protect)
    data = files.read(picture, files.MOST_BYTES if exact else most_bytes(max_pixels))
    name = None if picture == files.STANDARD else picture
    if exact:
        whom += [keychoice.passphrase(confirm=True)] if passphrase else []
        loading.wait(tell)
        own, keys = proving.provers(whom)
        blob = imgcrypt.encrypt_bytes(
            data, [*own, *whom], name=name, suite=checked.suite(suite), protection=protection, survive=survive
        )
        if imgcrypt.decrypt_bytes(blob, keys).data != data:
            raise ImgcryptError("the encrypted file does not open to the same bytes: nothing was written; report this")
        blob = proving.finished(blob, own)
        files.write(target, blob, force)
        tell(f"{picture} -> {target}: {_bytes(len(data))} -> {_bytes(len(blob))}, comes back exactly as it is")
        _print_json(as_json, picture, target, imgcrypt.inspect(blob), {"notes": []})
        return
    read = _read(data, name, frame, max_pixels)
    if read.pixels.dtype.itemsize > 1 and not (lossless or raw):
        raise ImageError(f"{picture} has 16 bits a sample, and the nets sample 8: keep it lossless by --lossless")
    if not lossless:
        from imgcrypt.runtime import zoo

        # Refuses a net or rate that is not served, before a passphrase is asked.
        zoo.choose(net, rate, 1 if read.pixels.ndim == 2 else read.pixels.shape[2])
    for note in read.notes:
        tell(f"{picture}: {note}")
    subject: Image | Picture = read.pixels if strip else read
    whom += [keychoice.passphrase(confirm=True)] if passphrase else []
    loading.wait(tell)
    own, keys = proving.provers(whom)
    started = time.perf_counter()
    blob = imgcrypt.encrypt(
        subject,
        [*own, *whom],
        lossless=lossless,
        raw=raw,
        rate=rate,
        target_psnr=target_psnr,
        net=net,
        suite=checked.suite(suite),
        protection=protection,
        survive=survive,
        provider=checked.provider(provider),
    )
    encrypted = time.perf_counter()
    # Open it again: that proves the file good before the original may go, and gives the PSNR.
    back = imgcrypt.decrypt_picture(blob, keys, provider=checked.provider(provider))
    opened = time.perf_counter()
    keeps = lossless or raw
    if (keeps and not (back.pixels == read.pixels).all()) or (not strip and back.metadata != read.metadata):
        raise ImgcryptError("the encrypted picture does not open to the same again: nothing was written; report this")
    blob = proving.finished(blob, own)
    files.write(target, blob, force)

    info = imgcrypt.inspect(blob)
    decibels = None if keeps else _psnr(read.pixels, back.pixels)
    # JSON has no infinity.
    finite = None if decibels is None or math.isinf(decibels) else round(decibels, 2)
    quality = "every sample comes back exactly" if decibels is None else f"comes back at {decibels:.2f} dB"
    size = f"{_bytes(read.pixels.nbytes)} of samples -> {_bytes(len(blob))}"
    sampled = info.mode if info.rate is None else f"rate {info.rate:.3g}"
    tell(f"{picture} -> {target}: {_shape(info, 0)}, {size}, {sampled}, {quality}")
    if len(blob) > len(data) + EXACT_BYTES:
        tell(f"{picture} itself has {_bytes(len(data))}: --exact would make a smaller file and keep it as it is")
    elif not keeps and len(blob) > read.pixels.nbytes:
        tell("a picture this small or thin fills no blocks: --lossless would make a smaller file and keep it exactly")
    if verbose:
        times = f"encrypted in {encrypted - started:.3f} s, opened in {opened - encrypted:.3f} s"
        tell(f"suite {info.suite}, {_net_and_provider(info, provider)}; {times}")
    _print_json(as_json, picture, target, info, {"psnr": finite, "notes": list(read.notes)})


@app.command(epilog=EXIT_CODES)
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
    how = _How(glob, on_error, workers, distributor, scheduler)
    if _are_many(sources, output, how):
        if recover:
            raise typer.BadParameter("it opens one file: name the damaged one alone", param_hint="--recover")
        settings = {
            "quality": quality.value,
            "written": None if written is None else f".{written}",
            "zoo": own_zoo,
            "provider": provider.value,
        }
        _many("decrypt", sources, output, key, None, passphrase, settings, force, how, quiet, as_json)
        return
    file = sources[0]
    _check_json(as_json, output or naming.encrypted(file))
    key_files = keychoice.key_files(key, passphrase, file)
    inputs = [file, *key_files]
    # Where no name is given, the file has it; its folder is known already.
    given = output if output is not None else file if file == files.STANDARD else f"{file}.png"
    files.check_output(given, force or output is None, () if output is None else inputs)
    keychoice.check(key_files, passphrase or file != files.STANDARD)
    keys = [*map(keychoice.load, key_files)]
    loading = _Loading()
    tell = _nothing if quiet or as_json else say

    import imgcrypt
    from imgcrypt import opening, payload, pictures
    from imgcrypt.info import describe
    from imgcrypt.pictures import metadata

    data = files.read(file)
    with _named(file, recover):
        info = _info(data)
        if info is None:
            container.parse(data)
    keychoice.check(key_files, passphrase, file, info.keys if info else ())
    _suffix(output, written, info)
    if passphrase and (not keys or info is None or keychoice.PASSPHRASE in info.keys):
        keys.append(keychoice.passphrase(confirm=False))
    loading.wait(tell)
    started = time.perf_counter()
    image = recovered = None
    with _named(file, recover):
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
            notes.append(f"{target.suffix} does not hold the {FIELDS[field]}")
    # What may be replaced was checked of the first target alone.
    files.write(target.name, content, force and target == targets[0], private=True)
    tell("; ".join([f"{file} -> {target.name}: {_shape(info, len(content))}", *notes]))
    done: dict[str, Any] = {"notes": notes}
    if recovered is not None:
        (tell if recovered.complete else say)(_loss(recovered))
        numbers = ("complete", "authentic", "parts", "whole", "failed_packets", "lost_bytes", "doubtful_bytes")
        done |= {each: getattr(recovered, each) for each in numbers}
    elif recover:
        tell("nothing was lost, and the file is authentic")
    if verbose and info is not None:
        tell(f"suite {info.suite}, {_net_and_provider(info, provider)}; decrypted in {seconds:.3f} s")
    _print_json(as_json, file, target.name, info, done)
    if recovered is not None and not recovered.complete:
        raise typer.Exit(exitcodes.COARSER if recovered.authentic else exitcodes.UNPROVEN)


@app.command(epilog=EXIT_CODES)
def preview(
    file: Annotated[str, typer.Argument(metavar="FILE", help="the encrypted file; - is standard input")],
    output: Annotated[str, typer.Option("-o", "--output", metavar="FILE", help="the picture; - is standard output")],
    key: KeyOption = None,
    passphrase: PassphraseOption = False,
    full_size: Annotated[bool, typer.Option("--full-size", help="not an eighth of it each way")] = False,
    force: ForceOption = False,
) -> None:
    """Write a small, coarse picture of what is in FILE; of it only the first kilobytes are read."""
    import imgcrypt
    from imgcrypt import pictures

    key_files = keychoice.key_files(key, passphrase, file)
    files.check_output(output, force, [file, *key_files])
    suffix = ".png" if output == files.STANDARD else Path(output).suffix.lower()
    if suffix not in FORMATS:
        raise typer.BadParameter(
            f"cannot write pictures as {printable(suffix) or 'a name without suffix'}; use {', '.join(FORMATS)}",
            param_hint="-o",
        )
    keys = _openers(key_files, passphrase)
    with _named(file, recover=True):
        if file == files.STANDARD:
            small = imgcrypt.preview(files.read(file), keys, full_size=full_size)
        else:
            with files.opened(file) as stream:
                small = imgcrypt.preview(stream, keys, full_size=full_size)
    files.write(output, pictures.encode(small, suffix), force, private=True)


@app.command(epilog=EXIT_CODES)
def repair(
    names: Annotated[
        list[str],
        typer.Argument(metavar="FILE...", help="damaged files, of a folder all .imgc in and below it; or - alone"),
    ],
    key: KeyOption = None,
    passphrase: PassphraseOption = False,
    output: Annotated[
        str | None,
        typer.Option("-o", "--output", metavar="FILE", help="- is standard output [default: in FILE's place]"),
    ] = None,
    force: ForceOption = False,
) -> None:
    """Write FILEs as they were, byte for byte, where their parity mends the damage. It takes a key that opens them."""
    several = len(names) > 1 or Path(names[0]).is_dir()
    if several and (output is not None or files.STANDARD in names):
        raise typer.BadParameter("several files are repaired in their places: leave out -o and -", param_hint="-o")
    file = names[0]
    key_files = keychoice.key_files(key, passphrase, file)
    found = [str(path) for name in names for path in files.below(name, naming.SUFFIX)] if several else [file]
    target = file if output is None else output
    in_place = output is None and file != files.STANDARD
    if not several:
        files.check_output(target, force or in_place, [] if in_place else [file, *key_files])
    keys = _openers(key_files, passphrase)
    if not several:
        if not _repair(file, target, keys, force or in_place):
            say(f"{file}: nothing is damaged")
        return
    repaired = failed = 0
    for each in found:
        try:
            repaired += _repair(each, each, keys, force=True)
        except ImgcryptError as error:
            say(f"imgcrypt: {error}")
            failed += 1
    say(f"{len(found)} files: {repaired} repaired, {len(found) - repaired - failed} whole, {failed} failed")
    if failed:
        raise typer.Exit(exitcodes.ERROR)


def _repair(file: str, target: str, keys: list[Key], force: bool) -> bool:
    """Whether there was anything to repair."""
    import imgcrypt

    data = files.read(file)
    with _named(file, recover=False):
        mended = imgcrypt.repair(data, keys)
    if mended != data or target != file or file == files.STANDARD:
        files.write(target, mended, force)
    if mended != data:
        say(f"{file} -> {target}: repaired, {_bytes(len(mended))}")
    return mended != data


@app.command(epilog=EXIT_CODES)
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
    how = _How(None, on_error, workers, distributor, scheduler)
    with_key = {"opened": bool(key or passphrase)}
    _many("verify", [], folder, key, None, passphrase, with_key, False, how, quiet, as_json)


@app.command(epilog=EXIT_CODES)
def inspect(
    file: Annotated[str, typer.Argument(metavar="FILE", help="the encrypted file; - is standard input")],
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Say what FILE's header says. Needs no key, and proves nothing."""
    import imgcrypt

    data = files.read(file)
    with _named(file, recover=True):
        info = imgcrypt.inspect(data)
    if as_json:
        print(json.dumps(dataclasses.asdict(info) | {"complete": len(data) == info.file_bytes}, indent=1))
        return
    sampled = f"sampled by {info.net} at rate {info.rate}"
    rows = {
        "format": f"imgcrypt version {info.version}, suite {info.suite}",
        "picture": _shape(info, info.payload_bytes),
        "mode": info.mode if info.net is None else sampled,
        "opens with": _opens_with(info.keys),
        "stands": f"the loss of {info.survives:.0%} of {info.packets} packets"
        if info.survives
        else "no loss of any packet",
        "size": f"{info.file_bytes} bytes" + ("" if len(data) == info.file_bytes else f", but {len(data)} are there"),
    }
    for name, value in rows.items():
        print(f"{name:<11} {value}")


@app.command(epilog=EXIT_CODES)
def rewrap(
    names: Annotated[
        list[str],
        typer.Argument(metavar="FILE...", help="encrypted files; of a folder, all .imgc in and below it"),
    ],
    key: KeyOption = None,
    passphrase: PassphraseOption = False,
    add_recipient: Annotated[
        list[str] | None,
        typer.Option("-r", "--add-recipient", metavar="PUBLIC", help="a line age1..., or a file of such lines"),
    ] = None,
    add_key: Annotated[list[str] | None, typer.Option("--add-key", metavar="FILE", help="a key file")] = None,
    add_passphrase: Annotated[
        bool, typer.Option("--add-passphrase", help=f"ask for a new one, or read ${keychoice.NEW_VARIABLE}")
    ] = False,
    remove: Annotated[
        list[str] | None, typer.Option("--remove", metavar="WHO", help="a line age1..., a file of such, or a key file")
    ] = None,
    remove_passphrases: Annotated[bool, typer.Option("--remove-passphrases", help="whichever they are")] = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Change who may open FILEs, with a key that opens them. The pictures are not touched, nor decrypted.

    Nothing can be taken back from those who were removed: whoever kept an old copy of a file, or the key of the file
    itself, still opens the picture.

    \b
    imgcrypt rewrap photos/ -k me.key -r age1...                       who opens them, too
    imgcrypt rewrap photos/ -k me.key --remove age1...                 who no longer does
    imgcrypt rewrap a.imgc -k old.txt --add-key new.txt --remove old.txt
    """
    from imgcrypt import inputs, rewrapping

    if not (add_recipient or add_key or add_passphrase or remove or remove_passphrases):
        raise typer.BadParameter("say who is to be added or removed", param_hint="--add-recipient/--remove")
    key_files = keychoice.key_files(key, passphrase, "")
    keychoice.check(key_files, passphrase)
    found = [path for name in names for path in files.below(name, naming.SUFFIX)]
    add = [*keychoice.recipients(add_recipient), *map(keychoice.load, add_key or ())]
    gone = keychoice.anyone(remove)
    keys = [*map(keychoice.load, key_files)]
    keys += [keychoice.passphrase(confirm=False)] if passphrase else []
    if add_passphrase:
        from imgcrypt.keys import Key

        add.append(Key.from_passphrase(keychoice.ask("New passphrase", keychoice.NEW_VARIABLE, confirm=True)))
    change = rewrapping.Change(inputs.key_list(add), inputs.key_list(gone), remove_passphrases)
    tell = _nothing if quiet or as_json else say
    told: list[dict[str, Any]] = []
    for path in found:
        try:
            with _named(str(path), recover=True):
                done = rewrapping.rewrap_file(path, keys, change)
        except ImgcryptError as error:
            say(f"imgcrypt: {error}")
            told.append({"file": str(path), "error": str(error)})
            continue
        told.append({"file": str(path)} | dataclasses.asdict(done))
        tell(f"{path}: {done.added} added, {done.removed} removed; opens with {_opens_with(done.keys)}")
    removed = sum(each.get("removed", 0) for each in told)
    if as_json:
        print(json.dumps(told, indent=1))
    if removed:
        tell("whoever was removed and kept an old copy of a file, or the file's own key, still opens that picture")
    elif gone or remove_passphrases:
        say("warning: none of those to be removed was found in these files")
    if any("error" in each for each in told):
        raise typer.Exit(exitcodes.ERROR)


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
    loading = _Loading()
    from imgcrypt import demo_job

    loading.wait(say)
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
        _Loading().wait(say)
    report = examination.examine()
    print(json.dumps(report, indent=1) if as_json else examination.text(report))
    if not report["ok"]:
        raise typer.Exit(exitcodes.ERROR)


@app.command(epilog=EXIT_CODES)
def warmup() -> None:
    """Compile the cipher ahead of its first use, when a container is built for example."""
    started = time.perf_counter()
    _warm_up(everything=True)
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


class _How(NamedTuple):
    """The options of many files."""

    glob: str | None
    on_error: OnError | None
    workers: int | None
    distributor: Distributor | None
    scheduler: str | None


def _are_many(sources: list[str], output: str | None, how: _How) -> bool:
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


def _many(
    action: str,
    sources: list[str],
    target: str | None,
    key: list[str] | None,
    recipient: list[str] | None,
    passphrase: bool,
    settings: dict[str, Any],
    force: bool,
    how: _How,
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
        run_ = batch.encrypt if action == "encrypt" else batch.decrypt
        return run_(sources, target or "", whom or None, force=force, glob=how.glob, **options)

    command.follow(start, quiet, as_json)


def _warm_up(everything: bool = False) -> None:
    from imgcrypt import cipher, protection
    from imgcrypt.codec import picture

    cipher.warm_up(everything)
    picture.warm_up()
    if everything:
        protection.warm_up()


class _Loading:
    """Loads the cipher's kernels in the background; says so where they have to be compiled, which takes long."""

    def __init__(self) -> None:
        self._error: BaseException | None = None
        self._misses = compiled.misses()
        self._thread = threading.Thread(target=self._load, daemon=True)
        self._thread.start()

    def _load(self) -> None:
        try:
            _warm_up()
        except BaseException as error:
            self._error = error

    def wait(self, tell: Callable[[str], None]) -> None:
        while self._thread.is_alive() and compiled.misses() == self._misses:
            self._thread.join(0.05)
        if self._thread.is_alive():
            tell("compiling the cipher, as the first time on a machine; it takes about half a minute ...")
            self._thread.join()
        if self._error is not None:
            raise self._error


def _nothing(_: str) -> None:
    """Said by ``--quiet``."""


def _check_json(as_json: bool, target: str) -> None:
    if as_json and target == files.STANDARD:
        raise typer.BadParameter("standard output is the file's already: give -o FILE", param_hint="--json")


def _print_json(as_json: bool, source: str, target: str, info: Info | None, more: dict[str, Any]) -> None:
    if as_json:
        header = dataclasses.asdict(info) if info else {}
        print(json.dumps({"input": source, "output": target} | header | more, indent=1))


def _read(data: bytes, name: str | None, frame: int | None, max_pixels: int) -> Picture:
    """The picture; where it is refused, the option that helps."""
    from imgcrypt import pictures

    try:
        return pictures.read(data, name=name, frame=frame, max_pixels=max_pixels)
    except SeveralPicturesError as error:
        raise ImageError(f"{error}: --frame N, or --exact") from None
    except TooLargeError as error:
        raise ImageError(f"{error}: --max-pixels N") from None
    except ImageError as error:
        encrypted = data.startswith(container.MAGIC)
        raise ImageError(f"{error}{'' if encrypted else '; --exact encrypts any file as it is'}") from None


@contextlib.contextmanager
def _named(file: str, recover: bool) -> Iterator[None]:
    """Errors about the bytes of a file name it, and the option that helps."""
    try:
        yield
    except (DamagedError, TruncatedError) as error:
        remedy = "" if recover else "; or --recover opens what is left of it"
        raise type(error)(f"{file}: {error}{remedy}") from None
    except (ContainerError, WrongKeyError, ImageError) as error:
        raise type(error)(f"{file}: {error}") from None


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
    if suffix not in FORMATS:
        raise typer.BadParameter(
            f"cannot write pictures as {printable(suffix) or 'a name without suffix'}; "
            f"use {', '.join(FORMATS)}, or --format",
            param_hint="-o",
        )
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


def _opens_with(keys: tuple[str, ...]) -> str:
    numbers = {kind: keys.count(kind) for kind in keys}
    shown = [kind if number == 1 else f"{kind} ({number})" for kind, number in numbers.items()]
    return " or ".join(shown) or "nothing that this release knows"


def _psnr(image: Image, back: Image) -> float:
    from imgcrypt.metrics import psnr

    return float(psnr(_colors(image), _colors(back)))


def _colors(image: Image) -> Image:
    return image[:, :, :3] if image.ndim == 3 else image


def _openers(key_files: list[str], passphrase: bool) -> list[Key]:
    """The keys to open a file with, whatever it opens with."""
    keychoice.check(key_files, passphrase)
    keys = [keychoice.load(name) for name in key_files]
    return [*keys, keychoice.passphrase(confirm=False)] if passphrase else keys


def _shape(info: Info | None, size: int) -> str:
    """What a file of this header holds; ``size`` in bytes, if it is another file."""
    if info is None or info.mode == "exact":
        return f"a file of {_bytes(size)}, as it was"
    kind = {1: "gray", 3: "color", 4: "color with alpha"}[info.channels]
    return f"{info.width} x {info.height} {kind}" + (", 16 bits" if info.bits == 16 else "")


def _loss(recovered: Recovered) -> str:
    if recovered.complete:
        return "nothing was lost, and the picture is authentic"
    if recovered.authentic:
        coarser = f"coarser ({recovered.whole} of {recovered.parts} parts), but what it shows is "
        return (
            f"warning: {recovered.failed_packets} of {recovered.info.packets} packets were damaged; the picture is "
            f"{'' if recovered.whole == recovered.parts else coarser}authentic"
        )
    return (
        f"warning: the picture is NOT authenticated: {recovered.failed_packets} of {recovered.info.packets} packets "
        f"failed; "
        f"{recovered.lost_bytes} of {recovered.info.payload_bytes} bytes were lost and are filled in, "
        f"{recovered.doubtful_bytes} more may be anybody's"
    )


def _net_and_provider(info: Info, provider: str) -> str:
    if info.net is None or info.net_weights is None:
        return "no net"
    from imgcrypt import runtime
    from imgcrypt.runtime import zoo

    entry = zoo.find(bytes.fromhex(info.net_weights), info.net)
    return f"net {info.net} on {runtime.load(entry, provider).provider}"


def _bytes(count: int) -> str:
    return f"{count} bytes" if count < 10_000 else f"{count / 1024:,.1f} KiB"


if __name__ == "__main__":
    main()
