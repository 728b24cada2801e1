import collections

import pytest

from kmlic.datasets.deepfashion import ATTRIBUTE_GROUPS
from kmlic.datasets.street_fashion.outfits import (
    COLOURS,
    GARMENTS,
    PATTERNS,
    dress_figure,
)
from tests.shared import shared_path

SPLITS = {"train": (0, 3000), "validation": (1_000_000, 600), "test": (2_000_000, 1200)}


@pytest.fixture(scope="module")
def outfits():
    return {
        split: [dress_figure(0, first + i) for i in range(count)]
        for split, (first, count) in SPLITS.items()
    }


@pytest.mark.parametrize("split", SPLITS)
def test_three_patterns_are_common_and_eight_rare(outfits, split):
    worn = collections.Counter(p for o in outfits[split] for p in o.patterns)
    share = {name: worn[name] / len(outfits[split]) for name in PATTERNS}
    common = {name for name in PATTERNS if share[name] >= 0.05}
    assert common == {"solid", "stripe", "animal"}
    assert min(share.values()) > 0.02


def test_every_label_has_examples_in_every_split(outfits):
    for split, least in (("train", 25), ("validation", 5), ("test", 10)):
        worn = collections.Counter(
            name
            for outfit in outfits[split]
            for name in outfit.patterns + outfit.kinds + outfit.colours
        )
        assert min(worn[name] for name in PATTERNS + GARMENTS + COLOURS) >= least
        shown = collections.Counter(
            pair for outfit in outfits[split] for pair in outfit.attributes.items()
        )
        groups = ATTRIBUTE_GROUPS.items()
        assert min(shown[group, n] for group, names in groups for n in names) >= least


def test_figures_wear_one_or_two_garments_beside_accessories(outfits):
    for outfit in outfits["train"]:
        clothes = [kind for kind in outfit.kinds if kind not in ("hat", "bag")]
        assert len(clothes) in (1, 2)
        assert len(outfit.kinds) == len(outfit.garments)
        assert 1 <= len(outfit.patterns) <= 3


def test_every_attribute_group_has_exactly_one_name(outfits):
    for outfit in outfits["test"]:
        assert outfit.attributes.keys() == ATTRIBUTE_GROUPS.keys()
        for group, name in outfit.attributes.items():
            assert name in ATTRIBUTE_GROUPS[group]


def test_captions_name_every_label(outfits):
    for outfit in outfits["test"]:
        words = f" {outfit.caption} "
        for label in outfit.patterns + outfit.kinds + outfit.colours:
            assert f" {label} " in words


def test_an_outfit_follows_from_seed_and_index(outfits):
    assert dress_figure(0, 17) == outfits["train"][17]
    assert dress_figure(1, 17) != outfits["train"][17]


def test_attributes_are_those_of_deepfashion():
    path = shared_path("data/deepfashion/split/list_attr_cloth.txt")
    lines = path.read_text().split("\n")[2:]
    rows = [line.split() for line in lines if line.strip()]
    for number, names in enumerate(ATTRIBUTE_GROUPS.values(), 1):
        assert names == tuple(name for name, group in rows if int(group) == number)
