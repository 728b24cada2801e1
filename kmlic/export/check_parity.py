"""Whether an export computes what its model computes."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import keras
import numpy as np

from kmlic.data.decoding import resize_images
from kmlic.data.read_resized import read_bytes, read_resized
from kmlic.export.format import FLOAT32_TOLERANCE, Precision
from kmlic.export.formats import format_of
from kmlic.export.freeze import image_size_of
from kmlic.export.image_bytes import encode_png, round_pixels
from kmlic.export.load_export import load_export
from kmlic.export.read_labels import find_labels
from kmlic.labels import to_probabilities

_BATCH = 2


def check_parity(
    model: keras.Model,
    path: str | Path,
    images: np.ndarray | Sequence[str | Path],
    *,
    tolerance: float | None = None,
    precision: Precision = "float32",
) -> float:
    """Compares an export's scores with its model's on the same images.

    A SavedModel scores every image twice, as a tensor of the image's size and as an
    encoded file; all other exports score resized pixels. The labels inside an export
    determine whether probabilities are a softmax within each group. An export without
    labels computes embeddings; their differences are relative to the largest number in
    them.

    Args:
        model: from images (B, S, S, 3) to logits, or to embeddings.
        path: a file or folder in one of `kmlic.export.FORMATS`.
        images: (N, H, W, 3) pixels 0-255 of any size, which are rounded, or paths of
            image files.
        tolerance: largest difference of a score that is accepted; None accepts all.
        precision: what an OpenVINO model computes in, see `load_export`.

    Returns:
        The largest difference of a score.

    Raises:
        ValueError: if there are no images, an image is broken, or the difference
            exceeds the tolerance.
    """
    if len(images) == 0:
        raise ValueError("`images` must hold at least one image; got none.")
    if isinstance(images, np.ndarray):
        size = image_size_of(model, default=images.shape[1])
        pixels = list(round_pixels(images))
        files = [encode_png(image) for image in images]
    else:
        size = image_size_of(model)
        files = [read_bytes(path) for path in images]
        # Resized here: large JPEGs are decoded at a fraction of their size.
        pixels = [read_resized(path, size) for path in images]
    resized = np.stack([resize_images(image, size).numpy() for image in pixels])
    labels = find_labels(path)

    def expect(batch: np.ndarray) -> np.ndarray:
        outputs = model(batch, training=False)
        return outputs if labels is None else to_probabilities(outputs, labels)

    expected = _in_batches(expect, resized)
    unit = max(float(np.abs(expected).max()), 1e-9) if labels is None else 1.0
    largest = 0.0
    for kind, given in _scores(Path(path), pixels, files, resized, precision):
        differences = np.abs(given - expected) / unit
        difference = float(differences.max())
        # Written so that NaN is refused.
        if tolerance is not None and not difference <= tolerance:
            row, column = np.unravel_index(
                np.nan_to_num(differences, nan=np.inf).argmax(), given.shape
            )
            hint = " Choose a precision that loses less, such as float16 or float32."
            hint *= tolerance > FLOAT32_TOLERANCE
            raise ValueError(
                f"{path} must return the model's scores within "
                f"tolerance={tolerance:g}; from {kind}, the score of label {column} in "
                f"image {row} is {given[row, column]:.6g} instead of "
                f"{expected[row, column]:.6g}.{hint}"
            )
        largest = max(largest, difference, key=lambda value: (np.isnan(value), value))
    return largest


def _scores(
    path: Path,
    pixels: Sequence[np.ndarray],
    files: Sequence[bytes],
    resized: np.ndarray,
    precision: Precision,
) -> Iterator[tuple[str, np.ndarray]]:
    load_server = format_of(path).load_server
    if load_server is None:
        yield "pixels", _in_batches(load_export(path, precision=precision), resized)
        return
    predict, predict_files = load_server(path)
    one_size = len({image.shape for image in pixels}) == 1
    yield (
        "tensors",
        _in_batches(
            lambda batch: predict(np.stack(batch)), pixels, _BATCH if one_size else 1
        ),
    )
    starts = range(0, len(files), _BATCH)
    answers = [predict_files(files[i : i + _BATCH]) for i in starts]
    scores, ok = (np.concatenate(each) for each in zip(*answers, strict=True))
    if not ok.all():
        broken = np.flatnonzero(~ok).tolist()
        raise ValueError(f"{path} must decode every image; not those at {broken}.")
    yield "bytes", scores


def _in_batches(
    predict: Callable[..., np.ndarray], rows: Sequence | np.ndarray, size: int = _BATCH
) -> np.ndarray:
    starts = range(0, len(rows), size)
    return np.concatenate([predict(rows[i : i + size]) for i in starts])
