"""What a report of a bug needs to know of an installation, and whether it gives the bytes that it should.

Nothing of it is secret: of environment variables that hold secrets no value is told, and the home folder is ``~``.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import importlib.resources
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import imgcrypt
from imgcrypt import compiled, threads

VECTORS = importlib.resources.files("imgcrypt") / "data" / "selftest.json"
"""Written by tests/independent.py."""
PACKAGES = (
    *("numpy", "numba", "llvmlite", "cryptography", "blake3", "onnxruntime", "onnxruntime-gpu", "pillow"),
    *("opencv-python-headless", "opencv-python", "opencv-contrib-python-headless", "opencv-contrib-python"),
    *("simplejpeg", "tifffile", "imagecodecs", "pillow-heif", "typer", "rich", "torch"),
)
VARIABLES = (
    *(compiled.VARIABLE, threads.VARIABLE, *threads.OTHERS),
    *("NUMBA_CACHE_DIR", "NUMBA_THREADING_LAYER", "NUMBA_DISABLE_JIT", "NUMBA_CPU_NAME", "CUDA_VISIBLE_DEVICES"),
)
LEAST_PSNR = 35
"""dB, of a picture that is sampled at the default of 42."""


def examine() -> dict[str, Any]:
    """The whole report. ``ok`` is whether all is as it should be; in ``checks``, what is not says why."""
    checks: dict[str, str] = {}
    seconds = -time.perf_counter()
    for name, check in {**_self_tests(), "weights of the nets": _weights, "cache of compiled kernels": _cache}.items():
        checks[name] = _attempt(check)
    seconds += time.perf_counter()
    return {
        "ok": all(verdict.startswith("ok") for verdict in checks.values()),
        "imgcrypt": imgcrypt.__version__,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.platform()}, {platform.machine()}",
        "processor": _attempt(_processor),
        "threads": f"{threads.count()} of {os.cpu_count()} cores, {_layer()}",
        "openssl": _attempt(_openssl),
        "providers": _attempt(_providers),
        "packages": dict(_packages()),
        "variables": {name: _plain(os.environ[name]) for name in VARIABLES if name in os.environ},
        "checks": checks,
        "seconds": round(seconds, 2),
    }


def text(report: dict[str, Any]) -> str:
    """The report as lines, to be pasted."""
    packages, variables = (
        ", ".join(f"{name}{sign}{value}" for name, value in report[part].items())
        for part, sign in (("packages", " "), ("variables", "="))
    )
    rows = {
        name: report[name] for name in ("imgcrypt", "python", "system", "processor", "threads", "openssl", "providers")
    }
    rows |= {"packages": packages, "variables": variables or "none that matter"} | report["checks"]
    verdict = "all is as it should be" if report["ok"] else "something is NOT as it should be, see above"
    lines = [f"{name:<26} {value}" for name, value in rows.items()]
    return "\n".join([*lines, f"{verdict} (checked in {report['seconds']} s)"])


def _attempt(check: Callable[[], str]) -> str:
    """What it says; whatever fails is told, as an installation may be broken anywhere."""
    try:
        return _plain(check())
    except Exception as error:
        return _plain(f"FAILED: {type(error).__name__}: {error}")


def _plain(said: str) -> str:
    """One line, without the name of the user's home."""
    home = str(Path("~").expanduser())
    return " ".join((said.replace(home, "~") if len(home) > 1 else said).split())


def _packages() -> Iterator[tuple[str, str]]:
    for name in PACKAGES:
        try:
            yield name, importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue


def _processor() -> str:
    import llvmlite.binding

    return f"{llvmlite.binding.get_host_cpu_name()}, {sys.byteorder}-endian"


def _layer() -> str:
    layer = os.environ.get("NUMBA_THREADING_LAYER")
    return f"Numba's layer {layer}" if layer else "threads of imgcrypt"


def _openssl() -> str:
    from cryptography.hazmat.backends.openssl.backend import backend

    return backend.openssl_version_text()


def _providers() -> str:
    import onnxruntime

    from imgcrypt import runtime
    from imgcrypt.runtime import zoo

    offered = [name.removesuffix("ExecutionProvider") for name in onnxruntime.get_available_providers()]
    net = runtime.load(zoo.choose(None, None, 3))
    net.session("reconstructor")
    said = f"{', '.join(offered)} offered, {net.provider} used"
    if "CUDA" in offered and net.provider != "cuda":
        try:
            runtime.load(net.entry, "cuda").session("reconstructor")
        except imgcrypt.ProviderError as error:
            said += f" ({error})"
    return said


def _weights() -> str:
    from imgcrypt.runtime import zoo

    parts = [(entry, part) for entry in zoo.entries() for part in ("reconstructor", "sampler") if getattr(entry, part)]
    for entry, part in parts:
        entry.read(part)
    return f"ok, {len(parts)} files of {len(zoo.entries())} nets as their manifest says"


def _cache() -> str:
    for folder in compiled.folders():
        if os.access(folder, os.W_OK):
            return f"ok, {len(list(folder.glob('*.nbc')))} kernels in {folder}"
    return "FAILED: no folder can be written to, so that each start compiles anew; set IMGCRYPT_CACHE to one"


def _self_tests() -> dict[str, Callable[[], str]]:
    return {"cipher": _cipher, "frozen files": _files, "sampled picture": _picture}


def _vectors() -> dict[str, Any]:
    vectors: dict[str, Any] = json.loads(VECTORS.read_text("ascii"))
    return vectors


def _cipher() -> str:
    import numpy as np

    from imgcrypt import cipher

    vector = _vectors()["cipher"]
    numbers = np.arange(vector["size"], dtype=np.uint64)
    plaintext = ((numbers * numbers * 31 + numbers * 7 + 3) % 256).astype(np.uint8)
    ciphertext = cipher.encipher(plaintext, bytes.fromhex(vector["key"]))
    if hashlib.sha256(ciphertext.tobytes()).hexdigest() != vector["sha256"]:
        return "FAILED: the ciphertext is another one than it should be"
    if (cipher.decipher(ciphertext, bytes.fromhex(vector["key"])) != plaintext).any():
        return "FAILED: the ciphertext does not come back"
    return "ok"


def _files() -> str:
    files = _vectors()["files"]
    for name, entry in files.items():
        key = imgcrypt.Key.from_passphrase(entry["passphrase"]) if "passphrase" in entry else None
        blob = base64.b64decode(entry["file"])
        opener = key or imgcrypt.Key.parse(entry["key"])
        if "shape" in entry:
            picture = imgcrypt.decrypt(blob, opener)
            payload = picture.astype(picture.dtype.newbyteorder("<")).tobytes()
        else:
            payload = imgcrypt.decrypt_bytes(blob, opener).data
        if hashlib.sha256(payload).hexdigest() != entry["payload_sha256"]:
            return f"FAILED: {name} does not open to what it should"
    return f"ok, {len(files)} open"


def _picture() -> str:
    import numpy as np

    from imgcrypt.metrics import psnr

    rows, columns = np.indices((96, 80))
    picture = np.stack([rows * 2, columns * 3, rows + columns], axis=-1).astype(np.uint8)
    key = imgcrypt.Key.generate()
    decibels = psnr(picture, imgcrypt.decrypt(imgcrypt.encrypt(picture, key), key))
    return f"{'ok' if decibels >= LEAST_PSNR else 'FAILED:'}, comes back at {decibels:.1f} dB"
