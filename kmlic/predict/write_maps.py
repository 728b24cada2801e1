"""Heat maps of predicted labels, drawn over their images."""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Unpack

import keras
from PIL import Image

from kmlic.atomic_write import atomic_write
from kmlic.data.decoding import read_image, resize_images
from kmlic.data.limits import Limits
from kmlic.escape_text import escape_undecodable, guard_cell
from kmlic.explain import activation_maps, draw_map, find_centers
from kmlic.labels import Labels
from kmlic.predict.predict_paths import Prediction
from kmlic.predict.read_boxes import Box, find_box

LISTING, COLUMN = "maps.csv", "map"

_QUALITY = 88
_UNSAFE = re.compile(r"[^\w.-]+", re.ASCII)
_MOST_CHARACTERS = 40


def write_maps(
    model: keras.Model,
    labels: Labels,
    predictions: Iterable[Prediction],
    folder: str | Path,
    *,
    boxes: Mapping[str, Box] | None = None,
    **limits: Unpack[Limits],
) -> Iterator[Prediction]:
    """Draws where the model sees each predicted label, and passes predictions on.

    The folder appears, with all maps and maps.csv, which lists them, when the last
    prediction has been passed on. See `draw_map` for the colours.

    Args:
        model: from images to logits, with maps: see `activation_maps`.
        labels: of the model.
        predictions: from `predict_paths`; broken images are passed on without a map.
        folder: the folder to write. One with maps of an earlier call is replaced, maps
            included, if it holds nothing else; see `kmlic.atomic_write`.
        boxes: what was cut out of each image first, as for `predict_paths`.
        **limits: of the images, see `kmlic.data.decoding.Limits`.

    Raises:
        ValueError: if the folder has other content, or the model has no maps.
    """
    size = model.input_shape[1] or labels.image_size
    if not size:
        raise ValueError(
            "`labels` must have the image size of a model that takes any; got None."
        )
    centers = find_centers(model, size)
    with atomic_write(folder, folder_with=LISTING, column=COLUMN) as temporary:
        temporary.mkdir()
        with (temporary / LISTING).open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow((COLUMN, "image", "label", "probability"))
            for number, prediction in enumerate(predictions, start=1):
                yield prediction
                if prediction.probabilities is None or not prediction.labels:
                    continue
                image = read_image(prediction.path, **limits)
                if box := find_box(boxes, prediction.path):
                    image = image[box[1] : box[3], box[0] : box[2]]
                pixels = resize_images(image, size).numpy()
                maps = activation_maps(model, pixels[None])[0]
                for name in prediction.labels:
                    label = labels.names.index(name)
                    drawn = draw_map(image, maps[..., label], centers=centers)
                    path = f"{number:06d}-{_safe(prediction.path.stem)}-{_safe(name)}"
                    path = _unused(temporary, path)
                    Image.fromarray(drawn).save(temporary / path, quality=_QUALITY)
                    texts = (path, str(prediction.path), name)
                    writer.writerow(
                        [
                            *(guard_cell(escape_undecodable(text)) for text in texts),
                            f"{prediction.probabilities[label]:.4f}",
                        ]
                    )


def _safe(text: str) -> str:
    """Returns a text as a part of a file name, on every system."""
    return _UNSAFE.sub("_", text)[:_MOST_CHARACTERS].strip(".") or "_"


def _unused(folder: Path, name: str) -> str:
    """Returns a file name that is not taken: two labels can become the same text."""
    path, number = f"{name}.jpg", 2
    while (folder / path).exists():
        path, number = f"{name}-{number}.jpg", number + 1
    return path
