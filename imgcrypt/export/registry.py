"""What exports a net, by its class in imgcrypt.nets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from imgcrypt.export import blocks, restorer
from imgcrypt.nets.fclbcnn import BlockModel
from imgcrypt.nets.restorer import Restorer

EXPORTS: dict[type, Callable[[Any, str, float, bool, Path], dict[str, Any]]] = {
    BlockModel: blocks.export,
    Restorer: restorer.export,
}
"""Class -> what writes a net's files, given the net, its kind's name, its rate, whether it is for gray alone, and the
folder; it returns the manifest's entry, less the training."""
