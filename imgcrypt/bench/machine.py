"""What a measurement ran on: never the machine's name, its user or its paths."""

from __future__ import annotations

import dataclasses
import datetime
import importlib.metadata
import platform
import sys
from pathlib import Path

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


@dataclasses.dataclass(frozen=True)
class Machine:
    """``threads`` are those to compute with; ``versions`` are by package."""

    processor: str
    system: str
    python: str
    versions: dict[str, str]
    threads: int
    threading_layer: str | None
    date: str

    def line(self) -> str:
        """All of it in one line."""
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        layer = f", by Numba's {self.threading_layer}" if self.threading_layer else ""
        return (
            f"{self.processor}, threads: {self.threads}{layer}, {self.system}; "
            f"Python {self.python}, {versions}; {self.date}"
        )


def describe() -> Machine:
    """Processor, threads, system and versions. Call it after measuring: Numba's layer, if any, starts with a kernel."""
    return Machine(
        processor=_processor(),
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        versions={name: version for name in PACKAGES if (version := _version(name))},
        threads=threads.count(),
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


def _threading_layer() -> str | None:
    """Numba's threading layer, or ``None`` if its threads have not been started."""
    numba = sys.modules.get("numba")
    try:
        return str(numba.threading_layer()) if numba else None
    except ValueError:
        return None
