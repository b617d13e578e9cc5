"""What ``imgcrypt demo`` does: the whole job on a bundled picture, its stages as one PNG, its figures as a table."""

from __future__ import annotations

import importlib.resources
import math
import secrets
import time
from typing import TextIO

import numpy as np
from rich.console import Console
from rich.table import Table

import imgcrypt
from imgcrypt import cipher, payload, pictures, runtime
from imgcrypt.arrays import Bytes
from imgcrypt.container import Suite
from imgcrypt.metrics import correlation, entropy, psnr
from imgcrypt.opencv import cv2
from imgcrypt.runtime import zoo

PICTURE = importlib.resources.files("imgcrypt") / "data" / "astronaut.png"
"""Eileen Collins, NASA, 1993: public domain."""
CAPTION_HEIGHT, GAP = 44, 12


def run(messages: TextIO) -> bytes:
    """Print the table to ``messages``, return the PNG of the stages."""
    picture = np.asarray(pictures.read(PICTURE.read_bytes()).pixels, np.uint8)
    key = imgcrypt.Key.generate()
    started = time.perf_counter()
    blob = imgcrypt.encrypt(picture, key)
    encrypted = time.perf_counter()
    rebuilt = np.asarray(imgcrypt.decrypt(blob, key), np.uint8)
    opened = time.perf_counter()

    # The stages inside the two calls above, one by one, under a key that is thrown away.
    entry = zoo.choose(None, None, 3)
    net = runtime.load(entry)
    measurements = payload.encode(picture, Suite.HYBRID, provider="auto")[2]
    enciphered = cipher.encipher(measurements, secrets.token_bytes(cipher.KEY_BYTES))
    plane, noise = _plane(measurements), _plane(enciphered)

    gray = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)
    rebuilt_gray = np.asarray(cv2.cvtColor(rebuilt, cv2.COLOR_RGB2GRAY), np.uint8)
    quality = f"{psnr(picture, rebuilt):.2f} dB"
    table = Table(title="imgcrypt demo")
    for name in ("stage", "bytes", "entropy, bits a byte", "correlation of neighbors", "note"):
        table.add_column(name, justify="left" if name in ("stage", "note") else "right")
    rows = [
        ("picture", picture.nbytes, picture, gray, f"{picture.shape[1]} x {picture.shape[0]} color"),
        ("sampled", measurements.nbytes, measurements, plane, f"net {entry.name} on {net.provider}"),
        ("scrambled and diffused", enciphered.nbytes, enciphered, noise, "cloud + Logistic chaos"),
        ("sealed file", len(blob), np.frombuffer(blob, np.uint8), None, f"AES-256-GCM; {encrypted - started:.3f} s"),
        ("rebuilt", rebuilt.nbytes, rebuilt, rebuilt_gray, f"PSNR {quality}; {opened - encrypted:.3f} s"),
    ]
    for stage, size, data, neighbors, note in rows:
        related = "" if neighbors is None else f"{correlation(neighbors):+.4f}"
        table.add_row(stage, f"{size:,}", f"{entropy(data):.4f}", related, note)
    Console(file=messages).print(table)
    return pictures.encode(
        _panel(
            [
                ("1 picture", picture),
                (f"2 sampled: {measurements.nbytes / picture.nbytes:.0%} of the bytes", plane),
                ("3 scrambled, diffused, sealed", noise),
                (f"4 decrypted and rebuilt: {quality}", rebuilt),
            ]
        ),
        ".png",
    )


def _plane(data: Bytes) -> Bytes:
    """Bytes (n,) as the rows of a picture about as wide as high, the last and incomplete one left out."""
    width = math.isqrt(data.size)
    return data[: data.size // width * width].reshape(-1, width)


def _panel(stages: list[tuple[str, Bytes]]) -> Bytes:
    """Pictures side by side at their own sizes, each under its caption."""
    height = max(picture.shape[0] for _, picture in stages)
    width = max(picture.shape[1] for _, picture in stages)
    columns = []
    for caption, picture in stages:
        column = np.full((CAPTION_HEIGHT + height, width + GAP, 3), 255, np.uint8)
        cv2.putText(column, caption, (4, 30), cv2.FONT_HERSHEY_SIMPLEX, 0.75, (40, 40, 40), 2, cv2.LINE_AA)
        colors = picture if picture.ndim == 3 else np.repeat(picture[:, :, None], 3, 2)
        top, left = CAPTION_HEIGHT + (height - picture.shape[0]) // 2, (width - picture.shape[1]) // 2
        column[top : top + picture.shape[0], left : left + picture.shape[1]] = colors
        columns.append(column)
    return np.hstack(columns)
