"""The ``imgcrypt`` command."""

from __future__ import annotations

import dataclasses
import json
import os
import stat
import sys
import threading
import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from imgcrypt import files, inputs
from imgcrypt.errors import ImgcryptError
from imgcrypt.shell import run, say

if TYPE_CHECKING:
    from imgcrypt.api import Recovered
    from imgcrypt.arrays import Image
    from imgcrypt.info import Info
    from imgcrypt.keys import Key

SUFFIX = ".imgc"
KEY_VARIABLE, PASSPHRASE_VARIABLE = "IMGCRYPT_KEY_FILE", "IMGCRYPT_PASSPHRASE"


class Provider(StrEnum):
    """What runs the net."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


class Suite(StrEnum):
    """What protects the file."""

    HYBRID = "hybrid"
    CHAOS = "chaos"


app = typer.Typer(
    help="Encrypt pictures by deep compressed sensing and a compound chaotic cipher, sealed by AES-256-GCM.",
    no_args_is_help=True,
    add_completion=False,
    # Tracebacks with local variables would show keys.
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

KeyOption = Annotated[
    str | None, typer.Option("-k", "--key", metavar="FILE", help=f"key file [default: ${KEY_VARIABLE}]")
]
PassphraseOption = Annotated[
    bool, typer.Option("-p", "--passphrase", help=f"ask for a passphrase, or read ${PASSPHRASE_VARIABLE}")
]
OutputOption = Annotated[str | None, typer.Option("-o", "--output", metavar="FILE", help="- is standard output")]
ForceOption = Annotated[bool, typer.Option("--force", help="replace an existing output file")]
ProviderOption = Annotated[Provider, typer.Option(help="what runs the net")]
VerboseOption = Annotated[bool, typer.Option("-v", "--verbose", help="say what ran, where and for how long")]


def main() -> None:
    """The ``imgcrypt`` command."""
    run(app, "imgcrypt")


@app.command()
def keygen(output: Annotated[str, typer.Option("-o", "--output", metavar="FILE", help="the new key file")]) -> None:
    """Make a key file that only you can read, and print the key's fingerprint."""
    from imgcrypt.keys import Key

    key = Key.generate()
    if output == files.STANDARD:
        print(key.text())
        say(f"key {key.fingerprint()}")
        return
    key.save(output)
    print(f"{output}: key {key.fingerprint()}")


