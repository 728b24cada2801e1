import numpy as np
import pytest

from kmlic.data import Boxes
from kmlic.evaluation import pointing_game


def _boxes(**corners):
    return Boxes(tuple(corners), np.array(list(corners.values()), "float32"))


def _maps(*places, sides=(4, 6), labels=2):
    maps = np.random.default_rng(0).uniform(0, 0.5, (len(places), *sides, labels))
    for index, image in enumerate(places):
        for label, place in enumerate(image):
            maps[index, *place, label] = 1
    return maps


def test_counts_images_whose_highest_place_lies_in_a_box_of_the_label():
    maps = _maps([(0, 5), (3, 0)], [(0, 5), (3, 0)], [(2, 2), (3, 0)])
    boxes = [
        _boxes(dog=(0, 0.8, 0.2, 1), sofa=(0, 0.8, 0.2, 1)),
        _boxes(dog=(0.5, 0.8, 1, 1), hat=(0, 0, 1, 1)),
        Boxes(("dog", "dog"), np.array([[0, 0, 0.1, 0.1], [0.5, 0.3, 0.8, 0.5]])),
    ]
    pointing = pointing_game(maps, boxes, ["dog", "sofa"])
    assert pointing.hits.tolist() == [2, 0]
    assert pointing.images.tolist() == [3, 1]
    assert pointing.accuracy() == pytest.approx((2 / 3 + 0) / 2)
    assert pointing.accuracy([0]) == pytest.approx(2 / 3)


def test_a_box_holds_the_centre_of_the_region():
    centre = _maps([(1, 2)], sides=(2, 4), labels=1)  # row 0.75, column 0.625
    for corners, hit in (((0.7, 0.6, 0.8, 0.7), 1), ((0.5, 0.5, 0.74, 1), 0)):
        pointing = pointing_game(centre, [_boxes(dog=corners)], ["dog"])
        assert pointing.hits.tolist() == [hit]


def test_a_place_can_lie_beside_the_centre_of_its_region():
    corner = _maps([(0, 3)], sides=(2, 4), labels=1)
    boxes = [_boxes(dog=(0, 0.7, 0.1, 0.8))]
    centers = np.array([0.0, 0.5]), np.array([0.0, 0.25, 0.5, 0.75])
    assert pointing_game(corner, boxes, ["dog"]).hits.tolist() == [0]
    assert pointing_game(corner, boxes, ["dog"], centers=centers).hits.tolist() == [1]


def test_a_map_without_difference_points_at_the_centre():
    boxes = [_boxes(dog=(0.45, 0.45, 0.55, 0.55))]
    for sides in ((1, 1), (6, 5)):
        maps = np.zeros((1, *sides, 1))
        assert pointing_game(maps, boxes, ["dog"]).accuracy() == 1


def test_what_fills_the_image_or_stands_alone_is_not_difficult():
    maps = _maps([(0, 5), (3, 0)], [(0, 5), (3, 0)], [(0, 5), (3, 0)])
    boxes = [
        _boxes(dog=(0, 0.8, 0.2, 1), sofa=(0.4, 0, 1, 0.5)),
        _boxes(dog=(0, 0.8, 0.2, 1)),
        Boxes(("dog", "dog", "sofa"), np.array([[0, 0.5, 0.3, 1]] * 3)),
    ]
    pointing = pointing_game(maps, boxes, ["dog", "sofa"], difficult=True)
    assert pointing.images.tolist() == [1, 1]
    assert pointing.hits.tolist() == [1, 0]


def test_labels_without_boxes_count_nowhere():
    pointing = pointing_game(_maps([(0, 0), (0, 0)]), [_boxes()], ["dog", "sofa"])
    assert pointing.images.tolist() == [0, 0]
    assert np.isnan(pointing.accuracy())
