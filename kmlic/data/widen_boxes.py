"""Boxes with some of their surroundings."""

import numpy as np


def widen_boxes(boxes: np.ndarray, margin: float) -> np.ndarray:
    """Adds a share of their sides to boxes, on each side, in whole pixels.

    Training and prediction widen alike. What ends before the image's left or top edge
    is cut off there; where the image ends on the right, a box does not know.

    Shapes: (N, 4) to (N, 4) float64: left, top, right and bottom.

    Args:
        boxes: in pixels.
        margin: share of a side, 0 or above.

    Example:
        >>> widen_boxes(np.array([[5, 10, 25, 50]]), 0.1).tolist()
        [[3.0, 6.0, 27.0, 54.0]]
    """
    boxes = np.asarray(boxes, np.float64)
    around = margin * (boxes[:, 2:] - boxes[:, :2])
    start = np.maximum(np.rint(boxes[:, :2] - around), 0)
    return np.concatenate([start, np.rint(boxes[:, 2:] + around)], axis=1)
