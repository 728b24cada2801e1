"""Scores and keeps the moving average of the weights instead of the last weights."""

import itertools
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kmlic.layers.keras_internals import flatten_layers
from kmlic.training.keras_internals import averages

_BATCHES = 16


class AveragedWeights(keras.callbacks.Callback):
    """Replaces the weights by their average while an epoch is scored.

    The optimizer keeps the average (`use_ema`). The statistics of batch normalization
    are recomputed for it, because those of the last weights do not fit. Afterwards the
    model is restored, and `weights` holds the weights that were scored.

    `keras.callbacks.SwapEMAWeights` is not used: it leaves the statistics of batch
    normalization as they are, and swaps by adding and subtracting, which changes the
    last bits of the weights, so that a resumed training would not be exact.

    Paper: Izmailov et al., "Averaging Weights Leads to Wider Optima and Better
    Generalization", UAI 2018, section 3.2, https://arxiv.org/abs/1803.05407. Differs
    from it: the average is exponential.

    Args:
        scores: callback that scores the model at the end of an epoch.
        batches: training batches; the first 16 are used for the statistics.
    """

    def __init__(self, scores: keras.callbacks.Callback, batches: Iterable):
        super().__init__()
        self.scores = scores
        self.weights: list[np.ndarray] = []
        self._batches = batches
        self._first: list[Any] = []

    def set_model(self, model):
        super().set_model(model)
        self.scores.set_model(model)

    def on_epoch_end(self, epoch, logs=None):
        model = self.model
        optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
        last = [keras.ops.convert_to_numpy(v) for v in model.variables]
        for variable, average in averages(optimizer):
            variable.assign(keras.ops.convert_to_numpy(average))
        self._first = self._first or [
            batch[0] for batch in itertools.islice(self._batches, _BATCHES)
        ]
        recompute_batch_norm(model, self._first)
        self.scores.on_epoch_end(epoch, logs)
        self.weights = [keras.ops.convert_to_numpy(v) for v in model.variables]
        for variable, value in zip(model.variables, last, strict=True):
            variable.assign(value)


def recompute_batch_norm(model: keras.Model, inputs: Iterable) -> None:
    """Sets the statistics of batch normalization to their means over batches.

    Frozen layers keep their statistics.

    Args:
        model: any model; its other weights do not change.
        inputs: batches of inputs of the model.
    """
    layers = [
        layer
        for layer in flatten_layers(model)
        if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable
    ]
    if not layers:
        return
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.momentum = 0.0  # the statistics become those of the batch
    variables = [v for x in layers for v in (x.moving_mean, x.moving_variance)]
    totals = [np.zeros(v.shape, np.float64) for v in variables]
    run = tf.function(lambda x: model(x, training=True), reduce_retracing=True)
    count = 0
    try:
        for batch in inputs:
            run(batch)
            count += 1
            for total, variable in zip(totals, variables, strict=True):
                total += keras.ops.convert_to_numpy(variable)
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
    for total, variable in zip(totals, variables, strict=True):
        variable.assign((total / count).astype("float32"))
