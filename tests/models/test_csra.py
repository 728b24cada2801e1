import math

import keras
import numpy as np
import pytest

from kmlic.explain import activation_maps
from kmlic.models import build_csra
from kmlic.training import initialise_bias

IMAGES = np.random.default_rng(0).uniform(0, 255, (2, 64, 64, 3)).astype("float32")


def build_small(num_labels=5, **changes):
    keras.utils.set_random_seed(0)
    arguments = {"backbone": "small_resnet", "image_size": 64}
    return build_csra(num_labels, **{**arguments, **changes})


@pytest.mark.parametrize(
    ("num_heads", "last"), [(1, 1), (2, math.inf), (4, math.inf), (6, math.inf)]
)
def test_takes_the_papers_temperatures(num_heads, last):
    layer = build_small(num_heads=num_heads).get_layer("activation_maps")
    assert len(layer.temperatures) == num_heads
    assert layer.temperatures[-1] == last
    assert layer.temperatures[0] == 1


def test_explains_itself_by_its_maps():
    model = build_small(3, num_heads=2, attention_weight=0.4)
    maps = activation_maps(model, IMAGES)
    assert maps.shape == (2, 2, 2, 3)
    np.testing.assert_allclose(
        maps.mean(axis=(1, 2)), model(IMAGES), rtol=1e-4, atol=1e-5
    )


def test_without_attention_it_is_average_pooling_and_one_linear_layer():
    model = build_small(attention_weight=0, normalise=False, use_bias=True)
    head = model.get_layer("activation_maps")
    head.bias.assign([1, 2, 3, 4, 5])
    features = keras.tree.flatten(model.layers[1](IMAGES))[-1]
    pooled = np.mean(features, axis=(1, 2))
    expected = pooled @ head.kernel.numpy() + head.bias.numpy()
    np.testing.assert_allclose(model(IMAGES), expected, rtol=1e-4, atol=1e-5)


def test_has_the_papers_number_of_weights():
    # R101 at 448 px on COCO: 80 classifiers of 2048 channels in each of 6 heads.
    images = keras.Input((448, 448, 3))
    features = keras.layers.AveragePooling2D(32)(images[..., :1])
    features = features * np.ones(2048, "float32")
    backbone = keras.Model(images, features, name="stub")
    model = build_csra(80, backbone=backbone, num_heads=6)
    assert model.count_params() == 6 * 80 * 2048


def test_says_which_heads_do_not_fit():
    with pytest.raises(ValueError, match="num_heads=3"):
        build_small(num_heads=3)
    with pytest.raises(ValueError, match="one for each of 4 heads"):
        build_small(num_heads=4, temperatures=(1, 2))


def test_its_bias_starts_from_the_labels_frequencies():
    model = build_small(2, num_heads=4, attention_weight=0, use_bias=True)
    head = model.get_layer("activation_maps")
    targets = np.array([[1, 0], [1, 0], [0, 0], [1, -1]])
    before = model(IMAGES)
    initialise_bias(model, targets, layer="activation_maps")
    np.testing.assert_allclose(head.bias, np.log([7 / 3, 1 / 7]), rtol=1e-5)
    np.testing.assert_allclose(
        model(IMAGES) - before, [np.log([7 / 3, 1 / 7])] * 2, rtol=1e-3
    )
