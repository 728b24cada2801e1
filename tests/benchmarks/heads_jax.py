"""Images per second and memory of each head under JAX, beside modules of PyTorch.

Run with `KERAS_BACKEND=jax python -m tests.benchmarks.heads_jax`, on a GPU where JAX
and PyTorch find one. Maps are those of a ResNet-101 at 448 pixels, 14 x 14 x 2048, with
80 labels. A step computes the logits, the loss and all gradients; both have the same
weights and alternate in one process. Heads are left out once the minutes are over.
Memory is the peak that each library counts, on a GPU alone.
"""

import argparse
import os
import time

import keras
import numpy as np
import pytest

from tests.layers.heads import build_head
from tests.layers.torch_heads import PEERS, torch

jax = pytest.importorskip("jax")

SHAPE, LABELS = (14, 14, 2048), 80
OPTIONS = {
    "MLDecoder": {"dropout": 0.0},
    "Query2Label": {"embedding_size": 2048, "dropout": 0.0},
}


def main() -> None:
    """Prints a line per head: images per second and gigabytes, ours and PyTorch's."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--names", nargs="+", choices=PEERS, default=list(PEERS))
    parser.add_argument("--batch_size", type=int, default=32)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=8.0)
    options = parser.parse_args()
    if keras.backend.backend() != "jax":
        raise SystemExit("KERAS_BACKEND must be jax; got " + keras.backend.backend())
    # JAX would take most of the memory from PyTorch.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    end = time.monotonic() + 60 * options.minutes
    shape = (options.batch_size, *SHAPE)
    random = np.random.default_rng(0)
    features = random.normal(size=shape).astype("float32")
    targets = (random.random((len(features), LABELS)) < 0.04).astype("float32")
    print(f"{jax.devices()[0].device_kind}; PyTorch on {_device()}", flush=True)
    for name in options.names:
        if time.monotonic() > end:
            print(f"{name}: left out, the minutes are over", flush=True)
            continue
        head = build_head(name, shape, LABELS, **OPTIONS.get(name, {}))
        steps = {
            "ours": make_ours(head, features, targets),
            "torch": make_peer(PEERS[name](head), features, targets),
        }
        losses = {kind: float(step()) for kind, step in steps.items()}
        np.testing.assert_allclose(losses["ours"], losses["torch"], rtol=1e-3)
        seconds = {kind: [] for kind in steps}
        for _ in range(options.steps):
            for kind, step in steps.items():
                start = time.monotonic()
                float(step())  # waits for the device
                seconds[kind].append(time.monotonic() - start)
        rates = {kind: len(features) / min(each) for kind, each in seconds.items()}
        peaks = {"ours": _peak_of_jax(), "torch": _peak_of_torch()}
        parts = [f"{kind} {rates[kind]:.1f} images/s{peaks[kind]}" for kind in steps]
        print(f"{name}: {'; '.join(parts)}", flush=True)


def make_ours(head, features, targets):
    """Returns a compiled step of a head, which gives the loss."""
    trained = [weight.value for weight in head.trainable_variables]
    others = [weight.value for weight in head.non_trainable_variables]
    # Single layers compute the same in training, without dropout.
    training = {"training": True} if isinstance(head, keras.Model) else {}

    def loss(features, trained):
        logits, _ = head.stateless_call(trained, others, features, **training)
        entropies = keras.ops.binary_crossentropy(targets, logits, from_logits=True)
        return keras.ops.sum(entropies)

    step = jax.jit(jax.value_and_grad(loss, argnums=(0, 1)))
    features = jax.numpy.asarray(features)

    def run():
        value, gradients = step(features, trained)
        jax.block_until_ready(gradients)
        return value

    return run


def make_peer(module, features, targets):
    """Returns a step of a module of PyTorch, which gives the loss."""
    module = module.to(_device())
    # As a convolution of PyTorch leaves them.
    features = torch.tensor(features.transpose(0, 3, 1, 2).copy(), device=_device())
    features.requires_grad_(True)
    targets = torch.tensor(targets, device=_device())
    entropy = torch.nn.functional.binary_cross_entropy_with_logits

    def run():
        for each in (features, *module.parameters()):
            each.grad = None
        value = entropy(module(features), targets, reduction="sum")
        value.backward()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return value

    return run


def _device():
    return "cuda" if torch.cuda.is_available() else "cpu"


def _peak_of_jax():
    """Returns the peak since the process began: JAX has no way to reset it."""
    counted = jax.devices()[0].memory_stats() or {}
    peak = counted.get("peak_bytes_in_use")
    return "" if peak is None else f", {peak / 1e9:.2f} GB at most so far"


def _peak_of_torch():
    if not torch.cuda.is_available():
        return ""
    return f", {torch.cuda.max_memory_allocated() / 1e9:.2f} GB at most so far"


if __name__ == "__main__":
    main()
