"""What exports a net, by its class in imgcrypt.nets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from imgcrypt.export import anyrate, blocks
from imgcrypt.nets.anyrate import Anyrate
from imgcrypt.nets.fclbcnn import BlockModel

EXPORTS: dict[type, Callable[[Any, str, float, bool, Path], dict[str, Any]]] = {
    Anyrate: anyrate.export,
    BlockModel: blocks.export,
}
"""Class -> what writes a net's files, given the net, its kind's name, its rate, whether it is for gray alone, and the
folder; it returns the manifest's entry, less the training."""
