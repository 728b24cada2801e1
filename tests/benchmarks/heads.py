"""Time and memory of a step of each head, beside modules of PyTorch.

Run with `python -m tests.benchmarks.heads`; PyTorch is left out where it is not
installed. Maps are those of a ResNet-101 at 448 pixels, 14 x 14 x 2048, with 80 labels
and batches of 8. A step computes the logits, the loss and all gradients; ours and
PyTorch's alternate in one process. Threads that wait sleep, so that CPU time is work.
Memory is the peak of a process of its own with one head and one library, weights and
gradients included, less what it held after its imports: the median of three processes,
because what an allocator keeps depends on which thread is first.
"""

import argparse
import importlib.util
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import tensorflow as tf

from tests.layers.heads import build_head

SHAPE, LABELS = (8, 14, 14, 2048), 80
PROCESSES = 3  # of which the memory is the median
HEADS = {
    "ClassSpecificResidualAttention": {},
    "MLDecoder": {"dropout": 0.0},
    "wildcat": {},
    "decouplenet": {},
    "msrn": {},
    "Query2Label": {"embedding_size": 2048, "dropout": 0.0},  # the slowest, last
}
RANDOM = np.random.default_rng(0)
FEATURES = RANDOM.normal(size=SHAPE).astype("float32")
TARGETS = (RANDOM.random((SHAPE[0], LABELS)) < 0.04).astype("float32")


def main() -> None:
    """Prints a line per head: milliseconds and megabytes, ours and PyTorch's."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--names", nargs="+", choices=HEADS, default=list(HEADS))
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--memory", help="of one head: ours, or a file of a module")
    options = parser.parse_args()
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"  # before PyTorch starts its threads
    if options.memory:
        print(json.dumps(peak(options.names[0], options.memory, options.steps)))
        return
    has_peer = importlib.util.find_spec("torch") is not None
    if not has_peer:
        print("PyTorch is not installed, left out", flush=True)
    for name in options.names:
        layer = build_head(name, SHAPE, LABELS, **HEADS[name])
        steps, held = {"ours": make_ours(layer)}, {}
        held["ours"] = measure(name, "ours", options.steps)
        if has_peer:
            module = make_peer(name, layer)
            steps["torch"] = make_peer_step(module)
            held["torch"] = measure_peer(name, module, options.steps)
        seconds = {kind: [] for kind in steps}
        for step in steps.values():
            step()
        for _ in range(options.steps):
            for kind, step in steps.items():
                start = time.process_time()
                step()
                seconds[kind].append(time.process_time() - start)
        least = {kind: min(each) for kind, each in seconds.items()}
        middle = {kind: statistics.median(each) for kind, each in seconds.items()}
        parts = [
            f"{kind} {1000 * least[kind]:.0f} ({1000 * middle[kind]:.0f}) CPU "
            f"milliseconds, {held[kind]:.0f} MB"
            for kind in steps
        ]
        if has_peer:
            parts += [
                f"ratios {least['ours'] / least['torch']:.2f} and "
                f"{held['ours'] / held['torch']:.2f}"
            ]
        text = "; ".join(parts)
        print(f"{name}, minimum (median) of a step: {text}", flush=True)


def make_ours(layer):
    """Returns a step of a head."""
    features, targets = tf.constant(FEATURES), tf.constant(TARGETS)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            tape.watch(features)
            logits = layer(features, training=True)
            loss = tf.nn.sigmoid_cross_entropy_with_logits(targets, logits)
        weights = [weight.value for weight in layer.trainable_weights]
        return tape.gradient(loss, [features, *weights])

    return step  # which on a CPU returns when it is done


def make_peer(name, layer):
    """Returns the module of PyTorch with the weights of a head."""
    from tests.layers.torch_heads import PEERS

    return PEERS[name](layer)


def make_peer_step(module):
    """Returns a step of a module of PyTorch."""
    import torch

    # As a convolution of PyTorch leaves them.
    features = torch.tensor(FEATURES.transpose(0, 3, 1, 2).copy(), requires_grad=True)
    targets = torch.tensor(TARGETS)
    loss = torch.nn.functional.binary_cross_entropy_with_logits

    def step():
        for each in (features, *module.parameters()):
            each.grad = None
        loss(module(features), targets, reduction="sum").backward()

    return step


def measure_peer(name, module, steps):
    """Returns the memory of steps of a module in processes of their own, in MB."""
    import torch

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "module.pt"
        torch.save(module, path)
        return measure(name, path, steps)


def measure(name, kind, steps):
    """Returns the memory of steps, the median of processes of their own, in MB."""
    command = [sys.executable, "-m", "tests.benchmarks.heads", "--names", name]
    command += ["--memory", str(kind), "--steps", str(steps)]
    peaks = []
    for _ in range(PROCESSES):
        run = subprocess.run(command, check=True, capture_output=True, text=True)
        peaks.append(json.loads(run.stdout.splitlines()[-1]))
    return statistics.median(peaks)


def peak(name, kind, steps):
    """Returns how far this process's peak is above what its imports held, in MB."""
    if kind == "ours":
        before = _memory("VmRSS")
        step = make_ours(build_head(name, SHAPE, LABELS, **HEADS[name]))
    else:
        import torch

        from tests.layers import torch_heads  # noqa: F401

        before = _memory("VmRSS")
        step = make_peer_step(torch.load(kind, weights_only=False))
    for _ in range(steps):
        step()
    return _memory("VmHWM") - before


def _memory(field):
    status = Path("/proc/self/status").read_text()
    return int(re.search(rf"{field}:\s+(\d+) kB", status)[1]) / 1024


if __name__ == "__main__":
    main()