@app.command()
def enc(
    picture: Annotated[str, typer.Argument(metavar="PICTURE", help="the picture file; - is standard input")],
    key: KeyOption = None,
    passphrase: PassphraseOption = False,
    output: OutputOption = None,
    lossless: Annotated[bool, typer.Option("--lossless", help="keep every sample exactly")] = False,
    rate: Annotated[
        float | None, typer.Option(help="bytes of measurements per sample, 0.005 to 0.75 [default: 0.18]")
    ] = None,
    target_psnr: Annotated[
        float | None, typer.Option(metavar="DB", help="instead of a rate: the smallest that comes back with this PSNR")
    ] = None,
    net: Annotated[str | None, typer.Option(help="the sampling net [default: the default one]")] = None,
    suite: Annotated[Suite, typer.Option(help="chaos is for research")] = Suite.HYBRID,
    provider: ProviderOption = Provider.AUTO,
    force: ForceOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Encrypt PICTURE into PICTURE.imgc."""
    target = output or (files.STANDARD if picture == files.STANDARD else picture + SUFFIX)
    if (suffix := Path(target).suffix.lower()) in _picture_suffixes():
        raise typer.BadParameter(
            f"a ciphertext named {suffix} would be recompressed or refused as a picture; name it {SUFFIX}",
            param_hint="-o",
        )
    if lossless and (rate, target_psnr, net) != (None, None, None):
        raise typer.BadParameter(
            "it keeps every sample: leave out --rate, --target-psnr and --net", param_hint="--lossless"
        )
    if rate is not None and target_psnr is not None:
        raise typer.BadParameter("leave out --rate, which it finds", param_hint="--target-psnr")
    files.check_output(target, force)
    if files.STANDARD not in (picture, target) and Path(target).exists() and Path(target).samefile(picture):
        raise files.FileError(f"{target} is the picture itself; give -o another name")
    secret = _key(key, passphrase, confirm=True)
    loading = _Loading()
    data = files.read(picture)

    import imgcrypt
    from imgcrypt import pictures
    from imgcrypt.metrics import psnr

    image = pictures.decode(data)
    loading.wait()
    started = time.perf_counter()
    blob = imgcrypt.encrypt(
        image,
        secret,
        lossless=lossless,
        rate=rate,
        target_psnr=target_psnr,
        net=net,
        suite=inputs.suite(suite),
        provider=inputs.provider(provider),
    )
    encrypted = time.perf_counter()
    # Open it again: that proves the file good before the original may go, and gives the PSNR.
    back = imgcrypt.decrypt(blob, secret, provider=inputs.provider(provider))
    opened = time.perf_counter()
    if lossless and not (back == image).all():
        raise ImgcryptError("the encrypted picture does not open to the same samples: nothing was written; report this")
    files.write(target, blob, force)

    info = imgcrypt.inspect(blob)
    quality = "comes back exactly" if lossless else f"comes back at {psnr(_colors(image), _colors(back)):.2f} dB"
    size = f"{_bytes(image.nbytes)} of samples -> {_bytes(len(blob))}"
    sampled = "lossless" if info.rate is None else f"rate {info.rate:.3g}"
    say(f"{picture} -> {target}: {_shape(info)}, {size}, {sampled}, {quality}")
    if not lossless and len(blob) > image.nbytes:
        say("a picture this small or thin fills no blocks: --lossless would make a smaller file and keep it exactly")
    if verbose:
        times = f"encrypted in {encrypted - started:.3f} s, opened in {opened - encrypted:.3f} s"
        say(f"suite {info.suite}, {_net_and_provider(info, provider)}; {times}")


@app.command()
def dec(
    file: Annotated[str, typer.Argument(metavar="FILE", help="the encrypted file; - is standard input")],
    key: KeyOption = None,
    passphrase: PassphraseOption = False,
    output: OutputOption = None,
    recover: Annotated[
        bool, typer.Option("--recover", help="open what is left of a damaged file, which proves nothing of it")
    ] = False,
    provider: ProviderOption = Provider.AUTO,
    force: ForceOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Decrypt FILE into the picture it was made from (as .png where the original was not a lossless format)."""
    target = output or _decrypted_name(file)
    files.check_output(target, force)
    suffix = ".png" if target == files.STANDARD else Path(target).suffix.lower()
    _check_suffix(suffix)
    secret = _key(key, passphrase, confirm=False)
    loading = _Loading()
    data = files.read(file)

    import imgcrypt
    from imgcrypt import pictures

    if not recover:
        imgcrypt.inspect(data)  # refuse another file before any waiting
    loading.wait()
    started = time.perf_counter()
    if recover:
        recovered = imgcrypt.recover(data, secret, provider=inputs.provider(provider))
        image, info = recovered.image, recovered.info
    else:
        image, info = imgcrypt.decrypt(data, secret, provider=inputs.provider(provider)), imgcrypt.inspect(data)
    seconds = time.perf_counter() - started
    files.write(target, pictures.encode(image, suffix), force)
    note = "" if suffix not in pictures.LOSSY_SUFFIXES else f"; {suffix} loses detail, .png would not"
    say(f"{file} -> {target}: {_shape(info)}{note}")
    if recover:
        say(_loss(recovered))
    if verbose:
        say(f"suite {info.suite}, {_net_and_provider(info, provider)}; decrypted in {seconds:.3f} s")


@app.command()
def inspect(
    file: Annotated[str, typer.Argument(metavar="FILE", help="the encrypted file; - is standard input")],
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Say what FILE's header says. Needs no key, and proves nothing."""
    import imgcrypt

    data = files.read(file)
    info = imgcrypt.inspect(data)
    if as_json:
        print(json.dumps(dataclasses.asdict(info) | {"complete": len(data) == info.file_bytes}, indent=1))
        return
    rows = {
        "format": f"imgcrypt version {info.version}, suite {info.suite}",
        "picture": _shape(info),
        "mode": "lossless" if info.net is None else f"sampled by {info.net} at rate {info.rate}",
        "opens with": " or ".join(info.keys) or "nothing that this release knows",
        "size": f"{info.file_bytes} bytes" + ("" if len(data) == info.file_bytes else f", but {len(data)} are there"),
    }
    for name, value in rows.items():
        print(f"{name:<11} {value}")


@app.command()
def demo(
    output: Annotated[str, typer.Option("-o", "--output", metavar="FILE", help="picture of the stages")] = (
        "imgcrypt-demo.png"
    ),
    force: ForceOption = False,
) -> None:
    """Do the whole job on a picture in the package: write its stages as one PNG, print a table."""
    if output != files.STANDARD and Path(output).suffix.lower() != ".png":
        raise typer.BadParameter(f"the stages are a PNG; name it .png, not {output}", param_hint="-o")
    files.check_output(output, force)
    loading = _Loading()
    from imgcrypt import demo_job

    loading.wait()
    messages = sys.stderr if output == files.STANDARD else sys.stdout
    files.write(output, demo_job.run(messages), force)
    print(f"The stages are in {'the output' if output == files.STANDARD else output}.", file=messages)


@app.command()
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


def _warm_up(everything: bool = False) -> None:
    from imgcrypt import cipher
    from imgcrypt.codec import bitplanes

    cipher.warm_up(everything)
    bitplanes.warm_up()


class _Loading:
    """Loads the cipher's kernels in the background; says so when that takes long, as the first time it does."""

    def __init__(self) -> None:
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._load, daemon=True)
        self._thread.start()

    def _load(self) -> None:
        try:
            _warm_up()
        except BaseException as error:
            self._error = error

    def wait(self) -> None:
        self._thread.join(1.5)
        if self._thread.is_alive():
            say("preparing the cipher; the first time on a machine it is compiled, which takes about 10 s ...")
            self._thread.join()
        if self._error is not None:
            raise self._error


def _key(file: str | None, passphrase: bool, confirm: bool) -> Key:
    from imgcrypt.keys import Key

    if file is not None and passphrase:
        raise typer.BadParameter("give a key file or a passphrase, not both", param_hint="-k/-p")
    if passphrase:
        text = os.environ.get(PASSPHRASE_VARIABLE)
        return Key.from_passphrase(_ask_passphrase(confirm) if text is None else text)
    file = file or os.environ.get(KEY_VARIABLE)
    if not file:
        raise typer.BadParameter(
            f"give a key: -k FILE (imgcrypt keygen -o FILE makes one), ${KEY_VARIABLE}, or -p for a passphrase",
            param_hint="-k/-p",
        )
    key = Key.load(file)
    if os.name == "posix" and Path(file).stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        say(f"warning: others can read {file}; mend that with: chmod 600 {file}")
    return key


def _ask_passphrase(confirm: bool) -> str:
    try:
        if not _has_terminal():
            raise typer.Abort
        text: str = typer.prompt("Passphrase", hide_input=True, confirmation_prompt=confirm, err=True)
    except typer.Abort:
        raise ImgcryptError(
            f"no passphrase was given; type one, or set {PASSPHRASE_VARIABLE} where there is no terminal"
        ) from None
    return text


def _has_terminal() -> bool:
    # Without one, the prompt would take the passphrase from standard input, and show it.
    if os.name != "posix":
        return sys.stdin is not None and sys.stdin.isatty()
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _picture_suffixes() -> set[str]:
    from imgcrypt.pictures import FORMATS, LOSSY_SUFFIXES

    return LOSSY_SUFFIXES | set(FORMATS)


def _decrypted_name(file: str) -> str:
    from imgcrypt.pictures import FORMATS

    if file == files.STANDARD:
        return files.STANDARD
    name = file[: -len(SUFFIX)]
    if not file.lower().endswith(SUFFIX) or not Path(name).name or name.endswith(("/", os.sep)):
        raise typer.BadParameter(
            f"{file} is not the name of a picture with {SUFFIX} behind it; name the picture with -o", param_hint="-o"
        )
    suffix = Path(name).suffix.lower()
    if suffix in FORMATS and FORMATS[suffix].lossless:
        return name
    return str(Path(name).with_suffix(".png")) if suffix in _picture_suffixes() else f"{name}.png"


def _check_suffix(suffix: str) -> None:
    from imgcrypt.pictures import FORMATS

    if suffix not in FORMATS:
        raise typer.BadParameter(
            f"cannot write pictures as {suffix or 'a name without suffix'}; use {', '.join(FORMATS)}", param_hint="-o"
        )


def _colors(image: Image) -> Image:
    return image[:, :, :3] if image.ndim == 3 else image


def _shape(info: Info) -> str:
    kind = {1: "gray", 3: "color", 4: "color with alpha"}[info.channels]
    return f"{info.width} x {info.height} {kind}" + (", 16 bits" if info.bits == 16 else "")


def _loss(recovered: Recovered) -> str:
    if recovered.authentic:
        return "nothing was lost, and the picture is authentic"
    return (
        f"warning: the picture is NOT authenticated: {recovered.failed_chunks} of {recovered.chunks} chunks failed; "
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
