"""Where the pictures that are measured come from."""

from __future__ import annotations

import numpy as np
import pytest

from imgcrypt import demo_job
from imgcrypt.bench import pictures
from imgcrypt.bench.common import BenchError
from imgcrypt.bench.pictures import waves
from imgcrypt.pictures import encode


def test_without_a_folder_it_takes_a_made_and_the_bundled_picture() -> None:
    found = [(name, kind, picture.shape) for name, kind, picture in pictures.load(None)]
    assert found == [
        ("waves", "gray", (256, 256)),
        ("waves", "color", (256, 256, 3)),
        ("astronaut", "gray", (512, 512)),
        ("astronaut", "color", (512, 512, 3)),
    ]


def test_pictures_are_the_same_every_time_and_others_by_another_seed():
    assert waves(20, 1).shape == (20, 20)
    assert waves(20, 3).shape == (20, 20, 3)
    assert (waves(20, 3) == waves(20, 3)).all()
    assert (waves(20, 3) != waves(20, 3, 1)).any()
    assert waves(64, 3).std() > 20


def test_windows_are_parts_and_of_the_size_asked_for() -> None:
    photograph, rng = waves(60, 1)[:40], np.random.default_rng(0)
    window = pictures.random_window(photograph, 16, rng)
    places = np.lib.stride_tricks.sliding_window_view(photograph, (16, 16))
    assert (places == window).all((2, 3)).any()
    assert pictures.random_window(photograph, 200, rng).shape == (200, 200)
    assert pictures.random_waves(33, rng).shape == (33, 33)


def test_middle_is_cut_out_or_everything() -> None:
    samples = np.arange(7 * 4 * 3, dtype=np.uint8).reshape(7, 4, 3)
    assert (pictures.middle(samples, 4) == samples[1:5]).all()
    assert (pictures.middle(samples, 9) == samples).all()


def test_paths_are_those_of_picture_files_in_order(tmp_path) -> None:
    for name in ("b.PNG", "a.jpg", "notes.txt"):
        (tmp_path / name).write_bytes(encode(waves(20, 1), ".png"))
    assert [path.name for path in pictures.paths(tmp_path)] == ["a.jpg", "b.PNG"]
    assert pictures.paths(None) == [demo_job.PICTURE]
    (tmp_path / "sub").mkdir()
    with pytest.raises(BenchError, match="there are no pictures in the folder 'sub'"):
        pictures.paths(tmp_path / "sub")
