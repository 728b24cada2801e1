import itertools

import pytest

from kmlic.classifier import find_groups as stage
from kmlic.classifier.find_groups import find_groups

COLOURS = ("black", "blue", "red")
GARMENTS = ("dress", "jeans", "shirt")


def test_finds_groups_although_some_of_their_labels_never_meet():
    pairs = [("black", "jeans"), ("blue", "dress"), ("blue", "jeans"), ("red", "dress")]
    images = [*pairs, ("blue", "shirt"), ("red", "shirt")] * 30 + [pairs[0]] * 7
    assert find_groups(images) == {"group 1": COLOURS, "group 2": GARMENTS}


@pytest.mark.parametrize(
    "changed", [("red",), ("red", "blue"), ("red", "dress", "belt")]
)
def test_one_image_with_other_labels_is_enough_for_none(changed):
    images = list(itertools.product(COLOURS, GARMENTS)) * 20
    assert find_groups(images)
    assert find_groups([*images, changed]) is None


def test_finds_none_of_few_images_or_of_one_label_each():
    assert find_groups(list(itertools.product(COLOURS, GARMENTS))) is None
    assert find_groups([("red",), ("blue",)] * 100) is None


def test_ends_where_there_are_too_many_ways(monkeypatch):
    images = list(itertools.product(COLOURS, GARMENTS)) * 20
    monkeypatch.setattr(stage, "_MOST_STEPS", 2)
    assert find_groups(images) is None
