import sys

import numpy as np
import pytest

from kmlic.datasets import load_dataset
from tests.data.files import write_dataset

SIZES = {"image_size": 16, "batch_size": 4}


def test_csv_takes_the_order_of_labels_from_classes_txt(tmp_path):
    write_dataset(tmp_path)
    (tmp_path / "classes.txt").write_text("c\nb\na\n", encoding="utf-8")
    data = load_dataset("csv", data_dir=tmp_path, **SIZES)
    assert data.labels.names == ("c", "b", "a")
    names = ["a", "b", "c"]
    data = load_dataset("csv", data_dir=tmp_path, label_names=names, **SIZES)
    assert data.labels.names == ("a", "b", "c")


def test_augmentation_is_left_to_the_device_on_request(tmp_path):
    write_dataset(tmp_path)
    options = {"data_dir": tmp_path, "augmentation": "flip+cutout", **SIZES}
    assert load_dataset("csv", **options).device_augmentation == "none"
    data = load_dataset("csv", augment_on="device", **options)
    assert data.device_augmentation == "flip+cutout"
    plain = load_dataset("csv", **{**options, "augmentation": "none"})
    for one, other in zip(data.train, plain.train, strict=True):
        np.testing.assert_array_equal(one[0], other[0])
    with pytest.raises(ValueError, match="augment_on='gpu'"):
        load_dataset("csv", augment_on="gpu", **options)


def test_csv_needs_a_folder():
    with pytest.raises(ValueError, match="data_dir=None"):
        load_dataset("csv", **SIZES)


def test_coco_is_a_folder_with_labels_json(tmp_path):
    with pytest.raises(ValueError, match=r"labels\.json must be a JSON file"):
        load_dataset("coco", data_dir=tmp_path, **SIZES)
    with pytest.raises(ValueError, match="'coco'; got data_dir=None"):
        load_dataset("coco", **SIZES)


def test_names_the_datasets_there_are():
    with pytest.raises(ValueError, match=r"'csv'.*; got name='imagenet'"):
        load_dataset("imagenet", **SIZES)


@pytest.mark.parametrize(
    ("name", "config", "labels"),
    [
        ("street_fashion", "default", "all"),
        ("street_fashion/attributes", "default", "attributes"),
        ("street_fashion/tiny/patterns", "tiny", "patterns"),
    ],
)
def test_street_fashion_comes_in_sizes_and_choices(monkeypatch, name, config, labels):
    module = sys.modules[load_dataset.__module__]
    monkeypatch.setattr(module, "load_street_fashion", dict)
    arguments = load_dataset(name, seed=5, data_dir="here", **SIZES)
    assert (arguments["config"], arguments["labels"]) == (config, labels)
    assert arguments["data_dir"] == "here" and arguments["seed"] == 5


@pytest.mark.parametrize(
    ("former", "loader"),
    [
        ("voc/2007", "load_voc2007"),
        ("coco/2014", "load_coco2014"),
        ("deepfashion", "load_deepfashion"),
        ("deepfashion/patterns", "load_deepfashion"),
    ],
)
def test_datasets_answer_to_the_names_that_earlier_runs_recorded(
    monkeypatch, former, loader
):
    module = sys.modules[load_dataset.__module__]
    monkeypatch.setattr(module, loader, dict)
    assert load_dataset(former, data_dir="here", **SIZES)["data_dir"] == "here"
