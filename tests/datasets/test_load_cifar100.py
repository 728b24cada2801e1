import numpy as np
import pytest
import tensorflow_datasets as tfds

from kmlic.datasets import load_cifar100, load_dataset
from tests.shared import shared_path

SIZES = {"image_size": 32, "batch_size": 4}
RANDOM = np.random.default_rng(0)
NAMES = ("apple", "aquarium_fish", "baby")


def draw(count):
    images = RANDOM.integers(0, 256, (count, 32, 32, 3), np.uint8)
    return images, np.arange(count) % len(NAMES)


def write_npz(folder, **changes):
    images, classes = draw(60)
    arrays = {"x": images, "y": classes, "classes": np.array(NAMES)} | changes
    np.savez_compressed(folder / "part.npz", **arrays)
    return images, classes


def write_binary(folder, train=60, test=9):
    (folder / "fine_label_names.txt").write_text("\n".join(NAMES) + "\n")
    drawn = {}
    for split, count in (("train", train), ("test", test)):
        images, classes = drawn[split] = draw(count)
        planes = images.transpose(0, 3, 1, 2).reshape(count, -1)
        head = np.stack([np.full(count, 7), classes], axis=1).astype(np.uint8)
        np.concatenate([head, planes], axis=1).tofile(folder / f"{split}.bin")
    return drawn


def pixels(dataset):
    return np.concatenate([images for images, _ in dataset.as_numpy_iterator()])


def test_reads_the_binary_version(tmp_path):
    drawn = write_binary(tmp_path)
    data = load_dataset("cifar100", data_dir=tmp_path, **SIZES)
    assert data.labels.names == NAMES and data.labels.exclusive
    assert data.sizes == {"train": 54, "validation": 6, "test": 9}
    assert data.targets["validation"].sum(axis=0).tolist() == [2, 2, 2]
    images, classes = drawn["test"]
    np.testing.assert_array_equal(pixels(data.test), images)
    np.testing.assert_array_equal(data.targets["test"].argmax(axis=1), classes)
    again = load_cifar100(data_dir=tmp_path, **SIZES)
    assert again.fingerprint == data.fingerprint
    assert load_cifar100(data_dir=tmp_path, seed=1, **SIZES).fingerprint != (
        data.fingerprint
    )


def test_reads_an_npz_file(tmp_path):
    images, classes = write_npz(tmp_path)
    data = load_dataset("cifar100", data_dir=tmp_path, **SIZES)
    assert sum(data.sizes.values()) == 60
    for split, dataset in (
        ("train", data.train_in_order),
        ("validation", data.validation),
        ("test", data.test),
    ):
        rows = [int(path) for path in data.paths[split]]
        np.testing.assert_array_equal(pixels(dataset), images[rows])
        found = data.targets[split].argmax(axis=1)
        np.testing.assert_array_equal(found, classes[rows])
    assert next(iter(data.train))[0].shape == (4, 32, 32, 3)


def test_reads_the_real_part():
    data = load_cifar100(data_dir=shared_path("data/cifar100"), **SIZES)
    assert sum(data.sizes.values()) == 4_000
    assert len(data.labels) == 100 and data.labels.names[1] == "aquarium_fish"


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"x": np.zeros((60, 32, 32, 3))}, r"x must be .*float64 of shape \(60, 32"),
        ({"x": np.zeros((60, 28, 28, 3), np.uint8)}, r"got uint8 of shape \(60, 28"),
        ({"y": np.zeros(59, int)}, r"y must be \(60,\).*\(59,\)"),
        ({"y": np.full(60, 3)}, "label of image 0 must be below 3.*got 3"),
        ({"y": np.array([object()] * 60)}, "must be an .npz file of x, y and classes"),
    ],
)
def test_says_what_is_wrong_with_an_npz_file(tmp_path, changes, rule):
    write_npz(tmp_path, **changes)
    with pytest.raises(ValueError, match=rule):
        load_cifar100(data_dir=tmp_path, **SIZES)


def test_says_what_is_wrong_with_a_folder(tmp_path):
    with pytest.raises(ValueError, match=r"holds 0 .npz files.*is a pickle"):
        load_cifar100(data_dir=tmp_path, **SIZES)
    (tmp_path / "part.npz").write_bytes(b"PK\x03\x04")
    with pytest.raises(ValueError, match=r"part.npz must be an .npz file"):
        load_cifar100(data_dir=tmp_path, **SIZES)
    write_binary(tmp_path)
    with (tmp_path / "test.bin").open("ab") as file:
        file.write(b"1")
    with pytest.raises(ValueError, match=r"test.bin must hold records of 3074 bytes"):
        load_cifar100(data_dir=tmp_path, **SIZES)
    (tmp_path / "fine_label_names.txt").write_text("apple baby")
    with pytest.raises(ValueError, match=r"train.bin: the label of image 2 .*got 2"):
        load_cifar100(data_dir=tmp_path, **SIZES)
    (tmp_path / "fine_label_names.txt").unlink()
    with pytest.raises(ValueError, match=r"fine_label_names.txt must exist"):
        load_cifar100(data_dir=tmp_path, **SIZES)


class FakeCifar(tfds.core.GeneratorBasedBuilder):
    """CIFAR-100 as tensorflow-datasets stores it, with few and drawn images."""

    VERSION = tfds.core.Version("1.0.0")
    url_infos = None

    def _info(self):
        features = {
            "id": tfds.features.Text(),
            "image": tfds.features.Image(shape=(32, 32, 3)),
            "label": tfds.features.ClassLabel(names=NAMES),
            "coarse_label": tfds.features.ClassLabel(num_classes=20),
        }
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict(features)
        )

    def _split_generators(self, dl_manager):
        return {split: self._generate_examples(split) for split in ("train", "test")}

    def _generate_examples(self, split):
        images, classes = draw(20)
        for number, image in enumerate(images):
            name = f"{split}{number}"
            yield (
                name,
                {
                    "id": name,
                    "image": image,
                    "label": int(classes[number]),
                    "coarse_label": 0,
                },
            )


def test_takes_tensorflow_datasets_without_a_folder(tmp_path, monkeypatch):
    builder = FakeCifar(data_dir=tmp_path)
    monkeypatch.setattr(tfds, "builder", {"cifar100": builder}.__getitem__)
    data = load_cifar100(**SIZES)
    assert data.labels.names == NAMES
    assert data.sizes == {"train": 18, "validation": 2, "test": 20}
    assert (data.targets["test"].sum(axis=1) == 1).all()
