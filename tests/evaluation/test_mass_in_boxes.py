import numpy as np
import pytest

from kmlic.data import Boxes
from kmlic.evaluation import mass_in_boxes

RANDOM = np.random.default_rng(0)
NAMES = ["dot", "stripe"]


def boxes_of(*pairs):
    names, corners = zip(*pairs, strict=True)
    return Boxes(names, np.array(corners, "float32"))


def test_measures_mass_region_by_region():
    maps = RANDOM.normal(size=(1, 4, 5, 2))
    boxes = [boxes_of(("dot", (0.25, 0.0, 0.75, 0.4)))]

    mass = mass_in_boxes(maps, boxes, NAMES)

    positive = np.maximum(maps[0, ..., 0], 0)
    assert mass.share == pytest.approx(positive[1:3, :2].sum() / positive.sum())
    assert mass.area == pytest.approx(0.2)
    assert np.isnan(mass.shares[0, 1]) and np.isnan(mass.areas[0, 1])


def test_an_even_map_has_as_much_mass_as_area():
    maps = np.stack([np.ones((3, 3, 2)), -np.ones((3, 3, 2))])
    pair = (("dot", (0.1, 0.2, 0.7, 0.8)), ("stripe", (0.5, 0.5, 1.0, 1.0)))
    mass = mass_in_boxes(maps, [boxes_of(*pair)] * 2, NAMES)
    np.testing.assert_allclose(mass.shares, mass.areas)
    np.testing.assert_allclose(mass.areas, [[0.36, 0.25]] * 2, atol=0.03)
    assert mass.concentration == pytest.approx(1)


def test_boxes_of_a_label_count_as_their_union():
    maps = RANDOM.uniform(size=(1, 4, 4, 2))
    whole, part = (0.0, 0.0, 0.5, 1.0), (0.0, 0.0, 0.25, 0.5)
    one = mass_in_boxes(maps, [boxes_of(("dot", whole))], NAMES)
    two = mass_in_boxes(maps, [boxes_of(("dot", whole), ("dot", part))], NAMES)
    assert one.share == two.share and one.area == two.area == 0.5


def test_passes_over_boxes_of_what_is_no_label():
    maps = RANDOM.uniform(size=(1, 4, 4, 2))
    box = (0.0, 0.0, 0.5, 1.0)
    mass = mass_in_boxes(maps, [boxes_of(("hat", box), ("dot", box))], NAMES)
    assert mass.area == 0.5


def test_a_place_has_the_points_that_are_nearest_to_it():
    maps = np.zeros((1, 1, 2, 1))
    maps[..., 1, :] = 1  # at the middle: nearest from a quarter on
    boxes = [boxes_of(("dot", (0, 0.25, 1, 0.625)))]
    centers = np.array([0.5]), np.array([0.0, 0.5])
    assert mass_in_boxes(maps, boxes, ["dot"], centers=centers).share == 0.5
    assert mass_in_boxes(maps, boxes, ["dot"]).share == 0.25
