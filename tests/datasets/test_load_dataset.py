import dataclasses
import json

import numpy as np
import pytest

from kmlic.data import DatasetSpec, from_coco, from_csv, from_folder, from_voc
from kmlic.data.reading_options import ReadingOptions
from kmlic.data_check import check_data
from kmlic.datasets import load_dataset
from kmlic.datasets.load_dataset import LOADERS
from tests.data.files import write_dataset

SIZES = {"image_size": 16, "batch_size": 4}


def test_csv_takes_the_order_of_labels_from_classes_txt(tmp_path):
    write_dataset(tmp_path)
    (tmp_path / "classes.txt").write_text("c\nb\na\n", encoding="utf-8")
    data = load_dataset("own_images", data_dir=tmp_path, **SIZES)
    assert data.labels.names == ("c", "b", "a")
    names = ["a", "b", "c"]
    data = load_dataset("own_images", data_dir=tmp_path, label_names=names, **SIZES)
    assert data.labels.names == ("a", "b", "c")


def test_augmentation_is_left_to_the_device_on_request(tmp_path):
    write_dataset(tmp_path)
    options = {"data_dir": tmp_path, "augmentation": "flip+cutout", **SIZES}
    assert load_dataset("own_images", **options).device_augmentation == "none"
    data = load_dataset("own_images", augment_on="device", **options)
    assert data.device_augmentation == "flip+cutout"
    plain = load_dataset("own_images", **{**options, "augmentation": "none"})
    for one, other in zip(data.train, plain.train, strict=True):
        np.testing.assert_array_equal(one[0], other[0])
    with pytest.raises(ValueError, match="augment_on='gpu'"):
        load_dataset("own_images", augment_on="gpu", **options)


def test_own_images_need_a_path():
    with pytest.raises(ValueError, match="'own_images'; got data_dir=None"):
        load_dataset("own_images", **SIZES)


def test_names_the_datasets_there_are():
    with pytest.raises(ValueError, match=r"'own_images'.*; got name='imagenet'"):
        load_dataset("imagenet", **SIZES)


@pytest.mark.parametrize(
    ("name", "fixed"),
    [
        ("street_fashion", {}),
        ("street_fashion/attributes", {"labels": "attributes"}),
        ("street_fashion/tiny/patterns", {"config": "tiny", "labels": "patterns"}),
        ("deepfashion_attributes/patterns", {"labels": "patterns"}),
    ],
)
def test_a_name_stands_for_a_loader_and_options(monkeypatch, name, fixed):
    monkeypatch.setitem(LOADERS, name, (dict, LOADERS[name][1]))
    arguments = load_dataset(name, seed=5, data_dir="here", **SIZES)
    assert arguments == {
        "data_dir": "here",
        "seed": 5,
        "augmentation": "flip",
        **SIZES,
        **fixed,
    }


def write_images(folder):
    """Writes images that can be read as a table, as COCO, as VOC and as a folder."""
    path = write_dataset(folder)
    rows = [line.split(",") for line in path.read_text().splitlines()[1:]]
    images, marks = [], []
    (folder / "Annotations").mkdir()
    (folder / "JPEGImages").symlink_to(folder)
    for number, (name, labels) in enumerate(rows):
        things = [f"<object><name>{n}</name></object>" for n in labels.split("|") if n]
        text = f"<annotation><filename>{name}</filename>{''.join(things)}</annotation>"
        (folder / "Annotations" / f"{number:03}.xml").write_text(text)
        (folder / f"{number:03}.txt").write_text(labels.replace("|", ","))
        images.append({"id": number, "file_name": name})
        marks += [
            {"image_id": number, "category_id": "abc".index(n)}
            for n in labels
            if n != "|"
        ]
    names = [{"id": number, "name": name} for number, name in enumerate("abc")]
    content = {"images": images, "categories": names, "annotations": marks}
    (folder / "labels.json").write_text(json.dumps(content))
    return folder


READERS = {
    "csv": lambda folder, **options: from_csv(folder / "labels.csv", **options),
    "coco": lambda folder, **options: from_coco(folder / "labels.json", **options),
    "voc": lambda folder, **options: from_voc(folder, **options),
    "tags": lambda folder, **options: from_folder(
        folder, ReadingOptions(layout="tags"), **options
    ),
}


@pytest.mark.parametrize("name", list(READERS))
def test_the_spec_of_own_images_loads_them_again(tmp_path, name):
    read, folder = READERS[name], write_images(tmp_path)
    options = {"seed": 3, "fractions": (0.5, 0.2, 0.3), "label_names": list("cab")}
    data = read(folder, **options, **SIZES)
    spec = DatasetSpec(**json.loads(json.dumps(dataclasses.asdict(data.spec))))
    assert spec == data.spec and spec.name == "own_images"
    assert spec.options["reading"]["layout"] == name
    arguments = {"data_dir": spec.path, **spec.options, **SIZES}
    again = load_dataset(spec.name, seed=spec.seed, **arguments)
    assert again.fingerprints == data.fingerprints
    assert load_dataset(spec.name, seed=4, **arguments).paths != data.paths
    for split, digests in data.digests.items():
        assert len(set(digests.tolist())) == data.sizes[split]


@pytest.mark.parametrize("splitting", ["stratified", "random"])
def test_splits_do_not_depend_on_the_order_of_labels(tmp_path, splitting):
    write_dataset(tmp_path, rows=60)
    options = {"data_dir": tmp_path, "splitting": splitting, **SIZES}
    sorted_names = load_dataset("own_images", **options)
    check = check_data(tmp_path / "labels.csv", splitting=splitting, near=None)
    (tmp_path / "classes.txt").write_text("c\na\nb\nd\n", encoding="utf-8")
    others = load_dataset("own_images", **options)
    assert others.labels.names == ("c", "a", "b", "d")
    assert others.paths == sorted_names.paths == check.paths


def test_no_splitting_puts_all_images_into_the_test_split(tmp_path):
    write_dataset(tmp_path, rows=3, header="path,labels")
    data = load_dataset("own_images", data_dir=tmp_path, splitting="none", **SIZES)
    assert data.sizes == {"train": 0, "validation": 0, "test": 3}
    assert not list(data.train)
