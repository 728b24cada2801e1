"""Prints speed and peak memory of MSRN on VOC and COCO, beside a module of PyTorch.

Command: python -m tests.benchmarks.msrn [--datasets VOC COCO] [--repeats 3]
Takes 9 GB.

As in the paper: ResNet-101 and 448 px. Batches of 4, the best of the repeats, each
model alone in a process. A peak holds what the imports of the library take; that of
inference is read before training. PyTorch runs eagerly in its faster layout, channels
last.
"""

import argparse
import importlib.util
import multiprocessing
import pathlib
import re
import time

import numpy as np

LABELS = {"VOC": 20, "COCO": 80}
SIDE, BATCH = 448, 4


def main():
    """Measures each model in its own process."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--datasets", nargs="+", choices=LABELS, default=LABELS)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    measures = {"kmlic": measure}
    if importlib.util.find_spec("torch") and importlib.util.find_spec("timm"):
        measures["PyTorch"] = measure_torch
    for name in options.datasets:
        for who, function in measures.items():
            process = multiprocessing.get_context("spawn").Process(
                target=function, args=(f"{name}, {who}", LABELS[name], options.repeats)
            )
            process.start()
            process.join()


def measure(who, labels, repeats):
    """Measures `build_msrn`."""
    import tensorflow as tf

    from kmlic.losses import PartialBinaryCrossentropy
    from kmlic.models import build_msrn
    from kmlic.training import CoupledSGD, part_multipliers

    imports = _peak()
    words, graph, images, targets = _draw(labels)
    model = build_msrn(words, graph, backbone="resnet101", image_size=SIDE)
    infer = tf.function(lambda x: model(x, training=False))
    _report(who, "inference", lambda: infer(images).numpy(), repeats, imports)
    rates = part_multipliers(model.get_layer("resnet101"), 0.1)
    model.compile(
        CoupledSGD(0.01, 0.9, l2=1e-4, multipliers=rates, global_clipnorm=10.0),
        PartialBinaryCrossentropy(),
    )

    def step():
        return model.train_on_batch(images, targets)

    assert np.isfinite(_report(who, "step", step, repeats, imports))


def measure_torch(who, labels, repeats):
    """Measures timm's ResNet-101 with the module of PyTorch."""
    from tests.backbones.timm_peer import import_timm

    timm = import_timm()
    import torch

    from tests.models.torch_msrn import Msrn

    imports = _peak()
    words, graph, images, targets = _draw(labels)
    layout = {"memory_format": torch.channels_last}
    backbone = timm.create_model("resnet101", features_only=True, out_indices=(2, 3, 4))
    backbone = backbone.to(**layout)
    head = Msrn(words, graph, backbone.feature_info.channels()).to(**layout)
    images = torch.from_numpy(images.transpose(0, 3, 1, 2)).contiguous(**layout)
    targets = torch.from_numpy(targets)

    def infer():
        with torch.inference_mode():
            head(backbone(images))

    backbone.eval()
    head.eval()
    _report(who, "inference", infer, repeats, imports)
    backbone.train()
    head.train()
    parts = [*backbone.parameters()], [*head.parameters()]
    groups = [{"params": parts[0], "lr": 0.001}, {"params": parts[1]}]
    optimizer = torch.optim.SGD(groups, 0.01, 0.9, weight_decay=1e-4)

    def step():
        optimizer.zero_grad()
        logits, penalty = head(backbone(images))
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, targets)
        loss = loss + 1e-3 * penalty
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parts[0] + parts[1], 10.0)
        optimizer.step()
        return float(loss.detach())

    assert np.isfinite(_report(who, "step", step, repeats, imports))


def _draw(labels):
    random = np.random.default_rng(0)
    words = random.normal(size=(labels, 300))
    graph = np.maximum(random.random((labels, labels)) < 0.02, np.eye(labels))
    images = random.integers(0, 256, (BATCH, SIDE, SIDE, 3)).astype("float32")
    targets = (random.random((BATCH, labels)) < 0.04).astype("float32")
    return words, graph, images, targets


def _report(who, what, call, repeats, imports):
    result = call()  # traces
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = call()
        times.append(time.perf_counter() - start)
    print(
        f"{who}, {what}: {BATCH / min(times):.2f} images/s, peak {_peak():.2f} GB, "
        f"{imports:.2f} GB of it imports",
        flush=True,
    )
    return result


def _peak():
    status = pathlib.Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 2**20


if __name__ == "__main__":
    main()
