import math

import keras
import numpy as np
import pytest
import scipy.special
import tensorflow as tf

from kmlic.layers import ClassSpecificResidualAttention
from tests.checks import check_layer

RANDOM = np.random.default_rng(0)
FEATURES = RANDOM.normal(size=(2, 5, 4, 6)).astype("float32")
HEADS = {
    "1": (1,),
    "2": (1, math.inf),
    "4": (1, 2, 4, math.inf),
    "6": (1, 2, 3, 4, 5, math.inf),
    "8": (1, 2, 3, 4, 5, 6, 7, math.inf),
    "99 is not the maximum": (99,),
}


def reference(features, kernels, temperatures, weight, normalise=True):
    """Computes the paper's equations head by head, label by label."""
    x = features.reshape(len(features), -1, features.shape[-1]).astype("float64")
    logits = np.zeros((len(x), kernels.shape[-1]))
    for kernel, temperature in zip(kernels, temperatures, strict=True):
        for label in range(kernel.shape[1]):
            m = kernel[:, label].astype("float64")
            if normalise:
                m = m / np.linalg.norm(m)
            for image in range(len(x)):
                s = x[image] @ m
                if math.isinf(temperature):
                    a = np.eye(len(s))[s.argmax()]
                else:
                    a = scipy.special.softmax(temperature * s)
                f = x[image].mean(axis=0) + weight * a @ x[image]
                logits[image, label] += m @ f
    return logits


@pytest.mark.parametrize("return_maps", [False, True])
def test_keeps_the_layer_contract(return_maps):
    check_layer(
        ClassSpecificResidualAttention,
        {
            "num_labels": 3,
            "temperatures": HEADS["4"],
            "attention_weight": 0.4,
            "use_bias": True,
            "return_maps": return_maps,
        },
        [FEATURES],
        output_shape=(2, 5, 4, 3) if return_maps else (2, 3),
    )


@pytest.mark.parametrize("normalise", [True, False])
@pytest.mark.parametrize("heads", HEADS)
def test_matches_the_paper_written_in_numpy(heads, normalise):
    layer = ClassSpecificResidualAttention(
        3, temperatures=HEADS[heads], attention_weight=0.4, normalise=normalise
    )
    layer.build(FEATURES.shape)
    kernels = RANDOM.normal(size=(len(HEADS[heads]), 6, 3)).astype("float32")
    layer.kernel.assign(np.concatenate(list(kernels), axis=1))
    expected = reference(FEATURES, kernels, HEADS[heads], 0.4, normalise)
    np.testing.assert_allclose(layer(FEATURES), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("normalise", [True, False])
def test_its_gradients_are_those_of_the_equations(normalise):
    temperatures = HEADS["4"]
    layer = ClassSpecificResidualAttention(
        3, temperatures=temperatures, attention_weight=0.4, normalise=normalise
    )
    layer.build(FEATURES.shape)
    signs = RANDOM.normal(size=(2, 3))
    features = tf.constant(FEATURES)
    with tf.GradientTape() as tape:
        tape.watch(features)
        total = tf.reduce_sum(layer(features) * signs.astype("float32"))
    found = tape.gradient(total, [features, layer.kernel.value])

    def score(features, kernel):
        kernels = np.stack(np.split(kernel, len(temperatures), axis=1))
        logits = reference(features, kernels, temperatures, 0.4, normalise)
        return (logits * signs).sum()

    start = [FEATURES.astype("float64"), layer.kernel.numpy().astype("float64")]
    for which, gradient in enumerate(found):
        expected = np.zeros(gradient.shape)
        for index in np.ndindex(*gradient.shape):
            values = []
            for step in (1e-6, -1e-6):
                moved = [array.copy() for array in start]
                moved[which][index] += step
                values.append(score(*moved))
            expected[index] = (values[0] - values[1]) / 2e-6
        np.testing.assert_allclose(
            gradient, expected, atol=1e-4 * np.abs(expected).max()
        )


def test_the_mean_of_a_map_is_the_logit():
    options = {"temperatures": HEADS["6"], "use_bias": True}
    layer = ClassSpecificResidualAttention(3, **options)
    logits = layer(FEATURES)
    layer.bias.assign([1.0, -2.0, 3.0])
    maps = ClassSpecificResidualAttention(3, **options, return_maps=True)
    maps.build(FEATURES.shape)
    maps.set_weights(layer.get_weights())
    found = np.mean(maps(FEATURES), axis=(1, 2))
    np.testing.assert_allclose(found, layer(FEATURES), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        found - logits, [[1, -2, 3]] * 2, rtol=1e-4
    )  # the bias is added once, whatever the number of heads


def test_takes_maps_of_any_size():
    inputs = keras.Input((None, None, 6))
    model = keras.Model(
        inputs, ClassSpecificResidualAttention(3, temperatures=HEADS["2"])(inputs)
    )
    kernel = model.layers[-1].kernel.numpy()
    kernels = np.stack(np.split(kernel, 2, axis=1))
    for features in (FEATURES, FEATURES[:, :1, :1], FEATURES[:, 1:, ::2]):
        expected = reference(features, kernels, HEADS["2"], 0.1)
        np.testing.assert_allclose(model(features), expected, rtol=1e-4, atol=1e-5)


def test_regions_that_share_the_maximum_share_its_gradient():
    layer = ClassSpecificResidualAttention(
        1, temperatures=(math.inf,), attention_weight=1.0
    )
    features = tf.ones((1, 2, 2, 3))
    with tf.GradientTape() as tape:
        tape.watch(features)
        logits = layer(features)
    gradient = tape.gradient(logits, features)
    unit = layer.kernel.numpy()[:, 0] / np.linalg.norm(layer.kernel.numpy())
    np.testing.assert_allclose(gradient, np.broadcast_to(unit / 2, (1, 2, 2, 3)))


def test_stays_finite_for_scores_of_any_size():
    layer = ClassSpecificResidualAttention(3, temperatures=(99, math.inf))
    features = tf.constant(FEATURES * 1e4)
    with tf.GradientTape() as tape:
        tape.watch(features)
        total = tf.reduce_sum(layer(features))
    assert np.isfinite(total) and np.isfinite(tape.gradient(total, features)).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_labels": 0}, "num_labels=0"),
        ({"temperatures": ()}, r"temperatures=\(\)"),
        ({"temperatures": (1, 0)}, r"temperatures=\(1, 0\)"),
        ({"attention_weight": -0.1}, "attention_weight=-0.1"),
        ({"attention_weight": math.nan}, "attention_weight=nan"),
    ],
)
def test_says_which_argument_is_wrong(arguments, message):
    with pytest.raises(ValueError, match=message):
        ClassSpecificResidualAttention(**{"num_labels": 3, **arguments})
