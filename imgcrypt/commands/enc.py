"""The command that encrypts."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from imgcrypt import container, files, keychoice, naming
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
    Protection,
    Provider,
    ProviderOption,
    QuietOption,
    RecipientOption,
    SchedulerOption,
    Suite,
    VerboseOption,
    WorkersOption,
)
from imgcrypt.errors import ImageError, ImgcryptError, SeveralPicturesError, TooLargeError
from imgcrypt.pictures import MAX_PIXELS, most_bytes
from imgcrypt.shell import ZooOption, say

if TYPE_CHECKING:
    from imgcrypt.arrays import Image
    from imgcrypt.keys import Key
    from imgcrypt.pictures import Picture
    from imgcrypt.recipients import Recipient

EXACT_BYTES = 1024
"""More than a file kept exactly takes beside its bytes, up to some megabytes."""


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

    Protected lightly, everything comes back though a twentieth of the packets are lost or wrong, and a coarse
    picture though three quarters are; strongly, less comes back the more is lost, and the file says less at first.

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
    how = many.How(glob, on_error, workers, distributor, scheduler)
    if many.are_many(sources, output, how):
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
        many.run("encrypt", sources, output, key, recipient, passphrase, settings, force, how, quiet, as_json)
        return
    picture = sources[0]
    target = naming.encrypted(picture) if output is None else output
    if (suffix := Path(target).suffix.lower()) in naming.PICTURE_SUFFIXES:
        raise typer.BadParameter(
            f"a ciphertext named {suffix} would be recompressed or refused as a picture; name it {naming.SUFFIX}",
            param_hint="-o",
        )
    wording.check_json(as_json, target)
    key_files = keychoice.key_files(key, passphrase or bool(recipient), picture)
    keychoice.check(key_files, passphrase or bool(recipient))
    files.check_output(target, force, [picture, *key_files])
    whom: list[Key | Recipient] = [*map(keychoice.load, key_files), *keychoice.recipients(recipient)]
    kernels = loading.Kernels()
    tell = wording.nothing if quiet or as_json else say

    import imgcrypt
    from imgcrypt import proving

    protection = None if protect is None else checked.protection(protect)
    data = files.read(picture, files.MOST_BYTES if exact else most_bytes(max_pixels))
    name = None if picture == files.STANDARD else picture
    if exact:
        whom += [keychoice.passphrase(confirm=True)] if passphrase else []
        kernels.wait(tell)
        own, keys = proving.provers(whom)
        blob = imgcrypt.encrypt_bytes(
            data, [*own, *whom], name=name, suite=checked.suite(suite), protection=protection, survive=survive
        )
        if imgcrypt.decrypt_bytes(blob, keys).data != data:
            raise ImgcryptError("the encrypted file does not open to the same bytes: nothing was written; report this")
        blob = proving.finished(blob, own)
        files.write(target, blob, force)
        size = f"{wording.amount(len(data))} -> {wording.amount(len(blob))}"
        tell(f"{picture} -> {target}: {size}, comes back exactly as it is")
        wording.print_json(as_json, picture, target, imgcrypt.inspect(blob), {"notes": []})
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
    kernels.wait(tell)
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
    size = f"{wording.amount(read.pixels.nbytes)} of samples -> {wording.amount(len(blob))}"
    sampled = info.mode if info.rate is None else f"rate {info.rate:.3g}"
    tell(f"{picture} -> {target}: {wording.shape(info, 0)}, {size}, {sampled}, {quality}")
    if len(blob) > len(data) + EXACT_BYTES:
        tell(
            f"{picture} itself has {wording.amount(len(data))}: --exact would make a smaller file and keep it as it is"
        )
    elif not keeps and len(blob) > read.pixels.nbytes:
        tell("a picture this small or thin fills no blocks: --lossless would make a smaller file and keep it exactly")
    if verbose:
        times = f"encrypted in {encrypted - started:.3f} s, opened in {opened - encrypted:.3f} s"
        tell(f"suite {info.suite}, {wording.net_and_provider(info, provider)}; {times}")
    wording.print_json(as_json, picture, target, info, {"psnr": finite, "notes": list(read.notes)})


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


def _psnr(image: Image, back: Image) -> float:
    from imgcrypt.metrics import psnr

    return float(psnr(_colors(image), _colors(back)))


def _colors(image: Image) -> Image:
    return image[:, :, :3] if image.ndim == 3 else image
