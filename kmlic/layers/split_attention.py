"""Split attention, the block of ResNeSt."""

import keras
from keras import ops

from kmlic.check_number import check_number
from kmlic.layers._mean_positions import mean_positions
from kmlic.layers.fused_batch_norm import FusedBatchNorm
from kmlic.layers.grouped_conv import GroupedConv2D
from kmlic.layers.squeeze_excite import round_to_multiple


@keras.saving.register_keras_serializable(package="kmlic")
class SplitAttention(keras.layers.Layer):
    """Convolves into `radix` splits and sums them, weighted per channel.

    Paper: Zhang et al., "ResNeSt: Split-Attention Networks", CVPR workshops 2022,
    section 3 and appendix, https://arxiv.org/abs/2004.08955. Differs from the paper's
    pseudocode as the authors' code does: the splits of the features come radix first,
    those of the weights cardinality first.

    Shapes: (B, H, W, C) to (B, H', W', `filters`). H and W may be unknown or vary.

    Args:
        filters: channels of the output.
        kernel_size: side of the kernel in positions.
        strides: step of the kernel in positions.
        radix: number of splits; one is weighted by a sigmoid, more by a softmax.
        cardinality: number of groups each split consists of; must divide `filters` and
            the number of hidden units.
        ratio: `radix` * C divided by the number of hidden units (which is at least 32
            and a multiple of 8).
        kernel_initializer: of the convolutions.

    Raises:
        ValueError: if `radix` is below 1 or `cardinality` does not divide `filters`.

    Example:
        >>> layer = SplitAttention(16, radix=2)
        >>> tuple(layer(keras.ops.ones((2, 7, 7, 8))).shape)
        (2, 7, 7, 16)
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int = 3,
        *,
        strides: int = 1,
        radix: int = 2,
        cardinality: int = 1,
        ratio: int = 4,
        kernel_initializer="glorot_uniform",
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_number("radix", radix, at_least=1)
        if cardinality < 1 or filters % cardinality:
            raise ValueError(
                "`cardinality` must divide the number of filters; got "
                f"cardinality={cardinality} and filters={filters}."
            )
        self.filters = filters
        self.kernel_size = kernel_size
        self.strides = strides
        self.radix = radix
        self.cardinality = cardinality
        self.ratio = ratio
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, input_shape):
        channels = input_shape[-1]
        hidden = round_to_multiple(channels * self.radix / self.ratio, 8, at_least=32)
        self.features = self._convolution(
            "features",
            self.filters * self.radix,
            size=self.kernel_size,
            groups=self.cardinality * self.radix,
            strides=self.strides,
            use_bias=False,
        )
        self.features_norm = self._norm("features_norm")
        self.squeeze = self._convolution("squeeze", hidden, groups=self.cardinality)
        self.squeeze_norm = self._norm("squeeze_norm")
        self.excite = self._convolution(
            "excite", self.filters * self.radix, groups=self.cardinality
        )
        self.features.build(input_shape)
        self.features_norm.build((None, None, None, self.filters * self.radix))
        self.squeeze.build((None, 1, 1, self.filters))
        self.squeeze_norm.build((None, 1, 1, hidden))
        self.excite.build((None, 1, 1, hidden))

    def _convolution(self, name, filters, *, size=1, groups, strides=1, use_bias=True):
        return GroupedConv2D(
            filters,
            size,
            groups=groups,
            strides=strides,
            padding="same" if strides == 1 else "valid",
            use_bias=use_bias,
            kernel_initializer=self.kernel_initializer,
            dtype=self.dtype_policy,
            name=name,
        )

    def _norm(self, name):
        return FusedBatchNorm(
            momentum=0.9, epsilon=1e-5, dtype=self.dtype_policy, name=name
        )

    def call(self, inputs, training=None):
        if self.strides > 1:
            pad = self.kernel_size // 2  # on both sides, as torch pads
            inputs = ops.pad(inputs, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
        x = self.features(inputs)
        x = ops.relu(self.features_norm(x, training=training))  # (B, H', W', R * F)
        splits = ops.split(x, self.radix, axis=-1) if self.radix > 1 else [x]
        means = mean_positions(x)
        means = sum(ops.split(means, self.radix, axis=-1))  # (B, 1, 1, F)
        hidden = self.squeeze_norm(self.squeeze(means), training=training)
        scores = self.excite(ops.relu(hidden))  # (B, 1, 1, R * F)
        if self.radix == 1:
            return x * ops.sigmoid(scores)
        width = self.filters // self.cardinality
        scores = ops.reshape(scores, (-1, self.cardinality, self.radix, width))
        weights = ops.softmax(scores, axis=2)
        return sum(
            split * ops.reshape(weights[:, :, index], (-1, 1, 1, self.filters))
            for index, split in enumerate(splits)
        )

    def compute_output_shape(self, input_shape):
        batch, *sides, _ = input_shape
        sides = [side and -(-side // self.strides) for side in sides]
        return (batch, *sides, self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "radix": self.radix,
            "cardinality": self.cardinality,
            "ratio": self.ratio,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }
