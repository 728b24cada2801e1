"""Images resized without TensorFlow to the same pixels."""

import numpy as np


def resize_pixels(image: np.ndarray, size: int) -> np.ndarray:
    """Resizes an image to a square exactly as `kmlic.data.resize_images` does.

    Shapes: (H, W, C) to (S, S, C) float32.

    Args:
        image: pixels 0-255, uint8 or float32.
        size: S, the side in pixels.

    Example:
        >>> resize_pixels(np.array([[[0.0], [8.0]]], "float32"), 4)[0, :, 0].tolist()
        [0.0, 2.0, 6.0, 8.0]
    """
    top, bottom, down = _neighbours(image.shape[0], size)
    left, right, across = _neighbours(image.shape[1], size)
    across = across[:, None]

    def blend(rows: np.ndarray) -> np.ndarray:
        lines = image[rows].astype(np.float32, copy=False)
        start, end = lines[:, left], lines[:, right]
        end -= start
        end *= across
        end += start
        return end

    first, second = blend(top), blend(bottom)
    second -= first
    second *= down[:, None, None]
    second += first
    return second


def _neighbours(length: int, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns both pixels that each new one lies between, and where it lies."""
    scale = np.float32(length) / np.float32(size)
    centers = (np.arange(size, dtype=np.float32) + np.float32(0.5)) * scale
    centers -= np.float32(0.5)
    before = np.floor(centers)
    left = np.maximum(before.astype(np.int64), 0)
    right = np.minimum(np.ceil(centers).astype(np.int64), length - 1)
    return left, right, centers - before
