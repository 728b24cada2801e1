"""Prints the peak memory of MSRN as the paper trains it on VOC and on COCO.

Command: python -m tests.benchmarks.msrn_memory [--datasets VOC COCO]. Takes 8 GB.

ResNet-101, 448 px, batch 4; each model alone in a process. A peak holds what the
imports of TensorFlow and Keras take.
"""

import argparse
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
    for name in parser.parse_args().datasets:
        process = multiprocessing.get_context("spawn").Process(
            target=measure, args=(name, LABELS[name])
        )
        process.start()
        process.join()


def measure(name, labels):
    """Prints the peak after imports, building, scoring and each step."""
    import tensorflow as tf

    from kmlic.losses import PartialBinaryCrossentropy
    from kmlic.models import build_msrn
    from kmlic.training import CoupledSGD, part_multipliers

    def report(what):
        print(f"{name}, {what}: {_peak():.2f} GB", flush=True)

    report("imports")
    random = np.random.default_rng(0)
    words = random.normal(size=(labels, 300))
    graph = np.maximum(random.random((labels, labels)) < 0.02, np.eye(labels))
    model = build_msrn(words, graph, backbone="resnet101", image_size=SIDE)
    report(f"{model.count_params():,} weights built")
    images = random.integers(0, 256, (BATCH, SIDE, SIDE, 3)).astype("float32")
    targets = (random.random((BATCH, labels)) < 0.04).astype("float32")
    tf.function(lambda x: model(x, training=False))(images).numpy()
    report("scored")
    model.compile(
        CoupledSGD(
            0.01,
            0.9,
            l2=1e-4,
            multipliers=part_multipliers(model.get_layer("resnet101"), 0.1),
            global_clipnorm=10.0,
        ),
        PartialBinaryCrossentropy(),
    )
    for step in ("first", "second"):
        start = time.perf_counter()
        loss = model.train_on_batch(images, targets)
        report(f"{step} step, {time.perf_counter() - start:.1f} s")
    assert np.isfinite(loss)


def _peak():
    status = pathlib.Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 2**20


if __name__ == "__main__":
    main()
