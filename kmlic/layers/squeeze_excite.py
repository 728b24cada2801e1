"""Squeeze-and-excitation, attention over channels."""

import keras

from kmlic.check_number import check_number
from kmlic.layers._mean_positions import mean_positions


@keras.saving.register_keras_serializable(package="kmlic")
class SqueezeExcite(keras.layers.Layer):
    """Scales each channel by a gate in (0, 1) computed from all channels' means.

    Paper: Hu et al., "Squeeze-and-Excitation Networks", CVPR 2018, equations 2 to 4,
    https://arxiv.org/abs/1709.01507. Differs from the paper: both layers have a bias
    and the number of hidden units is rounded to a multiple of 8, as in timm.

    Shapes: (B, H, W, C) to (B, H, W, C). H and W may be unknown or vary.

    Args:
        ratio: C divided by the number of hidden units, before rounding.
        divisor: the number of hidden units is a multiple of it; 1 does not round.

    Raises:
        ValueError: if `ratio` or `divisor` is below 1.

    Example:
        >>> layer = SqueezeExcite(ratio=16)
        >>> tuple(layer(keras.ops.ones((2, 7, 7, 256))).shape)
        (2, 7, 7, 256)
        >>> layer.squeeze.units
        16
    """

    def __init__(self, ratio: int = 16, divisor: int = 8, **kwargs):
        super().__init__(**kwargs)
        check_number("ratio", ratio, at_least=1)
        check_number("divisor", divisor, at_least=1)
        self.ratio = ratio
        self.divisor = divisor

    def build(self, input_shape):
        channels = input_shape[-1]
        hidden = round_to_multiple(
            channels / self.ratio, self.divisor, at_least=self.divisor
        )
        self.squeeze = keras.layers.Dense(
            hidden, activation="relu", dtype=self.dtype_policy, name="squeeze"
        )
        self.excite = keras.layers.Dense(
            channels, activation="sigmoid", dtype=self.dtype_policy, name="excite"
        )
        self.squeeze.build((None, channels))
        self.excite.build((None, hidden))

    def call(self, inputs):
        means = mean_positions(inputs)  # (B, 1, 1, C)
        gates = self.excite(self.squeeze(means))  # (B, 1, 1, C)
        return inputs * gates

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "ratio": self.ratio, "divisor": self.divisor}


def round_to_multiple(value: float, divisor: int, *, at_least: int) -> int:
    """Rounds a number of channels as timm does, to a multiple of `divisor`."""
    rounded = max(at_least, int(value + divisor / 2) // divisor * divisor)
    # Rounding down takes away no more than a tenth.
    return rounded if rounded >= 0.9 * value else rounded + divisor
