"""What a measurement ran on: never the machine's name, its user or its paths."""

from __future__ import annotations

import datetime
import importlib.metadata
import platform
import sys
from pathlib import Path
from typing import Any

from imgcrypt import threads

PACKAGES = (
    "imgcrypt",
    "numpy",
    "numba",
    "onnxruntime",
    "opencv-python-headless",
    "cryptography",
    "blake3",
    "scikit-image",
    "scipy",
)


def describe() -> dict[str, Any]:
    """Processor, threads, system and versions. Call it after measuring: Numba's layer, if any, starts with a kernel."""
    return {
        "processor": _processor(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {name: version for name in PACKAGES if (version := _version(name))},
        "threads": threads.count(),
        "threading_layer": _threading_layer(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def line(machine: dict[str, Any]) -> str:
    """One line that says the same of :func:`describe`'s answer."""
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    layer = f", by Numba's {machine['threading_layer']}" if machine["threading_layer"] else ""
    return (
        f"{machine['processor']}, threads: {machine['threads']}{layer}, {machine['system']}; "
        f"Python {machine['python']}, {versions}; {machine['date']}"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    names = [text.partition(":")[2].strip() for text in lines if text.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _threading_layer() -> str | None:
    """Numba's threading layer, or ``None`` if its threads have not been started."""
    numba = sys.modules.get("numba")
    try:
        return str(numba.threading_layer()) if numba else None
    except ValueError:
        return None
