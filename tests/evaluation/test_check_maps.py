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
    places = np.array([0.0, 0.3, 0.6, 0.9]), np.array([0.2, 0.8])
    with pytest.raises(ValueError, match="got 4 and 2 for maps of 2 x 4"):
        measure(MAPS, BOXES, ["dog"], places=places)
