"""Send a camera's frames over UDP, lose a fifth of the datagrams, and show the frames that arrive.

    python examples/camera.py [FRAMES]

Each frame is encrypted so that a third of it may be lost, and sent as datagrams of 1,200 bytes. The frames are made by
code, sender and receiver run in one process on loopback, and the network's losses are drawn from a seed. A receiver
cannot tell a late frame from a lost one: it shows what has arrived when the next one is due.
"""

from __future__ import annotations

import random
import socket
import sys
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

import imgcrypt
from imgcrypt.metrics import psnr

LOST = 1 / 5
SURVIVE = 1 / 3
"""More than is lost on average: chance takes more from some frames than from others."""
SILENCE = 0.05
"""Seconds without a datagram after which a frame is over."""
ROOM = 1 << 20
"""Bytes that the system is to keep for a receiver that is busy."""

Frame = NDArray[np.uint8]


def frames(count: int, height: int = 240, width: int = 320) -> Iterator[Frame]:
    """A ball that rolls over a meadow, uint8 (H, W, 3), with a sensor's noise."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    meadow = np.stack([90 + 40 * np.sin(x / 23), 150 + 30 * np.sin(y / 17 + x / 40), 80 + 20 * np.cos(y / 11)], 2)
    for number in range(count):
        ball = (x - 40 - 12 * number) ** 2 + (y - height / 2 - 30 * np.sin(number / 2)) ** 2 < 35**2
        frame = np.where(ball[:, :, None], np.array([230, 60, 40], np.float32), meadow) + rng.normal(0, 3, meadow.shape)
        yield frame.clip(0, 255).astype(np.uint8)


def send(frame: Frame, key: imgcrypt.Key, out: socket.socket, network: random.Random) -> tuple[int, int]:
    """Encrypt a frame and send it; return how many datagrams there are, and how many the network drops."""
    blob = imgcrypt.encrypt(frame, key, rate=0.15, survive=SURVIVE)
    sent = imgcrypt.packets(blob, mtu=1200)
    arriving = [each for each in sent if network.random() >= LOST]
    network.shuffle(arriving)
    for each in arriving:
        out.send(each)
    return len(sent), len(sent) - len(arriving)


def receive(key: imgcrypt.Key, source: socket.socket) -> imgcrypt.Recovered:
    """The frame in the datagrams that come until there is silence. Datagrams of other frames do no harm.

    Raises:
        ImgcryptError: too few of them came.
    """
    arrived: list[bytes] = []
    source.settimeout(SILENCE)
    while True:
        try:
            arrived.append(source.recv(65_535))
        except TimeoutError:
            break
    return imgcrypt.recover(imgcrypt.join(arrived), key, provider="cpu")


def run(count: int) -> Iterator[tuple[int, int, imgcrypt.Recovered, float]]:
    """Send frame after frame: of each, its datagrams, those lost, what is shown and its PSNR in dB."""
    key, network = imgcrypt.Key.generate(), random.Random(0)
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as source,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out,
    ):
        source.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, ROOM)
        source.bind(("127.0.0.1", 0))
        out.connect(source.getsockname())
        for frame in frames(count):
            datagrams, lost = send(frame, key, out, network)
            shown = receive(key, source)
            yield datagrams, lost, shown, psnr(frame, shown.image)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    for number, (datagrams, lost, shown, quality) in enumerate(run(count)):
        kind = "whole" if shown.complete else f"{shown.whole} of {shown.parts} parts"
        proof = "authentic" if shown.authentic else "NOT authentic"
        print(f"frame {number}: {lost} of {datagrams} datagrams lost, {kind}, {proof}, {quality:.1f} dB")


if __name__ == "__main__":
    main()
