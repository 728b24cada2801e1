"""How the cost of training grows with images, labels, pixels and replicas: a figure.

Command: python -m tests.benchmarks.growth [--folder saved_models/benchmarks]
[--repeats 3]. Takes three minutes and 2 GB; writes growth.svg and growth.json.

MSRN on small_resnet, and plain pooling for the pixels, take training steps. CPU seconds
are counted rather than seconds, so that other jobs on the machine matter little; the
least of the repeats is kept. Two replicas are two devices on the processor, each with
its own batch: twice the images.
"""

import argparse
import json
import time
from pathlib import Path

import keras
import matplotlib.figure
import numpy as np
import tensorflow as tf

from kmlic.atomic_write import atomic_write
from kmlic.losses import PartialBinaryCrossentropy
from kmlic.models import build_classifier, build_msrn
from kmlic.run_folder import describe_environment

IMAGES = (16, 32, 64, 128)
LABELS = (20, 80, 250, 1000)
PIXELS = (224, 448, 672, 896)
REPLICAS = (1, 2)
SIDE, BATCH = 96, 8


def main():
    """Prints a line for each point and writes the figure and its numbers."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--folder", type=Path, default=Path("saved_models/benchmarks"))
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    processor = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(
        processor, [tf.config.LogicalDeviceConfiguration()] * max(REPLICAS)
    )
    curves = {
        "images": measure(options.repeats, IMAGES, lambda n: step(msrn(20), n)),
        "labels": measure(options.repeats, LABELS, lambda n: step(msrn(n), BATCH)),
        "pixels": measure(options.repeats, PIXELS, lambda n: step(plain(n), 2)),
        "replicas": measure(options.repeats, REPLICAS, replicated),
    }
    for what, curve in curves.items():
        for size, seconds in curve.items():
            print(f"{what:10}{size:6} {seconds:8.3f} CPU s", flush=True)
        print(f"{what:10}power {exponent(what, curve):.2f} of the size")
    options.folder.mkdir(parents=True, exist_ok=True)
    content = {
        "command": "python -m tests.benchmarks.growth",
        "environment": describe_environment(),
        "cpu_seconds": curves,
    }
    with atomic_write(options.folder / "growth.json") as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n")
    with atomic_write(options.folder / "growth.svg") as temporary:
        draw(curves).savefig(temporary, format="svg")


def measure(repeats, sizes, prepare):
    """Returns the least CPU seconds of what `prepare` makes for each size."""
    curve = {}
    for size in sizes:
        call = prepare(size)
        call()  # traces
        times = []
        for _ in range(repeats):
            start = time.process_time()
            call()
            times.append(time.process_time() - start)
        curve[size] = min(times)
        keras.backend.clear_session()
    return curve


def msrn(labels):
    """Builds MSRN for a number of labels, of 96 pixels."""
    words = np.random.default_rng(0).normal(size=(labels, 50))
    return build_msrn(
        words,
        np.eye(labels),
        backbone="small_resnet",
        embedding_size=64,
        hidden_units=128,
        image_size=SIDE,
    )


def plain(side):
    """Builds pooling on small_resnet for images of a side in pixels."""
    return build_classifier(20, backbone="small_resnet", image_size=side)


def step(model, images):
    """Returns a training step on a number of images, in batches of 8 at most."""
    model.compile(keras.optimizers.SGD(0.01), PartialBinaryCrossentropy())
    random = np.random.default_rng(0)
    batch = min(images, BATCH)
    x = random.uniform(0, 255, (batch, *model.input_shape[1:])).astype("float32")
    y = (random.random((batch, model.output_shape[-1])) < 0.1).astype("float32")

    def call():
        for _ in range(images // batch):
            model.train_on_batch(x, y)

    return call


def replicated(replicas):
    """Returns a training on 32 images per replica."""
    devices = [f"CPU:{index}" for index in range(replicas)]
    strategy = tf.distribute.MirroredStrategy(devices)
    with strategy.scope():
        return step(msrn(20), 32)


def exponent(what, curve):
    """Returns the power of the size that the seconds grow with; of pixels, the area."""
    sizes = np.array(list(curve), float) ** (2 if what == "pixels" else 1)
    return np.polyfit(np.log(sizes), np.log(list(curve.values())), 1)[0]


def draw(curves):
    """Draws the cost relative to the first size of each curve, beside a straight line.

    Both axes are logarithmic.
    """
    figure = matplotlib.figure.Figure((9, 2.6), layout="constrained")
    for axes, (what, curve) in zip(
        figure.subplots(1, len(curves)), curves.items(), strict=True
    ):
        sizes, seconds = np.array(list(curve), float), np.array(list(curve.values()))
        linear = sizes / sizes[0]
        if what == "pixels":
            linear = linear**2
        axes.loglog(sizes, linear, "--", color="0.6", label="proportional")
        axes.loglog(sizes, seconds / seconds[0], "o-", color="C0", label="measured")
        axes.set_title(f"{what} of a side" if what == "pixels" else what, fontsize=9)
        axes.set_xticks(sizes, [f"{size:g}" for size in sizes], fontsize=8)
        axes.minorticks_off()
        axes.tick_params(labelsize=8)
    figure.axes[0].set_ylabel("CPU seconds, relative", fontsize=8)
    figure.axes[0].legend(fontsize=7, frameon=False)
    return figure


if __name__ == "__main__":
    main()
