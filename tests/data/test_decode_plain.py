import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from kmlic.data.decode_plain import decode_plain
from tests.data.files import encode, picture

PICTURE = picture()


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("progressive", [False, True])
def test_the_graph_decoder_gives_pillows_pixels_of_a_jpeg(subsampling, progressive):
    data = encode(
        picture(45, 67, seed=3),
        "JPEG",
        subsampling=subsampling,
        progressive=progressive,
        quality=60,
    )
    expected = np.asarray(Image.open(io.BytesIO(data)))
    np.testing.assert_array_equal(decode_plain(tf.constant(data)), expected)


@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_a_part_of_a_jpeg_is_what_the_whole_has_there(subsampling):
    image = picture(99, 131, seed=5, cells=12)
    data = encode(image, "JPEG", subsampling=subsampling, quality=70)
    whole = np.asarray(Image.open(io.BytesIO(data)))
    random = np.random.default_rng(0)
    windows = [(0, 0, 99, 131), (98, 130, 1, 1), (16, 32, 48, 64), (0, 0, 16, 16)]
    for _ in range(20):
        height, width = random.integers(1, (100, 132))
        top, left = random.integers(0, (100 - height, 132 - width))
        windows.append((int(top), int(left), int(height), int(width)))
    for top, left, height, width in windows:
        found = decode_plain(
            data, crop=lambda _, w=(top, left, height, width): tf.constant(w)
        )
        expected = whole[top : top + height, left : left + width]
        np.testing.assert_array_equal(found, expected)


def test_a_part_of_a_png_is_what_the_whole_has_there():
    data = encode(PICTURE, "PNG")
    found = decode_plain(data, crop=lambda sides: tf.constant((3, 5, 7, 9)))
    np.testing.assert_array_equal(found, np.asarray(PICTURE)[3:10, 5:14])
