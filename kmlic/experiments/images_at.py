"""Single images of a split."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import tensorflow as tf


def images_at(
    batches: Iterable[tuple[Any, Any]] | tf.data.Dataset, rows: Iterable[int]
) -> dict[int, np.ndarray]:
    """Returns the images at some rows of a split, by row.

    Args:
        batches: of images and targets, in order.
        rows: from 0, in any order.

    Example:
        >>> batches = [(np.zeros((2, 4, 4, 3)), None), (np.ones((2, 4, 4, 3)), None)]
        >>> found = images_at(batches, [3, 0])
        >>> {row: image.max().item() for row, image in found.items()}
        {0: 0.0, 3: 1.0}
    """
    wanted, found, start = {int(row) for row in rows}, {}, 0
    for images, _ in batches:
        images = np.asarray(images)
        for row in sorted(wanted & set(range(start, start + len(images)))):
            found[row] = images[row - start]
        start += len(images)
        if len(found) == len(wanted):
            break
    return found
