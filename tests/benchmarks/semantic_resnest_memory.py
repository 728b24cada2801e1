"""Peak memory of two training steps of the paper's semantic-embedded ResNeSt.

Run with `python -m tests.benchmarks.semantic_resnest_memory [batch]`; the batch is 32
when left out, as in `recipes.semantic_resnest --paper`.
"""

import pathlib
import re
import sys
import time

import keras
import numpy as np

from kmlic.losses import PartialBinaryCrossentropy
from kmlic.models import build_cam_generator, build_semantic_resnest

LABELS, SIDE = 11, 256


def main(batch: int = 32) -> None:
    """Prints the peak of this process after building and after each step."""
    generator = build_cam_generator(LABELS, backbone="sge_resnet50", image_size=SIDE)
    model = build_semantic_resnest(
        LABELS, cam_generator=generator, backbone="resnest50d", image_size=SIDE
    )
    model.compile(keras.optimizers.Adam(1e-5), PartialBinaryCrossentropy())
    print(f"{model.count_params():,} weights; built: {_peak():.2f} GB", flush=True)
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (batch, SIDE, SIDE, 3)).astype("float32")
    targets = (random.random((batch, LABELS)) < 0.15).astype("float32")

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
    main(*map(int, sys.argv[1:]))
