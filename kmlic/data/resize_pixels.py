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
    channels = image.shape[2]
    # Each row is blended once, and single numbers are taken: NumPy takes groups of
    # three one at a time.
    rows = np.unique(np.concatenate([top, bottom]))
    lines = image[rows].reshape(len(rows), -1)

    def take(columns: np.ndarray) -> np.ndarray:
        indices = columns[:, None] * channels + np.arange(channels)
        taken = lines.take(indices.ravel(), axis=1, mode="clip")
        return taken.astype(np.float32, copy=False)

    start, blended = take(left), take(right)
    blended -= start
    blended *= np.repeat(across, channels)
    blended += start
    first = blended.take(np.searchsorted(rows, top), axis=0)
    second = blended.take(np.searchsorted(rows, bottom), axis=0)
    second -= first
    second *= down[:, None]
    second += first
    return second.reshape(size, size, channels)


def _neighbours(length: int, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns both pixels that each new one lies between, and where it lies."""
    scale = np.float32(length) / np.float32(size)
    centers = (np.arange(size, dtype=np.float32) + np.float32(0.5)) * scale
    centers -= np.float32(0.5)
    before = np.floor(centers)
    left = np.maximum(before.astype(np.int64), 0)
    right = np.minimum(np.ceil(centers).astype(np.int64), length - 1)
    return left, right, centers - before
