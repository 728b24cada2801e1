import subprocess
import sys

import numpy as np
import pytest
import tensorflow_datasets as tfds

from kmlic.claim import Claim
from kmlic.data import resize_images
from kmlic.data.dataset_spec import DatasetSpec
from kmlic.data.from_tfds import from_tfds, prepare_alone
from kmlic.labels import Labels
from tests.data.files import picture

SPLITS = {"train": "drawn[:8]", "validation": "drawn[8:10]", "test": "drawn[10:]"}
SIZES = {"image_size": 16, "batch_size": 4}


class Squares(tfds.core.GeneratorBasedBuilder):
    """Images of one size, each with its number."""

    VERSION = tfds.core.Version("1.0.0")
    url_infos = None

    def _info(self):
        features = {
            "image": tfds.features.Image(shape=(20, 20, 3), encoding_format="png"),
            "number": np.int64,
            "marks": tfds.features.Tensor(shape=(2,), dtype=np.int8),
            "text": tfds.features.Text(),
        }
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict(features)
        )

    def _split_generators(self, dl_manager):
        return {"drawn": self._generate_examples()}

    def _generate_examples(self):
        for number in range(15):
            image = np.asarray(picture(20, 20, seed=number))
            marks = np.array([number % 2, -1], np.int8)
            text = f"nummer é {number}"
            yield (
                number,
                {"image": image, "number": number, "marks": marks, "text": text},
            )


@pytest.fixture(scope="module")
def builder(tmp_path_factory):
    builder = Squares(data_dir=tmp_path_factory.mktemp("tfds"))
    builder.download_and_prepare()
    return builder


def load(builder, **options):
    return from_tfds(
        builder,
        **{
            "splits": SPLITS,
            "labels": Labels(("odd", "rare")),
            "targets": lambda example, split: example["marks"],
            "name": "number",
            "spec": DatasetSpec("squares"),
            "caption": "text",
            **SIZES,
            **options,
        },
    )


@pytest.mark.parametrize("cache", [True, False])
def test_names_targets_captions_and_pixels_belong_together(builder, cache):
    data = load(builder, cache=cache)
    assert data.sizes == {"train": 8, "validation": 2, "test": 5}
    numbers = [int(name) for name in data.paths["test"]]
    images = np.concatenate([images for images, _ in data.test.as_numpy_iterator()])
    for number, image, target in zip(
        numbers, images, data.targets["test"], strict=True
    ):
        assert target.tolist() == [number % 2, -1]
        pixels = np.asarray(picture(20, 20, seed=number))
        np.testing.assert_array_equal(image, resize_images(pixels, 16))
    expected = [f"nummer é {number}" for number in data.paths["train"]]
    assert list(data.captions) == expected


@pytest.mark.parametrize("cache", [True, False])
def test_training_takes_every_image_each_epoch_in_a_repeatable_order(builder, cache):
    first, again = (
        load(builder, cache=cache, augmentation="none", seed=2) for _ in range(2)
    )
    for _ in range(2):
        epochs = [
            np.concatenate([x for x, _ in data.train.as_numpy_iterator()])
            for data in (first, again)
        ]
        np.testing.assert_array_equal(*epochs)
        assert len({image.tobytes() for image in epochs[0]}) == 8


def test_refuses_other_splits(builder):
    with pytest.raises(ValueError, match=r"must name .*; got \('train', 'test'\)"):
        load(builder, splits={"train": "drawn", "test": "drawn"})


def make_squares(folder):
    return lambda: Squares(data_dir=folder)


def write_incomplete(folder, name):
    left = folder / f"squares/incomplete.{name}_1.0.0"
    left.mkdir(parents=True)
    (left / "squares-train.tfrecord").write_text("half")
    return left


def test_what_killed_processes_left_is_removed(tmp_path):
    write_incomplete(tmp_path, "A1B2C3")
    other = write_incomplete(tmp_path, "D4E5F6").rename(
        tmp_path / "squares/incomplete.D4E5F6_2.0.0"
    )
    builder = prepare_alone(make_squares(tmp_path))
    assert builder.is_prepared()
    assert {path.name for path in other.parent.iterdir()} == {"1.0.0", other.name}


def test_a_killed_preparation_is_removed_at_the_next_start(tmp_path):
    script = (
        "import os, signal, sys; from tests.data import test_from_tfds as tests; "
        "tests.Squares._generate_examples = lambda *_: os.kill(os.getpid(), 9); "
        "tests.prepare_alone(tests.make_squares(sys.argv[1]))"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    assert subprocess.run(command, stderr=subprocess.DEVNULL).returncode == -9
    left = {path.name[:11] for path in (tmp_path / "squares").iterdir()}
    assert left == {".1.0.0.lock", "incomplete."}
    assert prepare_alone(make_squares(tmp_path)).is_prepared()
    assert [path.name for path in (tmp_path / "squares").iterdir()] == ["1.0.0"]


def test_what_a_living_process_writes_stays(tmp_path):
    left = write_incomplete(tmp_path, "A1B2C3")
    with (left / "squares-train.tfrecord").open("a"):
        prepare_alone(make_squares(tmp_path))
    assert left.exists()


def test_processes_wait_for_the_one_that_prepares(tmp_path, monkeypatch):
    drawn = []

    def generate(builder):
        drawn.append(builder)
        return generate_examples(builder)

    def enter(claim):
        """Another process prepares while this one waits."""
        Squares(data_dir=tmp_path).download_and_prepare()
        return enter_claim(claim)

    generate_examples, enter_claim = Squares._generate_examples, Claim.__enter__
    monkeypatch.setattr(Squares, "_generate_examples", generate)
    monkeypatch.setattr(Claim, "__enter__", enter)
    for _ in range(2):
        assert prepare_alone(make_squares(tmp_path)).is_prepared()
    assert len(drawn) == 1
