"""A model as one TensorFlow function, for converters to other formats."""

import keras
import tensorflow as tf

from kmlic.export.freeze import (
    clone_for_export,
    freeze,
    image_size_of,
    require_one_label_per_logit,
)
from kmlic.labels import Labels


class PlainGraph(tf.Module):
    """Computes the outputs of every export but the SavedModel, from images of one size.

    `predict` maps `images` (B, S, S, 3), float32 pixels 0-255, to `probabilities`
    (B, L), with exclusive groups also `<group>_probabilities` (B, K) for each, and with
    `maps` also `maps` (B, H, W, L). Without labels it returns `embeddings` (B, D).

    Args:
        model: functional model from images (B, S, S, 3) to logits or embeddings.
        labels: names and thresholds of its outputs; None for embeddings.
        maps: whether to return the output of the layer "activation_maps" too.
        batch: B; None for any.
        float_logits: see `freeze`.

    Raises:
        ValueError: if labels or layers do not fit.
    """

    def __init__(
        self,
        model: keras.Model,
        labels: Labels | None,
        *,
        maps: bool = False,
        batch: int | None = None,
        float_logits: bool = False,
    ):
        super().__init__()
        if labels is None:
            size, frozen = image_size_of(model), clone_for_export(model)
        else:
            require_one_label_per_logit(model, labels)
            size = image_size_of(model, labels.image_size)
            frozen = freeze(model, labels, maps=maps, float_logits=float_logits)
        self.weights = [variable.value for variable in frozen.variables]
        images = tf.TensorSpec((batch, size, size, 3), tf.float32, name="images")

        @tf.function(input_signature=[images])
        def predict(images: tf.Tensor) -> dict[str, tf.Tensor]:
            images = tf.cast(images, frozen.inputs[0].dtype)
            scores, *maps = keras.tree.flatten(frozen(images, training=False))
            if labels is None:
                return {"embeddings": scores}
            outputs = {"probabilities": scores}
            for group, columns in labels.exclusive_groups.items():
                outputs[f"{group}_probabilities"] = scores[:, columns]
            if maps:
                outputs["maps"] = maps[0]
            return outputs

        self.predict = predict

    def save(self, folder: str) -> None:
        """Writes a SavedModel with `serving_default` as its only signature."""
        tf.saved_model.save(self, folder, signatures={"serving_default": self.predict})
