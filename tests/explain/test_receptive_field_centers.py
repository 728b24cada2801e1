import importlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from kmlic.explain import activation_maps, count_measured, receptive_field_centers
from kmlic.layers import GroupedConv2D
from kmlic.models import build_classifier, build_decouplenet, build_msrn

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.uniform(0, 255, (3, 64, 64, 3)).astype("float32")


def build_small_msrn():
    return build_msrn(
        RANDOM.normal(size=(5, 12)),
        np.eye(5),
        backbone="small_resnet",
        num_groups=2,
        embedding_size=8,
        hidden_units=16,
        image_size=64,
    )


def center_of_pixels(model, size, cell):
    """Computes the center of the pixels that a cell of the maps depends on."""
    images = tf.Variable(tf.ones((1, size, size, 3)))
    with tf.GradientTape() as tape:
        seen = tf.reduce_sum(model(images)[:, cell, cell])
    gradient = np.abs(tape.gradient(seen, images).numpy()[0]).sum(axis=-1)
    rows, columns = np.nonzero(gradient)
    return [(each.min() + each.max() + 1) / 2 / size for each in (rows, columns)]


@pytest.mark.parametrize(
    "stack",
    [
        [layers.Conv2D(2, 3, 2, padding="same")] * 2,
        [layers.ZeroPadding2D(1), layers.Conv2D(2, 3, 2)] * 2,
        [layers.ZeroPadding2D(((0, 1), (2, 0))), layers.AveragePooling2D(2, 1)],
        [layers.Conv2D(2, (3, 5), dilation_rate=2, padding="same")],
        [layers.DepthwiseConv2D(4), layers.AveragePooling2D(2), layers.ReLU()],
        [GroupedConv2D(4, 5, groups=1, strides=2, padding="same")],
    ],
    ids=["keras", "torch", "uneven", "dilated", "valid", "grouped"],
)
def test_a_cell_looks_at_the_center_of_what_it_depends_on(stack):
    x = images = keras.Input((40, 40, 3))
    for layer in stack:
        config = {**layer.get_config(), "name": None}
        if hasattr(layer, "kernel_size"):
            kernel = "kernel" if hasattr(layer, "filters") else "depthwise"
            config[f"{kernel}_initializer"] = "ones"
        x = layer.__class__.from_config(config)(x)
    maps = layers.Identity(name="activation_maps")(x)
    model = keras.Model(images, maps)
    rows, columns = receptive_field_centers(model)
    assert (len(rows), len(columns)) == maps.shape[1:3]
    cell = 4
    expected = center_of_pixels(model, 40, cell)
    assert [rows[cell], columns[cell]] == pytest.approx(expected)


@pytest.mark.parametrize("pooling", ["avg", "wildcat"])
def test_follows_the_backbone_for_each_kind_of_map(pooling):
    model = build_classifier(3, backbone="small_resnet", pooling=pooling, image_size=64)
    rows, columns = receptive_field_centers(model)
    assert rows.tolist() == columns.tolist() == [0.5 / 64, 32.5 / 64]
    network = build_decouplenet(3, backbone="small_resnet", stride=2, image_size=64)
    assert receptive_field_centers(network)[0].tolist() == rows.tolist()


def test_follows_a_sequential_part():
    images = keras.Input((32, 32, 3))
    stem = keras.Sequential([layers.Conv2D(2, 4, strides=4), layers.ReLU()])
    maps = layers.Identity(name="activation_maps")(stem(images))
    rows, _ = receptive_field_centers(keras.Model(images, maps))
    np.testing.assert_allclose(rows, (np.arange(8) + 0.5) / 8)


def test_centers_of_attention_are_those_of_the_finest_feature_map():
    model = build_small_msrn()
    maps = activation_maps(model, IMAGES)
    assert tuple(map(len, receptive_field_centers(model))) == maps.shape[1:3]


def test_measures_that_a_kernel_looks_to_one_side():
    images = keras.Input((32, 32, 3))
    coarse = layers.AveragePooling2D(4)(images)
    looking = layers.Conv2D(
        3, 3, padding="same", use_bias=False, name="activation_maps"
    )
    model = keras.Model(images, looking(coarse))
    kernel = np.zeros((3, 3, 3, 3))
    kernel[0, 1, :, 0] = 1  # above
    kernel[1, 2, :, 1] = 1  # to the right; the third label's map is zero
    looking.kernel.assign(kernel)
    random = RANDOM.uniform(0, 255, (40, 32, 32, 3))

    rows, columns = receptive_field_centers(model, random)

    windows = receptive_field_centers(model)
    one = 1 / 8  # a cell
    below, right = np.array([-one, 0, 0]), np.array([0, one, 0])
    np.testing.assert_allclose(rows, np.clip(windows[0][:, None] + below, 0, 1))
    np.testing.assert_allclose(columns, np.clip(windows[1][:, None] + right, 0, 1))


@pytest.mark.parametrize("kind", ["gradients", "attention"])
def test_measures_offsets_of_each_kind_of_map(kind):
    if kind == "gradients":
        model = build_classifier(5, backbone="small_resnet", image_size=64)
    else:
        model = build_small_msrn()
    rows, columns = receptive_field_centers(model, IMAGES)
    height, width = activation_maps(model, IMAGES).shape[1:3]
    assert rows.shape == (height, 5) and columns.shape == (width, 5)
    assert np.isfinite(rows).all() and np.isfinite(columns).all()


def test_labels_share_an_offset_where_time_allows_few_gradients(monkeypatch):
    model = build_classifier(5, backbone="small_resnet", image_size=64)
    own = receptive_field_centers(model, IMAGES)
    assert np.ptp(own[0], axis=1).any()
    module = importlib.import_module("kmlic.explain.receptive_field_centers")
    monkeypatch.setattr(module, "_PIXELS", 3 * 64**2)
    rows, columns = receptive_field_centers(model, IMAGES)
    assert rows.shape[1] == columns.shape[1] == 5
    assert not np.ptp(rows, axis=1).any() and not np.ptp(columns, axis=1).any()
    assert count_measured(64) == 3 and count_measured(1000) == 1


@pytest.mark.slow
def test_eighty_labels_take_half_a_minute_and_a_gigabyte():
    # Of two cores, which other tests may be using.
    code = (
        "import resource, time, numpy as np\n"
        "from kmlic.explain import receptive_field_centers\n"
        "from kmlic.models import build_classifier\n"
        "model = build_classifier(80, backbone='resnet50', image_size=320)\n"
        "images = np.random.default_rng(0).uniform(0, 255, (96, 320, 320, 3))\n"
        "images = images.astype('float32')\n"
        "model.predict_on_batch(images[:1])\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "start = time.process_time()\n"
        "receptive_field_centers(model, images)\n"
        "peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "print((time.process_time() - start) / 2, (peak - before) / 1e6)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    seconds, gigabytes = map(float, run.stdout.split())
    assert seconds < 30 and gigabytes < 1


def test_refuses_maps_it_cannot_follow():
    images = keras.Input((8, 8, 3))
    resized = layers.Resizing(4, 4, name="activation_maps")(images)
    with pytest.raises(ValueError, match=r"images are \(8, 8\) and maps \(4, 4\)"):
        receptive_field_centers(keras.Model(images, resized))
    with pytest.raises(ValueError, match=r"'activation_maps' or 'pool'"):
        receptive_field_centers(keras.Model(images, layers.Flatten()(images)))
