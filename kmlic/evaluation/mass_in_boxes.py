"""How much of a model's maps lies where the labels are."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from kmlic.data import Boxes

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
    maps: np.ndarray, boxes: Sequence[Boxes], names: Sequence[str]
) -> BoxMass:
    """Measures what share of each map's positive values its label's boxes hold.

    Several boxes of a label count as their union. A map without positive values counts
    as the same everywhere.

    Shapes: (N, H, W, L) to (N, L) twice.

    Args:
        maps: as `kmlic.explain.activation_maps` gives them.
        boxes: of each image; names that are no label are passed over.
        names: of the labels, in the order of the maps.

    Raises:
        ValueError: if maps, boxes and names do not fit together.

    Example:
        >>> maps = np.zeros((1, 4, 4, 1))
        >>> maps[0, 0, 2:, 0] = 3, 1  # the upper right
        >>> boxes = [Boxes(("dog",), np.array([[0.0, 0.0, 0.5, 0.75]]))]
        >>> mass = mass_in_boxes(maps, boxes, ["dog"])
        >>> mass.share, mass.area, mass.concentration
        (0.75, 0.375, 2.0)
    """
    if np.ndim(maps) != 4 or maps.shape[0] != len(boxes) or maps.shape[3] != len(names):
        raise ValueError(
            "`maps` must be (N, H, W, L) with boxes for each image and a name for each "
            f"label; got shape {np.shape(maps)}, {len(boxes)} images with boxes and "
            f"{len(names)} names."
        )
    column = {name: index for index, name in enumerate(names)}
    shares, areas = np.full((2, len(maps), len(names)), np.nan)
    for image, (found, corners) in enumerate(boxes):
        labels = np.array([column.get(name, -1) for name in found])
        for label in set(labels.tolist()) - {-1}:
            coverage = _coverage(corners[labels == label], *maps.shape[1:3])
            mass = np.maximum(maps[image, ..., label], 0)
            if not mass.any():
                mass = np.ones_like(mass)
            shares[image, label] = (mass * coverage).sum() / mass.sum()
            areas[image, label] = coverage.mean()
    return BoxMass(shares, areas)


def _coverage(corners: np.ndarray, height: int, width: int) -> np.ndarray:
    """Gives the share of each region of a map that lies in any of the boxes."""
    top, left, bottom, right = np.asarray(corners, "float64").T[..., None]  # (K, 1)
    rows, columns = (
        (np.arange(count * _POINTS) + 0.5) / (count * _POINTS)
        for count in (height, width)
    )
    down = (top <= rows) & (rows < bottom)  # (K, rows)
    across = (left <= columns) & (columns < right)
    inside = (down[:, :, None] & across[:, None, :]).any(axis=0)
    return inside.reshape(height, _POINTS, width, _POINTS).mean(axis=(1, 3))
