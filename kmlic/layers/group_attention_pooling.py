"""A feature map pooled once for each group of labels, where that group looks."""

import keras
from keras import layers, ops

from kmlic.check_number import check_number
from kmlic.layers._known_sides import require_known_sides


@keras.saving.register_keras_serializable(package="kmlic")
class GroupAttentionPooling(keras.layers.Layer):
    """Averages a feature map for each group, over the places that matter to it.

    A group weighs the places with a softmax of what stands there and of where it is:
    a = softmax over n of (x_n . w_g + b_gn), and its feature is the sum of a x. In
    images that are cut to a garment, a neckline lies at the top and a hem at the
    bottom. It starts as the plain average, with w and b zero.

    Paper: none; one step of the attention of Ilse et al., "Attention-based Deep
    Multiple Instance Learning", ICML 2018, https://arxiv.org/abs/1802.04712, without
    their hidden layer, with a bias for each place.

    Shapes: (B, H, W, C) to (B, G, C).

    Args:
        num_groups: number of groups G.

    Raises:
        ValueError: if there are no groups; when built, if H or W is unknown.

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
        # Half precision is too coarse for the exponentials of many places.
        weights = ops.softmax(ops.cast(scores, "float32"), axis=1)  # (B, N, G)
        weights = ops.cast(weights, self.compute_dtype)
        return ops.matmul(ops.transpose(weights, (0, 2, 1)), regions)  # (B, G, C)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.num_groups, input_shape[-1])

    def get_config(self):
        return {**super().get_config(), "num_groups": self.num_groups}
