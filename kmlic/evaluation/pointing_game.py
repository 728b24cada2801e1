"""The pointing game: whether maps are highest inside the boxes of their labels."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from kmlic.data import Boxes
from kmlic.evaluation.check_maps import check_maps
from kmlic.explain import Centers

_QUARTER = 0.25  # of the image


class Pointing(NamedTuple):
    """Holds the number of hits and of images of each label.

    Args:
        hits: (L,), images in which the highest cell of the map is in a box.
        images: (L,), images with a box of the label.
    """

    hits: np.ndarray
    images: np.ndarray

    def accuracy(self, columns: Sequence[int] | None = None) -> float:
        """Returns the mean share of hits over labels with a box, NaN without any.

        Args:
            columns: indices of the labels; None for all.
        """
        chosen = slice(None) if columns is None else list(columns)
        hits, images = self.hits[chosen], self.images[chosen]
        known = images > 0
        return float(np.mean(hits[known] / images[known])) if known.any() else np.nan


def pointing_game(
    maps: np.ndarray,
    boxes: Sequence[Boxes],
    names: Sequence[str],
    *,
    centers: Centers | None = None,
    difficult: bool = False,
) -> Pointing:
    """Counts how often the highest cell of each map is in a box of its label.

    If several cells are highest, their mean position counts, so that a constant map
    points at the center of the image.

    Paper: Zhang, Lin, Brandt, Shen and Sclaroff, "Top-down Neural Attention by
    Excitation Backprop", ECCV 2016, section 4.2, https://arxiv.org/abs/1608.00507.
    Differs from the paper: no margin is added around the boxes.

    Shapes: (N, H, W, L) to counts (L,).

    Args:
        maps: maps of `kmlic.explain.activation_maps`.
        boxes: boxes of each image; names that are not labels are ignored.
        names: names of the labels, in the order of the maps.
        centers: centers of the maps' rows and columns in the image, of
            `kmlic.explain.receptive_field_centers`; None for those of equal cells.
        difficult: whether to count only the paper's difficult cases, in which the boxes
            of the label cover less than a quarter of the image and another label has a
            box too.

    Raises:
        ValueError: if the sizes of maps, boxes, names and centers do not agree.

    Example:
        >>> maps = np.zeros((1, 4, 4, 1))
        >>> maps[0, 0, 3] = 1  # the cell at the top right
        >>> boxes = [Boxes(("dog",), np.array([[0.0, 0.5, 0.5, 1.0]]))]
        >>> pointing_game(maps, boxes, ["dog"]).accuracy()
        1.0
    """
    rows, columns = check_maps(maps, boxes, names, centers)
    column = {name: index for index, name in enumerate(names)}
    hits, images = np.zeros((2, len(names)), np.int64)
    highest = _highest_points(np.asarray(maps), rows, columns)
    for points, each in zip(highest, boxes, strict=True):
        known = [(column[n], c) for n, c in zip(*each, strict=True) if n in column]
        inside: dict[int, bool] = {}
        areas: dict[int, float] = {}
        for label, (top, left, bottom, right) in known:
            row, position = points[label]
            hit = top <= row <= bottom and left <= position <= right
            inside[label] = inside.get(label, False) or bool(hit)
            areas[label] = areas.get(label, 0.0) + (bottom - top) * (right - left)
        for label, hit in inside.items():
            if difficult and (areas[label] >= _QUARTER or len(inside) == 1):
                continue
            images[label] += 1
            hits[label] += hit
    return Pointing(hits, images)


def _highest_points(
    maps: np.ndarray, rows: np.ndarray, columns: np.ndarray
) -> np.ndarray:
    """Returns the row and column of each highest value, in shares: (N, L, 2)."""
    highest = maps == maps.max(axis=(1, 2), keepdims=True)
    count = highest.sum(axis=(1, 2))  # (N, L)
    row = np.einsum("nhwl,hl->nl", highest, rows) / count
    column = np.einsum("nhwl,wl->nl", highest, columns) / count
    return np.stack([row, column], axis=-1)
