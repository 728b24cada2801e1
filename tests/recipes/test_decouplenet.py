import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from kmlic.data import Boxes, MultiLabelData
from kmlic.experiments import Experiment, parse_settings
from kmlic.labels import Labels
from kmlic.training import learning_rate_multiplier
from recipes import decouplenet

SMALL = decouplenet.Settings(image_size=32, maps_per_label=2, batch_size=2)
NAMES = ("dog", "sofa", "hat")


def make_data():
    targets = np.random.default_rng(0).integers(0, 2, (8, 3)).astype("int8")
    images = np.random.default_rng(1).uniform(0, 255, (8, 32, 32, 3)).astype("float32")
    batches = tf.data.Dataset.from_tensor_slices((images, targets)).batch(2)
    corner = Boxes(("dog", "tree"), np.array([[0, 0, 0.5, 0.5], [0, 0, 1, 1]]))
    return MultiLabelData(
        batches,
        batches,
        batches,
        Labels(NAMES, image_size=32),
        targets=dict.fromkeys(("train", "validation", "test"), targets),
        train_in_order=batches,
        boxes=dict.fromkeys(("train", "validation", "test"), (corner,) * 8),
    )


def test_the_paper_configuration_is_the_papers():
    settings = parse_settings(decouplenet.Settings, decouplenet.PRESETS, ["--paper"])
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
    assert compared <= {*decouplenet.ROWS, decouplenet.ENSEMBLE}


@pytest.mark.parametrize("name", decouplenet.ROWS)
def test_a_rows_model_begins_near_the_frequencies(name):
    row = dataclasses.replace(SMALL, **decouplenet.ROWS[name])
    data = make_data()
    keras.utils.set_random_seed(0)
    model = decouplenet.build_compiled(row, data)
    assert model.input_shape == (None, 32, 32, 3)
    assert model.output_shape == (None, 3)
    bias = decouplenet.build_compiled(
        dataclasses.replace(row, first_bias="zero"), data
    ).get_weights()
    changed = [
        tuple(new.shape)
        for new, old in zip(model.get_weights(), bias, strict=True)
        if new.ndim == 1 and not np.array_equal(new, old)
    ]
    assert changed == [(3 if row.head in ("avg", "max") else 6,)]


@pytest.mark.parametrize("name", decouplenet.ROWS)
def test_the_logits_begin_nearly_alike_at_the_frequencies(name):
    row = dataclasses.replace(SMALL, **decouplenet.ROWS[name])
    data = make_data()
    images = next(iter(data.train_in_order))[0]
    spread = {}
    for kernel in ("centred", "small", "random"):
        keras.utils.set_random_seed(0)
        settings = dataclasses.replace(row, first_kernel=kernel)
        model = decouplenet.build_compiled(settings, data)
        logits = model(images).numpy()
        spread[kernel] = np.ptp(logits, axis=0).max()
        if kernel != "random":
            present = data.train_targets.sum(axis=0) + 0.5
            expected = np.log(present / (len(data.train_targets) + 1 - present))
            np.testing.assert_allclose(logits.mean(axis=0), expected, atol=0.3)
    assert max(spread["centred"], spread["small"]) < 0.5 * spread["random"]


@pytest.mark.parametrize(("kernel", "reached"), [("centred", 1), ("small", 9)])
def test_a_place_begins_with_its_own_features_or_those_around_it(kernel, reached):
    settings = dataclasses.replace(SMALL, first_kernel=kernel)
    layer = decouplenet.build_compiled(settings, make_data()).get_layer(
        "space_to_depth"
    )
    features = np.zeros((1, 5, 5, 128), "float32")
    features[0, 2, 2] = 1
    changed = layer.expand(features) - layer.expand(0 * features)
    places = np.argwhere(np.abs(changed).max(axis=(0, 3)) > 0)
    assert len(places) == reached
    assert places.mean(axis=0).tolist() == [3, 3]  # the finer map has a margin of 1


