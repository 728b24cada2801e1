import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from kmlic.data import MultiLabelData
from kmlic.data.keep_labels import keep_labels
from kmlic.labels import Labels

RANDOM = np.random.default_rng(0)
TARGETS = {
    split: np.eye(4, dtype="int8")[np.arange(size) % 4]
    for split, size in (("train", 20), ("validation", 9), ("test", 10))
}
TARGETS["test"][0] = [-1, 1, 0, 1]
LABELS = Labels(
    ("dog", "cat", "car", "bus"),
    groups={"animals": ("dog", "cat"), "vehicles": ("car", "bus")},
    thresholds=(0.1, 0.2, 0.3, 0.4),
)


def batches(split, training=False):
    # Each image says which one it is.
    images = np.arange(len(TARGETS[split]), dtype="float32")
    images = np.broadcast_to(images[:, None, None, None], (len(images), 2, 2, 3))
    pairs = tf.data.Dataset.from_tensor_slices((images, TARGETS[split]))
    if training:
        pairs = pairs.shuffle(20, seed=0)
    return pairs.batch(4, drop_remainder=training)


DATA = MultiLabelData(
    batches("train", training=True),
    batches("validation"),
    batches("test"),
    LABELS,
    TARGETS,
    train_in_order=batches("train"),
    paths={split: tuple(map(str, range(len(own)))) for split, own in TARGETS.items()},
    groups={split: tuple(map(str, range(len(own)))) for split, own in TARGETS.items()},
    captions=tuple(f"caption {number}" for number in range(20)),
)


def read(dataset):
    images, targets = zip(*dataset.as_numpy_iterator(), strict=True)
    return np.concatenate(images)[:, 0, 0, 0].astype(int), np.concatenate(targets)


def test_keeps_columns_in_the_order_of_the_dataset():
    data = keep_labels(DATA, ["bus", "dog", "cat"])
    assert data.labels.names == ("dog", "cat", "bus")
    assert data.labels.groups == {"animals": ("dog", "cat"), "vehicles": ("bus",)}
    assert data.labels.thresholds == (0.1, 0.2, 0.4)
    assert data.sizes == DATA.sizes and data.captions == DATA.captions
    for split in ("validation", "test"):
        numbers, targets = read(getattr(data, split))
        np.testing.assert_array_equal(numbers, np.arange(len(TARGETS[split])))
        np.testing.assert_array_equal(targets, TARGETS[split][:, [0, 1, 3]])
        np.testing.assert_array_equal(targets, data.targets[split])


def test_drops_images_of_which_nothing_is_left():
    data = keep_labels(DATA, ["dog", "bus"], drop_images=True)
    assert data.sizes == {"train": 10, "validation": 5, "test": 5}
    assert data.paths["validation"] == ("0", "3", "4", "7", "8")
    assert data.groups == data.paths
    assert data.captions[:2] == ("caption 0", "caption 3")
    for split, dataset in (("train", data.train_in_order), ("test", data.test)):
        numbers, targets = read(dataset)
        assert tuple(map(str, numbers)) == data.paths[split]
        np.testing.assert_array_equal(targets, data.targets[split])
    sizes = [len(targets) for _, targets in data.train]
    assert sizes == [4, 4]
    numbers, _ = read(data.train)
    assert set(map(str, numbers)) <= set(data.paths["train"])


def test_the_number_of_batches_is_known():
    # 15 of 20 images are kept for training, 7 of 9 for validation.
    data = keep_labels(DATA, ["dog", "cat", "bus"], drop_images=True)
    for split, number in (("train", 3), ("validation", 2), ("train_in_order", 4)):
        batches = getattr(data, split)
        assert int(batches.cardinality()) == len(list(batches)) == number
    assert all(len(images) == 4 for images, _ in data.train)


def test_labels_stay_exclusive_while_each_has_a_rival():
    exclusive = dataclasses.replace(LABELS, exclusive=True)
    data = dataclasses.replace(DATA, labels=exclusive)
    assert keep_labels(data, ["dog", "cat"]).labels.exclusive
    assert not keep_labels(data, ["dog", "cat", "bus"]).labels.exclusive


def test_a_label_that_is_unknown_is_no_label_that_is_shown():
    data = keep_labels(DATA, ["dog"], drop_images=True)
    assert "0" not in data.paths["test"]


def test_says_what_cannot_be_kept():
    with pytest.raises(ValueError, match=r"got \['cow'\] that are not, of 2"):
        keep_labels(DATA, ["dog", "cow"])
    with pytest.raises(ValueError, match=r"got \(\) that are not, of 0"):
        keep_labels(DATA, [])
    few = dataclasses.replace(
        DATA,
        validation=DATA.validation.take(0),
        targets={**TARGETS, "validation": TARGETS["validation"] * 0},
    )
    with pytest.raises(ValueError, match=r"\('dog',\) in 'validation'"):
        keep_labels(few, ["dog"], drop_images=True)
