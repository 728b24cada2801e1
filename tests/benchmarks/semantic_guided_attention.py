"""Semantic guided attention of COCO's size beside its plain TensorFlow form.

Run with `python -m tests.benchmarks.semantic_guided_attention`.
"""

import pathlib
import re
import subprocess
import sys
import time

import numpy as np
import tensorflow as tf

from kmlic.layers import SemanticGuidedAttention

BATCH, SIDES, EMBEDDINGS, SIZE, REPEATS = 4, (28, 14, 7), 84, 512, 5


def main() -> None:
    """Prints time and peak memory of both forms, forward and with gradient."""
    if len(sys.argv) > 1:
        for run in _steps(*_inputs(), sys.argv[1]):
            run()
        print(_own_peak())
        return
    inputs = _inputs()
    forms = {form: _steps(*inputs, form) for form in ("plain", "kmlic")}
    print(f"{'':8} {'forward':>10} {'and gradient':>14} {'peak':>8}")
    best = {form: [min(times) for times in _times(forms)[form]] for form in forms}
    peaks = {form: _peak(form) for form in forms}
    for form, (forward, both) in best.items():
        print(
            f"{form:8} {forward * 1e3:7.0f} ms {both * 1e3:11.0f} ms "
            f"{peaks[form]:5.2f} GB"
        )
    ratios = [
        ours / plain for ours, plain in zip(*reversed(best.values()), strict=True)
    ]
    print(f"{'ratio':8} {ratios[0]:10.2f} {ratios[1]:14.2f}")
    _print_differences(forms)


def _inputs():
    random = np.random.default_rng(0)
    maps = [
        tf.constant(random.normal(size=(BATCH, side, side, SIZE)), "float32")
        for side in SIDES
    ]
    return maps, tf.constant(random.normal(size=(EMBEDDINGS, SIZE)), "float32")


def _attend_plainly(feature_map, embeddings):
    features = tf.reshape(feature_map, (BATCH, -1, 1, SIZE))
    weights = tf.nn.softmax(features * embeddings, axis=1)  # (B, N, E, D)
    return tf.reduce_sum(weights * features, axis=1)


def _steps(maps, embeddings, form):
    attend = _attend_plainly if form == "plain" else SemanticGuidedAttention()

    @tf.function
    def forward():
        return [attend(feature_map, embeddings) for feature_map in maps]

    @tf.function
    def forward_and_gradient():
        with tf.GradientTape() as tape:
            tape.watch([*maps, embeddings])
            outputs = [attend(feature_map, embeddings) for feature_map in maps]
            loss = tf.add_n([tf.reduce_sum(tf.tanh(output)) for output in outputs])
        return tape.gradient(loss, [*maps, embeddings])

    return forward, forward_and_gradient


def _times(forms):
    times = {form: ([], []) for form in forms}
    for _ in range(1 + REPEATS):  # in turn, so that a busy machine hurts both
        for form, steps in forms.items():
            for step, found in zip(steps, times[form], strict=True):
                start = time.perf_counter()
                tf.nest.map_structure(lambda x: x.numpy(), step())
                found.append(time.perf_counter() - start)
    return times


def _peak(form):
    command = [sys.executable, "-m", __spec__.name, form]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(run.stdout.splitlines()[-1])


def _own_peak():
    # Not getrusage, whose peak includes the parent's at the time of the fork.
    status = pathlib.Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 2**20


def _print_differences(forms):
    for index, what in enumerate(("outputs", "gradients")):
        ours, plain = (
            [np.asarray(x) for x in forms[form][index]()] for form in ("kmlic", "plain")
        )
        worst = max(
            np.abs(a - b).max() / np.abs(b).max()
            for a, b in zip(ours, plain, strict=True)
        )
        print(f"Largest relative difference of {what}: {worst:.1e}")


if __name__ == "__main__":
    main()
