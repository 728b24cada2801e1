"""Images per second of one network in every runtime.

python -m tests.benchmarks.runtimes --backbone resnet50 --batch_size 8
"""

import argparse
import tempfile
import time
from pathlib import Path

import keras
import numpy as np

from kmlic.export import (
    export_onnx,
    export_openvino,
    export_saved_model,
    export_tflite,
    has_bfloat16,
    load_export,
)
from kmlic.labels import Labels
from kmlic.layers.keras_internals import flatten_layers
from kmlic.models import build_classifier
from kmlic.predict import Scorer


def main() -> None:
    """Builds a classifier with random weights and times its exports in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backbone", default="resnet50")
    parser.add_argument("--image_size", type=int, default=224)
    parser.add_argument("--batch_size", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=4)
    arguments = parser.parse_args()
    keras.utils.set_random_seed(0)
    size = arguments.image_size
    labels = Labels(tuple(map(str, range(20))), image_size=size)
    model = build_classifier(
        len(labels), backbone=arguments.backbone, pooling="avg", image_size=size
    )
    shape = (arguments.batch_size, size, size, 3)
    images = draw_images(shape)
    spread_scores(model, images)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        runs = {
            "keras float32": Scorer.of_model(model, labels).score,
            "SavedModel": load_export(
                export_saved_model(model, folder / "export", labels=labels)
            ),
            "ONNX Runtime": load_export(
                export_onnx(model, folder / "model.onnx", labels=labels)
            ),
        }
        openvino = export_openvino(model, folder / "openvino", labels=labels)
        runs["OpenVINO float32"] = load_export(openvino)
        if has_bfloat16():
            runs["OpenVINO bfloat16"] = load_export(openvino, precision="bfloat16")
        for name, quantize in (("LiteRT", None), ("LiteRT dynamic", "dynamic")):
            path = folder / f"{quantize}.tflite"
            export_tflite(model, path, labels=labels, quantize=quantize)
            runs[name] = load_export(path)
        expected = runs["keras float32"](images)
        require_spread(expected)
        print(f"{arguments.backbone}, {size} px, batch {arguments.batch_size}")
        for name, predict in runs.items():
            difference = np.abs(predict(images) - expected).max()
            start, batches = time.perf_counter(), 0
            while time.perf_counter() - start < arguments.seconds:
                predict(images)
                batches += 1
            rate = batches * arguments.batch_size / (time.perf_counter() - start)
            print(f"{name:18} {rate:7.1f} images/s, difference {difference:.1e}")


def draw_images(shape: tuple[int, int, int, int]) -> np.ndarray:
    """Draws images of large random patches, which differ in more than noise."""
    images = np.random.default_rng(0).uniform(0, 255, (shape[0], 7, 7, 3))
    return np.asarray(keras.ops.image.resize(images.astype("float32"), shape[1:3]))


def spread_scores(model: keras.Model, images: np.ndarray) -> None:
    """Makes the scores of a classifier with random weights differ between images.

    Without it, the maps of a deep network vanish and every probability is 0.5, in every
    precision.
    """
    for layer in flatten_layers(model):
        if hasattr(layer, "momentum"):
            layer.momentum = 0.0  # so that its statistics become those of the images
    model(images, training=True)
    logits = model.predict_on_batch(images)
    kernel, bias = model.get_layer("logits").get_weights()
    factor = 2 / logits.std(axis=0)
    bias = (bias - logits.mean(axis=0)) * factor
    model.get_layer("logits").set_weights([kernel * factor, bias])


def require_spread(scores: np.ndarray) -> None:
    """Refuses probabilities that are too alike to show differences of runtimes."""
    deviation = scores.std(axis=0).min()
    if not deviation > 0.1:
        raise ValueError(
            "the probabilities of each label must have a standard deviation above 0.1; "
            f"got {deviation:.1e}."
        )


if __name__ == "__main__":
    main()
