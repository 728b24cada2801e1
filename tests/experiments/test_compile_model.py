import types

import numpy as np
import pytest

from kmlic.experiments import TrainingSettings, backbone_multipliers, compile_model
from kmlic.losses import (
    FocalLoss,
    PartialBinaryCrossentropy,
    SelfPacedLossCorrection,
)
from kmlic.models import LOGITS, build_classifier
from kmlic.training import CoupledSGD, LayerwiseAdamW, OneCycle

TARGETS = np.array([[1, 0], [1, 0], [0, 0], [1, -1]], "int8")
DATA = types.SimpleNamespace(sizes={"train": 70}, train_targets=TARGETS)


def compiled(**changes):
    options = {name: changes.pop(name) for name in ("bias_layer",) if name in changes}
    settings = TrainingSettings(**{"epochs": 5, "image_size": 32, **changes})
    model = build_classifier(2, backbone="small_resnet", image_size=32)
    compile_model(model, settings, DATA, **options)
    return model


def rate_at(model, step):
    rate = model.optimizer._learning_rate
    return float(rate(step)) if callable(rate) else float(np.asarray(rate))


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        # 2 steps per epoch, 10 in all.
        ("cosine", {0: 0.0, 1: 0.5, 2: 1.0, 6: 0.5, 10: 0.0}),
        ("step", {0: 1.0, 3: 1.0, 4: 0.1, 7: 0.01}),
        ("exponential", {0: 1.0, 2: 0.9, 4: 0.81}),
        ("constant", {0: 1.0, 9: 1.0}),
        ("plateau", {0: 1.0, 9: 1.0}),
    ],
)
def test_the_schedule_is_the_one_the_settings_name(schedule, rates):
    model = compiled(schedule=schedule, learning_rate=1.0)
    for step, expected in rates.items():
        assert rate_at(model, step) == pytest.approx(expected, abs=1e-6), step


def test_one_cycle_lasts_the_whole_training():
    schedule = compiled(schedule="one_cycle").optimizer._learning_rate
    assert isinstance(schedule, OneCycle)
    assert (schedule.highest, schedule.steps) == (2e-3, 10)


def test_the_optimizer_is_the_one_the_settings_name():
    model = compiled(optimizer="sgd", weight_decay=1e-4, clip_norm=3.0)
    assert isinstance(model.optimizer, CoupledSGD)
    assert model.optimizer.l2 == 1e-4 and model.optimizer.global_clipnorm == 3.0
    model = compiled(clip_norm=None)
    assert isinstance(model.optimizer, LayerwiseAdamW)
    assert model.optimizer.global_clipnorm is None
    assert isinstance(model.loss, PartialBinaryCrossentropy)


def test_the_backbone_has_its_own_learning_rate():
    model = compiled(backbone_multiplier=0.1)
    backbone = model.get_layer("small_resnet")
    assert model.optimizer.multipliers == {
        weight.path: 0.1 for weight in backbone.trainable_variables
    }
    head = build_classifier(2, backbone="small_resnet", image_size=32)
    above = type(head)(head.get_layer("pool").output, head.output)
    assert backbone_multipliers(above, 0.1) == {}


def test_the_bias_is_initialised_from_label_frequencies_on_request():
    bias = compiled(bias_layer=LOGITS).get_layer(LOGITS).bias.numpy()
    np.testing.assert_allclose(bias, np.log([3.5 / 1.5, 0.5 / 3.5]), rtol=1e-5)
    zero = compiled(bias_layer=LOGITS, first_bias="zero")
    assert not zero.get_layer(LOGITS).bias.numpy().any()


def test_the_loss_is_the_one_the_settings_name():
    loss = compiled(loss="focal", positive_weights="frequency").loss
    assert isinstance(loss, FocalLoss)
    np.testing.assert_allclose(loss.positive_weight, [1 / 3, 100])  # none present
    loss = (model := compiled(loss="self_paced")).loss
    assert isinstance(loss, SelfPacedLossCorrection)
    assert loss.step is model.optimizer.iterations and loss.start == 2


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_the_backbone_stays_as_it_is_in_the_head_epochs(optimizer):
    # 2 steps per epoch.
    model = compiled(optimizer=optimizer, head_epochs=1, schedule="constant")
    before = [weight.numpy() for weight in model.trainable_weights]
    names = [weight.path for weight in model.trainable_weights]
    backbone = set(backbone_multipliers(model, 1.0))
    images = np.random.default_rng(0).uniform(0, 255, (4, 32, 32, 3))

    def changed():
        model.train_on_batch(images, TARGETS.astype("float32"))
        return {
            name
            for name, old, weight in zip(
                names, before, model.trainable_weights, strict=True
            )
            if (old != weight.numpy()).any()
        }

    changed()
    assert changed() == set(names) - backbone
    assert backbone & changed()
    # They come on top of the epochs of the schedule.
    longer = compiled(schedule="one_cycle", head_epochs=3).optimizer._learning_rate
    assert longer.steps == 2 * (3 + 5)
