import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from kmlic.data import MultiLabelData
from kmlic.experiments import Experiment, MemberSettings, train_members
from kmlic.labels import Labels
from kmlic.models import build_attribute_classifier

GROUPS = {"sleeve": ("long", "short"), "fit": ("tight", "loose", "wide")}
NAMES = tuple(name for members in GROUPS.values() for name in members)


def load(settings, seed):
    random = np.random.default_rng(0)
    targets = np.concatenate(
        [np.eye(2)[random.integers(0, 2, 16)], np.eye(3)[random.integers(0, 3, 16)]], 1
    ).astype("int8")
    images = random.uniform(0, 255, (16, 32, 32, 3)).astype("float32")
    pairs = (images, targets.astype("float32"))
    batches = tf.data.Dataset.from_tensor_slices(pairs).batch(4, drop_remainder=True)
    return MultiLabelData(
        *(batches,) * 3,
        labels=Labels(NAMES, GROUPS, exclusive=True, image_size=32),
        targets=dict.fromkeys(("train", "validation", "test"), targets),
        train_in_order=batches,
    )


def build_member(settings, data, backbone):
    return build_attribute_classifier(
        data.labels.groups, backbone=backbone, image_size=None, feature="pooled"
    )


def settings_in(folder, **changes):
    return MemberSettings(
        **{
            "dataset": "toy",
            "image_size": 32,
            "batch_size": 4,
            "epochs": 1,
            "head_epochs": 1,
            "members": 2,
            "zooms": (1.0, 0.8),
            "loss": "cross_entropy",
            "strategy": "single",
            "folder": folder,
            **changes,
        }
    )


@pytest.mark.parametrize("cached", [False, True])
def test_members_are_trained_in_stages_and_averaged(tmp_path, cached):
    settings = settings_in(
        tmp_path / "run", frozen_until="layer1.0.act3", cache_frozen=cached
    )
    experiment = Experiment("toy", settings, monitor="accuracy")
    rows = {"two": settings, "one": dataclasses.replace(settings, members=1)}
    train_members(experiment, rows, load, build_member, (1.0, 1.0))
    two, one = experiment.trained["two"][0], experiment.trained["one"][0]
    assert two.parameters > one.parameters
    assert [len(each.epochs) for each in (two, one)] == [2, 2]  # head, then all
    assert "val_accuracy" in two.epochs[0]
    _, probabilities = two.scores["test"]
    np.testing.assert_allclose(probabilities[:, :2].sum(axis=1), 1, atol=1e-5)
    majority = experiment.trained["majority class"][0].scores["test"][1]
    assert np.ptp(majority, axis=0).max() == 0
    model = two.load_model()
    assert model.input_shape == (None, 32, 32, 3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cache_frozen": True}, "`cache_frozen` needs `frozen_until`"),
        ({"first_bias": "frequency"}, "`first_bias` must be zero"),
    ],
)
def test_settings_that_do_not_fit_are_refused(tmp_path, changes, message):
    settings = settings_in(tmp_path / "run", **changes)
    experiment = Experiment("toy", settings)
    with pytest.raises(ValueError, match=message):
        train_members(experiment, {"a": settings}, load, build_member, (1.0, 1.0))
