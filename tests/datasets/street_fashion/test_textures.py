import numpy as np
import pytest

from kmlic.datasets.street_fashion.outfits import PATTERNS
from kmlic.datasets.street_fashion.textures import (
    read_colours,
    render_texture,
    smooth_noise,
)

RED, WHITE = (196, 36, 44), (238, 235, 228)


def render(pattern, seed=0, **options):
    rng = np.random.default_rng(seed)
    return render_texture(pattern, [RED, WHITE], rng, **options)[..., :3]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_pattern_fills_a_tile_alike_for_one_seed(pattern):
    tile = render(pattern)
    assert tile.shape == (256, 256, 3)
    assert tile.dtype == np.uint8
    np.testing.assert_array_equal(tile, render(pattern))
    assert (tile != render(pattern, seed=1)).any()


@pytest.mark.parametrize("pattern", [p for p in PATTERNS if p != "solid"])
def test_a_pattern_varies_where_solid_cloth_does_not(pattern):
    plain = render("solid").std((0, 1)).max()
    assert render(pattern).std((0, 1)).max() > 4 * plain


def test_dots_lie_on_a_ground_of_the_first_colour():
    tile = render("dot")
    assert (tile == RED).all(-1).mean() > 0.5
    assert (tile == WHITE).all(-1).mean() > 0.05


def test_a_placed_print_lies_in_the_middle_of_plain_cloth():
    for pattern in ("graphic", "words letters"):
        tile = render(pattern, placed=True)
        assert (tile[:64] == RED).all()
        assert (tile[96:160, 96:160] != RED).any()


def test_one_colour_is_completed_by_one_that_shows():
    rng = np.random.default_rng(0)
    tile = render_texture("dot", [(238, 235, 228)], rng)[..., :3]
    assert tile.reshape(-1, 3).std(0).max() > 20


def test_smooth_noise_varies_slowly():
    noise = smooth_noise(np.random.default_rng(0), (4, 4), (128, 128))
    assert noise.shape == (128, 128)
    assert noise.min() >= 0
    assert noise.max() <= 1
    assert np.abs(np.diff(noise, axis=0)).max() < 0.1


def test_colours_are_read_from_hexadecimal_numbers():
    assert read_colours("000000 ff8010") == ((0, 0, 0), (255, 128, 16))
