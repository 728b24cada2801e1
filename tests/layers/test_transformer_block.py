import keras
import numpy as np
import pytest
import scipy.special

from kmlic.layers import TransformerBlock
from tests.checks import check_layer
from tests.layers.differences import check_gradients

RANDOM = np.random.default_rng(0)
QUERIES = RANDOM.normal(size=(2, 3, 8)).astype("float32")
INPUTS = RANDOM.normal(size=(2, 3, 8)).astype("float32")
KEYS = RANDOM.normal(size=(2, 5, 8)).astype("float32")
VALUES = RANDOM.normal(size=(2, 5, 8)).astype("float32")
ALL = [INPUTS, QUERIES, KEYS, VALUES]


def normalise(x, scale, offset):
    x = x - x.mean(axis=-1, keepdims=True)
    x = x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + 1e-5)
    return x * scale + offset


def transformer_block(inputs, weights, num_heads):
    """Computes the paper's equations head by head; weights in the layer's order."""
    inputs, query, key, value = inputs
    wq, bq, wk, bk, wv, bv, wo, bo, wh, bh, wt, bt, *norms = weights
    q, k, v = query @ wq + bq, key @ wk + bk, value @ wv + bv
    heads = []
    for own in np.split(np.arange(q.shape[-1]), num_heads):
        scores = q[..., own] @ k[..., own].transpose(0, 2, 1) / np.sqrt(len(own))
        heads.append(scipy.special.softmax(scores, axis=-1) @ v[..., own])
    x = normalise(inputs + np.concatenate(heads, axis=-1) @ wo + bo, *norms[:2])
    return normalise(x + np.maximum(x @ wh + bh, 0) @ wt + bt, *norms[2:])


def randomise(layer):
    """Sets every weight to a value that matters, biases and scales too."""
    random = np.random.default_rng(2)
    for weight in layer.weights:
        weight.assign(weight + 0.3 * random.normal(size=weight.shape))
    return layer


@pytest.fixture
def block():
    keras.utils.set_random_seed(0)
    block = TransformerBlock(num_heads=2, hidden_units=6)
    block.build(*(x.shape for x in ALL))
    return randomise(block)


def test_keeps_the_layer_contract():
    check_layer(TransformerBlock, {"num_heads": 4, "hidden_units": 6}, ALL, (2, 3, 8))


def test_matches_the_paper_written_in_numpy(block):
    weights = [np.asarray(weight, "float64") for weight in block.weights]
    expected = transformer_block(ALL, weights, num_heads=2)
    np.testing.assert_allclose(block(*ALL), expected, rtol=1e-4, atol=1e-5)


def test_its_gradients_are_those_of_the_equations(block):
    check_gradients(block, ALL, lambda *given: transformer_block(*given, num_heads=2))


def test_the_order_of_the_tokens_does_not_matter(block):
    turned = block(INPUTS, QUERIES, KEYS[:, ::-1], VALUES[:, ::-1])
    np.testing.assert_allclose(turned, block(*ALL), rtol=1e-4, atol=1e-5)


def test_inputs_of_all_images_are_given_once(block):
    once = [INPUTS[:1], QUERIES[:1], KEYS, VALUES]
    repeated = [np.repeat(each, 2, axis=0) for each in once[:2]]
    found = block(*once)
    assert found.shape == block.compute_output_shape(*(x.shape for x in once))
    np.testing.assert_allclose(found, block(*repeated, KEYS, VALUES), rtol=1e-5)
    check_gradients(block, once, lambda *given: transformer_block(*given, num_heads=2))


def test_its_weights_sum_to_1(block):
    weights = block.weigh(QUERIES, KEYS)
    assert weights.shape == (2, 2, 3, 5)
    np.testing.assert_allclose(np.sum(weights, axis=-1), 1, rtol=1e-5)


def test_drops_in_training_only(block):
    np.testing.assert_allclose(block(*ALL), block(*ALL, training=False))
    assert np.abs(block(*ALL, training=True) - block(*ALL)).max() > 0.01


def test_says_which_argument_is_wrong(block):
    with pytest.raises(ValueError, match="num_heads=0"):
        TransformerBlock(0, 8)
    with pytest.raises(ValueError, match="dropout=1"):
        TransformerBlock(2, 8, dropout=1)
    with pytest.raises(ValueError, match=r"num_heads=3 and input shape \(2, 3, 8\)"):
        TransformerBlock(3, 8)(*ALL)
