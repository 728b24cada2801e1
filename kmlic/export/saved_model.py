"""Models for TF Serving and everything else that runs TensorFlow graphs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kmlic.count_noun import count_noun
from kmlic.export.format import (
    LABELS_FILE,
    ExportOptions,
    Format,
    Predict,
    PredictFiles,
)
from kmlic.labels import Labels
from kmlic.start_tensorflow import start_tensorflow

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from kmlic.export.servable import Answer, ServingOptions

_WARM_UP_IMAGES = 8
_TOP_WORDS = 5


def export_saved_model(
    model: keras.Model,
    folder: str | Path,
    *,
    labels: Labels,
    maps: bool = False,
    serving: ServingOptions | None = None,
) -> Path:
    """Writes a model as the next version of a SavedModel for TF Serving.

    The SavedModel only needs TensorFlow's own operators. It has three signatures that
    take a batch of any size:

    - `serving_default`: `images` (B, H, W, 3) float32 pixels 0-255 of any size, resized
      as in training. An image with NaN or infinity is not ok.
    - `serve_uint8`: the same from uint8, a quarter of the traffic.
    - `serve_bytes`: `image_bytes` (B,), complete JPEG, PNG, GIF, BMP or WebP files.

    All return `probabilities` (B, L), `ok` (B,), and `labels`: the names at or above
    their thresholds, most probable first and padded with "". With `maps` they also
    return `maps` (B, H', W', L). For exclusive groups `labels` (B, G) names the most
    probable one of each, and every group has its own outputs
    `<group>_probabilities` (B, K) and `<group>_label` (B,).

    An image that is not ok gets no labels and zeros; it does not affect other images.
    labels.json is stored in `assets`, and `labels_json` of the loaded object returns
    its text. README.md says how to start TF Serving and how to send requests.

    Args:
        model: functional model from images (B, S, S, 3) to logits.
        folder: holds one folder per version; TF Serving's `model_base_path`.
        labels: names and thresholds of the model's outputs; their image size is used
            if the model takes any.
        maps: whether to return the output of the model's layer "activation_maps" too.
        serving: version, limits and warm-up requests; None for the defaults.

    Returns:
        `folder`/`version`.

    Raises:
        ValueError: if an argument does not fit, or the version exists.
        ImportError: if there are images to warm up with, but not the extra serving.
    """
    import tensorflow as tf

    from kmlic.export.freeze import freeze, image_size_of, require_one_label_per_logit
    from kmlic.export.servable import Servable, ServingOptions
    from kmlic.export.write_servable import write_servable

    require_one_label_per_logit(model, labels)
    size = image_size_of(model, labels.image_size)
    frozen = freeze(model, labels, maps=maps)
    answer = _answer(frozen, labels, size)
    servable = Servable(
        frozen,
        size,
        {
            "serve_bytes": (tf.string, answer),
            "serving_default": (tf.float32, answer),
            "serve_uint8": (tf.uint8, answer),
        },
        about=f"It scores {count_noun(len(labels), 'label')}, listed in "
        f"`assets/{LABELS_FILE}`.",
        meaning=_meaning(labels),
        labels=labels,
    )
    return write_servable(servable, folder, serving or ServingOptions())


def _meaning(labels: Labels) -> str:
    if labels.exclusive:
        return (
            "Probabilities are a softmax within each group; `labels` names the "
            "most probable one of each.\n"
        )
    return (
        f"Probabilities are in the order of `assets/{LABELS_FILE}`; `labels` names "
        'those at or above\ntheir thresholds, most probable first, padded with "".\n'
    )


def _answer(frozen: keras.Model, labels: Labels, size: int) -> Answer:
    import keras
    import tensorflow as tf

    from kmlic.export.servable import answer_spec

    names = tf.constant(labels.names)
    thresholds = tf.constant(labels.thresholds, tf.float32)

    @tf.function(input_signature=answer_spec(size))
    def answer(images: tf.Tensor, ok: tf.Tensor) -> dict[str, tf.Tensor]:
        images = tf.where(ok[:, None, None, None], images, 0.0)
        scored = frozen(tf.cast(images, frozen.inputs[0].dtype))
        probabilities, *maps = keras.tree.flatten(scored)
        probabilities = tf.where(ok[:, None], probabilities, 0.0)
        outputs = {"probabilities": probabilities}
        if labels.exclusive:
            winners = []
            for group, columns in labels.exclusive_groups.items():
                own = probabilities[:, columns]
                winner = tf.gather(names[columns], tf.argmax(own, axis=1))
                winners.append(tf.where(ok, winner, ""))
                outputs[f"{group}_probabilities"] = own
                outputs[f"{group}_label"] = winners[-1]
            outputs["labels"] = tf.stack(winners, axis=1)  # (B, G)
        else:
            present = (probabilities >= thresholds) & ok[:, None]
            outputs["labels"] = _present_labels(names, probabilities, present)
        outputs["ok"] = ok
        if maps:
            outputs["maps"] = tf.where(ok[:, None, None, None], maps[0], 0.0)
        return outputs

    return answer


def _present_labels(
    names: tf.Tensor, probabilities: tf.Tensor, present: tf.Tensor
) -> tf.Tensor:
    import tensorflow as tf

    scores = tf.where(present, probabilities, -1.0)
    order = tf.argsort(scores, direction="DESCENDING", stable=True)
    present = tf.gather(present, order, batch_dims=1)
    padded = tf.where(present, tf.gather(names, order), "")  # (B, L)
    most = tf.reduce_max(tf.reduce_sum(tf.cast(present, tf.int32), axis=1))
    return padded[:, : tf.maximum(most, 1)]


def _write(model: keras.Model, path: Path, options: ExportOptions) -> Path:
    from kmlic.export.embedding_saved_model import export_embedding_model
    from kmlic.export.servable import ServingOptions
    from kmlic.export.warm_up import can_warm_up

    warm_up = can_warm_up() if options.warm_up is None else options.warm_up
    files = _files(options.images[:_WARM_UP_IMAGES]) if warm_up else []
    serving = ServingOptions(version=int(path.name), warm_up=files, **options.limits)
    labels, index = options.labels, options.index
    if labels is not None:
        return export_saved_model(
            model, path.parent, labels=labels, maps=options.maps, serving=serving
        )
    if index is None:
        raise ValueError("`index` must come with a SavedModel of embeddings; got None.")
    top_k = min(_TOP_WORDS, len(index))
    return export_embedding_model(
        model, path.parent, index=index, top_k=top_k, serving=serving
    )


def _files(images: np.ndarray | Sequence[str | Path]) -> list[bytes]:
    if isinstance(images, np.ndarray):
        from kmlic.export.image_bytes import encode_png

        return [encode_png(image) for image in images]
    return [Path(path).read_bytes() for path in images]


def _load_server(path: Path) -> tuple[Predict, PredictFiles]:
    start_tensorflow()
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))
    names, scores = ("serving_default", "serve_bytes"), "probabilities"
    if "embed" in loaded.signatures:
        names, scores = ("embed", "embed_bytes"), "embeddings"

    def predict(images: np.ndarray) -> np.ndarray:
        images = tf.constant(images, tf.float32)
        return loaded.signatures[names[0]](images=images)[scores].numpy()

    def predict_files(files: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
        answer = loaded.signatures[names[1]](image_bytes=tf.constant(files))
        return answer[scores].numpy(), answer["ok"].numpy()

    return predict, predict_files


def _read_labels(path: Path) -> str | None:
    asset = path / "assets" / LABELS_FILE
    return asset.read_text(encoding="utf-8") if asset.is_file() else None


SAVED_MODEL = Format(
    name="saved_model",
    file="export",
    description="the folder of a SavedModel's version",
    runtimes={"saved_model": "float32"},
    write=_write,
    recognizes=lambda path: (path / "saved_model.pb").is_file(),
    load=lambda path, precision: _load_server(path)[0],
    read_labels=_read_labels,
    versioned=True,
    load_server=_load_server,
)
