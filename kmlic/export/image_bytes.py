"""Images encoded as files."""

import numpy as np
import tensorflow as tf


def encode_png(image: np.ndarray) -> bytes:
    """Encodes an image as PNG, after `round_pixels`.

    Shapes: (H, W, 3) pixels 0-255 to bytes.
    """
    return tf.io.encode_png(round_pixels(image)).numpy()


def round_pixels(pixels: np.ndarray) -> np.ndarray:
    """Rounds pixels to integers 0-255."""
    return np.clip(np.rint(pixels), 0, 255).astype("uint8")
