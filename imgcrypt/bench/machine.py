"""What a measurement ran on: never the machine's name, its user or its paths."""

from __future__ import annotations

import dataclasses
import datetime
import importlib.metadata
import platform
import sys
from pathlib import Path

from imgcrypt.runtime import sessions

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


@dataclasses.dataclass(frozen=True)
class Machine:
    """``cores`` that the process may use, ``versions`` by package, ``threads`` by library, Numba's threading layer."""

    processor: str
    cores: int
    system: str
    python: str
    versions: dict[str, str]
    threads: dict[str, int]
    threading_layer: str | None
    date: str

    def line(self) -> str:
        """All of it in one line."""
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        layer = f" ({self.threading_layer})" if self.threading_layer else ""
        return (
            f"{self.processor}, cores: {self.cores}, {self.system}; threads: "
            f"numba {self.threads['numba']}{layer}, onnxruntime {self.threads['onnxruntime']}; "
            f"Python {self.python}, {versions}; {self.date}"
        )


def describe() -> Machine:
    """This machine, now. Call it after measuring: Numba's threading layer starts with a kernel."""
    return Machine(
        processor=_processor(),
        cores=sessions.threads(),
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        versions={name: version for name in PACKAGES if (version := _version(name))},
        threads={"numba": _numba_threads(), "onnxruntime": sessions.threads()},
        threading_layer=_threading_layer(),
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
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


def _numba_threads() -> int:
    """Threads that the kernels may use; those of this process where Numba is not loaded."""
    numba = sys.modules.get("numba")
    return int(numba.get_num_threads()) if numba else sessions.threads()


def _threading_layer() -> str | None:
    """Numba's threading layer, or ``None`` if no kernel has run."""
    numba = sys.modules.get("numba")
    try:
        return str(numba.threading_layer()) if numba else None
    except ValueError:
        return None
