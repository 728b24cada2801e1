"""Tiny drawn photographs with labels, in a folder."""

import keras
import numpy as np
from PIL import Image, ImageDraw

from kmlic.backbones.plain_network import PlainNetwork
from kmlic.classifier import ClassifierSettings

COLOURS = {"red": (220, 40, 40), "green": (40, 200, 60), "blue": (50, 60, 220)}


def draw(names, seed, side=48):
    """Draws a disc of each colour on a noisy ground."""
    random = np.random.default_rng(seed)
    ground = random.integers(90, 150, (side, side, 3), np.uint8)
    image = Image.fromarray(ground)
    pen = ImageDraw.Draw(image)
    for name in names:
        x, y = random.integers(0, side - 16, 2)
        pen.ellipse((x, y, x + 15, y + 15), fill=COLOURS[name])
    return image


def write_photos(
    folder, count=60, *, header="path,labels", one_each=False, extra=None, seed=0
):
    """Writes images and labels.csv; `extra` gives further cells of a row."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    lines = [header]
    for number in range(count):
        names = [name for name in COLOURS if random.uniform() < 0.4]
        if one_each:
            names = [list(COLOURS)[number % 3]]
        name = f"{number:03}.png"
        draw(names, seed + number).save(folder / name)
        cells = [name, "|".join(names), *(extra(number) if extra else ())]
        lines.append(",".join(map(str, cells)))
    table = folder / "labels.csv"
    table.write_text("\n".join(lines) + "\n")
    return table


def backbone(image_size):
    """Builds the same small backbone each time."""
    keras.utils.set_random_seed(0)
    return PlainNetwork((8, 8, 16, 16)).build("small", image_size=image_size)


def small_settings(folder, **changes):
    """Returns settings of a training that takes seconds."""
    options = {
        "folder": folder,
        "backbone": "small_cnn",
        "weights": None,
        "image_size": 64,
        "minutes": 5.0,
        **changes,
    }
    return ClassifierSettings(**options)
