"""Encrypt a video frame by frame, and make a video of it again.

    python examples/video.py seal clip.mp4 clip.sealed key.txt
    python examples/video.py open clip.sealed back.avi key.txt

The sealed file is one encrypted picture after the other, each behind its length (4 bytes, big-endian). Frames are kept
exactly, at more than 60 frames of 1080p a second on two cores; leave out ``raw`` for smaller and slower ones.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

import imgcrypt

LENGTH = struct.Struct(">I")


def frames(video: Path) -> Iterator[NDArray[np.uint8]]:
    """The frames of a video, uint8 (H, W, 3), in OpenCV's BGR: nothing here depends on the order of colors."""
    capture = cv2.VideoCapture(str(video))
    while True:
        there, frame = capture.read()
        if not there:
            break
        yield np.asarray(frame, np.uint8)
    capture.release()


def seal(video: Path, sealed: Path, key: imgcrypt.Key) -> int:
    """Encrypt each frame; return how many there are."""
    count = 0
    with sealed.open("xb") as file:
        for frame in frames(video):
            blob = imgcrypt.encrypt(frame, key, raw=True)
            file.write(LENGTH.pack(len(blob)) + blob)
            count += 1
    return count


def unseal(sealed: Path, key: imgcrypt.Key) -> Iterator[NDArray[np.uint8]]:
    """Decrypt frame after frame."""
    with sealed.open("rb") as file:
        while head := file.read(LENGTH.size):
            (length,) = LENGTH.unpack(head)
            yield np.asarray(imgcrypt.decrypt(file.read(length), key), np.uint8)


def write(video: Path, pictures: Iterator[NDArray[np.uint8]], frames_per_second: float = 25) -> int:
    """Write frames as an AVI of lossless FFV1; return how many there were."""
    writer, count = None, 0
    for picture in pictures:
        if writer is None:
            height, width = picture.shape[:2]
            writer = cv2.VideoWriter(str(video), cv2.VideoWriter.fourcc(*"FFV1"), frames_per_second, (width, height))
        writer.write(picture)
        count += 1
    if writer is not None:
        writer.release()
    return count


def main() -> None:
    what, source, target, key_file = sys.argv[1:]
    key = imgcrypt.Key.load(key_file)
    if what == "seal":
        print(seal(Path(source), Path(target), key), "frames encrypted")
    else:
        print(write(Path(target), unseal(Path(source), key)), "frames decrypted")


if __name__ == "__main__":
    main()
