import keras
import numpy as np
import pytest

from kmlic.layers import Query2Label
from tests.checks import check_layer
from tests.layers.differences import check_gradients
from tests.layers.test_ml_decoder import name_weights
from tests.layers.test_transformer_block import (
    normalise,
    randomise,
    transformer_block,
)

RANDOM = np.random.default_rng(0)
FEATURES = RANDOM.normal(size=(2, 3, 2, 8)).astype("float32")
SMALL = {"num_heads": 2, "hidden_units": 6}
CASES = {
    "as the authors": {},
    "projected": {"embedding_size": 4},
    "one decoder": {"num_encoders": 0, "num_decoders": 1},
    "two encoders": {"num_encoders": 2},
}


def positions(height, width, size):
    """Computes DETR's sine positions one by one."""
    table = np.zeros((height, width, size))
    half = size // 2
    for row, column in np.ndindex(height, width):
        for place in range(half):
            wave = 10000 ** (2 * (place // 2) / half)
            function = np.cos if place % 2 else np.sin
            y = 2 * np.pi * (row + 1) / (height + 1e-6)
            x = 2 * np.pi * (column + 1) / (width + 1e-6)
            table[row, column, place] = function(y / wave)
            table[row, column, half + place] = function(x / wave)
    return table.reshape(height * width, size)


def query2label(inputs, weights):
    """Computes the paper's equations; weights by name."""
    (features,) = inputs
    if "project/kernel" in weights:
        features = features @ weights["project/kernel"] + weights["project/bias"]
    size = features.shape[-1]
    tokens = features.reshape(len(features), -1, size)
    place = positions(*features.shape[1:3], size)

    def block(name):
        return [own for key, own in weights.items() if key.startswith(f"{name}/")]

    for index in (1, 2):
        if block(f"encoder_{index}"):
            keys = tokens + place
            given = [tokens, keys, keys, tokens]
            tokens = transformer_block(given, block(f"encoder_{index}"), num_heads=2)
    found = np.zeros((len(features), *weights["queries"].shape))
    for index in (1, 2):
        if block(f"decoder_{index}"):
            given = [found, found + weights["queries"], tokens + place, tokens]
            found = transformer_block(given, block(f"decoder_{index}"), num_heads=2)
    found = normalise(found, weights["normalise/gamma"], weights["normalise/beta"])
    logits = [found[:, label] @ row for label, row in enumerate(weights["kernel"])]
    return np.stack(logits, axis=-1) + weights["bias"]


def build(**options):
    keras.utils.set_random_seed(0)
    layer = Query2Label(3, **SMALL, **options)
    layer(FEATURES)
    return randomise(layer)


@pytest.mark.parametrize("case", CASES)
def test_keeps_the_layer_contract(case):
    options = {"num_labels": 3, **SMALL, **CASES[case]}
    check_layer(Query2Label, options, [FEATURES], (2, 3))


@pytest.mark.parametrize("case", CASES)
def test_matches_the_paper_written_in_numpy(case):
    layer = build(**CASES[case])
    weights = name_weights(layer, [np.asarray(w, "float64") for w in layer.weights])
    expected = query2label([FEATURES], weights)
    np.testing.assert_allclose(layer(FEATURES), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("case", ["as the authors", "projected"])
def test_its_gradients_are_those_of_the_equations(case):
    layer = build(**CASES[case])
    check_gradients(
        layer,
        [FEATURES],
        lambda inputs, weights: query2label(inputs, name_weights(layer, weights)),
    )


def test_knows_where_a_region_is():
    layer = build(num_encoders=0)
    turned = layer(FEATURES[:, ::-1])
    assert np.abs(turned - layer(FEATURES)).max() > 1e-3


def test_takes_maps_of_any_size():
    inputs = keras.Input((None, None, 8))
    layer = build()
    model = keras.Model(inputs, layer(inputs))
    weights = name_weights(layer, [np.asarray(w, "float64") for w in layer.weights])
    for features in (FEATURES, FEATURES[:, :1, :1], FEATURES[:, 1:]):
        expected = query2label([features], weights)
        np.testing.assert_allclose(model(features), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("case", CASES)
def test_says_where_each_label_looks(case):
    maps = build(**CASES[case]).attention(FEATURES)
    assert maps.shape == (2, 3, 2, 3)
    np.testing.assert_allclose(np.sum(maps, axis=(1, 2)), 1, rtol=1e-5)
    assert np.std(maps, axis=-1).max() > 1e-3  # labels look at different places


def test_says_which_argument_is_wrong():
    with pytest.raises(ValueError, match="num_decoders=0"):
        Query2Label(3, num_decoders=0)
    with pytest.raises(ValueError, match="num_encoders=-1"):
        Query2Label(3, num_encoders=-1)
    with pytest.raises(ValueError, match=r"multiple of 4.*got 6 \(input shape"):
        Query2Label(3, embedding_size=6, num_heads=2)(FEATURES)
