"""Whether a model's maps are highest where the labels are."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from kmlic.data import Boxes


class Pointing(NamedTuple):
    """Counts, label by label, how often a map points at what it is of.

    Args:
        hits: (L,), images in which the highest place of the map lies in a box.
        images: (L,), images with a box of the label.
    """

    hits: np.ndarray
    images: np.ndarray

    def accuracy(self, columns: Sequence[int] | None = None) -> float:
        """Gives the mean share of hits over labels with a box, nan without any.

        Args:
            columns: the labels to take; all when None.
        """
        chosen = slice(None) if columns is None else list(columns)
        hits, images = self.hits[chosen], self.images[chosen]
        known = images > 0
        return float(np.mean(hits[known] / images[known])) if known.any() else np.nan


def pointing_game(
    maps: np.ndarray, boxes: Sequence[Boxes], names: Sequence[str]
) -> Pointing:
    """Looks whether the highest place of each map lies in a box of its label.

    A place is the centre of its region of the image. Where several are highest their
    mean counts, so that a map without any difference points at the image's centre.

    Paper: Zhang et al., "Top-down Neural Attention by Excitation Backprop", ECCV 2016,
    section 4.2, https://arxiv.org/abs/1608.00507. Differs from the paper: no margin is
    added around the boxes.

    Shapes: (N, H, W, L) to counts (L,).

    Args:
        maps: as `kmlic.explain.activation_maps` gives them.
        boxes: of each image; names that are no label are passed over.
        names: of the labels, in the order of the maps.

    Raises:
        ValueError: if maps, boxes and names do not fit together.

    Example:
        >>> maps = np.zeros((1, 4, 4, 1))
        >>> maps[0, 0, 3] = 1  # the place at the top right
        >>> boxes = [Boxes(("dog",), np.array([[0.0, 0.5, 0.5, 1.0]]))]
        >>> pointing_game(maps, boxes, ["dog"]).accuracy()
        1.0
    """
    if np.ndim(maps) != 4 or maps.shape[0] != len(boxes) or maps.shape[3] != len(names):
        raise ValueError(
            "`maps` must be (N, H, W, L) with boxes for each image and a name for each "
            f"label; got shape {np.shape(maps)}, {len(boxes)} images with boxes and "
            f"{len(names)} names."
        )
    column = {name: index for index, name in enumerate(names)}
    hits, images = np.zeros((2, len(names)), np.int64)
    places = _highest_places(np.asarray(maps))
    for points, each in zip(places, boxes, strict=True):
        known = [(column[n], c) for n, c in zip(*each, strict=True) if n in column]
        inside: dict[int, bool] = {}
        for label, (top, left, bottom, right) in known:
            row, position = points[label]
            hit = top <= row <= bottom and left <= position <= right
            inside[label] = inside.get(label, False) or bool(hit)
        for label, hit in inside.items():
            images[label] += 1
            hits[label] += hit
    return Pointing(hits, images)


def _highest_places(maps: np.ndarray) -> np.ndarray:
    """Gives the row and column of each highest value, in shares: (N, L, 2)."""
    height, width = maps.shape[1:3]
    highest = maps == maps.max(axis=(1, 2), keepdims=True)
    count = highest.sum(axis=(1, 2))  # (N, L)
    rows = np.einsum("nhwl,h->nl", highest, (np.arange(height) + 0.5) / height)
    columns = np.einsum("nhwl,w->nl", highest, (np.arange(width) + 0.5) / width)
    return np.stack([rows / count, columns / count], axis=-1)
