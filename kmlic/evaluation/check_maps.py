"""The check of maps that are compared with boxes."""

from collections.abc import Sequence

import numpy as np

from kmlic.data import Boxes
from kmlic.explain import Centers, check_centers


def check_maps(
    maps: np.ndarray,
    boxes: Sequence[Boxes],
    names: Sequence[str],
    centers: Centers | None,
) -> Centers:
    """Checks maps and returns their centers per label: (H, L) and (W, L).

    Args:
        maps: (N, H, W, L).
        boxes: boxes of each image.
        names: names of the labels.
        centers: as `kmlic.explain.receptive_field_centers` returns them; None for the
            centers of equal cells.

    Raises:
        ValueError: if their sizes do not agree.
    """
    if np.ndim(maps) != 4 or maps.shape[0] != len(boxes) or maps.shape[3] != len(names):
        raise ValueError(
            "`maps` must be (N, H, W, L) with boxes for each image and a name for each "
            f"label; got shape {np.shape(maps)}, {len(boxes)} images with boxes and "
            f"{len(names)} names."
        )
    rows, columns = (
        np.broadcast_to(np.reshape(each, (len(each), -1)), (len(each), len(names)))
        for each in check_centers(centers, maps.shape[1:3])
    )
    return rows, columns
