"""WILDCAT pooling, the mean of the highest and lowest values of a map."""

import math

import keras
from keras import ops

from kmlic.check_number import check_number
from kmlic.layers._known_sides import require_known_sides


@keras.saving.register_keras_serializable(package="kmlic")
class WildcatPooling(keras.layers.Layer):
    """Averages the highest and the lowest values of each map.

    The output is mean(top k+) or, where k- is not 0, (mean(top k+) + alpha *
    mean(bottom k-)) / 2.

    Paper: Durand et al., "WILDCAT: Weakly Supervised Learning of Deep ConvNets for
    Image Classification, Pointwise Localization and Segmentation", CVPR 2017,
    equation 2,
    https://openaccess.thecvf.com/content_cvpr_2017/html/Durand_WILDCAT_Weakly_Supervised_CVPR_2017_paper.html.
    Differs from the paper: halved as in the authors' code, unless `halve` is False; at
    least one value is averaged where the share of a small map rounds to none.

    Shapes: (B, H, W, L) to (B, L). H and W must be known.

    Args:
        kmax: k+, the number of highest values (a whole number from 1) or, below 1,
            their share of the map, rounded half to even. Values larger than the map
            select all of it: 1 is one value, 0.999 or 1000 all.
        kmin: k-, the same for the lowest values; 0 for none, None for `kmax`.
        alpha: weight of the lowest values, 0 or above; 0 leaves them out.
        halve: whether to divide by 2 where the lowest values are included.

    Raises:
        ValueError: if `kmax` is not positive, `kmin` negative or one of them neither a
            share nor a count; if H or W is unknown.

    Example:
        >>> maps = keras.ops.reshape(keras.ops.arange(8.0), (1, 4, 2, 1))
        >>> pooled = WildcatPooling(kmax=2, kmin=1, alpha=0.5)(maps)
        >>> [float(value) for value in pooled[0]]
        [3.25]
    """

    def __init__(
        self,
        kmax: float = 0.2,
        kmin: float | None = None,
        alpha: float = 0.7,
        halve: bool = True,
        **kwargs,
    ):
        super().__init__(**kwargs)
        for name, value in (("kmax", kmax), ("kmin", kmax if kmin is None else kmin)):
            if not (0 <= value < 1 or (value >= 1 and value % 1 == 0)):
                raise ValueError(
                    f"`{name}` must be a share below 1 or a whole number; got "
                    f"{name}={value}."
                )
        if kmax == 0:
            raise ValueError(
                f"`kmax` must be positive, or there would be nothing to average; got "
                f"kmax={kmax}."
            )
        check_number("alpha", alpha, at_least=0, below=math.inf)
        self.kmax = kmax
        self.kmin = kmin
        self.alpha = alpha
        self.halve = halve

    def build(self, input_shape):
        require_known_sides(input_shape)

    def call(self, inputs):
        _, height, width, num_labels = inputs.shape
        regions = height * width
        values = ops.reshape(inputs, (-1, regions, num_labels))  # (B, N, L)
        values = ops.transpose(values, (0, 2, 1))  # (B, L, N)
        highest = _count(self.kmax, regions)
        pooled = _mean_of_top(values, highest)  # (B, L)
        kmin = self.kmax if self.kmin is None else self.kmin
        if kmin == 0 or self.alpha == 0:
            return pooled
        pooled = pooled - self.alpha * _mean_of_top(-values, _count(kmin, regions))
        return pooled / 2 if self.halve else pooled

    def compute_output_shape(self, input_shape):
        return (input_shape[0], input_shape[-1])

    def get_config(self):
        return {
            **super().get_config(),
            "kmax": self.kmax,
            "kmin": self.kmin,
            "alpha": self.alpha,
            "halve": self.halve,
        }


def _count(k, regions):
    # A share rounds as Python does (half to even), like the authors' code.
    count = round(k * regions) if k < 1 else int(k)
    return min(max(count, 1), regions)


def _mean_of_top(values, count):
    if count == values.shape[-1]:
        return ops.mean(values, axis=-1)
    return ops.mean(ops.top_k(values, count, sorted=False)[0], axis=-1)
