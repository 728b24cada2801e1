"""Whether an export gives what its model gives."""

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from kmlic.data.decoding import read_resized, resize_images
from kmlic.export.freeze import image_size_of
from kmlic.export.load_export import Predict, load_export, load_signature
from kmlic.export.tflite_file import read_labels
from kmlic.labels import Labels, to_probabilities

_BATCH = 16


def check_parity(
    model: keras.Model,
    artefact: str | Path,
    images: np.ndarray | Sequence[str | Path],
    *,
    tolerance: float | None = None,
) -> float:
    """Compares an export's probabilities with its model's on the same images.

    Args:
        model: from images (B, S, S, 3) to logits.
        artefact: the folder of a SavedModel's version, or a .tflite file.
        images: (N, H, W, 3) pixels 0-255 of any size, or paths of image files, which
            a SavedModel is given as bytes. The labels inside the export say whether
            the model's probabilities are a softmax within each group.
        tolerance: largest difference of a probability that is let pass; None lets
            every one pass.

    Returns:
        The largest difference of a probability.

    Raises:
        ValueError: if there are no images, an image is broken, or the difference is
            not within the tolerance.
    """
    if len(images) == 0:
        raise ValueError("`images` must hold at least one image; got none.")
    if isinstance(images, np.ndarray):
        size = image_size_of(model, default=images.shape[1])
        resized = resize_images(images, size).numpy()
        given = _in_batches(
            load_export(artefact), images if _is_folder(artefact) else resized
        )
    else:
        size = image_size_of(model)
        paths = [Path(path) for path in images]
        decoded = [read_resized(path, size) for path in paths]
        resized = np.stack(decoded)
        if _is_folder(artefact):
            given = _from_bytes(artefact, paths)
        else:
            given = _in_batches(load_export(artefact), resized)
    labels = _labels_of(artefact)
    expected = _in_batches(
        lambda batch: to_probabilities(model(batch, training=False), labels), resized
    )
    difference = float(np.abs(given - expected).max())
    # Written so that NaN does not pass.
    if tolerance is not None and not difference <= tolerance:
        row, column = np.unravel_index(
            np.nan_to_num(np.abs(given - expected), nan=np.inf).argmax(), given.shape
        )
        raise ValueError(
            f"{artefact} must give the model's probabilities within "
            f"tolerance={tolerance:g}; label {column} of image {row} has "
            f"{given[row, column]:.6g} there and {expected[row, column]:.6g} here."
        )
    return difference


def _labels_of(artefact: str | Path) -> Labels | None:
    if not _is_folder(artefact):
        return read_labels(artefact)
    asset = Path(artefact) / "assets" / "labels.json"
    return Labels.read(asset) if asset.is_file() else None


def _is_folder(artefact: str | Path) -> bool:
    return Path(artefact).is_dir()


def _in_batches(predict: Predict, images: np.ndarray) -> np.ndarray:
    starts = range(0, len(images), _BATCH)
    return np.concatenate([predict(images[i : i + _BATCH]) for i in starts])


def _from_bytes(artefact: str | Path, paths: Sequence[Path]) -> np.ndarray:
    signature = load_signature(artefact, "serve_bytes")
    probabilities = []
    for start in range(0, len(paths), _BATCH):
        batch = paths[start : start + _BATCH]
        contents = tf.constant([path.read_bytes() for path in batch])
        result = signature(image_bytes=contents)
        broken = [
            str(path)
            for path, ok in zip(batch, result["ok"].numpy(), strict=True)
            if not ok
        ]
        if broken:
            raise ValueError(f"{artefact} must decode every image; not {broken}.")
        probabilities.append(result["probabilities"].numpy())
    return np.concatenate(probabilities)
