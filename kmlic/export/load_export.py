"""Exported files run as a program without kmlic would run them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

Predict = Callable[[np.ndarray], np.ndarray]


def load_export(path: str | Path) -> Predict:
    """Loads a SavedModel or a LiteRT file as a function of images.

    Shapes: the function takes (B, S, S, 3) float32 pixels 0-255 and gives
    probabilities (B, L).

    Args:
        path: the folder of one version of a SavedModel, or a .tflite file.

    Raises:
        ValueError: if there is no such export.
    """
    path = Path(path)
    if path.suffix == ".tflite" and path.is_file():
        return _load_tflite(path)
    if (path / "saved_model.pb").is_file():
        return _load_saved_model(path)
    raise ValueError(
        "`path` must be the folder of a SavedModel's version or a .tflite file; got "
        f"path={str(path)!r}."
    )


def load_signature(path: str | Path, name: str) -> Callable[..., dict[str, tf.Tensor]]:
    """Loads one signature of a SavedModel."""
    loaded = tf.saved_model.load(str(path))
    signature = loaded.signatures[name]

    def run(**inputs: Any) -> dict[str, tf.Tensor]:
        # A signature does not keep alive the object that holds its weights.
        return signature(**inputs) if loaded else {}

    return run


def _load_saved_model(path: Path) -> Predict:
    signature = load_signature(path, "serving_default")

    def predict(images: np.ndarray) -> np.ndarray:
        images = tf.constant(images, tf.float32)
        return signature(images=images)["probabilities"].numpy()

    return predict


def _load_tflite(path: Path) -> Predict:
    from ai_edge_litert.interpreter import Interpreter

    signature = Interpreter(str(path)).get_signature_runner("serving_default")

    def predict(images: np.ndarray) -> np.ndarray:
        images = np.asarray(images, "float32")
        rows = [signature(images=image[None])["probabilities"] for image in images]
        return np.concatenate(rows)

    return predict
