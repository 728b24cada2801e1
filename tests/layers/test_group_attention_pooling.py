import keras
import numpy as np
import pytest

from kmlic.layers.group_attention_pooling import GroupAttentionPooling
from tests.checks import check_layer

MAPS = np.random.default_rng(0).normal(size=(2, 4, 3, 5)).astype("float32")


def _trained():
    layer = GroupAttentionPooling(2)
    layer.build(MAPS.shape)
    random = np.random.default_rng(1)
    for weight in layer.weights:
        weight.assign(random.normal(size=weight.shape))
    return layer


def test_layer_contract():
    check_layer(
        GroupAttentionPooling, {"num_groups": 3}, [MAPS], output_shape=(2, 3, 5)
    )


def test_starts_as_the_average():
    pooled = GroupAttentionPooling(3)(MAPS)
    for group in range(3):
        np.testing.assert_allclose(pooled[:, group], MAPS.mean((1, 2)), atol=1e-6)


def test_weighs_places_by_what_they_show_and_where_they_are():
    layer = _trained()
    regions = MAPS.reshape(2, 12, 5).astype("float64")
    scores = regions @ np.asarray(layer.score.kernel) + np.asarray(layer.place)
    weights = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    expected = np.einsum("bng,bnc->bgc", weights, regions)
    np.testing.assert_allclose(layer(MAPS), expected, atol=1e-5)


def test_a_place_of_great_weight_is_all_a_group_sees():
    layer = GroupAttentionPooling(2)
    layer.build(MAPS.shape)
    place = np.zeros((12, 2))
    place[7, 1] = 50
    layer.place.assign(place)
    np.testing.assert_allclose(layer(MAPS)[:, 1], MAPS[:, 2, 1], atol=1e-5)


def test_says_what_it_needs():
    with pytest.raises(ValueError, match="num_groups=0"):
        GroupAttentionPooling(0)
    with pytest.raises(ValueError, match=r"\(None, None, 3, 5\)"):
        GroupAttentionPooling(2)(keras.Input((None, 3, 5)))
