"""Models from images to embeddings and words, for TF Serving."""

from pathlib import Path

import keras
import tensorflow as tf

from kmlic.embedding_index import EmbeddingIndex
from kmlic.export.freeze import clone_for_export, image_size_of
from kmlic.export.servable import Servable, ServingOptions, answer_spec
from kmlic.export.write_servable import write_servable


def export_embedding_model(
    model: keras.Model,
    folder: str | Path,
    *,
    index: EmbeddingIndex,
    top_k: int = 5,
    serving: ServingOptions | None = None,
) -> Path:
    """Writes an embedding model and a vocabulary as the next version of a SavedModel.

    The SavedModel only needs TensorFlow's own operators; names and vectors are stored
    as constants. Its signatures take a batch of any size:

    - `serving_default`: `images` (B, H, W, 3) float32 pixels 0-255 of any size, to
      `words` (B, K), nearest first, and their cosines `scores` (B, K).
    - `embed`: the same images to `embeddings` (B, D).
    - `serve_bytes` and `embed_bytes`: the same from `image_bytes` (B,), complete JPEG,
      PNG, GIF, BMP or WebP files.

    All also return `ok` (B,): an image with NaN or infinity, or a broken file, is not
    ok; it gets no words and zeros, and does not affect other images. README.md says how
    to start TF Serving and how to send requests.

    Args:
        model: functional model from images (B, S, S, 3) to embeddings, such as
            `kmlic.models.embedding_part` returns.
        folder: holds one folder per version; TF Serving's `model_base_path`.
        index: the names that may be found, and their vectors.
        top_k: K, the number of words per image.
        serving: version, limits and warm-up requests; None for the defaults.

    Returns:
        `folder`/`version`.

    Raises:
        ValueError: if an argument does not fit, or the version exists.
        ImportError: if there are images to warm up with, but not the extra serving.
    """
    if model.output_shape[-1] != index.size:
        raise ValueError(
            f"`index` must have vectors of the size of the embeddings; got {index.size}"
            f" for {model.output_shape[-1]}."
        )
    if not 1 <= top_k <= len(index):
        raise ValueError(
            f"`top_k` must be from 1 to the {len(index)} names; got top_k={top_k}."
        )
    size = image_size_of(model)
    frozen = clone_for_export(model)
    names, vectors = tf.constant(index.names), tf.constant(index.vectors)

    @tf.function(input_signature=answer_spec(size))
    def embed(images: tf.Tensor, ok: tf.Tensor) -> dict[str, tf.Tensor]:
        images = tf.where(ok[:, None, None, None], images, 0.0)
        embeddings = frozen(tf.cast(images, frozen.inputs[0].dtype))
        return {"embeddings": tf.where(ok[:, None], embeddings, 0.0), "ok": ok}

    @tf.function(input_signature=answer_spec(size))
    def find(images: tf.Tensor, ok: tf.Tensor) -> dict[str, tf.Tensor]:
        embeddings = _normalise(embed(images, ok)["embeddings"])
        cosines = tf.matmul(embeddings, vectors, transpose_b=True)
        scores, indices = tf.math.top_k(cosines, top_k)
        words = tf.where(ok[:, None], tf.gather(names, indices), "")
        return {"words": words, "scores": scores, "ok": ok}

    servable = Servable(
        frozen,
        size,
        {
            "serve_bytes": (tf.string, find),
            "serving_default": (tf.float32, find),
            "embed_bytes": (tf.string, embed),
            "embed": (tf.float32, embed),
        },
        about=f"It finds the nearest of {len(index):,} words to an image.",
        meaning="`words` are sorted by `scores`, their cosines with the image's "
        "embedding, -1 to 1.\n",
    )
    return write_servable(servable, folder, serving or ServingOptions())


def _normalise(embeddings: tf.Tensor) -> tf.Tensor:
    largest = tf.reduce_max(tf.abs(embeddings), axis=1, keepdims=True)
    scaled = tf.math.divide_no_nan(embeddings, largest)
    return tf.math.divide_no_nan(scaled, tf.norm(scaled, axis=1, keepdims=True))
