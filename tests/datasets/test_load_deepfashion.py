import numpy as np
import pytest

from kmlic.data import read_image, resize_images
from kmlic.datasets import load_dataset, load_deepfashion, load_deepfashion_images
from kmlic.datasets.deepfashion import ATTRIBUTE_GROUPS
from tests.datasets.deepfashion_files import change_line, write_challenge

SIZES = {"image_size": 16, "batch_size": 4}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = write_challenge(tmp_path_factory.mktemp("data") / "challenge")
    change_line(folder / "split/val_attr.txt", 2, "1 -1 1 1 1 1")
    return folder


@pytest.fixture(scope="module")
def data(folder):
    return load_deepfashion(data_dir=folder, validation=0.25, **SIZES)


def test_val_is_the_test_split_and_a_part_of_train_validates(data):
    assert data.sizes["test"] == 8
    assert data.sizes["train"] + data.sizes["validation"] == 40
    assert 8 <= data.sizes["validation"] <= 12
    assert not set(data.paths["train"]) & set(data.paths["validation"])
    assert data.labels.exclusive and data.labels.groups == ATTRIBUTE_GROUPS
    sums = data.train_targets[:, data.labels.indices("sleeve")].sum(axis=1)
    assert set(sums) == {1}


def test_targets_are_one_of_each_group_and_minus_one_where_unknown(data):
    row = data.targets["test"][1]
    assert row[data.labels.indices("texture")].tolist() == [0, 1, 0, 0, 0, 0, 0]
    assert row[data.labels.indices("sleeve")].tolist() == [-1, -1, -1]
    (_, targets), *_ = data.test.as_numpy_iterator()
    np.testing.assert_array_equal(targets[1], row)


@pytest.mark.parametrize(
    ("options", "rows", "columns"),
    [
        ({}, slice(2, 38), slice(5, 25)),
        ({"margin": 0.25}, slice(0, 40), slice(0, 30)),
        ({"crop": False}, slice(0, 40), slice(0, 30)),
    ],
)
def test_images_are_cut_to_their_box(folder, options, rows, columns):
    data = load_deepfashion(data_dir=folder, **options, **SIZES)
    (images, _), *_ = data.test.as_numpy_iterator()
    pixels = read_image(folder / data.paths["test"][0])[rows, columns]
    np.testing.assert_allclose(images[0], resize_images(pixels, 16), atol=1e-3)


def test_a_folder_to_judge_by_needs_no_training_images(tmp_path, data):
    folder = write_challenge(tmp_path / "challenge")
    change_line(folder / "split/val_attr.txt", 2, "1 -1 1 1 1 1")
    for name in ("train", "train_bbox", "train_attr"):
        (folder / f"split/{name}.txt").unlink()
    alone = load_deepfashion(data_dir=folder, **SIZES)
    assert alone.sizes == {"train": 0, "validation": 0, "test": 8}
    for own, other in zip(
        alone.test.as_numpy_iterator(), data.test.as_numpy_iterator(), strict=True
    ):
        np.testing.assert_array_equal(own[0], other[0])
        np.testing.assert_array_equal(own[1], other[1])
    assert not list(alone.validation.as_numpy_iterator())


def test_the_seed_chooses_which_images_validate(folder, data):
    again = load_deepfashion(data_dir=folder, validation=0.25, **SIZES)
    other = load_deepfashion(data_dir=folder, validation=0.25, seed=1, **SIZES)
    assert again.paths == data.paths
    assert other.paths["validation"] != data.paths["validation"]
    assert other.paths["test"] == data.paths["test"]


def test_patterns_are_ordinary_labels(folder):
    options = {"data_dir": folder, "validation": 0.25, **SIZES}
    data = load_dataset("deepfashion_attributes/patterns", **options)
    assert data.labels.names == ATTRIBUTE_GROUPS["texture"]
    assert not data.labels.exclusive and data.labels.groups is None
    assert data.train_targets.shape[1] == 7
    assert load_dataset("deepfashion_attributes", **options).labels.exclusive


def test_images_without_attributes_come_in_the_order_of_their_list(folder):
    batches = load_deepfashion_images("test", data_dir=folder, **SIZES)
    images = np.concatenate(list(batches.as_numpy_iterator()))
    assert images.shape == (5, 16, 16, 3)
    pixels = read_image(folder / "img/00050.jpg")[2:38, 5:25]
    np.testing.assert_allclose(images[2], resize_images(pixels, 16), atol=1e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"data_dir": None}, r"data_dir=None.*non-commercial"),
        ({"labels": "all"}, "labels='all'"),
        ({"validation": 0.0}, "between 0 and 1; got validation=0"),
        ({"margin": -0.1}, r"margin=-0\.1"),
    ],
)
def test_says_which_argument_does_not_fit(folder, options, message):
    with pytest.raises(ValueError, match=message):
        load_deepfashion(**{"data_dir": folder, **SIZES, **options})
