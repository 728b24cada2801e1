import dataclasses
import functools

import keras
import numpy as np
import pytest

from kmlic.experiments import cache_features, make_backbone, parse_settings
from kmlic.training import learning_rate_multiplier
from recipes import decouplenet
from tests.toys import boxed_data

SMALL = decouplenet.Settings(image_size=32, maps_per_label=2, batch_size=2)


def test_the_paper_configuration_is_the_papers():
    settings = parse_settings(decouplenet.PRESETS, ["--paper"])
    assert (settings.backbone, settings.image_size) == ("resnet101", 448)
    assert (settings.stage, settings.epochs, settings.batch_size) == (4, 12, 50)
    assert (settings.optimizer, settings.learning_rate) == ("sgd", 0.01)
    assert (settings.backbone_multiplier, settings.weight_decay) == (0.1, 1e-4)
    assert (settings.maps_per_label, settings.kmax, settings.alpha) == (8, 0.2, 0.7)
    assert (settings.stride, settings.schedule) == (1, "constant")


def test_every_row_of_the_tables_is_another_model():
    rows = [
        dataclasses.replace(decouplenet.Settings(), **changes)
        for name, changes in decouplenet.ROWS.items()
        if name != "decouplenet"
    ]
    assert len(rows) == len(set(rows)) == 9
    compared = {name for claim in decouplenet.CLAIMS for name in claim[:2]}
    assert compared <= {*decouplenet.ROWS, "arch1+arch2"}


@pytest.mark.parametrize("name", decouplenet.ROWS)
def test_a_rows_model_starts_near_the_label_frequencies(name):
    row = dataclasses.replace(SMALL, **decouplenet.ROWS[name])
    data = boxed_data()
    keras.utils.set_random_seed(0)
    model = decouplenet.build(row, data, 0)
    assert model.input_shape == (None, 32, 32, 3)
    assert model.output_shape == (None, 3)
    row = dataclasses.replace(row, first_bias="zero")
    bias = decouplenet.build(row, data, 0).get_weights()
    changed = [
        tuple(new.shape)
        for new, old in zip(model.get_weights(), bias, strict=True)
        if new.ndim == 1 and not np.array_equal(new, old)
    ]
    assert changed == [(3 if row.head in ("avg", "max") else 6,)]


@pytest.mark.parametrize("name", decouplenet.ROWS)
def test_the_logits_start_nearly_equal_at_the_label_frequencies(name):
    row = dataclasses.replace(SMALL, **decouplenet.ROWS[name])
    data = boxed_data()
    images = next(iter(data.train_in_order))[0]
    spread = {}
    for kernel in ("centred", "small", "random"):
        keras.utils.set_random_seed(0)
        settings = dataclasses.replace(row, first_kernel=kernel)
        model = decouplenet.build(settings, data, 0)
        logits = model(images).numpy()
        spread[kernel] = np.ptp(logits, axis=0).max()
        if kernel != "random":
            present = data.train_targets.sum(axis=0) + 0.5
            expected = np.log(present / (len(data.train_targets) + 1 - present))
            np.testing.assert_allclose(logits.mean(axis=0), expected, atol=0.3)
    assert max(spread["centred"], spread["small"]) < 0.5 * spread["random"]


@pytest.mark.parametrize(("kernel", "reached"), [("centred", 1), ("small", 9)])
def test_a_position_starts_with_its_own_features_or_those_around_it(kernel, reached):
    settings = dataclasses.replace(SMALL, first_kernel=kernel)
    layer = decouplenet.build(settings, boxed_data(), 0).get_layer("space_to_depth")
    features = np.zeros((1, 5, 5, 128), "float32")
    features[0, 2, 2] = 1
    changed = layer.expand(features) - layer.expand(0 * features)
    places = np.argwhere(np.abs(changed).max(axis=(0, 3)) > 0)
    assert len(places) == reached
    assert places.mean(axis=0).tolist() == [3, 3]  # the finer map has a margin of 1


def test_the_backbone_has_its_own_learning_rate():
    settings = dataclasses.replace(SMALL, backbone_multiplier=0.1)
    model = decouplenet.build(settings, boxed_data(), 0)
    factors = {
        weight.path: learning_rate_multiplier(weight.path, model.optimizer.multipliers)
        for weight in model.trainable_weights
    }
    backbone = model.get_layer("small_resnet")
    slow = {weight.path for weight in backbone.trainable_weights}
    assert {path for path, factor in factors.items() if factor == 0.1} == slow
    assert set(factors.values()) == {0.1, 1.0}


def test_the_transposed_convolution_has_its_own_learning_rate():
    settings = dataclasses.replace(SMALL, upsampling_multiplier=0.3)
    model = decouplenet.build(settings, boxed_data(), 0)
    slow = {
        weight.path
        for weight in model.trainable_weights
        if learning_rate_multiplier(weight.path, model.optimizer.multipliers) == 0.3
    }
    expand = model.get_layer("space_to_depth").expand
    assert slow == {expand.kernel.path, expand.bias.path}


def test_all_rows_share_the_features_of_a_frozen_backbone(tmp_path):
    settings = dataclasses.replace(SMALL, cache_features=True, cache_dir=tmp_path)
    cut = functools.partial(make_backbone, stage=settings.stage)
    features = cache_features(settings, cut, load=lambda *_: boxed_data())
    assert features[0].shapes == [(2, 2, 128)]
    data = features[0].load(batch_size=2)
    head = decouplenet.build(settings, data, 0, features)
    assert head.input_shape == (None, 2, 2, 128)
    images, _ = next(iter(boxed_data().test))
    maps, _ = next(iter(data.test))
    joined = features[0].join(head)
    np.testing.assert_allclose(joined(images), head(maps), atol=1e-2)
    assert joined.count_params() > head.count_params()


def test_a_folder_without_labels_is_named(tmp_path):
    settings = dataclasses.replace(SMALL, data=str(tmp_path), folder=tmp_path / "run")
    with pytest.raises(ValueError, match="must list at least one image"):
        decouplenet.main(settings)
