import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from kmlic.data import MultiLabelData, read_splits
from kmlic.labels import Labels

EMPTY = tf.data.Dataset.from_tensors((tf.zeros((1, 4, 4, 3)), tf.zeros((1, 2))))
TARGETS = {
    "train": np.array([[1, 0], [0, -1]], "int8"),
    "validation": np.array([[1, 1]], "int8"),
    "test": np.zeros((1, 2), "int8"),
}
PATHS = {"train": ("a.png", "é/b.png"), "validation": ("c.png",), "test": ("d.png",)}


def data(**changes):
    fields = {"labels": Labels(("dog", "cat")), "targets": TARGETS, "paths": PATHS}
    return MultiLabelData(EMPTY, EMPTY, EMPTY, **{**fields, **changes})


def test_counts_images_and_gives_training_targets():
    assert data().sizes == {"train": 2, "validation": 1, "test": 1}
    assert data().train_targets is TARGETS["train"]
    with pytest.raises(dataclasses.FrozenInstanceError):
        data().captions = ()


def test_the_fingerprint_changes_with_names_paths_and_targets():
    other_targets = {**TARGETS, "test": np.ones((1, 2), "int8")}
    other_paths = {**PATHS, "test": ("e.png",)}
    prints = {
        data().fingerprint,
        data(labels=Labels(("cat", "dog"))).fingerprint,
        data(targets=other_targets).fingerprint,
        data(paths=other_paths).fingerprint,
        data(paths={}).fingerprint,
    }
    assert len(prints) == 5 and data().fingerprint in prints


def test_splits_are_read_back_as_they_were_written(tmp_path):
    data().write_splits(tmp_path / "splits.csv")
    expected = {path: split for split, paths in PATHS.items() for path in paths}
    assert read_splits(tmp_path / "splits.csv") == expected
    with pytest.raises(ValueError, match="must be known to write splits"):
        data(paths={}).write_splits(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        ({"targets": {"train": TARGETS["train"]}}, r"got \('train',\)"),
        ({"labels": Labels(("dog",))}, r"\(N, 1\); got \(2, 2\) in the split 'train'"),
        ({"paths": {**PATHS, "test": ()}}, "got 0 for 1 images in the split 'test'"),
        ({"captions": ("one",)}, "got 1 for 2 images"),
        (
            {"boxes": {"train": ()}},
            "`boxes` must be one per image; got 0 for 2 images in the split 'train'",
        ),
    ],
)
def test_refuses_parts_that_do_not_fit(wrong, rule):
    with pytest.raises(ValueError, match=rule):
        data(**wrong)
