import numpy as np
import pytest
import tensorflow as tf

from kmlic.data.keras_augmentation import cutout, grid_mask, mix, rand_augment
from kmlic.losses import PartialBinaryCrossentropy
from tests.data.files import picture

IMAGE = np.asarray(picture(40, 56, cells=8), "float32")
CHANGES = (rand_augment, cutout, grid_mask)


def change_many(change, count, parallel):
    seeds = tf.data.Dataset.random(3).batch(2).take(count)
    images = seeds.map(
        lambda seed: change(tf.constant(IMAGE), seed), num_parallel_calls=parallel
    )
    return np.stack(list(images.as_numpy_iterator()))


@pytest.mark.parametrize("change", CHANGES)
def test_images_follow_from_their_seeds_however_many_are_changed_at_once(change):
    images = change_many(change, 24, 1)
    np.testing.assert_array_equal(change_many(change, 24, 4), images)
    assert images.shape == (24, *IMAGE.shape) and images.dtype == "float32"
    assert images.min() >= 0 and images.max() <= 255
    assert len(np.unique(images.reshape(24, -1), axis=0)) > 4


def test_cutout_fills_a_rectangle_of_half_of_the_images():
    changed = (change_many(cutout, 200, 1) == 127.5).all(axis=-1)
    share = changed.any(axis=(1, 2)).mean()
    assert 0.4 < share < 0.6
    for mask in changed[changed.any(axis=(1, 2))]:
        rows, columns = mask.any(axis=1), mask.any(axis=0)
        assert mask.sum() == rows.sum() * columns.sum()
        assert 0 < mask.mean() <= 0.36


def test_grid_mask_hides_about_a_quarter_of_half_of_the_images():
    images = change_many(grid_mask, 200, 1)
    hidden = (images == 0).all(axis=-1)
    masked = hidden.any(axis=(1, 2))
    assert 0.4 < masked.mean() < 0.6
    assert 0.15 < hidden[masked].mean() < 0.35
    np.testing.assert_array_equal(images[~masked], np.stack([IMAGE] * (~masked).sum()))
    np.testing.assert_array_equal(images[~hidden], np.stack([IMAGE] * 200)[~hidden])
    # keras-cv turns the grid: hidden pixels are no product of rows and columns.
    straight = hidden.any(axis=2)[:, :, None] & hidden.any(axis=1)[:, None, :]
    turned = (hidden != straight).mean(axis=(1, 2)) > 0.05
    assert turned[masked].mean() > 0.8


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_targets_are_the_shares_of_the_pixels(kind):
    # Image i has the brightness 10 i and the label i alone.
    images = np.ones((6, 16, 16, 3)) * 10 * np.arange(6)[:, None, None, None]
    targets = np.eye(6)
    mixed, shares = mix(images, targets, (4, 2), kind)
    brightness = np.asarray(mixed).mean(axis=(1, 2, 3))
    expected = np.asarray(shares) @ (10.0 * np.arange(6, dtype="float32"))
    # Keras' rectangles end between pixels.
    np.testing.assert_allclose(brightness, expected, atol=1e-3 + 4 * (kind == "cutmix"))
    np.testing.assert_allclose(np.sum(shares, axis=1), 1, rtol=1e-5)
    assert (np.asarray(shares).max(axis=1) < 1).any()
    again, _ = mix(images, targets, (4, 2), kind)
    np.testing.assert_array_equal(mixed, again)


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_what_is_unknown_in_one_image_is_unknown_in_the_mixture(kind):
    images = np.zeros((8, 4, 4, 3))
    targets = np.tile([[1.0, -1.0], [0.0, 1.0]], (4, 1))
    _, shares = mix(images, targets, (4, 2), kind)
    shares = np.asarray(shares)
    assert ((shares == -1) | ((shares >= 0) & (shares <= 1))).all()
    assert (shares[::2, 1] == -1).all()
    assert (shares[:, 0] >= 0).all()
    assert np.isfinite(PartialBinaryCrossentropy()(shares, np.ones((8, 2))))
