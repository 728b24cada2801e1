"""Models from images to embeddings and words, for TF Serving."""

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from kmlic.atomic_write import atomic_write
from kmlic.data.decoding import MAX_BYTES, MAX_PIXELS, resize_images
from kmlic.embedding_index import EmbeddingIndex
from kmlic.export.decode_bytes import decode_bytes
from kmlic.export.freeze import clone_for_export, image_size_of
from kmlic.export.load_export import load_signature
from kmlic.export.parity import check_parity
from kmlic.export.saved_model import images_spec, next_version, rows_spec
from kmlic.export.serving_readme import FILES, PIXELS, write_readme
from kmlic.export.warm_up import write_warm_up


def export_embedding_model(
    model: keras.Model,
    folder: str | Path,
    *,
    index: EmbeddingIndex,
    top_k: int = 5,
    version: int | None = None,
    max_bytes: int = MAX_BYTES,
    max_pixels: int = MAX_PIXELS,
    warm_up: Sequence[bytes] = (),
) -> Path:
    """Writes an embedding model and a vocabulary as the next version of a SavedModel.

    It needs nothing but TensorFlow's own operators; names and vectors are constants
    inside it. Its signatures take a batch of any size:

    - `serving_default`: `images` (B, H, W, 3) float32 pixels 0-255 of any size, to
      `words` (B, K), nearest first, and their cosines `scores` (B, K).
    - `embed`: the same images to `embeddings` (B, D).
    - `serve_bytes` and `embed_bytes`: the same from `image_bytes` (B,), whole JPEG,
      PNG, GIF, BMP or WebP files.

    All of them give `ok` (B,) too: an image with NaN or infinity, or a broken file, is
    not ok; it gets no words and zeros, and its neighbours are not touched. README.md
    says how to start TF Serving and how to ask it.

    Args:
        model: functional model from images (B, S, S, 3) to embeddings, such as
            `kmlic.models.embedding_part` gives.
        folder: holds one folder a version; TF Serving's `model_base_path`.
        index: the names that may be found, and their vectors.
        top_k: K, how many are given.
        version: a positive number that is not there yet; None for one more than the
            largest.
        max_bytes: longest file that is looked into.
        max_pixels: largest height times width that is decoded.
        warm_up: encoded images that TF Serving scores before it takes requests. Needs
            the extra serving.

    Returns:
        `folder`/`version`.

    Raises:
        ValueError: if an argument does not fit, or the version is there already.
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
    path = Path(folder) / str(next_version(Path(folder), version))
    servable = _Servable(model, index, top_k, size, max_bytes, max_pixels)
    with atomic_write(path) as temporary:
        tf.saved_model.save(
            servable,
            str(temporary),
            signatures={
                "serving_default": servable.serve,
                "embed": servable.embed,
                "serve_bytes": servable.serve_bytes,
                "embed_bytes": servable.embed_bytes,
            },
            options=tf.saved_model.SaveOptions(experimental_custom_gradients=False),
        )
        if warm_up:
            write_warm_up(
                temporary,
                warm_up,
                image_size=size,
                of_pixels={"serving_default": tf.float32, "embed": tf.float32},
                of_bytes=("serve_bytes", "embed_bytes"),
            )
        words = {"words": f"(B, {top_k})", "scores": f"(B, {top_k})", "ok": "(B,)"}
        embeddings = {"embeddings": f"(B, {index.size})", "ok": "(B,)"}
        write_readme(
            temporary,
            name=model.name,
            number=int(path.name),
            about=f"It finds the nearest of {len(index):,} words to an image.",
            meaning="`words` stand nearest first; `scores` are their cosines with the "
            "image's embedding, -1 to 1.\n",
            signatures=[
                ("serve_bytes", FILES, words),
                ("serving_default", PIXELS, words),
                ("embed_bytes", FILES, embeddings),
                ("embed", PIXELS, embeddings),
            ],
            image_size=size,
            max_bytes=max_bytes,
            max_pixels=max_pixels,
        )
    return path


def check_embedding_parity(
    model: keras.Model,
    artefact: str | Path,
    images: np.ndarray,
    *,
    index: EmbeddingIndex,
    tolerance: float | None = None,
) -> float:
    """Compares an exported embedding model with its model on the same images.

    Words count as the same where their cosines are: those of labels that share one
    vector may stand in any order.

    Args:
        model: from images (B, S, S, 3) to embeddings.
        artefact: the folder of the SavedModel's version.
        images: (N, H, W, 3) pixels 0-255 of any size.
        index: the names and vectors that were exported.
        tolerance: largest difference of a number that is let pass; None lets every one
            pass.

    Returns:
        The largest difference of a number of an embedding, or of a cosine.

    Raises:
        ValueError: if the difference is not within the tolerance.
    """
    resized = resize_images(images, image_size_of(model))
    expected = np.asarray(model(resized, training=False))
    found = load_signature(artefact, "serving_default")(
        images=tf.constant(images, tf.float32)
    )
    words, scores = found["words"].numpy(), found["scores"].numpy()
    nearest = index.search(expected, words.shape[1])
    columns = {name.encode(): column for column, name in enumerate(index.names)}
    own = np.take_along_axis(
        index.scores(expected), np.vectorize(columns.__getitem__)(words), axis=1
    )
    difference = max(
        check_parity(model, artefact, images, tolerance=tolerance),
        float(np.abs(nearest.scores - scores).max()),
        float(np.abs(own - scores).max()),
    )
    # Written so that NaN does not pass.
    if tolerance is not None and not difference <= tolerance:
        raise ValueError(
            f"{artefact} must give the model's embeddings and cosines within "
            f"tolerance={tolerance:g}; the largest difference is {difference:g}."
        )
    return difference


class _Servable(tf.Module):
    def __init__(
        self,
        model: keras.Model,
        index: EmbeddingIndex,
        top_k: int,
        size: int,
        max_bytes: int,
        max_pixels: int,
    ):
        super().__init__()
        frozen = clone_for_export(model)
        self.weights = [variable.value for variable in frozen.variables]
        names, vectors = tf.constant(index.names), tf.constant(index.vectors)

        def embed(images: tf.Tensor, ok: tf.Tensor) -> dict[str, tf.Tensor]:
            images = tf.where(ok[:, None, None, None], images, 0.0)
            embeddings = frozen(tf.cast(images, frozen.inputs[0].dtype))
            return {"embeddings": tf.where(ok[:, None], embeddings, 0.0), "ok": ok}

        def find(embeddings: tf.Tensor, ok: tf.Tensor) -> dict[str, tf.Tensor]:
            cosines = tf.matmul(_of_length_one(embeddings), vectors, transpose_b=True)
            scores, indices = tf.math.top_k(cosines, top_k)
            words = tf.where(ok[:, None], tf.gather(names, indices), "")
            return {"words": words, "scores": scores, "ok": ok}

        def read(images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            ok = tf.reduce_all(tf.math.is_finite(images), axis=(1, 2, 3))
            return resize_images(images, size), ok

        def decode(image_bytes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return decode_bytes(
                image_bytes, image_size=size, max_bytes=max_bytes, max_pixels=max_pixels
            )

        pixels = [images_spec(tf.float32)]
        files = [rows_spec(tf.string, "image_bytes")]
        self.embed = tf.function(lambda images: embed(*read(images)), pixels)
        self.serve = tf.function(lambda images: find(**embed(*read(images))), pixels)
        self.embed_bytes = tf.function(
            lambda image_bytes: embed(*decode(image_bytes)), files
        )
        self.serve_bytes = tf.function(
            lambda image_bytes: find(**embed(*decode(image_bytes))), files
        )


def _of_length_one(embeddings: tf.Tensor) -> tf.Tensor:
    largest = tf.reduce_max(tf.abs(embeddings), axis=1, keepdims=True)
    scaled = tf.math.divide_no_nan(embeddings, largest)
    return tf.math.divide_no_nan(scaled, tf.norm(scaled, axis=1, keepdims=True))
