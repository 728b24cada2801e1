"""Models for TF Serving and everything else that runs TensorFlow graphs."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import keras
import tensorflow as tf

from kmlic.atomic_write import atomic_write
from kmlic.data.decoding import MAX_BYTES, MAX_PIXELS, resize_images
from kmlic.export.decode_bytes import decode_bytes
from kmlic.export.freeze import freeze, image_size_of, require_one_label_per_logit
from kmlic.export.serving_readme import FILES, PIXELS, write_readme
from kmlic.export.warm_up import write_warm_up
from kmlic.labels import Labels


def export_saved_model(
    model: keras.Model,
    folder: str | Path,
    *,
    labels: Labels,
    version: int | None = None,
    maps: bool = False,
    max_bytes: int = MAX_BYTES,
    max_pixels: int = MAX_PIXELS,
    warm_up: Sequence[bytes] = (),
) -> Path:
    """Writes a model as the next version of a SavedModel that TF Serving runs.

    It needs nothing but TensorFlow's own operators. Three signatures take a batch of
    any size and give `probabilities` (B, L), the names of the `labels` at or above
    their thresholds, likeliest first and filled up with "", and `ok` (B,):

    - `serving_default`: `images` (B, H, W, 3) float32 pixels 0-255 of any size, resized
      as in training. An image with NaN or infinity is not ok.
    - `serve_uint8`: the same from uint8, a quarter of the traffic.
    - `serve_bytes`: `image_bytes` (B,), whole JPEG, PNG, GIF, BMP or WebP files.

    With `maps` they also give `maps` (B, H', W', L), where each label is seen.

    An image that is not ok has no labels and zeros for the others; its neighbours are
    not touched. labels.json lies in `assets`, and the loaded object's `labels_json`
    gives its text. README.md says how to start TF Serving and how to ask it.

    Of exclusive groups `labels` (B, G) holds the likeliest one of each; beside it stand
    `<group>_probabilities` (B, K) and `<group>_label` (B,) for every group.

    Args:
        model: functional model from images (B, S, S, 3) to logits.
        folder: holds one folder a version; TF Serving's `model_base_path`.
        labels: names and thresholds of the model's outputs; their image size is used
            where the model has none.
        version: a positive number that is not there yet; None for one more than the
            largest.
        maps: whether to give the maps too, which are the output of the model's layer
            "activation_maps".
        max_bytes: longest file that `serve_bytes` looks into.
        max_pixels: largest height times width that `serve_bytes` decodes.
        warm_up: encoded images that TF Serving scores before it takes requests, so that
            the first ones are not slow. Needs the extra serving.

    Returns:
        `folder`/`version`.

    Raises:
        ValueError: if an argument does not fit, or the version is there already.
        ImportError: if there are images to warm up with, but not the extra.
    """
    require_one_label_per_logit(model, labels)
    size = image_size_of(model, labels.image_size)
    path = Path(folder) / str(next_version(Path(folder), version))
    frozen = freeze(model, labels, maps=maps)
    servable = _Servable(frozen, labels, size, max_bytes, max_pixels)
    with tempfile.TemporaryDirectory() as assets, atomic_write(path) as temporary:
        labels.write(Path(assets) / "labels.json")
        servable.labels_file = tf.saved_model.Asset(str(Path(assets) / "labels.json"))
        tf.saved_model.save(
            servable,
            str(temporary),
            signatures={
                "serving_default": servable.serve,
                "serve_uint8": servable.serve_uint8,
                "serve_bytes": servable.serve_bytes,
            },
            # Nobody trains an export, and its gradients would need kmlic.
            options=tf.saved_model.SaveOptions(experimental_custom_gradients=False),
        )
        if warm_up:
            write_warm_up(
                temporary,
                warm_up,
                image_size=size,
                of_pixels={"serving_default": tf.float32, "serve_uint8": tf.uint8},
                of_bytes=("serve_bytes",),
            )
        outputs = _outputs(labels, maps)
        write_readme(
            temporary,
            name=model.name,
            number=int(path.name),
            about=f"It scores {len(labels)} labels, listed in `assets/labels.json`.",
            meaning=_meaning(labels),
            signatures=[
                ("serve_bytes", FILES, outputs),
                ("serving_default", PIXELS, outputs),
                ("serve_uint8", "`images` (B, H, W, 3) uint8", outputs),
            ],
            image_size=size,
            max_bytes=max_bytes,
            max_pixels=max_pixels,
        )
    return path


def _outputs(labels: Labels, maps: bool) -> dict[str, str]:
    outputs = {"probabilities": f"(B, {len(labels)})"}
    if labels.exclusive:
        for group, columns in labels.exclusive_groups.items():
            outputs[f"{group}_probabilities"] = f"(B, {columns.stop - columns.start})"
            outputs[f"{group}_label"] = "(B,)"
        outputs["labels"] = f"(B, {len(labels.exclusive_groups)})"
    else:
        outputs["labels"] = "(B, P)"
    outputs["ok"] = "(B,)"
    return outputs | ({"maps": f"(B, H', W', {len(labels)})"} if maps else {})


def _meaning(labels: Labels) -> str:
    if labels.exclusive:
        return (
            "Probabilities are a softmax within each group; `labels` names the "
            "likeliest one of each.\n"
        )
    return (
        "Probabilities stand in the order of `assets/labels.json`; `labels` names "
        'those at or above\ntheir thresholds, likeliest first, filled up with "".\n'
    )


class _Servable(tf.Module):
    def __init__(
        self,
        frozen: keras.Model,
        labels: Labels,
        size: int,
        max_bytes: int,
        max_pixels: int,
    ):
        super().__init__()
        self.weights = [variable.value for variable in frozen.variables]
        names = tf.constant(labels.names)
        thresholds = tf.constant(labels.thresholds, tf.float32)

        @tf.function(
            input_signature=[images_spec(tf.float32, size), rows_spec(tf.bool)]
        )
        def score(images: tf.Tensor, ok: tf.Tensor) -> dict[str, tf.Tensor]:
            images = tf.where(ok[:, None, None, None], images, 0.0)
            scored = frozen(tf.cast(images, frozen.inputs[0].dtype))
            probabilities, *maps = keras.tree.flatten(scored)
            probabilities = tf.where(ok[:, None], probabilities, 0.0)
            outputs = {"probabilities": probabilities, "ok": ok}
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
            if maps:
                outputs["maps"] = tf.where(ok[:, None, None, None], maps[0], 0.0)
            return outputs

        @tf.function(input_signature=[images_spec(tf.float32)])
        def serve(images: tf.Tensor) -> dict[str, tf.Tensor]:
            ok = tf.reduce_all(tf.math.is_finite(images), axis=(1, 2, 3))
            return score(resize_images(images, size), ok)

        @tf.function(input_signature=[images_spec(tf.uint8)])
        def serve_uint8(images: tf.Tensor) -> dict[str, tf.Tensor]:
            images = resize_images(images, size)
            return score(images, tf.ones_like(images[:, 0, 0, 0], tf.bool))

        @tf.function(input_signature=[rows_spec(tf.string, "image_bytes")])
        def serve_bytes(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
            images, ok = decode_bytes(
                image_bytes,
                image_size=size,
                max_bytes=max_bytes,
                max_pixels=max_pixels,
            )
            return score(images, ok)

        self.serve = serve
        self.serve_uint8 = serve_uint8
        self.serve_bytes = serve_bytes

    @tf.function(input_signature=[])
    def labels_json(self) -> tf.Tensor:
        return tf.io.read_file(self.labels_file)


def images_spec(dtype: tf.DType, size: int | None = None) -> tf.TensorSpec:
    """Says what a batch of images is to a signature."""
    return tf.TensorSpec((None, size, size, 3), dtype, name="images")


def rows_spec(dtype: tf.DType, name: str | None = None) -> tf.TensorSpec:
    """Says what one value an image is to a signature."""
    return tf.TensorSpec((None,), dtype, name=name)


def _present_labels(
    names: tf.Tensor, probabilities: tf.Tensor, present: tf.Tensor
) -> tf.Tensor:
    scores = tf.where(present, probabilities, -1.0)
    order = tf.argsort(scores, direction="DESCENDING", stable=True)
    present = tf.gather(present, order, batch_dims=1)
    filled = tf.where(present, tf.gather(names, order), "")  # (B, L)
    most = tf.reduce_max(tf.reduce_sum(tf.cast(present, tf.int32), axis=1))
    return filled[:, : tf.maximum(most, 1)]


def newest_version(folder: str | Path) -> Path | None:
    """Finds the version that TF Serving would run; None without one.

    Args:
        folder: holds one folder a version.
    """
    newest = max(_versions(Path(folder)), default=None)
    return None if newest is None else Path(folder) / str(newest)


def _versions(folder: Path) -> list[int]:
    return [int(path.name) for path in folder.glob("*") if path.name.isdecimal()]


def next_version(folder: Path, version: int | None) -> int:
    """Gives the number of the next version, or the one asked for if it is new.

    Raises:
        ValueError: if it is not new, or below 1.
    """
    there = _versions(folder)
    if version is None:
        return max(there, default=0) + 1
    if version < 1 or version in there:
        raise ValueError(
            "`version` must be positive and new, because a server may be running the "
            f"old one; got version={version} with {sorted(there)} in {folder}."
        )
    return version
