"""Resizing of class activation maps to one channel of the image."""

import keras
from keras import ops

from kmlic.check_number import check_number


@keras.saving.register_keras_serializable(package="kmlic")
class SemanticResizeEmbedder(keras.layers.Layer):
    """Sums activation maps over the labels, resizes the sum and scales it to 0-1.

    Paper: Shen, Zhao and Luo, "Semantic Embedded Deep Neural Network: A Generic
    Approach to Boost Multi-Label Image Classification Performance", 2023, section V-A,
    first ablation, https://arxiv.org/abs/2305.05228. It resizes before it sums; the
    result is the same, for both are linear. A constant map becomes 0 everywhere.

    Shapes: (B, H, W, L) to (B, `size`, `size`, 1). H and W may be unknown or vary.

    Args:
        size: side of the image in pixels, at least 1.

    Raises:
        ValueError: if `size` is below 1.

    Example:
        >>> maps = keras.ops.reshape(keras.ops.arange(8.0), (1, 2, 2, 2))
        >>> outputs = SemanticResizeEmbedder(size=4)(maps)
        >>> [round(float(value), 2) for value in outputs[0, 0, :, 0]]
        [0.0, 0.08, 0.25, 0.33]
    """

    def __init__(self, size: int, **kwargs):
        # Low precision may round the lowest and highest value to the same number.
        super().__init__(autocast=False, **kwargs)
        check_number("size", size, at_least=1)
        self.size = size

    def call(self, inputs):
        x = ops.sum(ops.cast(inputs, "float32"), axis=-1, keepdims=True)
        x = ops.image.resize(x, (self.size, self.size), interpolation="bilinear")
        lowest = ops.min(x, axis=(1, 2), keepdims=True)
        highest = ops.max(x, axis=(1, 2), keepdims=True)
        x = (x - lowest) / ops.maximum(highest - lowest, 1e-12)
        return ops.cast(x, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.size, self.size, 1)

    def get_config(self):
        return {**super().get_config(), "size": self.size}
