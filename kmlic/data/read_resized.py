"""Image files as a model takes them."""

from collections.abc import Callable
from pathlib import Path
from typing import Unpack

import numpy as np

from kmlic.check_limits import MAX_BYTES, MAX_PIXELS
from kmlic.data.decode_common import decode_common
from kmlic.data.limits import Limits, require_bytes
from kmlic.data.resize_pixels import resize_pixels
from kmlic.data.storage import read_file
from kmlic.start_tensorflow import start_tensorflow


def read_resized(
    path: str | Path,
    image_size: int,
    *,
    box: tuple[int, int, int, int] | None = None,
    resize: Callable[[np.ndarray, int], np.ndarray] | None = None,
    **limits: Unpack[Limits],
) -> np.ndarray:
    """Reads an image file and resizes it, as in training and serving.

    TensorFlow is imported for uncommon files only, such as animations.

    Shapes: file to (S, S, 3) float32, 0-255.

    Args:
        path: the file.
        image_size: S in pixels.
        box: left, top, right and bottom of the part to take, in pixels, as far as the
            image goes; None for all of it.
        resize: from pixels (H, W, 3) and S to (S, S, 3), for models with another way of
            resizing than kmlic's, which None is.
        **limits: see `Limits`.

    Raises:
        ValueError: naming the file and the rule it breaks.
    """
    data, size = read_bytes(path, **limits), None if box or resize else image_size
    max_pixels = limits.get("max_pixels", MAX_PIXELS)
    pixels = decode_common(data, image_size=size, max_pixels=max_pixels)
    if pixels is None:
        start_tensorflow()
        from kmlic.data.decoding import decode_image

        pixels = decode_image(data, name=str(path), image_size=size, **limits)
    if box:
        height, width = pixels.shape[:2]
        pixels = pixels[box[1] : box[3], box[0] : box[2]]
        if not pixels.size:
            raise ValueError(
                f"{path} must hold a part of its box; it has {width} x {height} pixels,"
                f" the box is {box}."
            )
    return (resize or resize_pixels)(pixels, image_size)


def read_bytes(path: str | Path, **limits: Unpack[Limits]) -> bytes:
    """Reads an image file that must exist, not be empty and be within the limits.

    Raises:
        ValueError: naming the file and the rule it breaks.
    """
    data = read_file(path, max_bytes=limits.get("max_bytes", MAX_BYTES))
    require_bytes(data, str(path), limits)
    return data
