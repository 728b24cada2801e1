import numpy as np
import pytest

from kmlic.datasets.street_fashion.canvas import (
    SIDE,
    Scene,
    cover_shapes,
    ellipse,
    limb,
    round_corners,
    sample_tile,
    tone,
)

SQUARE = np.array([(20.0, 30.0), (60.0, 30.0), (60.0, 50.0), (20.0, 50.0)])


def area(outline):
    x, y = outline.T
    return abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2


def test_a_mask_has_the_area_of_its_outline_and_a_soft_edge():
    outline = ellipse(np.array([100.3, 90.7]), 31.0, 17.0, 64)
    mask = cover_shapes([outline])
    assert mask.cover.sum() == pytest.approx(area(outline), rel=0.05)
    assert ((mask.cover > 0) & (mask.cover < 1)).any()


def test_holes_are_cut_out():
    hole = ellipse(np.array([40.0, 40.0]), 6, 6)
    whole, cut = cover_shapes([SQUARE]), cover_shapes([SQUARE], [hole])
    assert whole.cover.sum() - cut.cover.sum() == pytest.approx(area(hole), rel=0.15)


def test_a_shape_is_cut_at_the_canvas():
    mask = cover_shapes([SQUARE - 30])
    rows, columns = mask.window
    assert (rows.start, columns.start) == (0, 0)
    assert cover_shapes([SQUARE + 2 * SIDE]) is None


def test_a_limb_is_as_long_as_its_ends_and_radii():
    outline = limb(np.array([50.0, 50.0]), np.array([50.0, 90.0]), 8.0, 4.0)
    assert outline[:, 1].min() == pytest.approx(42)
    assert outline[:, 1].max() == pytest.approx(94)
    assert np.ptp(outline[:, 0]) == pytest.approx(16)


def test_rounding_corners_keeps_inside_the_polygon():
    rounded = round_corners(SQUARE)
    assert len(rounded) == 16
    assert 0.7 * area(SQUARE) < area(rounded) < area(SQUARE)


def test_filling_and_shading_change_what_the_mask_covers():
    scene = Scene(np.random.default_rng(0))
    mask = cover_shapes([SQUARE])
    scene.fill(mask, tone(200, 100, 50))
    np.testing.assert_allclose(scene.canvas[40, 40], (200, 100, 50))
    scene.tint(mask, 0.5, 1.0)
    np.testing.assert_allclose(scene.canvas[40, 40], (100, 50, 25))
    scene.darken(mask, 0.5, 2, 0, 0)
    np.testing.assert_allclose(scene.canvas[40, 40], (50, 25, 12.5), rtol=0.01)
    assert (scene.canvas[100:] == 0).all()


def test_a_tile_is_mirrored_beyond_its_edges():
    tile = np.random.default_rng(0).integers(0, 255, (256, 256, 4)).astype(np.uint8)
    line = np.arange(512, dtype=np.float32)
    pixels = sample_tile(tile, line[:, None], line[None, :])
    np.testing.assert_array_equal(pixels[:256, :256], tile[..., :3])
    np.testing.assert_array_equal(pixels[256:, :256], tile[::-1, :, :3])
    np.testing.assert_array_equal(pixels[:256, 256:], tile[:, ::-1, :3])


def test_the_lit_side_is_brighter():
    scene = Scene(np.random.default_rng(0))
    dark, bright = sorted(scene.lit(np.array([-0.6, 0.6], np.float32)))
    assert bright > dark
    assert np.sign(scene.light) == np.sign(
        np.diff(scene.lit(np.array([-0.6, 0.6], np.float32)))
    )


def test_a_round_object_is_brightest_between_axis_and_light_and_has_its_owner():
    scene = Scene(np.random.default_rng(0))
    mask = cover_shapes([SQUARE])
    scene.fill_round(mask, 40, 20, tone(100, 100, 100))
    row = scene.canvas[40, 20:60, 0]
    brightest = 20 + int(row.argmax())
    assert (brightest > 40) == (scene.light > 0)
    assert row[[0, -1]].max() < row.max()
    assert not scene.owner.any()
    scene.fill(mask, tone(1, 2, 3), owner=2)
    assert scene.owner[40, 40] == 2 and scene.owner[0, 0] == 0
