"""A map of one label drawn over a grey copy of its image."""

import numpy as np
from PIL import Image

from kmlic.explain.overlay import overlay
from kmlic.explain.receptive_field_centers import Centers


def draw_map(
    image: np.ndarray,
    map: np.ndarray,
    *,
    centers: Centers | None = None,
    side: int = 640,
) -> np.ndarray:
    """Draws a map over a grey copy of its image, so that every map is seen.

    The map is scaled from its median, which gets no colour, to its maximum: maps of
    attention, whose values are small, look as class activation maps do.

    Shapes: (H, W, 3), (h, w) to (A, B, 3) uint8.

    Args:
        image: pixels 0-255.
        map: of any size.
        centers: as for `overlay`.
        side: pixels that the longer side has at most.

    Raises:
        ValueError: as `overlay` does.

    Example:
        >>> image = np.full((4, 4, 3), (200, 0, 0))
        >>> drawn = draw_map(image, np.array([[0.0, 1e-6], [0.0, 0.0]]))
        >>> drawn[3, 0].tolist(), drawn[0, 3].tolist()
        ([60, 60, 60], [177, 177, 177])
    """
    pixels = np.clip(np.rint(image), 0, 255).astype(np.uint8)
    picture = Image.fromarray(pixels).convert("L")
    picture.thumbnail((side, side))
    grey = np.asarray(picture.convert("RGB"))
    return overlay(grey, map, centers=centers, lowest=float(np.median(map)))
