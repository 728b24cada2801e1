import io

import numpy as np
from PIL import Image

from kmlic.data.near_duplicates import perceptual_hash
from kmlic.data.summarise_image import most_unusual, summarise_image
from tests.data.files import picture


def test_keeps_a_small_copy_the_hash_and_the_colours():
    pixels = np.asarray(picture(300, 600))
    summary = summarise_image(pixels)
    assert summary.hash == perceptual_hash(pixels)
    small = Image.open(io.BytesIO(summary.thumbnail))
    assert small.format == "JPEG" and small.size == (96, 48)
    expected = np.asarray(picture(300, 600).resize((96, 48)), int)
    assert np.abs(np.asarray(small, int) - expected).mean() < 5
    assert len(summary.thumbnail) < 4000
    quarters = pixels.reshape(4, 75, 4, 150, 3).mean((1, 3)).ravel()
    assert np.abs(summary.colours - quarters).max() < 4


def test_leaves_out_what_is_not_asked_for():
    summary = summarise_image(np.zeros((9, 9, 3), "uint8"), hashed=False)
    assert summary.hash is None and summary.thumbnail
    one = summarise_image(np.full((1, 1, 3), 7, "uint8"), hashed=False, thumbnail=False)
    assert one.thumbnail == b"" and set(one.colours.tolist()) == {7}


def test_finds_what_is_unlike_the_others_whatever_varies():
    random = np.random.default_rng(0)
    brightness = random.integers(20, 220, (400, 1))
    colours = np.clip(brightness + random.integers(-3, 4, (400, 48)), 0, 255)
    colours[11] = np.tile([200, 30, 30], 16)  # no brighter than others, but red
    assert most_unusual(colours, 3)[0] == 11
    assert len(most_unusual(colours[:2], 5)) == 2
    assert len(most_unusual(np.full((3, 48), 9), 5)) == 3
