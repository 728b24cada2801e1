"""Images per second of `predict_paths` on a folder, beside its two limits.

Command: python -m tests.benchmarks.predict_folder [--images ../shared/data/apparel]
[--backbone mobilenet_v2] [--count 400]

The limits are decoding alone, in as many threads as there are cores, and the model
alone, on batches in memory. On a processor both share the cores, so that the limit of a
folder is their combination: 1 / (1 / decoding + 1 / model).
"""

import argparse
import itertools
import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import keras
import numpy as np

from kmlic.data.read_resized import read_resized
from kmlic.export import export_onnx, export_tflite, load_export
from kmlic.labels import Labels
from kmlic.list_images import list_images
from kmlic.models import build_classifier
from kmlic.predict import Scorer, predict_paths

SIZE, BATCH = 224, 32


def main():
    """Prints a line per runtime."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--images", type=Path, default=Path("../shared/data/apparel"))
    parser.add_argument("--backbone", default="mobilenet_v2")
    parser.add_argument("--count", type=int, default=400)
    options = parser.parse_args()
    if not options.images.exists():
        print(f"skipped: {options.images} is absent")
        return
    paths = list_images([options.images])[: options.count]
    keras.utils.set_random_seed(0)
    labels = Labels(tuple(map(str, range(20))), image_size=SIZE)
    model = build_classifier(
        len(labels), backbone=options.backbone, pooling="avg", image_size=SIZE
    )
    with tempfile.TemporaryDirectory() as folder:
        onnx = export_onnx(model, Path(folder, "model.onnx"), labels=labels)
        tflite = export_tflite(model, Path(folder, "model.tflite"), labels=labels)
        scorers = {
            "keras": Scorer.of_model(model, labels),
            "ONNX Runtime": Scorer(labels, SIZE, load_export(onnx)),
            "LiteRT": Scorer(labels, SIZE, load_export(tflite)),
        }
        decoding = rate(len(paths), lambda: decode(paths))
        for name, scorer in scorers.items():
            print(f"{name:14} {compare(scorer, paths, decoding)}", flush=True)


def compare(scorer, paths, decoding):
    """Measures a folder and the model alone, and sets them beside decoding alone."""
    batch = np.zeros((BATCH, SIZE, SIZE, 3), "float32")
    scorer.score(batch)  # traces, allocates
    alone = rate(4 * BATCH, lambda: [scorer.score(batch) for _ in range(4)])
    both = 1 / (1 / decoding + 1 / alone)
    folder = rate(len(paths), lambda: list(predict_paths(scorer, paths)))
    return (
        f"decoding {decoding:6.1f}, model {alone:6.1f}, both {both:6.1f}, folder "
        f"{folder:6.1f} images/s: {folder / min(decoding, alone):.2f} of the slower, "
        f"{folder / both:.2f} of both"
    )


def decode(paths):
    """Reads all images as `predict_paths` does."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in pool.map(read_resized, paths, itertools.repeat(SIZE)):
            pass


def rate(count, call):
    """Returns how many images per second a call on `count` of them takes."""
    start = time.perf_counter()
    call()
    return count / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
