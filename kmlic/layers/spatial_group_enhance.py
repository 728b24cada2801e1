"""Spatial group-wise enhance, attention over positions per channel group."""

import keras
from keras import ops

from kmlic.check_number import check_number


@keras.saving.register_keras_serializable(package="kmlic")
class SpatialGroupEnhance(keras.layers.Layer):
    """Scales the positions of each channel group by similarity to the group's mean.

    For a group's vectors x_n: t_n = x_n . mean(x); t = (t - mean(t)) / (std(t) + 1e-5);
    output x_n sigmoid(w t_n + b), with one w and one b per group.

    Paper: Li et al., "Spatial Group-wise Enhance: Improving Semantic Feature Learning
    in Convolutional Networks", 2019, equations 1 to 5,
    https://arxiv.org/abs/1905.09646. Differs from the paper: the deviation is the
    unbiased one, as in the authors' code; a map of one position, where that is not
    defined, has t = 0.

    Shapes: (B, H, W, C) to (B, H, W, C). H and W may be unknown or vary.

    Args:
        groups: number of groups of channels G; must divide C.

    Raises:
        ValueError: if `groups` does not divide C.

    Example:
        >>> layer = SpatialGroupEnhance(groups=4)
        >>> tuple(layer(keras.ops.ones((2, 7, 7, 32))).shape)
        (2, 7, 7, 32)
    """

    def __init__(self, groups: int = 64, **kwargs):
        super().__init__(**kwargs)
        check_number("groups", groups, at_least=1)
        self.groups = groups

    def build(self, input_shape):
        channels = input_shape[-1]
        if channels % self.groups:
            raise ValueError(
                f"`groups` must divide the number of channels; got groups={self.groups}"
                f" and {channels} channels (input shape {tuple(input_shape)})."
            )
        # The authors start every gate at sigmoid(1), the same everywhere.
        self.scale = self.add_weight(
            shape=(self.groups, 1), initializer="zeros", name="scale"
        )
        self.offset = self.add_weight(
            shape=(self.groups, 1), initializer="ones", name="offset"
        )

    def call(self, inputs):
        _, height, width, channels = ops.shape(inputs)
        grouped = ops.reshape(
            inputs, (-1, height, width, self.groups, channels // self.groups)
        )  # (B, H, W, G, C / G)
        # Squares of sums overflow in float16 and cancel in bfloat16.
        x = ops.cast(grouped, "float32")
        means = ops.mean(x, axis=(1, 2), keepdims=True)
        similarity = ops.sum(x * means, axis=-1, keepdims=True)  # (B, H, W, G, 1)
        similarity = similarity - ops.mean(similarity, axis=(1, 2), keepdims=True)
        squares = ops.sum(ops.square(similarity), axis=(1, 2), keepdims=True)
        freedom = ops.maximum(ops.cast(height * width - 1, "float32"), 1.0)
        # The square root has no gradient at zero.
        deviation = ops.sqrt(ops.maximum(squares / freedom, 1e-20))
        similarity = similarity / (deviation + 1e-5)
        gates = ops.sigmoid(
            similarity * ops.cast(self.scale, "float32")
            + ops.cast(self.offset, "float32")
        )
        outputs = grouped * ops.cast(gates, grouped.dtype)
        return ops.reshape(outputs, (-1, height, width, channels))

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "groups": self.groups}
