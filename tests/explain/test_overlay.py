import numpy as np
import pytest

from kmlic.explain import overlay

RANDOM = np.random.default_rng(0)


def test_heats_an_image_where_its_map_is_high():
    image = RANDOM.integers(0, 256, (8, 6, 3))
    map = np.array([[-3.0, -1.0], [0.0, 2.0]])

    heated = overlay(image, map)

    assert heated.dtype == "uint8"
    np.testing.assert_array_equal(heated[:2, :], image[:2, :])
    expected = np.rint(image[7, 5] * 0.4 + 255 * 0.6)
    np.testing.assert_array_equal(heated[7, 5], expected)


def test_leaves_an_image_without_activation_as_it_is():
    image = RANDOM.integers(0, 256, (8, 8, 3))
    np.testing.assert_array_equal(overlay(image, -np.ones((2, 2))), image)


def test_shows_where_most_of_a_weak_map_is_when_asked():
    image = RANDOM.integers(0, 256, (8, 8, 3))
    map = np.array([[-3.0, -2.0], [-3.0, -1.0]])
    shown = overlay(image, map, lowest=None)
    np.testing.assert_array_equal(shown, overlay(image, map + 3))
    np.testing.assert_array_equal(shown[:, 0], image[:, 0])
    assert (shown[7, 7] != image[7, 7]).any()
    np.testing.assert_array_equal(overlay(image, -np.ones((2, 2)), lowest=None), image)


def test_compares_maps_on_one_scale():
    image = np.zeros((4, 4, 3))
    weak = overlay(image, np.full((1, 1), 0.5), highest=1.0)
    strong = overlay(image, np.full((1, 1), 1.0), highest=1.0)
    assert weak[0, 0].tolist() == [77, 38, 0]
    assert strong[0, 0].tolist() == [153, 153, 153]


def test_draws_a_map_at_the_centers_of_its_cells():
    image = np.zeros((1, 8, 3))
    map = np.array([[1.0, 0.0]])
    red = overlay(image, map, centers=(np.array([0.5]), np.array([0.0, 0.5])))[0, :, 0]
    # The first cell at the left edge, the second at the center: nothing beyond.
    assert red[0] > red[1] > red[2] > red[3] > 0
    np.testing.assert_array_equal(red[4:], 0)
    assert (overlay(image, map)[0, :5, 0] > 0).all()
    with pytest.raises(ValueError, match="got 1 and 1 for maps of 1 x 2"):
        overlay(image, map, centers=(np.array([0.5]), np.array([0.5])))


def test_says_which_map_does_not_fit():
    image = np.zeros((4, 4, 3))
    with pytest.raises(ValueError, match=r"\(4, 4, 2\)"):
        overlay(image, np.zeros((4, 4, 2)))
    with pytest.raises(ValueError, match="finite"):
        overlay(image, np.full((2, 2), np.nan))
    with pytest.raises(ValueError, match="strength=2"):
        overlay(image, np.zeros((2, 2)), strength=2)
