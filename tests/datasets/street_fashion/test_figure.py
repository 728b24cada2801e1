from dataclasses import asdict, replace

import numpy as np
import pytest

from kmlic.datasets.street_fashion.canvas import Scene
from kmlic.datasets.street_fashion.figure import draw_figure
from kmlic.datasets.street_fashion.outfits import Garment

DRESS = Garment("dress", ("dot",), ("red", "white"), "cotton")
TEE = Garment("tee", ("solid",), ("red",), "cotton", sleeve="short_sleeve")


def draw(*garments, seed=0):
    scene = Scene(np.random.default_rng(seed))
    scene.canvas[:] = 128
    draw_figure(scene, [asdict(garment) for garment in garments], horizon=190.0)
    return scene


def shown(garment, seed):
    return np.count_nonzero(draw(garment, seed=seed).owner)


def mean_change(garment, **fields):
    """Returns the mean relative growth of a garment's pixels when a field changes."""
    pairs = [
        (shown(garment, seed), shown(replace(garment, **fields), seed))
        for seed in range(4)
    ]
    return float(np.mean([after / before for before, after in pairs]))


def test_each_garment_shows_somewhere():
    jeans = Garment("jeans", ("solid",), ("blue",), "denim")
    hat = Garment("hat", ("solid",), ("brown",), "cotton")
    bag = Garment("bag", ("solid",), ("black",), "leather")
    for seed in range(4):
        scene = draw(jeans, TEE, hat, bag, seed=seed)
        assert set(np.unique(scene.owner)) == {0, 1, 2, 3, 4}
        assert np.isfinite(scene.canvas).all()


def test_a_maxi_dress_covers_more_than_a_mini_dress():
    mini = replace(DRESS, length="mini_length", neckline="crew_neckline")
    assert mean_change(mini, length="maxi_length") > 1.3


def test_a_loose_garment_covers_more_than_a_tight_one():
    assert mean_change(replace(TEE, fit="tight"), fit="loose") > 1.1


def test_sleeves_cover_the_arms():
    bare = replace(TEE, kind="blouse", sleeve="sleeveless", neckline="crew_neckline")
    short = mean_change(bare, sleeve="short_sleeve")
    long = mean_change(bare, sleeve="long_sleeve")
    assert 1.05 < short < long


@pytest.mark.parametrize("neckline", ["crew", "v", "square"])
def test_a_neckline_bares_skin(neckline):
    closed = replace(TEE, kind="blouse", neckline="no_neckline")
    assert mean_change(closed, neckline=f"{neckline}_neckline") < 0.99


@pytest.mark.parametrize("fabric", ["denim", "chiffon", "leather", "faux", "knit"])
def test_a_fabric_changes_the_surface(fabric):
    coat = Garment("coat", ("solid",), ("grey",), "cotton", sleeve="long_sleeve")
    plain, other = draw(coat), draw(replace(coat, fabric=fabric))
    both = (plain.owner == 1) & (other.owner == 1)
    assert np.abs(plain.canvas - other.canvas)[both].mean() > 2


@pytest.mark.parametrize("finish", ["pleated", "embroidered"])
def test_a_finish_shows(finish):
    plain = draw(replace(DRESS, patterns=("solid",)))
    other = draw(replace(DRESS, patterns=("solid",), finish=finish))
    both = (plain.owner == 1) & (other.owner == 1)
    assert (np.abs(plain.canvas - other.canvas)[both] > 20).any()


def test_a_second_pattern_shows_beside_the_first():
    plain, mixed = draw(DRESS), draw(replace(DRESS, patterns=("dot", "solid")))
    assert (plain.canvas != mixed.canvas).any()
