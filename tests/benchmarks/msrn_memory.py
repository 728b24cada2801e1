"""Peak memory of two training steps of MSRN as the paper trains it on COCO.

Run with `python -m tests.benchmarks.msrn_memory`. Takes 9 GB.
"""

import pathlib
import re
import time

import numpy as np

from kmlic.losses import PartialBinaryCrossentropy
from kmlic.models import build_msrn
from kmlic.training import CoupledSGD, part_multipliers

LABELS, SIDE, BATCH = 80, 448, 4


def main() -> None:
    """Prints the peak of this process after building and after each step."""
    random = np.random.default_rng(0)
    words = random.normal(size=(LABELS, 300))
    graph = np.maximum(random.random((LABELS, LABELS)) < 0.02, np.eye(LABELS))
    model = build_msrn(words, graph, backbone="resnet101", image_size=SIDE)
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
    print(f"{model.count_params():,} weights; built: {_peak():.2f} GB", flush=True)
    images = random.integers(0, 256, (BATCH, SIDE, SIDE, 3)).astype("float32")
    targets = (random.random((BATCH, LABELS)) < 0.04).astype("float32")

    start = time.perf_counter()
    for step in (1, 2):
        loss = model.train_on_batch(images, targets)
        seconds = time.perf_counter() - start
        print(f"step {step}: loss {loss:.4f}, {seconds:.0f} s, {_peak():.2f} GB")
        start = time.perf_counter()
    assert np.isfinite(loss)


def _peak():
    status = pathlib.Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 2**20


if __name__ == "__main__":
    main()
