import keras
import numpy as np
import pytest
import tensorflow as tf

from kmlic.layers.semantic_resize_embedder import SemanticResizeEmbedder
from tests.checks import check_layer

MAPS = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype("float32")


def test_keeps_the_layer_contract():
    check_layer(SemanticResizeEmbedder, {"size": 8}, [MAPS], output_shape=(2, 8, 8, 1))


def test_resizes_sums_and_scales_as_the_paper_says():
    resized = tf.image.resize(MAPS, (9, 9)).numpy().sum(axis=-1, keepdims=True)
    lowest = resized.min(axis=(1, 2), keepdims=True)
    highest = resized.max(axis=(1, 2), keepdims=True)
    expected = (resized - lowest) / (highest - lowest)

    outputs = SemanticResizeEmbedder(size=9)(MAPS)

    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-5)


def test_gives_zeros_for_a_constant_map():
    outputs = SemanticResizeEmbedder(size=4)(np.full((1, 2, 2, 3), 5.0))
    np.testing.assert_array_equal(outputs, np.zeros((1, 4, 4, 1)))


def test_stays_finite_in_float16():
    layer = SemanticResizeEmbedder(size=8, dtype=keras.DTypePolicy("mixed_float16"))
    outputs = layer(6e4 * MAPS)
    assert outputs.dtype == "float16"
    assert np.isfinite(np.asarray(outputs, "float32")).all()


def test_says_which_size_is_wrong():
    with pytest.raises(ValueError, match="size=0"):
        SemanticResizeEmbedder(size=0)
