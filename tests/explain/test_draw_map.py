import numpy as np
import pytest

from kmlic.explain import draw_map


def test_every_map_is_seen_alike():
    random = np.random.default_rng(0)
    image = random.uniform(0, 255, (40, 60, 3))
    weights = random.normal(size=(5, 5))
    drawn = draw_map(image, weights)
    np.testing.assert_array_equal(drawn, draw_map(image, weights / 1e6 + 3))
    coloured = (drawn != drawn[..., :1]).any(axis=2).mean()
    assert 0.1 < coloured < 0.6


def test_limits_the_longer_side():
    assert draw_map(np.zeros((40, 80, 3)), np.eye(2), side=20).shape == (10, 20, 3)
    assert draw_map(np.zeros((4, 8, 3)), np.eye(2), side=20).shape == (4, 8, 3)


def test_refuses_a_map_of_another_shape():
    with pytest.raises(ValueError, match="`map` must be finite"):
        draw_map(np.zeros((4, 4, 3)), np.zeros((2, 2, 1)))
