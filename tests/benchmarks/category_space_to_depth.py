"""The grouped convolution of 80 labels x 8 maps beside Keras' own.

Run with `python -m tests.benchmarks.category_space_to_depth`. `kmlic` is what
CategorySpaceToDepth calls, keras.layers.DepthwiseConv2D, for each group has a single
channel; `grouped` is kmlic's GroupedConv2D; `keras` is keras.layers.Conv2D(groups=80),
whose gradient XLA compiles; `plain` is one convolution over all channels.
"""

import statistics
import time

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from kmlic.layers import GroupedConv2D

BATCH, SIDE, LABELS, MAPS, REPEATS = 8, 14, 80, 8, 5


def main() -> None:
    """Prints the time of each form, forward and with gradient, and how they differ."""
    filters = LABELS * MAPS
    features = tf.random.stateless_normal((BATCH, SIDE + 2, SIDE + 2, LABELS), (0, 1))
    forms = {
        "kmlic": layers.DepthwiseConv2D(3, depth_multiplier=MAPS),
        "grouped": GroupedConv2D(filters, 3, groups=LABELS),
        "keras": layers.Conv2D(filters, 3, groups=LABELS),
        "plain": layers.Conv2D(filters, 3),
    }
    kernel = np.random.default_rng(0).normal(size=(3, 3, 1, filters))
    for name, layer in forms.items():
        layer.build(features.shape)
        if name != "plain":
            layer.kernel.assign(kernel.reshape(layer.kernel.shape))
    steps = {name: _steps(layer, features) for name, layer in forms.items()}
    outputs = {
        name: [tf.nest.map_structure(np.asarray, step()) for step in pair]
        for name, pair in steps.items()
    }
    times = {name: ([], []) for name in forms}
    for _ in range(REPEATS):  # in turn, so that a busy machine hurts all of them
        for name, pair in steps.items():
            for step, found in zip(pair, times[name], strict=True):
                start = time.perf_counter()
                tf.nest.map_structure(lambda x: x.numpy(), step())
                found.append(1e3 * (time.perf_counter() - start))
    print(f"batch {BATCH}, {SIDE} x {SIDE}, {LABELS} labels x {MAPS} maps")
    print(f"{'':10} {'forward':>10} {'with gradient':>15} {'differs by':>12}")
    for name, pair in times.items():
        forward, both = map(statistics.median, pair)
        differs = ""
        if name != "plain":
            differs = f"{_difference(outputs[name], outputs['kmlic']):.1e}"
        print(f"{name:10} {forward:7.1f} ms {both:12.1f} ms {differs:>12}")
    ours, theirs = (statistics.median(times[name][1]) for name in ("kmlic", "keras"))
    print(f"Keras' own takes {theirs / ours:.0f} times as long with gradient.")


def _steps(layer: keras.Layer, features: tf.Tensor):
    kernel = layer.kernel.value

    @tf.function
    def forward():
        return layer(features)

    @tf.function
    def forward_and_gradient():
        with tf.GradientTape() as tape:
            tape.watch(features)
            loss = tf.reduce_sum(tf.tanh(layer(features)))
        return tape.gradient(loss, [features, kernel])

    return forward, forward_and_gradient


def _difference(ours, theirs):
    return max(
        np.abs(np.reshape(a, b.shape) - b).max() / np.abs(b).max()
        for a, b in zip(tf.nest.flatten(ours), tf.nest.flatten(theirs), strict=True)
    )


if __name__ == "__main__":
    main()
