import numpy as np
import pytest

from kmlic.data import resize_images
from kmlic.layers import CenterZoom
from tests.checks import check_layer

IMAGES = np.random.default_rng(0).uniform(0, 255, (2, 10, 8, 3)).astype("float32")


def test_layer_contract():
    check_layer(CenterZoom, {"share": 0.6}, [IMAGES], output_shape=(2, 10, 8, 3))


def test_resizes_the_middle_as_images_are_resized():
    squares = IMAGES[:, 1:9]
    expected = [resize_images(image[2:6, 2:6], 8) for image in squares]
    np.testing.assert_allclose(CenterZoom(0.5)(squares), expected, atol=1e-3)


def test_all_of_it_is_the_image():
    np.testing.assert_array_equal(CenterZoom(1.0)(IMAGES), IMAGES)


@pytest.mark.parametrize("share", [0.0, 1.1])
def test_says_which_share_does_not_fit(share):
    with pytest.raises(ValueError, match=f"share={share}"):
        CenterZoom(share)
