import io

import numpy as np
from PIL import Image

from kmlic.export.image_bytes import encode_png, round_pixels


def test_encodes_rounded_pixels():
    pixels = np.array([[[0.4, 254.6, 300.0]]])
    assert round_pixels(pixels).tolist() == [[[0, 255, 255]]]
    image = Image.open(io.BytesIO(encode_png(pixels)))
    assert image.mode == "RGB" and image.getpixel((0, 0)) == (0, 255, 255)
