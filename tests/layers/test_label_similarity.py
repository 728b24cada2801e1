import keras
import numpy as np
import pytest
import tensorflow as tf

from kmlic.layers.label_similarity import LabelSimilarity
from tests.checks import check_layer

RANDOM = np.random.default_rng(0)
EMBEDDINGS = RANDOM.normal(size=(3, 6)).astype("float32")
VECTORS = RANDOM.normal(size=(5, 6)).astype("float32")


@pytest.mark.parametrize("metric", ["cosine", "dot"])
def test_keeps_the_layer_contract(metric):
    inputs = [EMBEDDINGS, VECTORS]
    check_layer(LabelSimilarity, {"metric": metric}, inputs, output_shape=(3, 5))


def test_matches_the_paper_written_in_numpy():
    units = VECTORS / np.linalg.norm(VECTORS, axis=1, keepdims=True)
    lengths = np.linalg.norm(EMBEDDINGS, axis=1, keepdims=True)
    dot = EMBEDDINGS @ units.T
    np.testing.assert_allclose(
        LabelSimilarity("dot")(EMBEDDINGS, VECTORS), dot, atol=1e-6
    )
    np.testing.assert_allclose(
        LabelSimilarity()(EMBEDDINGS, VECTORS), dot / lengths, atol=1e-6
    )


def test_the_gradient_is_that_of_the_cosine():
    embeddings = tf.Variable(EMBEDDINGS)
    with tf.GradientTape() as tape:
        outputs = tf.reduce_sum(LabelSimilarity()(embeddings, VECTORS)[:, 0])
    gradient = tape.gradient(outputs, embeddings)
    other = tf.Variable(EMBEDDINGS)
    with tf.GradientTape() as tape:
        outputs = -tf.reduce_sum(keras.losses.cosine_similarity(VECTORS[:1], other))
    np.testing.assert_allclose(gradient, tape.gradient(outputs, other), atol=1e-6)


@pytest.mark.parametrize("scale", [0, 1e-30, 1e30])
def test_vectors_of_any_size_give_numbers(scale):
    embeddings = tf.Variable(EMBEDDINGS * np.float32(scale))
    vectors = VECTORS * np.float32(scale)
    with tf.GradientTape() as tape:
        outputs = LabelSimilarity()(embeddings, vectors)
    assert np.isfinite(tape.gradient(outputs, embeddings)).all()
    expected = LabelSimilarity()(EMBEDDINGS, VECTORS) if scale else np.zeros((3, 5))
    np.testing.assert_allclose(outputs, expected, atol=1e-6)


def test_says_what_does_not_fit():
    with pytest.raises(ValueError, match="metric='euclidean'"):
        LabelSimilarity("euclidean")
    with pytest.raises(ValueError, match=r"\(3, 6\) and \(5, 4\)"):
        LabelSimilarity()(EMBEDDINGS, VECTORS[:, :4])
