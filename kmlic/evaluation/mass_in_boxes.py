"""How much of a model's maps lies where the labels are."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from kmlic.data import Boxes
from kmlic.evaluation.check_maps import check_maps
from kmlic.explain import Centers, cell_centers

_POINTS = 16  # a side, in each region of a map


class BoxMass(NamedTuple):
    """Tells, for each image and label, what a map puts into the label's boxes.

    Args:
        shares: (N, L), share of the map's mass inside the boxes; nan without a box.
        areas: (N, L), share of the image that the boxes cover; nan without a box.
    """

    shares: np.ndarray
    areas: np.ndarray

    @property
    def share(self) -> float:
        """Gives the mean share of the mass over all images and labels with boxes."""
        return float(np.nanmean(self.shares))

    @property
    def area(self) -> float:
        """Gives the mean share of the image over the same."""
        return float(np.nanmean(self.areas))

    @property
    def concentration(self) -> float:
        """Gives how many times as much mass as area the boxes hold; 1 is by chance."""
        return self.share / self.area


def mass_in_boxes(
    maps: np.ndarray,
    boxes: Sequence[Boxes],
    names: Sequence[str],
    *,
    centers: Centers | None = None,
) -> BoxMass:
    """Measures what share of each map's positive values its label's boxes hold.

    Each point of the image has the value of the cell of the map that is nearest to it
    in its row and column. Several boxes of a label count as their union. A map without
    positive values counts as the same everywhere.

    Shapes: (N, H, W, L) to (N, L) twice.

    Args:
        maps: as `kmlic.explain.activation_maps` gives them.
        boxes: of each image; names that are no label are passed over.
        names: of the labels, in the order of the maps.
        centers: of the maps' rows and columns in the image, as
            `kmlic.explain.receptive_field_centers` returns them; None for the centers
            of equal cells.

    Raises:
        ValueError: if maps, boxes and names, or the centers, do not fit together.

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
    """Says which points of the image lie in any of the boxes: (height, width)."""
    top, left, bottom, right = np.asarray(corners, "float64").T[..., None]  # (K, 1)
    rows, columns = cell_centers(height), cell_centers(width)
    down = (top <= rows) & (rows < bottom)  # (K, rows)
    across = (left <= columns) & (columns < right)
    return (down[:, :, None] & across[:, None, :]).any(axis=0)
