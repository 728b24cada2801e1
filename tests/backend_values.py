"""Writes what Keras' backend computes: `python -m tests.backend_values FILE.npz`.

Outputs and gradients of every model, loss and metric of kmlic on the same numbers, for
tests/test_backends.py, which compares the backends.
"""

import sys
import zlib

import keras
import numpy as np
from keras import ops

from kmlic import losses, metrics
from tests.models.papers import LABELS, MODELS, PAPERS, SIZE

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.uniform(0, 255, (2, SIZE, SIZE, 3)).astype("float32")
TARGETS = RANDOM.integers(-1, 2, (6, len(LABELS))).astype("float32")
LOGITS = RANDOM.normal(scale=3, size=TARGETS.shape).astype("float32")
COUNTS = ([9, 1, 3, 4, 2], [1, 9, 7, 6, 8])
LOSSES = (
    losses.AsymmetricLoss(),
    losses.CosineMargin(),
    losses.FocalLoss(),
    losses.GroupFocalLoss((3, 2)),
    losses.HillLoss(),
    losses.HingeRank(),
    losses.LabelDistributionAwareMarginLoss(*COUNTS),
    losses.PartialBinaryCrossentropy(),
    losses.SelfPacedLossCorrection(),
    losses.SoftmaxRank(),
    losses.TwoWayLoss(),
)


def fill(model):
    """Gives each weight values that follow from its path, on every backend."""
    for weight in model.weights:
        random = np.random.default_rng(zlib.crc32(weight.path.encode()))
        values = random.normal(scale=0.1, size=weight.shape)
        if "variance" in weight.path:
            values = 1 + np.abs(values)
        elif "gamma" in weight.path or "scale" in weight.path:
            values = 1 + values
        if weight.path.split("/")[-1] != "value":  # a Constant: words or a graph
            weight.assign(values)


def gradients(function, values):
    """The gradients of a number by arrays, with the means of the backend."""
    if keras.backend.backend() == "jax":
        import jax

        return jax.grad(function)(values)
    import tensorflow as tf

    tensors = [tf.convert_to_tensor(value) for value in values]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        result = function(tensors)
    return tape.gradient(result, tensors, unconnected_gradients="zero")


def of_model(name):
    """The output of a model, and its gradient by the weights and images."""
    model = MODELS[name].build()
    fill(model)
    fixed = [weight.value for weight in model.non_trainable_variables]

    def energy(values):
        *weights, images = values
        outputs, _ = model.stateless_call(weights, fixed, images)
        return ops.sum(ops.square(outputs))

    weights = [ops.convert_to_numpy(each.value) for each in model.trainable_variables]
    found = gradients(energy, [*weights, IMAGES])
    yield "output", model(IMAGES)
    for number, gradient in enumerate(found):
        yield f"gradient {number}", gradient


def of_loss(loss):
    """A loss and its gradient by the logits."""
    yield "value", loss(TARGETS, LOGITS)
    (gradient,) = gradients(lambda values: loss(TARGETS, values[0]), [LOGITS])
    yield "gradient", gradient


def main(path):
    """Writes all values to a file."""
    found = {}
    for name in PAPERS:
        for key, value in of_model(name):
            found[f"model {name}: {key}"] = ops.convert_to_numpy(value)
    for loss in LOSSES:
        for key, value in of_loss(loss):
            found[f"loss {loss.name}: {key}"] = ops.convert_to_numpy(value)
    metric = metrics.MeanAveragePrecision(len(LABELS))
    metric.update_state(TARGETS, LOGITS)
    found["metric: mAP"] = ops.convert_to_numpy(metric.result())
    np.savez(path, **found)


if __name__ == "__main__":
    main(sys.argv[1])
