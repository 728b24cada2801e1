"""Gradients by differences, for the equations of a paper written in NumPy."""

import numpy as np
import tensorflow as tf


def check_gradients(layer, inputs, reference):
    """Compares a layer's gradients with differences of a reference in float64.

    Args:
        layer: the layer, built.
        inputs: float32 arrays that it is called on.
        reference: takes the inputs and the list of the layer's weights, as float64
            arrays, and returns what the layer should.
    """
    tensors = [tf.constant(array) for array in inputs]
    outputs = np.asarray(layer(*tensors))
    signs = np.random.default_rng(1).normal(size=outputs.shape)
    variables = [weight.value for weight in layer.trainable_weights]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        total = tf.reduce_sum(layer(*tensors) * signs.astype("float32"))
    found = tape.gradient(total, [*tensors, *variables])

    start = [np.asarray(array, "float64") for array in [*inputs, *layer.weights]]
    learned = [True] * len(inputs) + [weight.trainable for weight in layer.weights]
    places = [place for place, each in enumerate(learned) if each]
    for place, gradient in zip(places, found, strict=True):
        expected = np.zeros(gradient.shape)
        for index in np.ndindex(*gradient.shape):
            totals = []
            for step in (1e-6, -1e-6):
                moved = [array.copy() for array in start]
                moved[place][index] += step
                values = reference(moved[: len(inputs)], moved[len(inputs) :])
                totals.append((values * signs).sum())
            expected[index] = (totals[0] - totals[1]) / 2e-6
        # Where all are 0 (a shift that softmax undoes) float32 leaves its rounding.
        tolerance = 1e-4 * max(np.abs(expected).max(), 0.1)
        np.testing.assert_allclose(gradient, expected, atol=tolerance)
