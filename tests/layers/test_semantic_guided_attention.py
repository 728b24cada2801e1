import keras
import numpy as np
import pytest
import tensorflow as tf

from kmlic.layers import SemanticGuidedAttention
from tests.checks import check_layer

RANDOM = np.random.default_rng(0)
FEATURES = RANDOM.normal(size=(2, 5, 3, 12)).astype("float32")
EMBEDDINGS = RANDOM.normal(size=(7, 12)).astype("float32")


@pytest.mark.parametrize("unroll", [False, True])
def test_keeps_the_layer_contract(unroll):
    check_layer(
        SemanticGuidedAttention, {"unroll": unroll}, [FEATURES, EMBEDDINGS], (2, 7, 12)
    )


@pytest.mark.parametrize("unroll", [False, True])
@pytest.mark.parametrize("scale", [1, 30])
def test_matches_equations_7_to_9_written_in_numpy(unroll, scale):
    outputs = SemanticGuidedAttention(unroll)(scale * FEATURES, EMBEDDINGS)

    features = scale * FEATURES.reshape(2, 15, 1, 12).astype("float64")
    scores = features * EMBEDDINGS  # (B, N, E, D)
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    expected = (weights * features).sum(axis=1)
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-5 * scale)


@pytest.mark.parametrize("unroll", [False, True])
@pytest.mark.parametrize("scale", [0.1, 1, 5])
def test_has_the_gradient_of_the_plain_form(unroll, scale):
    layer = SemanticGuidedAttention(unroll)
    inputs = [scale * FEATURES, scale * EMBEDDINGS]
    expected = _gradients(_attend_plainly, [x.astype("float64") for x in inputs])
    for attend in (layer, tf.function(layer)):
        actual = _gradients(attend, inputs)
        for ours, theirs in zip(actual, expected, strict=True):
            assert np.abs(ours - theirs).max() < 1e-5 * np.abs(theirs).max()


def _attend_plainly(feature_map, embeddings):
    features = tf.reshape(feature_map, (2, 15, 1, 12))
    weights = tf.nn.softmax(features * embeddings, axis=1)  # (B, N, E, D)
    return tf.reduce_sum(weights * features, axis=1)


def _gradients(function, inputs):
    inputs = [tf.constant(x) for x in inputs]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        loss = tf.reduce_sum(function(*inputs) ** 3)
    return [np.asarray(gradient) for gradient in tape.gradient(loss, inputs)]


def test_an_embedding_of_zero_gives_the_mean():
    outputs = SemanticGuidedAttention()(FEATURES, np.zeros((1, 12), "float32"))
    expected = FEATURES.mean(axis=(1, 2))[:, None]
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-6)


def test_a_large_embedding_gives_the_extremes():
    extreme = np.array([[1e4] * 12, [-1e4] * 12], "float32")
    outputs = SemanticGuidedAttention()(FEATURES, extreme)
    np.testing.assert_allclose(outputs[:, 0], FEATURES.max(axis=(1, 2)), rtol=1e-5)
    np.testing.assert_allclose(outputs[:, 1], FEATURES.min(axis=(1, 2)), rtol=1e-5)


@pytest.mark.parametrize("unroll", [False, True])
def test_takes_maps_of_unknown_size(unroll):
    feature_map = keras.Input((None, None, 12))
    embeddings = keras.Input(batch_shape=(7, 12))
    attend = SemanticGuidedAttention(unroll)
    model = keras.Model([feature_map, embeddings], attend(feature_map, embeddings))
    assert model.output_shape == (None, 7, 12)
    for shape in ((1, 1, 1, 12), (2, 3, 9, 12)):
        features = RANDOM.normal(size=shape).astype("float32")
        expected = attend(features, EMBEDDINGS)
        actual = tf.function(model)([features, EMBEDDINGS])
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)


def test_computes_in_float32_under_mixed_precision():
    expected = SemanticGuidedAttention()(FEATURES, EMBEDDINGS)
    layer = SemanticGuidedAttention(dtype=keras.DTypePolicy("mixed_float16"))
    outputs = layer(FEATURES, EMBEDDINGS)
    assert outputs.dtype == "float16"
    assert keras.ops.all(outputs == keras.ops.cast(expected, "float16"))


def test_shows_where_each_embedding_looks():
    weights = SemanticGuidedAttention().attention(FEATURES, EMBEDDINGS)
    assert weights.shape == (2, 5, 3, 7)
    scores = np.exp(FEATURES[:, :, :, None] * EMBEDDINGS)
    expected = (scores / scores.sum(axis=(1, 2), keepdims=True)).mean(axis=-1)
    np.testing.assert_allclose(weights, expected, rtol=1e-5)


def test_exports_a_form_of_builtin_operators():
    layer = SemanticGuidedAttention(name="attend").export_layer()
    assert layer.name == "attend"
    feature_map = keras.Input((5, 3, 12), batch_size=1)
    constant = keras.ops.convert_to_tensor(EMBEDDINGS)
    model = keras.Model(feature_map, layer(feature_map, constant))
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    run = tf.lite.Interpreter(model_content=converter.convert())
    run.allocate_tensors()
    run.set_tensor(run.get_input_details()[0]["index"], FEATURES[:1])
    run.invoke()
    outputs = run.get_tensor(run.get_output_details()[0]["index"])
    expected = SemanticGuidedAttention()(FEATURES[:1], EMBEDDINGS)
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-5)


def test_says_which_sizes_do_not_match():
    with pytest.raises(ValueError, match=r"shape \(7, 11\) .* \(2, 5, 3, 12\)"):
        SemanticGuidedAttention()(FEATURES, EMBEDDINGS[:, :11])
