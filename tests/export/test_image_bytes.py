import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from kmlic.export.image_bytes import (
    first_gif_frame,
    jpeg_orientation,
    number_at,
    still_webp_size,
)


def encode(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return tf.constant(file.getvalue())


@pytest.mark.parametrize(("order", "value"), [("little", 0x030201), ("big", 0x010203)])
def test_reads_numbers_in_both_orders(order, value):
    assert int(number_at(tf.constant(b"\xff\x01\x02\x03"), 1, 3, order)) == value


@pytest.mark.parametrize(
    "exif",
    [
        b"Exif\0\0MM\0*\xff\xff\xff\xff",
        b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x00",
        b"Exif\0\0",
        b"no exif",
    ],
)
def test_does_not_turn_a_jpeg_whose_exif_is_damaged(exif):
    jpeg = encode(Image.new("RGB", (8, 8)), "JPEG", exif=exif)
    assert int(jpeg_orientation(jpeg)) == 1


def test_cuts_a_gif_behind_its_first_frame():
    frames = [Image.new("RGB", (9, 7), colour) for colour in ("red", "blue")]
    gif = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    alone, height, width = first_gif_frame(gif)
    assert (int(height), int(width)) == (7, 9)
    image = Image.open(io.BytesIO(alone.numpy()))
    assert image.n_frames == 1
    np.testing.assert_array_equal(image.convert("RGB"), frames[0])


@pytest.mark.parametrize("options", [{"lossless": True}, {"lossless": False}])
def test_reads_the_size_of_a_webp(options):
    webp = encode(Image.new("RGB", (300, 77)), "WEBP", **options)
    assert [int(number) for number in still_webp_size(webp)] == [77, 300]


def test_gives_an_animated_webp_no_size():
    frames = [Image.new("RGB", (30, 20), colour) for colour in ("red", "blue", "lime")]
    webp = encode(frames[0], "WEBP", save_all=True, append_images=frames[1:])
    assert int(still_webp_size(webp)[0]) == 0
