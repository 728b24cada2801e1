import keras
import numpy as np
import pytest

from kmlic.layers import MLDecoder
from tests.checks import check_layer
from tests.layers.differences import check_gradients
from tests.layers.test_transformer_block import (
    normalise,
    randomise,
    transformer_block,
)

RANDOM = np.random.default_rng(0)
FEATURES = RANDOM.normal(size=(2, 3, 2, 5)).astype("float32")
WORDS = RANDOM.normal(size=(7, 4)).astype("float32")
SMALL = {"embedding_size": 8, "num_heads": 2, "hidden_units": 6}


def ml_decoder(inputs, weights, num_labels):
    """Computes the paper's equations group by group; weights by name."""
    features, *words = inputs
    tokens = features.reshape(len(features), -1, features.shape[-1])
    tokens = np.maximum(tokens @ weights["project/kernel"] + weights["project/bias"], 0)
    if words:
        queries = words[0] @ weights["embed/kernel"] + weights["embed/bias"]
        queries = np.maximum(queries, 0)
    else:
        queries = weights["queries"]
    queries = normalise(
        2 * np.stack([queries] * len(features)),
        weights["normalise/gamma"],
        weights["normalise/beta"],
    )
    block = [value for name, value in weights.items() if name.startswith("decode/")]
    found = transformer_block([queries, queries, tokens, tokens], block, num_heads=2)
    kernel = weights["kernel"]
    per_group = kernel.shape[-1]
    logits = np.zeros((len(features), num_labels))
    for label in range(num_labels):
        query, column = divmod(label, per_group)
        own = kernel[0 if words else query, :, column]
        logits[:, label] = found[:, query] @ own
    return logits + weights["bias"]


def name_weights(layer, values):
    names = [weight.path.split("/", 1)[1] for weight in layer.weights]
    return dict(zip(names, values, strict=True))


def build(inputs, num_labels=7, **options):
    keras.utils.set_random_seed(0)
    layer = MLDecoder(num_labels, **SMALL, **options)
    layer(*inputs)
    return randomise(layer)


CASES = {
    "a query per label": ([FEATURES], {}),
    "3 queries for 7 labels": ([FEATURES], {"num_groups": 3}),
    "a query without labels": ([FEATURES], {"num_groups": 5}),
    "one query": ([FEATURES], {"num_groups": 1}),
    "words": ([FEATURES, WORDS], {}),
}


@pytest.mark.parametrize("case", CASES)
def test_keeps_the_layer_contract(case):
    inputs, options = CASES[case]
    check_layer(MLDecoder, {"num_labels": 7, **SMALL, **options}, inputs, (2, 7))


@pytest.mark.parametrize("case", CASES)
def test_matches_the_paper_written_in_numpy(case):
    inputs, options = CASES[case]
    layer = build(inputs, **options)
    weights = name_weights(layer, [np.asarray(w, "float64") for w in layer.weights])
    expected = ml_decoder(inputs, weights, num_labels=7)
    np.testing.assert_allclose(layer(*inputs), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("case", ["3 queries for 7 labels", "words"])
def test_its_gradients_are_those_of_the_equations(case):
    inputs, options = CASES[case]
    layer = build(inputs, **options)
    check_gradients(
        layer,
        inputs,
        lambda inputs, weights: ml_decoder(inputs, name_weights(layer, weights), 7),
    )


def test_does_not_learn_its_queries():
    layer = build([FEATURES])
    assert layer.queries.shape == (7, 8)
    assert layer.queries.path not in {each.path for each in layer.trainable_weights}


@pytest.mark.parametrize("case", ["3 queries for 7 labels", "words"])
def test_each_image_drops_its_own(case):
    inputs, options = CASES[case]
    layer = build(inputs, **options, dropout=0.5)
    same = np.repeat(FEATURES[:1], 2, axis=0)
    queries = layer._queries(layer._tokens(same), *(inputs[1:] or [None]), True)
    assert np.abs(queries[0] - queries[1]).max() > 0.01


def test_takes_at_most_100_queries_by_itself():
    layer = MLDecoder(250, **SMALL)
    layer.build(FEATURES.shape)
    assert layer.kernel.shape == (100, 8, 3)
    assert layer(FEATURES).shape == (2, 250)


def test_takes_maps_of_any_size():
    inputs = keras.Input((None, None, 5))
    layer = MLDecoder(7, **SMALL, num_groups=3)
    model = keras.Model(inputs, layer(inputs))
    for features in (FEATURES, FEATURES[:, :1, :1]):
        np.testing.assert_allclose(
            model(features), layer(features), rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize("case", CASES)
def test_says_where_each_label_looks(case):
    inputs, options = CASES[case]
    layer = build(inputs, **options)
    maps = layer.attention(*inputs)
    assert maps.shape == (2, 3, 2, 7)
    np.testing.assert_allclose(np.sum(maps, axis=(1, 2)), 1, rtol=1e-5)
    # Where only one region differs from the others, it alone has another weight.
    same = np.ones_like(FEATURES)
    same[:, 2, 1] = FEATURES[:, 2, 1]
    maps = np.asarray(layer.attention(same, *inputs[1:])).reshape(2, 6, 7)
    np.testing.assert_allclose(maps[:, 1:5], maps[:, :1].repeat(4, 1), rtol=1e-5)
    assert np.abs(maps[:, 5] - maps[:, 0]).max() > 1e-3


def test_words_in_another_order_score_the_same():
    layer = build([FEATURES, WORDS])
    logits = np.asarray(layer(FEATURES, WORDS))
    turned = np.asarray(layer(FEATURES, WORDS[::-1].copy()))
    np.testing.assert_allclose(turned[:, ::-1], logits, rtol=1e-4, atol=1e-5)


def test_says_which_argument_is_wrong():
    with pytest.raises(ValueError, match="num_labels=0"):
        MLDecoder(0)
    with pytest.raises(ValueError, match="num_groups=8"):
        MLDecoder(7, num_groups=8)
    with pytest.raises(ValueError, match=r"\(7, 4\) for num_labels=6"):
        MLDecoder(6, **SMALL)(FEATURES, WORDS)
