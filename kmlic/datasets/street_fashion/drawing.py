"""Pictures of street_fashion, drawn from outfits."""

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from kmlic.datasets.street_fashion.canvas import IMAGE_SIZE, SIDE, Scene
from kmlic.datasets.street_fashion.figure import draw_figure
from kmlic.datasets.street_fashion.street import draw_foreground, draw_street

_JPEG_QUALITY = 90
_LEAST_VISIBLE = 60  # pixels of the canvas; a pixel of the picture has four
_ATTEMPTS = 8

Box = tuple[float, float, float, float]


def draw_picture(
    garments: Sequence[Mapping[str, Any]], seed: int, index: int
) -> tuple[bytes, list[Box]]:
    """Draws a figure on a street: a JPEG of 128 px and the box of each garment.

    Pose, light and street depend on the seed and the index only. If a pose hides a
    garment, another one is drawn.

    Args:
        garments: the fields of each `Garment`, from the lowest layer to the highest.
        seed: the seed of the dataset.
        index: the index of the image.

    Returns:
        The JPEG, and (top, left, bottom, right) of the visible part of each garment in
        shares of the image's side.
    """
    for attempt in range(_ATTEMPTS):
        scene = Scene(np.random.default_rng((seed, index, attempt)))
        horizon = draw_street(scene, seed)
        draw_figure(scene, garments, horizon)
        visible = [scene.owner == number + 1 for number in range(len(garments))]
        if all(np.count_nonzero(pixels) >= _LEAST_VISIBLE for pixels in visible):
            break
    else:
        kinds = [garment["kind"] for garment in garments]
        raise RuntimeError(f"image {index} of seed {seed} hides one of {kinds}.")
    draw_foreground(scene)
    return _photograph(scene), [_box(pixels) for pixels in visible]


def serve(orders: BinaryIO, pictures: BinaryIO) -> None:
    """Draws a picture for each line of one stream and writes it to another.

    Args:
        orders: one JSON object per line, with the arguments of `draw_picture`.
        pictures: receives a JSON line with "bytes" and "boxes", then as many bytes.
    """
    for line in orders:
        jpeg, boxes = draw_picture(**json.loads(line))
        header = json.dumps({"bytes": len(jpeg), "boxes": boxes})
        pictures.write(header.encode() + b"\n" + jpeg)
        pictures.flush()


def _box(visible: np.ndarray) -> Box:
    rows, columns = np.flatnonzero(visible.any(1)), np.flatnonzero(visible.any(0))
    bounds = (rows[0], columns[0], rows[-1] + 1, columns[-1] + 1)
    top, left, bottom, right = (float(bound) / SIDE for bound in bounds)
    return top, left, bottom, right


def _photograph(scene: Scene) -> bytes:
    """Simulates a camera: exposure, colour cast, vignette, noise, JPEG."""
    rng, canvas = scene.rng, scene.canvas
    rows = canvas[0::2] + canvas[1::2]
    small = (rows[:, 0::2] + rows[:, 1::2]) * np.float32(0.25)
    line = np.linspace(-1, 1, IMAGE_SIZE, dtype=np.float32)
    edge = np.float32(rng.uniform(0, 0.1)) * (line[:, None] ** 2 + line[None, :] ** 2)
    gain = rng.uniform(0.84, 1.14) * (1 + rng.normal(0, 0.03, 3))
    small *= (1 - edge)[..., None] * gain.astype(np.float32)
    grain = rng.standard_normal(small.shape[:2], dtype=np.float32)
    small += (grain * np.float32(rng.uniform(1, 4)))[..., None]
    pixels = np.rint(np.clip(small, 0, 255)).astype(np.uint8)
    planes = [Image.fromarray(pixels[..., plane]) for plane in range(3)]
    file = io.BytesIO()
    Image.merge("RGB", planes).save(file, "JPEG", quality=_JPEG_QUALITY)
    return file.getvalue()
