"""A run folder and image files to predict, whole and broken."""

import io

import keras
import numpy as np
from PIL import Image

from kmlic.labels import Labels

LABELS = Labels(("red", "green", "blue"), thresholds=(0.5, 0.6, 0.7), image_size=8)


def colour_model():
    """Returns each colour's mean, 0-255, as a logit between -3 and 3."""
    image = keras.Input((8, 8, 3))
    means = keras.layers.GlobalAveragePooling2D()(image)
    logits = keras.layers.Rescaling(6 / 255, offset=-3, name="logits")(means)
    return keras.Model(image, logits)


def write_run(folder, labels=LABELS):
    folder.mkdir(parents=True)
    colour_model().save(folder / "model.keras")
    labels.write(folder / "labels.json")
    return folder


def write_image(path, colour, kind="PNG", size=(8, 8)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path, kind)
    return path


def write_broken(folder):
    """Returns the paths of files that are no whole images, and what is wrong."""
    folder.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    jpeg = io.BytesIO()
    Image.fromarray(noise).save(jpeg, "JPEG")
    huge = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(huge, "PNG")
    contents = {
        "truncated.jpg": (jpeg.getvalue()[:1000], "truncated"),
        "empty.png": (b"", "empty"),
        "huge.png": (huge.getvalue(), "pixels"),
        "text.gif": (b"no image", "header"),
    }
    for name, (content, _) in contents.items():
        (folder / name).write_bytes(content)
    return {folder / name: reason for name, (_, reason) in contents.items()}
