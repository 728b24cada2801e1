import keras
import numpy as np
import pytest
import tensorflow as tf

from kmlic.layers import CategorySpaceToDepth
from tests.checks import check_layer
from tests.shared import shared_path

FEATURES = np.random.default_rng(0).normal(size=(2, 5, 4, 6)).astype("float32")
READINGS = [("transposed", 1), ("transposed", 2), ("bilinear", 1), ("bilinear", 2)]


def _build(**changes):
    keras.utils.set_random_seed(0)
    arguments = {"num_labels": 3, "maps_per_label": 2, "return_maps": True}
    layer = CategorySpaceToDepth(**{**arguments, **changes})
    layer(FEATURES)
    for weight in layer.weights:  # biases too
        weight.assign(np.random.default_rng(1).normal(size=weight.shape))
    return layer


@pytest.mark.parametrize(("upsampling", "stride"), [*READINGS, (None, 1)])
@pytest.mark.parametrize("max_gradient", ["exact", "broadcast"])
def test_keeps_the_layer_contract(upsampling, stride, max_gradient):
    arguments = {
        "num_labels": 3,
        "maps_per_label": 2,
        "upsampling": upsampling,
        "stride": stride,
        "max_gradient": max_gradient,
    }
    check_layer(CategorySpaceToDepth, arguments, [FEATURES], output_shape=(2, 5, 4, 3))


@pytest.mark.parametrize("stride", [1, 2])
def test_matches_the_paper_written_in_numpy(stride):
    layer = _build(stride=stride)
    largest, maps = layer(FEATURES)

    finer = np.zeros((2, 4 + stride * 5, 4 + stride * 4, 3))  # with room to crop
    kernel = layer.expand.kernel.numpy()  # (3, 3, L, C)
    for row, column in np.ndindex(5, 4):
        patch = np.einsum("bc,hwlc->bhwl", FEATURES[:, row, column], kernel)
        top, left = row * stride, column * stride
        finer[:, top : top + 3, left : left + 3] += patch
    # At stride 2 torch's padding of 1 and output padding of 1.
    finer = finer[:, :7, :6] if stride == 1 else finer[:, 1:11, 1:9]
    finer = finer + layer.expand.bias.numpy()
    if stride == 2:
        finer = np.pad(finer, ((0, 0), (1, 1), (1, 1), (0, 0)))
    kernel = layer.split.kernel.numpy()  # (3, 3, L, M)
    expected = np.zeros((2, 5, 4, 3, 2))
    for row, column in np.ndindex(5, 4):
        patch = finer[:, row * stride :, column * stride :][:, :3, :3]
        expected[:, row, column] = np.einsum("bhwl,hwlm->blm", patch, kernel)
    expected = expected + layer.split.bias.numpy().reshape(3, 2)
    np.testing.assert_allclose(maps, expected.reshape(2, 5, 4, 6), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(largest, expected.max(axis=-1), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("arch", ["arch1", "arch2", "noattn"])
def test_gives_the_development_codes_maps(arch):
    with np.load(shared_path("parity/decouplenet.npz"), allow_pickle=False) as arrays:
        own = {
            key.removeprefix(f"{arch}/"): value.astype("float32")
            for key, value in arrays.items()
            if key.startswith(f"{arch}/")
        }
    features = own["act/features"].transpose(0, 2, 3, 1)
    layer = CategorySpaceToDepth(5, 3, return_maps=True)
    layer(features)
    layer.expand.set_weights(
        [own["w/de_conv.weight"].transpose(2, 3, 1, 0), own["w/de_conv.bias"]]
    )
    kernel = own["w/group_conv.weight"].transpose(2, 3, 1, 0).reshape(3, 3, 5, 3)
    layer.split.set_weights([kernel, own["w/group_conv.bias"]])
    outputs = layer(features)
    for output, key in zip(outputs, ("class_pooling", "group_conv"), strict=True):
        expected = own[f"act/{key}"].transpose(0, 2, 3, 1)
        difference = np.abs(output - expected).max() / np.abs(expected).max()
        assert difference < 1e-4, key


def test_without_upsampling_is_a_linear_layer_at_each_place():
    layer = _build(upsampling=None)
    kernel, bias = layer.get_weights()
    expected = FEATURES @ kernel[0, 0] + bias
    largest, maps = layer(FEATURES)
    np.testing.assert_allclose(maps, expected, rtol=1e-4, atol=1e-5)
    by_label = expected.reshape(2, 5, 4, 3, 2)
    np.testing.assert_allclose(largest, by_label.max(axis=-1), rtol=1e-4, atol=1e-5)


def test_a_label_sees_no_other_labels_maps():
    layer = _build()
    before = layer(FEATURES)[0]
    kernel = layer.expand.kernel.numpy()
    kernel[:, :, 1] += 1
    layer.expand.kernel.assign(kernel)
    changed = np.abs(layer(FEATURES)[0] - before).max(axis=(0, 1, 2))
    assert changed[1] > 0.1 and changed[[0, 2]].max() == 0


@pytest.mark.parametrize("max_gradient", ["exact", "broadcast"])
def test_the_gradient_reaches_the_largest_map_or_all(max_gradient):
    layer = _build(upsampling=None, max_gradient=max_gradient)
    largest, maps = layer(FEATURES)
    weights = np.random.default_rng(2).normal(size=largest.shape).astype("float32")
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(FEATURES)[0] * weights)
    gradient = tape.gradient(loss, layer.expand.kernel.value)

    by_label = np.reshape(maps, (2, 5, 4, 3, 2))
    reached = by_label == by_label.max(axis=-1, keepdims=True)
    if max_gradient == "broadcast":
        reached = np.ones_like(reached)
    upstream = np.reshape(reached * weights[..., None], (2, 5, 4, 6))
    expected = np.einsum("bhwc,bhwm->cm", FEATURES, upstream)
    np.testing.assert_allclose(gradient[0, 0], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("upsampling", "stride"), [*READINGS, (None, 1)])
@pytest.mark.parametrize("sides", [(1, 1), (1, 7), (6, 2)])
def test_keeps_the_size_of_any_feature_map(upsampling, stride, sides):
    layer = CategorySpaceToDepth(1, 1, upsampling=upsampling, stride=stride)
    assert layer(np.ones((2, *sides, 4), "float32")).shape == (2, *sides, 1)


@pytest.mark.parametrize("stride", [1, 2])
def test_size_may_vary(stride):
    features = keras.Input((None, None, 6))
    layer = CategorySpaceToDepth(3, 2, stride=stride)
    model = keras.Model(features, layer(features))
    assert model.output_shape == (None, None, None, 3)
    assert model(FEATURES).shape == (2, 5, 4, 3)


def test_says_what_does_not_fit():
    for changes, message in (
        ({"num_labels": 0}, "num_labels=0"),
        ({"maps_per_label": 0}, "maps_per_label=0"),
        ({"upsampling": "nearest"}, "upsampling='nearest'"),
        ({"stride": 3}, "stride=3 with upsampling='transposed'"),
        ({"stride": 2, "upsampling": None}, "stride=2 with upsampling=None"),
        ({"max_gradient": "sum"}, "max_gradient='sum'"),
    ):
        with pytest.raises(ValueError, match=message):
            _build(**changes)
    with pytest.raises(ValueError, match=r"\(None, None, 3, 6\)"):
        CategorySpaceToDepth(3, upsampling="bilinear")(keras.Input((None, 3, 6)))
