import logging
import sys

import numpy as np
import pytest
import tensorflow as tf

from kmlic.data.build_batches import build_batches, fits_in_cache
from kmlic.data.decode_plain import cut
from kmlic.data.decoding import resize_images

COUNT = 10
IMAGES = np.random.default_rng(0).integers(0, 256, (COUNT, 9, 12, 3), np.uint8)
TARGETS = np.eye(COUNT, dtype="int8")
SIZES = {"image_size": 8, "batch_size": 4}


def batches(training, **options):
    elements = tf.data.Dataset.from_tensor_slices((np.arange(COUNT), TARGETS))
    table = tf.constant(IMAGES)
    return build_batches(
        elements, lambda index: table[index], training=training, **{**SIZES, **options}
    )


def epoch(dataset):
    images, targets = zip(*dataset.as_numpy_iterator(), strict=True)
    return np.concatenate(images), np.concatenate(targets).argmax(axis=1)


@pytest.mark.parametrize("cache", [True, False])
def test_scoring_batches_hold_every_image_in_order(cache):
    dataset = batches(False, cache=cache)
    assert [len(targets) for _, targets in dataset] == [4, 4, 2]
    images, order = epoch(dataset)
    assert images.dtype == np.float32
    assert order.tolist() == list(range(COUNT))
    np.testing.assert_array_equal(images, resize_images(IMAGES, 8))


def test_training_batches_hold_another_order_each_epoch_and_no_remainder():
    dataset = batches(True, augmentation="none")
    orders = [epoch(dataset)[1].tolist() for _ in range(3)]
    assert dataset.element_spec[0].shape == (4, 8, 8, 3) and len(dataset) == 2
    assert all(len(set(order)) == 8 for order in orders)
    assert orders[0] != orders[1] != orders[2] != orders[0]
    assert {index for order in orders for index in order} == set(range(COUNT))


def test_targets_stay_with_their_images():
    images, order = epoch(batches(True, augmentation="none"))
    np.testing.assert_array_equal(images, resize_images(IMAGES, 8).numpy()[order])


@pytest.mark.parametrize("augmentation", ["flip", "multi_scale_crop"])
def test_seed_and_epoch_fix_the_pixels_whether_cached_or_not(augmentation):
    kept, anew = (
        batches(True, seed=3, augmentation=augmentation, cache=cache)
        for cache in (True, False)
    )
    for _ in range(2):
        np.testing.assert_array_equal(epoch(kept)[0], epoch(anew)[0])
    first = batches(True, seed=4, augmentation=augmentation)
    assert not np.array_equal(epoch(first)[0], epoch(kept)[0])


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("augmentation", ["multi_scale_crop", "flip+cutout+mixup"])
def test_uint8_pixels_are_the_rounded_ones(training, augmentation):
    exact, rounded = (
        epoch(batches(training, augmentation=augmentation, pixels=pixels))[0]
        for pixels in ("float32", "uint8")
    )
    assert rounded.dtype == np.uint8 and exact.dtype == np.float32
    np.testing.assert_array_equal(rounded, np.rint(exact))


def test_of_a_cropped_image_only_that_part_is_loaded():
    parts = []

    def load_part(index, crop):
        window = crop(tf.constant((9, 12)))
        parts.append(window)
        return cut(tf.constant(IMAGES)[index], crop)

    options = {"augmentation": "multi_scale_crop", "seed": 5}
    whole = batches(True, **options)
    part = batches(True, **options, cache=False, load_part=load_part)
    for _ in range(2):
        np.testing.assert_array_equal(epoch(whole)[0], epoch(part)[0])
    assert len(parts) == 2  # traced once a pass, and used
    batches(True, cache=False, load_part=load_part)
    batches(True, **options, load_part=load_part)
    assert len(parts) == 2


@pytest.mark.parametrize("training", [True, False])
def test_functions_are_traced_as_they_are(training):
    """AutoGraph takes a second to rewrite those of the first pipeline."""
    files = []

    def load(index):
        files.append(sys._getframe().f_code.co_filename)
        return tf.constant(IMAGES)[index]

    elements = tf.data.Dataset.from_tensor_slices((np.arange(COUNT), TARGETS))
    epoch(build_batches(elements, load, training=training, **SIZES))
    assert set(files) == {__file__}


def test_an_image_is_augmented_otherwise_each_epoch():
    dataset = batches(True, augmentation="multi_scale_crop", batch_size=COUNT)
    (first, order), (second, again) = epoch(dataset), epoch(dataset)
    differ = first[np.argsort(order)] != second[np.argsort(again)]
    assert differ.any(axis=(1, 2, 3)).sum() > 5


def test_images_are_decoded_once_when_cached():
    calls = []

    def load(index):
        image = tf.constant(IMAGES)[index]
        return tf.ensure_shape(
            tf.numpy_function(lambda x: calls.append(0) or x, [image], tf.uint8),
            (None, None, 3),
        )

    elements = tf.data.Dataset.from_tensor_slices((np.arange(COUNT), TARGETS))
    dataset = build_batches(elements, load, training=True, **SIZES)
    for _ in range(3):
        epoch(dataset)
    assert len(calls) == COUNT


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        ({"image_size": 0}, "image_size=0"),
        ({"batch_size": -1}, "batch_size=-1"),
        ({"batch_size": 11}, "batch_size=11 for 10 images"),
        ({"pixels": "int8"}, "pixels='int8'"),
        ({"augmentation": "blur"}, "augmentation='blur'"),
    ],
)
def test_refuses_what_cannot_be_batched(wrong, rule):
    with pytest.raises(ValueError, match=rule):
        batches(True, **wrong)


def test_says_when_images_are_too_large_to_be_kept(caplog):
    caplog.set_level(logging.INFO)
    assert fits_in_cache(2 * 1024**3) and not caplog.text
    assert not fits_in_cache(3 * 1024**3)
    assert "3.0 GiB exceed the cache of 2.0 GiB" in caplog.text
