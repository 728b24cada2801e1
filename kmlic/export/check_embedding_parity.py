"""Whether an exported embedding model finds what its model finds."""

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from kmlic.data.decoding import resize_images
from kmlic.embedding_index import EmbeddingIndex
from kmlic.export.check_parity import check_parity
from kmlic.export.freeze import image_size_of


def check_embedding_parity(
    model: keras.Model,
    path: str | Path,
    images: np.ndarray,
    *,
    index: EmbeddingIndex,
    tolerance: float | None = None,
) -> float:
    """Compares an exported embedding model with its model on the same images.

    Words are compared by their cosines, because labels that share one vector may come
    in any order.

    Args:
        model: from images (B, S, S, 3) to embeddings.
        path: the folder of the SavedModel's version.
        images: (N, H, W, 3) pixels 0-255 of any size.
        index: the names and vectors that were exported.
        tolerance: largest difference that is accepted; None accepts all.

    Returns:
        The largest difference of an embedding's number, or of a cosine.

    Raises:
        ValueError: if the difference exceeds the tolerance.
    """
    resized = resize_images(images, image_size_of(model))
    expected = np.asarray(model(resized, training=False))
    loaded = tf.saved_model.load(str(path))
    found = loaded.signatures["serving_default"](images=tf.constant(images, tf.float32))
    words, scores = found["words"].numpy(), found["scores"].numpy()
    nearest = index.search(expected, words.shape[1])
    columns = {name.encode(): column for column, name in enumerate(index.names)}
    own = np.take_along_axis(
        index.scores(expected), np.vectorize(columns.__getitem__)(words), axis=1
    )
    difference = max(
        check_parity(model, path, images, tolerance=tolerance),
        float(np.abs(nearest.scores - scores).max()),
        float(np.abs(own - scores).max()),
    )
    # Written so that NaN is refused.
    if tolerance is not None and not difference <= tolerance:
        raise ValueError(
            f"{path} must return the model's embeddings and cosines within "
            f"tolerance={tolerance:g}; the largest difference is {difference:g}."
        )
    return difference
