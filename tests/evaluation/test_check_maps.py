import numpy as np
import pytest

from kmlic.data import Boxes
from kmlic.evaluation import mass_in_boxes, pointing_game

MAPS = np.ones((1, 2, 4, 1))
BOXES = [Boxes(("dog",), np.array([[0.0, 0.0, 1.0, 1.0]]))]


@pytest.mark.parametrize("measure", [mass_in_boxes, pointing_game])
def test_says_what_does_not_fit(measure):
    with pytest.raises(ValueError, match=r"\(1, 2, 4, 1\), 1 images .* 2 names"):
        measure(MAPS, BOXES, ["dog", "cat"])
    with pytest.raises(ValueError, match=r"\(1, 2, 4, 1\), 2 images .* 1 names"):
        measure(MAPS, BOXES * 2, ["dog"])
    with pytest.raises(ValueError, match=r"shape \(2, 4, 1\)"):
        measure(MAPS[0], BOXES, ["dog"])
    centers = np.array([0.0, 0.3, 0.6, 0.9]), np.array([0.2, 0.8])
    with pytest.raises(ValueError, match="got 4 and 2 for maps of 2 x 4"):
        measure(MAPS, BOXES, ["dog"], centers=centers)


def test_each_label_can_look_elsewhere():
    maps = np.zeros((1, 1, 2, 2))
    maps[0, 0, 1] = 1
    boxes = [Boxes(("dog", "cat"), np.array([[0, 0.4, 1, 0.6], [0, 0.4, 1, 0.6]]))]
    centers = np.full((1, 2), 0.5), np.array([[0.0, 0.25], [0.5, 0.75]])
    pointing = pointing_game(maps, boxes, ["dog", "cat"], centers=centers)
    assert pointing.hits.tolist() == [1, 0]
    mass = mass_in_boxes(maps, boxes, ["dog", "cat"], centers=centers)
    # The dog's place has what lies beyond 0.25, the cat's what lies beyond 0.5.
    np.testing.assert_allclose(mass.shares, [[0.2 / 0.75, 0.1 / 0.5]], atol=0.05)
