import io
import struct

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from kmlic.data.decode_content import decode_content
from kmlic.data.decoding import decode_image
from kmlic.data.read_header import read_header
from tests.data.files import encode, picture
from tests.data.test_read_header import tiff, with_chunk, xmp

PICTURE = picture()


def decode(data):
    content = tf.constant(data)
    return decode_content(content, read_header(content)).numpy()


@pytest.mark.parametrize("value", range(1, 9))
def test_turns_every_container_as_pillow_does(value):
    png = encode(PICTURE, "PNG")
    text = b"XML:com.adobe.xmp\0\0\0\0\0" + xmp(value)
    long = b"Exif\0\0" + tiff(value, kind=4)
    for data in (
        encode(PICTURE, "JPEG", exif=long),
        encode(PICTURE, "JPEG", xmp=xmp(value)),
        encode(PICTURE, "WEBP", exif=long, lossless=True),
        encode(PICTURE, "WEBP", xmp=xmp(value), lossless=True),
        with_chunk(png, b"eXIf", long[6:]),
        with_chunk(png, b"iTXt", text),
    ):
        upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
        expected = np.asarray(upright.convert("RGB"))
        np.testing.assert_array_equal(decode(data), expected)
        np.testing.assert_array_equal(decode_image(data), expected)


@pytest.mark.parametrize("transparency", [None, 2])
def test_lays_a_gif_frame_on_its_screen(transparency):
    options = {} if transparency is None else {"transparency": transparency}
    gif = bytearray(encode(PICTURE.quantize(8), "GIF", **options))
    gif[6:10] = struct.pack("<HH", 50, 40)
    place = gif.index(b",\0\0\0\0\x20\0\x18\0") + 1
    gif[place : place + 4] = struct.pack("<HH", 3, 5)
    pixels = decode(bytes(gif))
    image = Image.open(io.BytesIO(bytes(gif)))
    expected = Image.new("RGBA", image.size, "white")
    expected.alpha_composite(image.convert("RGBA"))
    np.testing.assert_array_equal(pixels, np.asarray(expected.convert("RGB")))


def test_takes_the_first_frame_of_an_animated_webp_and_its_transparency():
    frames = [picture(seed=seed) for seed in range(3)]
    for frame in frames:
        frame.putalpha(Image.linear_gradient("L").resize(frame.size))
    data = encode(
        frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True
    )
    still = encode(frames[0], "WEBP", lossless=True)
    np.testing.assert_array_equal(decode(data), decode(still))


def test_lays_large_images_on_white_strip_by_strip():
    image = picture(1100, 1000)
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    white = Image.new("RGBA", image.size, "white")
    expected = np.asarray(Image.alpha_composite(white, image).convert("RGB"))
    np.testing.assert_array_equal(decode(encode(image, "PNG")), expected)


def test_refuses_what_is_left_to_pillow():
    data = encode(PICTURE.convert("1"), "BMP")
    with pytest.raises(tf.errors.InvalidArgumentError, match="unknown kind of image"):
        decode(data)
    expected = np.asarray(PICTURE.convert("1").convert("RGB"))
    np.testing.assert_array_equal(decode_image(data), expected)