def test_the_backbone_learns_at_a_rate_of_its_own():
    settings = dataclasses.replace(SMALL, backbone_multiplier=0.1)
    model = decouplenet.build_compiled(settings, make_data())
    factors = {
        weight.path: learning_rate_multiplier(weight.path, model.optimizer.multipliers)
        for weight in model.trainable_weights
    }
    backbone = model.get_layer("small_resnet")
    slow = {weight.path for weight in backbone.trainable_weights}
    assert {path for path, factor in factors.items() if factor == 0.1} == slow
    assert set(factors.values()) == {0.1, 1.0}


def test_the_transposed_convolution_learns_at_a_rate_of_its_own():
    settings = dataclasses.replace(SMALL, upsampling_multiplier=0.3)
    model = decouplenet.build_compiled(settings, make_data())
    slow = {
        weight.path
        for weight in model.trainable_weights
        if learning_rate_multiplier(weight.path, model.optimizer.multipliers) == 0.3
    }
    expand = model.get_layer("space_to_depth").expand
    assert slow == {expand.kernel.path, expand.bias.path}


def test_all_rows_share_the_features_of_a_frozen_backbone(tmp_path):
    settings = dataclasses.replace(SMALL, cache_features=True, cache_dir=tmp_path)
    data = make_data()
    features = decouplenet.cache(settings, data)
    assert features.shapes == [(2, 2, 128)]
    head = decouplenet.build_compiled(settings, data, features.extractor)
    assert head.input_shape == (None, 2, 2, 128)
    images, _ = next(iter(data.test))
    maps, _ = next(iter(features.load(batch_size=2).test))
    whole = features.join(head)
    np.testing.assert_allclose(whole(images), head(maps), atol=1e-2)
    assert whole.count_params() > head.count_params()


def test_counts_hits_batch_by_batch():
    data = make_data()
    pointing, difficult, by_windows = decouplenet.count_hits(None, data)
    # A map without difference points at the centre, which the box just holds.
    assert pointing.images.tolist() == pointing.hits.tolist() == [8, 0, 0]
    assert by_windows.hits.tolist() == pointing.hits.tolist()
    # Its quarter of the image is too much, and the other box is of no label.
    assert difficult.images.tolist() == [0, 0, 0]


def test_where_the_maps_point_stands_in_the_record(tmp_path, monkeypatch):
    settings = dataclasses.replace(SMALL, folder=tmp_path / "run")
    data = make_data()
    model = decouplenet.build_compiled(settings, data)
    monkeypatch.setattr(
        decouplenet,
        "load_row",
        lambda experiment, name, seed: model if name == "arch1" else None,
    )
    experiment = Experiment("decouplenet", settings)
    experiment.data[0] = data
    scores = {
        split: (data.targets[split], np.full((8, 3), 0.5))
        for split in ("validation", "test")
    }
    for name in ("arch1", "arch1+arch2"):
        experiment.add_scores(name, 0, scores)
    section = decouplenet.point(experiment, {0: data})
    assert [row[0] for row in section.rows] == ["arch1", decouplenet.CENTRE]
    metrics = {name: each[0].metrics for name, each in experiment.compare().items()}
    hits = decouplenet.count_hits(model, data)[0].accuracy()
    assert metrics["arch1"]["pointing"] == hits
    assert "pointing" not in metrics["arch1+arch2"]
    centre = experiment.reports["pointing"][decouplenet.CENTRE][0]
    assert centre.metrics["pointing"] == 1.0


def test_draws_a_line_for_each_model_and_the_boxes_of_its_labels():
    image = np.full((32, 32, 3), 100.0)
    maps = {name: np.random.default_rng(0).normal(size=(2, 2, 3)) for name in "ab"}
    boxes = make_data().boxes["test"][0]
    places = dict.fromkeys("ab", (np.full((2, 3), [[0.0], [0.5]]),) * 2)
    figure = decouplenet.draw_image(image, maps, places, np.array([0, 2]), NAMES, boxes)
    assert [axes.get_title() for axes in figure.axes] == ["", "dog", "hat"] * 2
    assert [len(axes.patches) for axes in figure.axes] == [0, 1, 0] * 2


def test_a_folder_without_labels_is_named(tmp_path):
    settings = dataclasses.replace(
        SMALL, dataset="coco", data_dir=tmp_path, folder=tmp_path / "run"
    )
    with pytest.raises(ValueError, match=r"labels\.json must be a JSON file"):
        decouplenet.main(settings)
