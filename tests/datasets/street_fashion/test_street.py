import numpy as np

from kmlic.datasets.street_fashion.canvas import SIDE, Scene
from kmlic.datasets.street_fashion.street import draw_foreground, draw_street


def draw(seed):
    scene = Scene(np.random.default_rng(seed))
    return scene, draw_street(scene, 0)


def test_a_street_fills_the_canvas_and_has_a_horizon():
    for seed in range(12):
        scene, horizon = draw(seed)
        assert 0.5 * SIDE < horizon < 0.9 * SIDE
        assert np.isfinite(scene.canvas).all()
        assert scene.canvas.std() > 5
        assert not scene.owner.any()


def test_a_street_follows_from_its_generator():
    np.testing.assert_array_equal(draw(3)[0].canvas, draw(3)[0].canvas)
    assert (draw(3)[0].canvas != draw(4)[0].canvas).any()


def test_the_foreground_leaves_the_owners_alone():
    changed = 0
    for seed in range(16):
        scene, _ = draw(seed)
        before = scene.canvas.copy()
        draw_foreground(scene)
        changed += (scene.canvas != before).any()
        assert not scene.owner.any()
    assert 0 < changed < 12
