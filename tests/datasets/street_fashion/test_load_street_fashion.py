import numpy as np
import pytest

from kmlic.datasets import load_street_fashion
from kmlic.datasets.deepfashion import ATTRIBUTE_GROUPS
from kmlic.datasets.street_fashion.builder import StreetFashionConfig
from kmlic.datasets.street_fashion.outfits import (
    COLOURS,
    GARMENTS,
    PATTERNS,
)

FEW = StreetFashionConfig(name="few", train=16, validation=4, test=6)
SIZES = {"image_size": 32, "batch_size": 8, "config": FEW}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tfds")


@pytest.fixture(scope="module")
def data(folder):
    return load_street_fashion(data_dir=folder, **SIZES)


def test_holds_patterns_garments_and_colours_in_groups(data):
    assert data.labels.names == PATTERNS + GARMENTS + COLOURS
    assert data.labels.groups == {
        "patterns": PATTERNS,
        "garments": GARMENTS,
        "colours": COLOURS,
    }
    for group in data.labels.groups:
        columns = data.labels.indices(group)
        assert (data.train_targets[:, columns].sum(axis=1) >= 1).all()


def test_batches_agree_with_the_targets(data):
    assert data.sizes == {"train": 16, "validation": 4, "test": 6}
    batches = list(data.test.as_numpy_iterator())
    images = np.concatenate([images for images, _ in batches])
    assert images.shape == (6, 32, 32, 3) and images.dtype == np.float32
    assert 0 <= images.min() < 40 and 200 < images.max() <= 255
    targets = np.concatenate([targets for _, targets in batches])
    np.testing.assert_array_equal(targets, data.targets["test"])
    assert sum(len(targets) for _, targets in data.train) == 16


def test_every_training_image_has_a_caption_and_a_name(data):
    assert len(data.captions) == 16 and all(data.captions)
    assert len(set(sum(data.paths.values(), ()))) == 26


def test_patterns_are_a_part_of_all_labels(folder, data):
    patterns = load_street_fashion(labels="patterns", data_dir=folder, **SIZES)
    assert patterns.labels.names == PATTERNS
    np.testing.assert_array_equal(patterns.train_targets, data.train_targets[:, :11])


def test_an_image_has_one_attribute_of_each_group(folder):
    data = load_street_fashion(labels="attributes", data_dir=folder, **SIZES)
    assert data.labels.groups == ATTRIBUTE_GROUPS and len(data.labels) == 26
    for group in ATTRIBUTE_GROUPS:
        columns = data.labels.indices(group)
        assert (data.train_targets[:, columns].sum(axis=1) == 1).all()


def test_training_goes_through_all_images_uncached_too(folder, data):
    streamed = load_street_fashion(data_dir=folder, cache=False, **SIZES)
    targets = np.concatenate([t for _, t in streamed.train.as_numpy_iterator()])
    expected = data.train_targets.tolist()
    assert sorted(targets.astype(int).tolist()) == sorted(expected)


def test_boxes_are_of_the_labels_that_an_image_has(folder, data):
    boxed = load_street_fashion(data_dir=folder, boxes=True, **SIZES)
    assert data.boxes == {} and data.fingerprint == boxed.fingerprint
    for split, targets in boxed.targets.items():
        for marks, (names, corners) in zip(targets, boxed.boxes[split], strict=True):
            assert {boxed.labels.names[i] for i in np.flatnonzero(marks)} == set(names)
            assert corners.shape == (len(names), 4) and corners.dtype == np.float32
            top, left, bottom, right = corners.T
            assert (top < bottom).all() and (left < right).all()
            assert corners.min() >= 0 and corners.max() <= 1


def test_refuses_other_labels():
    with pytest.raises(ValueError, match="labels='boxes'"):
        load_street_fashion(labels="boxes", **SIZES)
