import itertools

import numpy as np
import pytest
import tensorflow as tf

from kmlic.data import Augmentation
from kmlic.data.augmentation import multi_scale_crop, random_flip

# Every pixel holds its own place, so that a crop says where it was cut.
HEIGHT, WIDTH = 100, 130
PLACES = np.stack(
    [*np.mgrid[:HEIGHT, :WIDTH], np.zeros((HEIGHT, WIDTH))], axis=-1
).astype("float32")


def reference_crops(height, width):
    """ML-GCN's MultiScaleCrop with MSRN's scales: every (top, left, height, width)."""
    base = min(height, width)
    sizes = [int(base * scale) for scale in (1, 0.9, 0.8, 0.7, 0.6)]
    crops = set()
    for (i, h), (j, w) in itertools.product(enumerate(sizes), repeat=2):
        if abs(i - j) > 2:
            continue
        down, right = (height - h) // 4, (width - w) // 4
        for y, x in (
            *((0, 0), (0, 4), (4, 0), (4, 4), (2, 2)),
            *((2, 0), (2, 4), (4, 2), (0, 2), (1, 1), (1, 3), (3, 1), (3, 3)),
        ):
            crops.add((y * down, x * right, h, w))
    return crops


def cut_many(count):
    seeds = tf.data.Dataset.random(1).batch(2).take(count)

    def place(seed):
        crop = multi_scale_crop(tf.constant(PLACES), seed)
        return tf.concat([tf.cast(crop[0, 0, :2], tf.int32), tf.shape(crop)[:2]], 0)

    return [tuple(cut.tolist()) for cut in seeds.map(place).as_numpy_iterator()]


def test_crops_are_all_those_of_the_paper_and_no_others():
    crops = cut_many(3000)
    expected = reference_crops(HEIGHT, WIDTH)
    assert set(crops) == expected
    sizes = [crop[2:] for crop in crops]
    counts = [sizes.count(size) for size in set(sizes)]
    assert len(counts) == 19 and min(counts) > 90 and max(counts) < 230


def test_crops_are_whole_parts_of_the_image():
    crop = multi_scale_crop(tf.constant(PLACES), (5, 6)).numpy()
    top, left = crop[0, 0, :2].astype(int)
    height, width = crop.shape[:2]
    expected = PLACES[top : top + height, left : left + width]
    np.testing.assert_array_equal(crop, expected)


def test_crops_of_one_pixel_are_that_pixel():
    assert multi_scale_crop(tf.ones((1, 1, 3)), (0, 0)).shape == (1, 1, 3)


def test_flips_half_of_the_images():
    seeds = tf.data.Dataset.random(2).batch(2).take(200)
    images = list(seeds.map(lambda seed: random_flip(PLACES, seed)).as_numpy_iterator())
    flipped = [image[0, 0, 1] > 0 for image in images]
    assert 70 < sum(flipped) < 130
    np.testing.assert_array_equal(images[flipped.index(True)], PLACES[:, ::-1])
    np.testing.assert_array_equal(images[flipped.index(False)], PLACES)


@pytest.mark.parametrize("augmentation", ["none", "flip", "multi_scale_crop"])
def test_the_same_seed_gives_the_same_image(augmentation):
    change = Augmentation(augmentation).before_resizing
    once, twice = (change(PLACES, (7, 8)) for _ in range(2))
    np.testing.assert_array_equal(once, twice)
    images = [np.array(change(PLACES, (7, s))) for s in range(20)]
    different = len({image.tobytes() for image in images})
    if augmentation == "multi_scale_crop":
        assert different > 15
    else:
        assert different == (1 if augmentation == "none" else 2)


def test_the_crop_and_its_flip_are_drawn_apart():
    seeds = tf.data.Dataset.random(3).batch(2).take(200)

    def kind(seed):
        image = Augmentation("multi_scale_crop").before_resizing(
            tf.constant(PLACES), seed
        )
        flipped = image[0, 0, 1] > image[0, 1, 1]
        return tf.stack([tf.shape(image)[0], tf.cast(flipped, tf.int32)])

    assert len({tuple(pair) for pair in seeds.map(kind).as_numpy_iterator()}) == 10


def test_names_join_what_is_done_before_after_and_to_batches():
    augmentation = Augmentation("flip+cutout+grid_mask+cutmix")
    image = np.full((8, 6, 3), 200, "uint8")
    assert augmentation.before_resizing(image, (0, 1)).shape == (8, 6, 3)
    changed = np.stack([augmentation.after_resizing(image, (0, i)) for i in range(20)])
    assert {0.0, 127.5, 200.0} == set(np.unique(changed).tolist())
    assert augmentation.mixing == "cutmix"
    images, targets = tf.zeros((2, 4, 4, 3)), tf.ones((2, 1))
    assert Augmentation("flip").on_batch(images, targets, (0, 1))[0] is images


@pytest.mark.parametrize(
    "name", ["", "warp", "flip+flip", "flip+multi_scale_crop", "mixup+cutmix"]
)
def test_says_which_names_go_together(name):
    with pytest.raises(ValueError, match=r"at most one of .* got augmentation="):
        Augmentation(name)
