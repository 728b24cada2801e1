import importlib
from unittest import mock

import numpy as np
import pytest
import tensorflow_datasets as tfds

from kmlic.datasets import load_dataset
from tests.data.files import picture

NAMES = [f"thing {number}" for number in range(80)]
BOX = tfds.features.BBox(0.125, 0.25, 0.5, 1.0)

# `kmlic.data.from_tfds` is the function.
MODULE = importlib.import_module("kmlic.data.from_tfds")


@pytest.fixture(scope="module", autouse=True)
def network():
    """The servers that were asked for; all answer."""
    asked = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MODULE, "require_reachable", lambda host, _: asked.append(host))
        yield asked


class FakeCoco(tfds.core.GeneratorBasedBuilder):
    """COCO 2014 as tensorflow-datasets stores it, with few and drawn images."""

    VERSION = tfds.core.Version("1.0.0")
    url_infos = None

    def _info(self):
        label = tfds.features.ClassLabel(names=NAMES)
        features = {
            "image": tfds.features.Image(encoding_format="jpeg"),
            "image/filename": tfds.features.Text(),
            "objects": tfds.features.Sequence(
                {
                    "bbox": tfds.features.BBoxFeature(),
                    "label": label,
                    "is_crowd": np.bool_,
                }
            ),
        }
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict(features)
        )

    def _split_generators(self, dl_manager):
        counts = {"train": 50, "validation": 6}
        return {split: self._generate_examples(n) for split, n in counts.items()}

    def _generate_examples(self, count):
        for number in range(count):
            objects = [number % 80, number % 80, 79][: number % 4]
            yield (
                number,
                {
                    "image": np.asarray(picture(seed=number)),
                    "image/filename": f"COCO_{number:012}.jpg",
                    "objects": [
                        {"bbox": BOX, "label": x, "is_crowd": x == 79} for x in objects
                    ],
                },
            )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tfds")
    FakeCoco(data_dir=folder).download_and_prepare()
    return folder


@pytest.fixture(scope="module")
def data(folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            tfds, "builder", lambda name, data_dir: FakeCoco(data_dir=data_dir)
        )
        yield load_dataset(
            "coco2014", data_dir=folder, image_size=16, batch_size=4, boxes=True
        )


def test_val2014_tests_and_a_fiftieth_of_train2014_validates(data):
    assert data.sizes == {"train": 49, "validation": 1, "test": 6}
    assert len({*data.paths["train"], *data.paths["validation"]}) == 50
    assert data.labels.names == tuple(NAMES)


def test_a_label_is_present_once_however_many_objects_have_it(data):
    for path, target in zip(data.paths["train"], data.train_targets, strict=True):
        number = int(path[5:-4])
        expected = [number % 80, number % 80, 79][: number % 4]
        assert np.flatnonzero(target).tolist() == sorted(set(expected))
        assert target.max() <= 1


def test_images_without_labels_stay(data):
    assert (data.targets["test"].sum(axis=1) == 0).sum() == 2
    assert sum(len(targets) for _, targets in data.test) == 6


def test_every_object_has_its_box(data):
    path, boxes = data.paths["train"][3], data.boxes["train"][3]
    number = int(path[5:-4])
    expected = [number % 80, number % 80, 79][: number % 4]
    assert boxes.names == tuple(NAMES[index] for index in expected)
    np.testing.assert_allclose(boxes.corners, [[0.125, 0.25, 0.5, 1.0]] * len(expected))


def test_images_without_labels_may_be_left_out(folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tfds, "builder", lambda _, data_dir: FakeCoco(data_dir=data_dir))
        data = load_dataset(
            "coco2014",
            data_dir=folder,
            image_size=16,
            batch_size=4,
            unlabelled=False,
            boxes=True,
        )
    assert data.sizes["test"] == 4
    for split in ("train_in_order", "validation", "test"):
        targets = [targets for _, targets in getattr(data, split).as_numpy_iterator()]
        expected = data.targets[split.removesuffix("_in_order")]
        np.testing.assert_array_equal(np.concatenate(targets), expected)
        assert (expected.sum(axis=1) > 0).all()
    assert all(len(boxes.names) > 0 for boxes in data.boxes["train"])


def test_says_in_one_sentence_that_there_is_no_network(monkeypatch, tmp_path):
    def refuse(host, remedy):
        raise ConnectionError(f"{host} cannot be reached. {remedy}")

    monkeypatch.setattr(MODULE, "require_reachable", refuse)
    with pytest.raises(
        ConnectionError, match=r"http://images.cocodataset.org.*--data_dir FOLDER"
    ):
        load_dataset("coco2014", data_dir=tmp_path, image_size=16, batch_size=4)


def test_says_so_too_when_a_download_ends_early(monkeypatch, tmp_path, network):
    builder = mock.Mock(data_dir=tmp_path / "coco/2014/1.1.0")
    builder.is_prepared.return_value = False
    builder.download_and_prepare.side_effect = OSError("reset by peer")
    monkeypatch.setattr(tfds, "builder", lambda name, data_dir: builder)
    with pytest.raises(ConnectionError, match=r"reset by peer.*--data_dir FOLDER"):
        load_dataset("coco2014", data_dir=tmp_path, image_size=16, batch_size=4)
    assert network[-1:] == ["http://images.cocodataset.org"]
