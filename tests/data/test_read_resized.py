import subprocess
import sys

import numpy as np
import pytest

from kmlic.data import decode_image, read_resized, resize_images
from kmlic.data.read_resized import read_bytes
from tests.data.files import encode, picture


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP"])
def test_reads_and_resizes_as_training_does(tmp_path, kind):
    data = encode(picture(100, 150), kind)
    path = tmp_path / "image"
    path.write_bytes(data)
    expected = resize_images(decode_image(data, image_size=16), 16)
    np.testing.assert_array_equal(read_resized(path, 16), expected)
    pixels = decode_image(data)[10:60, 20:90]
    np.testing.assert_array_equal(
        read_resized(path, 16, box=(20, 10, 90, 60)), resize_images(pixels, 16)
    )


def test_refuses_a_box_beside_the_image_and_a_broken_file(tmp_path):
    path = tmp_path / "image.jpg"
    path.write_bytes(encode(picture(40, 60), "JPEG"))
    with pytest.raises(ValueError, match=r"a part of its box; it has 60 x 40 pixels"):
        read_resized(path, 16, box=(60, 0, 70, 10))
    with pytest.raises(ValueError, match="max_pixels=100 pixels; it has 2,400"):
        read_resized(path, 16, max_pixels=100)
    with pytest.raises(ValueError, match="at most max_bytes=100 bytes"):
        read_bytes(path, max_bytes=100)
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(ValueError, match="it is truncated or damaged"):
        read_resized(path, 16)


def test_reads_photos_without_tensorflow(tmp_path):
    path = tmp_path / "image.jpg"
    path.write_bytes(encode(picture(40, 60), "JPEG"))
    code = """
import sys
from kmlic.data import read_resized
read_resized(sys.argv[1], 16)
print({"tensorflow", "keras"} & set(sys.modules))
"""
    command = [sys.executable, "-c", code, str(path)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"
