import numpy as np
import pytest

from kmlic.data import resize_images
from kmlic.data.resize_pixels import resize_pixels


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_resizes_to_the_pixels_of_tensorflow(dtype):
    random = np.random.default_rng(0)
    for height, width, size in [(1, 1, 3), (7, 300, 96), (480, 641, 224), (96, 96, 96)]:
        image = random.integers(0, 256, (height, width, 3)).astype(dtype)
        found = resize_pixels(image, size)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, resize_images(image, size))


def test_leaves_the_image_as_it_is():
    image = np.random.default_rng(0).uniform(0, 255, (9, 9, 3)).astype("float32")
    before = image.copy()
    resize_pixels(image, 4)
    np.testing.assert_array_equal(image, before)
