"""Whether an export gives what its model gives."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from kmlic.data.decoding import read_bytes, read_resized, resize_images
from kmlic.export.freeze import image_size_of
from kmlic.export.load_export import Precision, load_export
from kmlic.export.read_labels import find_labels
from kmlic.labels import to_probabilities

_BATCH = 16


def check_parity(
    model: keras.Model,
    artefact: str | Path,
    images: np.ndarray | Sequence[str | Path],
    *,
    tolerance: float | None = None,
    precision: Precision = "float32",
) -> float:
    """Compares an export's scores with its model's on the same images.

    A SavedModel is given each image twice, as a tensor of its own size and as the bytes
    of a file; all other forms resized pixels. The labels inside an export say whether
    the model's probabilities are a softmax within each group. An export without labels
    is one of embeddings; their differences are shares of the largest number in them.

    Args:
        model: from images (B, S, S, 3) to logits, or to embeddings.
        artefact: a .tflite or .onnx file, or the folder of a SavedModel's version or of
            an OpenVINO model.
        images: (N, H, W, 3) pixels 0-255 of any size, which are rounded, or paths of
            image files.
        tolerance: largest difference of a score that is let pass; None lets every one
            pass.
        precision: what an OpenVINO model computes in, see `load_export`.

    Returns:
        The largest difference of a score.

    Raises:
        ValueError: if there are no images, an image is broken, or the difference is
            not within the tolerance.
    """
    if len(images) == 0:
        raise ValueError("`images` must hold at least one image; got none.")
    if isinstance(images, np.ndarray):
        size = image_size_of(model, default=images.shape[1])
        pixels = list(_whole(images))
        files = [encode_png(image) for image in images]
    else:
        size = image_size_of(model)
        files = [read_bytes(path) for path in images]
        # Resized here: large JPEGs are decoded at a part of their size.
        pixels = [read_resized(path, size) for path in images]
    resized = np.stack([resize_images(image, size).numpy() for image in pixels])
    labels = find_labels(artefact)
    if labels is None:
        expected = _in_batches(lambda batch: model(batch, training=False), resized)
        unit = max(float(np.abs(expected).max()), 1e-9)
    else:
        unit = 1.0
        expected = _in_batches(
            lambda batch: to_probabilities(model(batch, training=False), labels),
            resized,
        )
    largest = 0.0
    for kind, given in _scores(artefact, pixels, files, resized, precision):
        differences = np.abs(given - expected) / unit
        difference = float(differences.max())
        # Written so that NaN does not pass.
        if tolerance is not None and not difference <= tolerance:
            row, column = np.unravel_index(
                np.nan_to_num(differences, nan=np.inf).argmax(), given.shape
            )
            raise ValueError(
                f"{artefact} must give the model's scores within "
                f"tolerance={tolerance:g}; from {kind} label {column} of image {row} "
                f"has {given[row, column]:.6g} there and {expected[row, column]:.6g} "
                "here."
            )
        largest = max(largest, difference, key=lambda value: (np.isnan(value), value))
    return largest


def encode_png(image: np.ndarray) -> bytes:
    """Encodes pixels 0-255, which are rounded.

    Shapes: (H, W, 3) to bytes.
    """
    return tf.io.encode_png(_whole(image)).numpy()


def _whole(pixels: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(pixels), 0, 255).astype("uint8")


def _scores(
    artefact: str | Path,
    pixels: Sequence[np.ndarray],
    files: Sequence[bytes],
    resized: np.ndarray,
    precision: Precision,
) -> Iterator[tuple[str, np.ndarray]]:
    if not (Path(artefact) / "saved_model.pb").is_file():
        predict = load_export(artefact, precision=precision)
        yield "pixels", _in_batches(predict, resized)
        return
    loaded = tf.saved_model.load(str(artefact))
    embeds = "embed" in loaded.signatures
    key = "embeddings" if embeds else "probabilities"
    of_tensors = loaded.signatures["embed" if embeds else "serving_default"]
    of_bytes = loaded.signatures["embed_bytes" if embeds else "serve_bytes"]
    # Images of one size go together.
    step = _BATCH if len({image.shape for image in pixels}) == 1 else 1
    rows = []
    for start in range(0, len(pixels), step):
        batch = tf.constant(np.stack(pixels[start : start + step]), tf.float32)
        rows.append(of_tensors(images=batch)[key].numpy())
    yield "tensors", np.concatenate(rows)
    rows = []
    for start in range(0, len(files), _BATCH):
        batch = tf.constant(files[start : start + _BATCH])
        result = of_bytes(image_bytes=batch)
        broken = np.flatnonzero(~result["ok"].numpy()) + start
        if len(broken):
            raise ValueError(
                f"{artefact} must decode every image; not those at {broken.tolist()}."
            )
        rows.append(result[key].numpy())
    yield "bytes", np.concatenate(rows)


def _in_batches(
    predict: Callable[[np.ndarray], np.ndarray], images: np.ndarray
) -> np.ndarray:
    starts = range(0, len(images), _BATCH)
    return np.concatenate([predict(images[i : i + _BATCH]) for i in starts])
