"""Softmax within groups of exclusive labels."""

import itertools
from collections.abc import Sequence

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="kmlic")
class GroupSoftmax(keras.layers.Layer):
    """Turns the logits of each group into probabilities that sum to 1.

    Shapes: (B, L) to (B, L).

    Args:
        group_sizes: number of labels of each group, in the order of the logits.

    Raises:
        ValueError: if a group has fewer than two labels, or the sizes do not sum to the
            number of logits.

    Example:
        >>> layer = GroupSoftmax((2, 4))
        >>> layer(keras.ops.zeros((1, 6))).numpy().tolist()
        [[0.5, 0.5, 0.25, 0.25, 0.25, 0.25]]
    """

    def __init__(self, group_sizes: Sequence[int], **kwargs):
        super().__init__(**kwargs)
        self.group_sizes = tuple(group_sizes)
        if not self.group_sizes or min(self.group_sizes) < 2:
            raise ValueError(
                "`group_sizes` must be at least 2 each; got "
                f"group_sizes={self.group_sizes}."
            )

    def build(self, input_shape):
        if input_shape[-1] != sum(self.group_sizes):
            raise ValueError(
                "`group_sizes` must sum to the number of logits; got "
                f"group_sizes={self.group_sizes} for inputs {tuple(input_shape)}."
            )

    def call(self, inputs):
        starts = itertools.accumulate(self.group_sizes, initial=0)
        parts = [
            ops.softmax(inputs[:, start : start + size], axis=-1)
            for start, size in zip(starts, self.group_sizes, strict=False)
        ]
        return ops.concatenate(parts, axis=-1)

    def get_config(self):
        return {**super().get_config(), "group_sizes": list(self.group_sizes)}
