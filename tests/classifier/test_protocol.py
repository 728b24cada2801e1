import dataclasses

import numpy as np
import pytest

from kmlic.classifier import protocol as stage
from kmlic.classifier.check import check
from kmlic.classifier.protocol import make_protocol
from tests.classifier.photos import write_photos


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    place = tmp_path_factory.mktemp("protocol")
    return check(write_photos(place / "photos", 60), place).images


def test_scores_each_of_few_training_images_once(images):
    protocol = make_protocol(images)
    assert protocol.cross_validated
    np.testing.assert_array_equal(np.sort(protocol.scored), images.training_rows)
    for fitted, scored in protocol.folds:
        assert not set(fitted) & set(scored)
        assert not set(images.test_rows) & {*fitted, *scored}


def test_scores_the_validation_images_of_many(images, monkeypatch):
    monkeypatch.setattr(stage, "FEW", 10)
    ((fitted, scored),) = make_protocol(images).folds
    np.testing.assert_array_equal(scored, np.flatnonzero(images.split == 1))
    np.testing.assert_array_equal(fitted, np.flatnonzero(images.split == 0))
    without = np.where(images.split == 1, 0, images.split)
    ((fitted, scored),) = make_protocol(
        dataclasses.replace(images, split=without)
    ).folds
    assert len(scored) == pytest.approx(len(images.training_rows) / 10, abs=1)


def test_copies_stay_in_one_fold(images):
    keys = [f"{row // 4}" for row in range(len(images.targets))]
    copies = dataclasses.replace(images, together=(keys,))
    for fitted, scored in make_protocol(copies).folds:
        assert not {keys[row] for row in fitted} & {keys[row] for row in scored}


def test_the_first_folds_score_the_first_rows(images):
    protocol = make_protocol(images)
    two = sum(len(scored) for _, scored in protocol.folds[:2])
    first = protocol.first(two)
    assert len(first.folds) == 2
    assert first.cross_validated
    np.testing.assert_array_equal(
        first.scored, np.concatenate([scored for _, scored in protocol.folds[:2]])
    )
    np.testing.assert_array_equal(first.parts, protocol.parts[:two])
    assert len(protocol.first(len(protocol.scored)).folds) == len(protocol.folds)


@pytest.mark.parametrize("few", [10, 2000])
def test_copies_stay_in_one_part_of_the_scored_images(images, monkeypatch, few):
    monkeypatch.setattr(stage, "FEW", few)
    keys = [f"{row // 2}" for row in range(len(images.targets))]
    split = np.arange(len(keys)) // 2 % 2  # half of them for the validation
    copies = dataclasses.replace(images, together=(keys,), split=split.astype("int8"))
    protocol = make_protocol(copies)
    assert len(set(protocol.parts)) == 5
    parts = {}
    for row, part in zip(protocol.scored, protocol.parts, strict=True):
        assert parts.setdefault(keys[row], part) == part
    if protocol.cross_validated:
        for fold, (_, scored) in enumerate(protocol.folds):
            np.testing.assert_array_equal(
                protocol.scored[protocol.parts == fold], scored
            )


def test_takes_fewer_folds_where_one_would_be_empty(images):
    # One image with the first label, one without any and three with the second.
    targets = np.array([[1, 0], [0, 0], [0, 1], [0, 1], [0, 1]], np.int8)
    few = dataclasses.replace(
        images,
        targets=targets,
        split=np.zeros(5, np.int8),
        together=(list("abcde"),),
    )
    protocol = make_protocol(few)
    assert 2 <= len(protocol.folds) < 5
    np.testing.assert_array_equal(np.sort(protocol.scored), np.arange(5))


@pytest.mark.parametrize("linked", [0, 1])
def test_says_which_images_cannot_be_divided(images, linked):
    rows = len(images.targets)
    # All are copies, or one is not but of one group with a copy.
    copies = ["b"] * linked + ["a"] * (rows - linked)
    groups = ["g"] * (2 * linked) + [None] * (rows - 2 * linked)
    split = np.zeros(rows, np.int8)
    alike = dataclasses.replace(images, together=(copies, groups), split=split)
    with pytest.raises(
        ValueError, match=r"photos/labels.csv must .* are copies of one"
    ):
        make_protocol(alike)
