"""Logits of two parts of a model that are trained together."""

import keras
from keras import ops

from kmlic.check_number import check_number


@keras.saving.register_keras_serializable(package="kmlic")
class JointLogits(keras.layers.Layer):
    """Returns the first of two logits, and both side by side in training.

    It is the last layer of a `kmlic.models.JointModel`, which applies its loss to both
    halves.

    Shapes: (B, L), (B, L) to (B, L), in training to (B, 2 L).

    Args:
        weight: of the loss of the second logits, at least 0.

    Raises:
        ValueError: if `weight` is negative or the two shapes differ.

    Example:
        >>> layer = JointLogits(weight=0.5)
        >>> ones = keras.ops.ones((2, 5))
        >>> [tuple(layer(ones, ones, training=x).shape) for x in (False, True)]
        [(2, 5), (2, 10)]
    """

    def __init__(self, weight: float = 1.0, **kwargs):
        super().__init__(**kwargs)
        check_number("weight", weight, at_least=0)
        self.weight = weight

    def build(self, logits_shape, auxiliary_shape):
        if tuple(logits_shape) != tuple(auxiliary_shape):
            raise ValueError(
                "Both logits must have the same shape; got shapes "
                f"{tuple(logits_shape)} and {tuple(auxiliary_shape)}."
            )

    def call(self, logits, auxiliary, training=None):
        if training:
            return ops.concatenate([logits, auxiliary], axis=-1)
        return logits

    def compute_output_shape(self, logits_shape, auxiliary_shape):
        return logits_shape

    def get_config(self):
        return {**super().get_config(), "weight": self.weight}
