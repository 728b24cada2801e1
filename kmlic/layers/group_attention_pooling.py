"""Attention pooling of a feature map, one feature per group of labels."""

import keras
from keras import layers, ops

from kmlic.check_number import check_number
from kmlic.layers._known_sides import require_known_sides


@keras.saving.register_keras_serializable(package="kmlic")
class GroupAttentionPooling(keras.layers.Layer):
    """Averages a feature map once per group, weighted by the group's attention.

    A group weights the positions n by a softmax of their features and a bias per
    position: a = softmax over n of (x_n . w_g + b_gn); its feature is the sum of a_n
    x_n. The bias helps in images cropped to a garment, where a neckline is at the top
    and a hem at the bottom. With w and b starting at zero, it starts as the plain
    average.

    Paper: none; one step of the attention of Ilse et al., "Attention-based Deep
    Multiple Instance Learning", ICML 2018, https://arxiv.org/abs/1802.04712, without
    their hidden layer, with a bias per position.

    Shapes: (B, H, W, C) to (B, G, C).

    Args:
        num_groups: number of groups G.

    Raises:
        ValueError: if `num_groups` is below 1 or H or W is unknown.

    Example:
        >>> maps = keras.ops.ones((2, 7, 5, 24))
        >>> tuple(GroupAttentionPooling(6)(maps).shape)
        (2, 6, 24)
    """

    def __init__(self, num_groups: int, **kwargs):
        super().__init__(**kwargs)
        check_number("num_groups", num_groups, at_least=1)
        self.num_groups = num_groups

    def build(self, input_shape):
        require_known_sides(input_shape)
        _, height, width, channels = input_shape
        self.score = layers.Dense(
            self.num_groups,
            use_bias=False,
            kernel_initializer="zeros",
            dtype=self.dtype_policy,
            name="score",
        )
        self.score.build((None, height * width, channels))
        self.place = self.add_weight(
            (height * width, self.num_groups), initializer="zeros", name="place"
        )

    def call(self, inputs):
        _, height, width, channels = inputs.shape
        regions = ops.reshape(inputs, (-1, height * width, channels))  # (B, N, C)
        scores = self.score(regions) + ops.cast(self.place, self.compute_dtype)
        # Half precision is too coarse for the exponentials of many positions.
        weights = ops.softmax(ops.cast(scores, "float32"), axis=1)  # (B, N, G)
        weights = ops.cast(weights, self.compute_dtype)
        return ops.matmul(ops.transpose(weights, (0, 2, 1)), regions)  # (B, G, C)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.num_groups, input_shape[-1])

    def get_config(self):
        return {**super().get_config(), "num_groups": self.num_groups}
