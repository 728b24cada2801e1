import dataclasses
import functools
import importlib

import numpy as np
import pytest
import tensorflow as tf

from kmlic.data import MultiLabelData
from kmlic.experiments import Experiment, choose_rows
from kmlic.labels import Labels
from recipes import semantic_resnest as recipe

SETTINGS = recipe.Settings(image_size=32, seeds=(3,))
module = importlib.import_module("kmlic.experiments.train_or_reuse")


def data(size=32):
    images = tf.data.Dataset.from_tensors((tf.zeros((1, size, size, 3)), [[1.0, 0.0]]))
    targets = dict.fromkeys(("train", "validation", "test"), np.array([[1, 0]], "int8"))
    labels = Labels(("dot", "stripe"), image_size=size)
    return MultiLabelData(images, images, images, labels, targets=targets)


def test_the_ablations_are_the_paper_s_and_its_next_step():
    settings = dataclasses.replace(SETTINGS, ablations=True)
    rows = choose_rows(settings, recipe.make_table(settings), ())
    main = rows.pop(recipe.MAIN)
    changed = {
        name: {k for k, v in vars(row).items() if v != getattr(main, k)}
        for name, row in rows.items()
    }
    assert changed == {
        "baseline": {"generator"},
        "baseline, longer": {"generator", "epochs"},
        "resized": {"embedding"},
        "from the baseline": {"start"},
        "plain backbone": {"backbone"},
        "3 channels": {"embedding_channels"},
        "end to end": {"generator"},
    }
    both = settings.epochs + settings.generator_epochs
    assert rows["baseline, longer"].epochs == both


def test_slows_the_backbones_and_nothing_else():
    settings = dataclasses.replace(
        SETTINGS,
        backbone_multiplier=0.1,
        generator="joint",
        backbone="small_resnet",
        image_size=64,
        hidden_units=(8,),
    )
    model = recipe.build(settings, data(64), 0)
    slowed = model.optimizer.multipliers
    own = {weight.path for weight in model.trainable_variables} - set(slowed)
    assert {path.split("/")[0] for path in own} == {
        "activation_maps",
        "semantic_embedding",
        "hidden_1",
        "classifier_logits",
    }
    assert set(slowed.values()) == {0.1} and "conv1/kernel" in slowed


def test_a_guided_classifier_may_start_from_the_baseline(tmp_path):
    settings = dataclasses.replace(
        SETTINGS, backbone="small_resnet", folder=tmp_path / "run", strategy="single"
    )
    plain = dataclasses.replace(settings, generator="none")
    experiment = Experiment("toy", settings)
    build = functools.partial(recipe.build, plain, data(), 3)
    experiment.train("baseline", 3, build, data(), train_model=lambda *_: [])
    baseline = experiment.trained["baseline"][3].load_model()
    weights = experiment.write_backbone("baseline", 3, "small_resnet")
    started = dataclasses.replace(settings, weights=weights)
    learned = baseline.get_layer("small_resnet").weights
    guided = recipe.experiments.make_backbone(started, channels=4).weights
    for before, after in zip(learned, guided, strict=True):
        value = after.numpy()
        if value.shape != before.shape:
            assert value.shape[2] == 4 and not value[:, :, 3].any()
            value = value[:, :, :3]
        np.testing.assert_array_equal(value, before)


def test_refuses_a_generator_that_normalises_otherwise_before_it_is_trained(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(module, "load_data", lambda *_: data(64))
    monkeypatch.setattr(module, "Experiment", lambda *_: pytest.fail("trained"))
    settings = dataclasses.replace(
        SETTINGS,
        image_size=64,
        generator_backbone="small_resnet",
        backbone="mobilenet_v2",
        folder=tmp_path / "run",
    )
    with pytest.raises(ValueError, match=r"normalise pixels.*0\.00784314"):
        recipe.find_generator(settings, seed=3)
