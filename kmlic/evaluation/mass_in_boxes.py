"""The share of a model's maps inside the boxes of their labels."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from kmlic.data import Boxes
from kmlic.evaluation.check_maps import check_maps
from kmlic.explain import Centers, cell_centers

_POINTS = 16  # a side, in each region of a map


class BoxMass(NamedTuple):
    """Holds the mass and the area of the boxes of each image and label.

    Args:
        shares: (N, L), share of the map's mass inside the boxes; NaN without a box.
        areas: (N, L), share of the image that the boxes cover; NaN without a box.
    """

    shares: np.ndarray
    areas: np.ndarray

    @property
    def share(self) -> float:
        """Returns the mean share of the mass over all images and labels with boxes."""
        return float(np.nanmean(self.shares))

    @property
    def area(self) -> float:
        """Returns the mean share of the area over all images and labels with boxes."""
        return float(np.nanmean(self.areas))

    @property
    def concentration(self) -> float:
        """Returns the ratio of `share` and `area`, which is 1 for a constant map."""
        return self.share / self.area


def mass_in_boxes(
    maps: np.ndarray,
    boxes: Sequence[Boxes],
    names: Sequence[str],
    *,
    centers: Centers | None = None,
) -> BoxMass:
    """Computes the share of each map's positive values inside its label's boxes.

    Each point of the image has the value of the map's nearest cell. Several boxes of a
    label count as their union. A map without positive values counts as constant.

    Shapes: (N, H, W, L) to (N, L) twice.

    Args:
        maps: maps of `kmlic.explain.activation_maps`.
        boxes: boxes of each image; names that are not labels are ignored.
        names: names of the labels, in the order of the maps.
        centers: centers of the maps' rows and columns in the image, of
            `kmlic.explain.receptive_field_centers`; None for those of equal cells.

    Raises:
        ValueError: if the sizes of maps, boxes, names and centers do not agree.

    Example:
        >>> maps = np.zeros((1, 4, 4, 1))
        >>> maps[0, 0, 2:, 0] = 3, 1  # the upper right
        >>> boxes = [Boxes(("dog",), np.array([[0.0, 0.0, 0.5, 0.75]]))]
        >>> mass = mass_in_boxes(maps, boxes, ["dog"])
        >>> mass.share, mass.area, mass.concentration
        (0.75, 0.375, 2.0)
    """
    down, across = (
        [_nearest(own, _POINTS * len(own)) for own in each.T]
        for each in check_maps(maps, boxes, names, centers)
    )  # of each label
    column = {name: index for index, name in enumerate(names)}
    shares, areas = np.full((2, len(maps), len(names)), np.nan)
    for image, (found, corners) in enumerate(boxes):
        labels = np.array([column.get(name, -1) for name in found])
        for label in set(labels.tolist()) - {-1}:
            rows, columns = down[label], across[label]
            inside = _inside(corners[labels == label], len(rows), len(columns))
            mass = np.maximum(maps[image, ..., label], 0)[rows][:, columns]
            if not mass.any():
                mass = np.ones_like(mass)
            shares[image, label] = mass[inside].sum() / mass.sum()
            areas[image, label] = inside.mean()
    return BoxMass(shares, areas)


def _nearest(centers: np.ndarray, count: int) -> np.ndarray:
    """Finds the cell nearest to each of `count` points across the image."""
    return np.abs(cell_centers(count)[:, None] - centers).argmin(axis=1)


def _inside(corners: np.ndarray, height: int, width: int) -> np.ndarray:
    """Returns which points of the image are in any of the boxes: (height, width)."""
    top, left, bottom, right = np.asarray(corners, "float64").T[..., None]  # (K, 1)
    rows, columns = cell_centers(height), cell_centers(width)
    down = (top <= rows) & (rows < bottom)  # (K, rows)
    across = (left <= columns) & (columns < right)
    return (down[:, :, None] & across[:, None, :]).any(axis=0)
