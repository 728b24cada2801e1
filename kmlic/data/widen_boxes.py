"""Boxes with a margin."""

import numpy as np


def widen_boxes(boxes: np.ndarray, margin: float) -> np.ndarray:
    """Adds a margin to boxes on each side, rounded to pixels.

    Boxes are cut at the left and top edge of the image. The right and bottom edge are
    not known here.

    Shapes: (N, 4) to (N, 4) float64: left, top, right and bottom.

    Args:
        boxes: in pixels.
        margin: fraction of a side, at least 0.

    Example:
        >>> widen_boxes(np.array([[5, 10, 25, 50]]), 0.1).tolist()
        [[3.0, 6.0, 27.0, 54.0]]
    """
    boxes = np.asarray(boxes, np.float64)
    around = margin * (boxes[:, 2:] - boxes[:, :2])
    start = np.maximum(np.rint(boxes[:, :2] - around), 0)
    return np.concatenate([start, np.rint(boxes[:, 2:] + around)], axis=1)
