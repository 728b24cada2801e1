"""Pixels of image files, and of parts of them."""

import dataclasses
from typing import Any

import numpy as np
import tensorflow as tf

from kmlic.data.build_from_listing import FileLoader
from kmlic.data.decode_plain import Crop, cut
from kmlic.data.limits import Limits


@dataclasses.dataclass(frozen=True, eq=False)
class FilePixels:
    """Reads images from their files.

    Args:
        files: (N,) paths as bytes, because a file name need not be UTF-8.
        turns: (N,) how each is turned upright, see `kmlic.data.decoding.ImageHeader`.
        boxes: (N, 4) left, top, right and bottom in pixels of the part that is cut
            out; None for complete images.
        limits: of the files, see `Limits`.
    """

    files: np.ndarray
    turns: np.ndarray
    boxes: np.ndarray | None = None
    limits: Limits = dataclasses.field(default_factory=Limits)

    def references(self, rows: np.ndarray) -> Any:
        """Returns what `load` takes, one per row."""
        boxes = np.zeros((len(rows), 4), np.int32)
        if self.boxes is not None:
            boxes = self.boxes[rows].astype(np.int32)
        return self.files[rows], self.turns[rows], boxes

    def load(
        self, reference: Any, crop: Crop | None = None, *, image_size: int
    ) -> tf.Tensor:
        """Decodes an image, or a part of it, to (H, W, 3) inside a TensorFlow graph."""
        path, turn, box = reference
        if self.boxes is None:
            loader = FileLoader(image_size, **self.limits)
            return loader.any((path, turn), crop)

        def part(sides: tf.Tensor) -> tf.Tensor:
            left, top, right, bottom = tf.unstack(box)
            bottom, right = tf.minimum(bottom, sides[0]), tf.minimum(right, sides[1])
            return tf.stack([top, left, bottom - top, right - left])

        image = FileLoader(**self.limits).any((path, turn), part)
        return cut(image, crop)

    def joined(self, other: "FilePixels") -> "FilePixels":
        """Returns the images of both.

        Raises:
            ValueError: if only one of them has boxes.
        """
        if (self.boxes is None) != (other.boxes is None):
            raise ValueError(
                "`test` must have the columns x1, y1, x2 and y2 where the training "
                "images have them, and only there."
            )
        boxes = None
        if self.boxes is not None and other.boxes is not None:
            boxes = np.concatenate([self.boxes, other.boxes])
        return FilePixels(
            np.concatenate([self.files, other.files]),
            np.concatenate([self.turns, other.turns]),
            boxes,
            self.limits,
        )
