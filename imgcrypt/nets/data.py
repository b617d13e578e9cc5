"""Pictures for training: whole folders in memory, random crops out of them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imgcrypt.opencv import cv2

SUFFIXES = {".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}


def load(folders: list[Path], least: int) -> list[NDArray[np.uint8]]:
    """Every picture in the folders of at least ``least`` pixels a side: RGB uint8 (H, W, 3), sorted by path."""
    paths = sorted(path for folder in folders for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    pictures = []
    for path in paths:
        picture = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
        if picture is not None and min(picture.shape[:2]) >= least:
            pictures.append(np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8))
    return pictures


def digest(pictures: list[NDArray[np.uint8]]) -> str:
    """SHA-256, in hexadecimal, of all pictures' shapes and samples, in their order."""
    found = hashlib.sha256()
    for picture in pictures:
        found.update(np.array(picture.shape, "<u4").tobytes() + picture.tobytes())
    return found.hexdigest()


def crops(
    pictures: list[NDArray[np.uint8]], count: int, side: int, gray_share: float, rng: np.random.Generator
) -> Tensor:
    """Random crops, mirrored, turned, a share of them gray: float32 (count, 3, side, side) in [0, 1]."""
    batch = np.empty((count, side, side, 3), np.uint8)
    for crop in batch:
        picture = pictures[rng.integers(len(pictures))]
        top = rng.integers(picture.shape[0] - side + 1)
        left = rng.integers(picture.shape[1] - side + 1)
        part = picture[top : top + side, left : left + side]
        if rng.random() < 0.5:
            part = part[:, ::-1]
        part = np.rot90(part, int(rng.integers(4)))
        if rng.random() < gray_share:
            part = gray(part)
        crop[:] = part
    return to_tensor(batch)


def gray(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Luma (ITU-R BT.601) in each of three channels."""
    luma = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY)
    return np.repeat(np.asarray(luma, np.uint8)[:, :, None], 3, 2)


def to_tensor(batch: NDArray[np.uint8]) -> Tensor:
    """uint8 (N, H, W, 3) -> float32 (N, 3, H, W) in [0, 1]."""
    return torch.from_numpy(batch).permute(0, 3, 1, 2).float().div(255).contiguous(memory_format=torch.channels_last)
