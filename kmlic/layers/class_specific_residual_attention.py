"""Class-specific residual attention."""

import math
from collections.abc import Sequence

import keras
from keras import ops

from kmlic.check_number import check_number
from kmlic.layers.torch_uniform import torch_uniform


@keras.saving.register_keras_serializable(package="kmlic")
class ClassSpecificResidualAttention(keras.layers.Layer):
    """Scores each label by its average region and by its highest regions.

    Each head scores every region for every label, s = x m / |m|, and adds to the
    average score the scores weighted by attention: mean(s) + lambda * sum(a * s), with
    a = softmax(T * s) over the regions. With an infinite temperature T only the highest
    score counts. The logits are the sum over the heads.

    Paper: Zhu and Wu, "Residual Attention: A Simple but Effective Method for
    Multi-Label Recognition", ICCV 2021, equations 2 to 8,
    https://arxiv.org/abs/2108.02456. Differs from the paper's equations, as the
    authors' code does: the classifiers m are normalised; `normalise` switches it off.
    The temperature that the code writes as 99 is the maximum, and infinite here.

    Shapes: (B, H, W, C) to (B, L), or with `return_maps` to (B, H, W, L). H and W may
    be unknown or vary.

    Args:
        num_labels: number of labels L.
        temperatures: T of each head, above 0; `math.inf` or "inf" for the maximum.
        attention_weight: lambda, 0 or above.
        normalise: whether each classifier has length 1.
        use_bias: whether each label has a bias, which the paper's have not.
        return_maps: whether to return what each region adds, the mean of which over
            the regions is the label's logit.

    Raises:
        ValueError: if an argument is out of its limits.

    Example:
        >>> layer = ClassSpecificResidualAttention(5, temperatures=(1, math.inf))
        >>> tuple(layer(keras.ops.ones((2, 7, 7, 64))).shape)
        (2, 5)
    """

    def __init__(
        self,
        num_labels: int,
        *,
        temperatures: Sequence[float | str] = (1.0,),
        attention_weight: float = 0.1,
        normalise: bool = True,
        use_bias: bool = False,
        return_maps: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_number("num_labels", num_labels, at_least=1)
        self.num_labels = num_labels
        self.temperatures = tuple(float(temperature) for temperature in temperatures)
        if not self.temperatures or not all(t > 0 for t in self.temperatures):
            raise ValueError(
                "`temperatures` must be above 0, one for each head; got "
                f"temperatures={temperatures}."
            )
        check_number("attention_weight", attention_weight, at_least=0, below=math.inf)
        self.attention_weight = attention_weight
        self.normalise = normalise
        self.use_bias = use_bias
        self.return_maps = return_maps

    def build(self, input_shape):
        self.kernel = self.add_weight(
            # The labels of a head side by side.
            shape=(input_shape[-1], len(self.temperatures) * self.num_labels),
            initializer=torch_uniform(),  # as in the authors' code
            name="kernel",
        )
        self.bias = (
            self.add_weight(shape=(self.num_labels,), initializer="zeros", name="bias")
            if self.use_bias
            else None
        )

    def call(self, inputs):
        # In float32: a score of a few bits would make attention a matter of rounding.
        kernel = ops.cast(self.kernel, "float32")
        if self.normalise:
            # Not in place, which PyTorch would do to the weights themselves.
            kernel = kernel / ops.sqrt(ops.sum(ops.square(kernel), axis=0))
        scores = ops.matmul(ops.cast(inputs, "float32"), kernel)  # (B, H, W, heads * L)
        height, width = ops.shape(inputs)[1:3]
        num_regions = ops.cast(height * width, "float32")
        maps = 0.0
        for head, temperature in enumerate(self.temperatures):
            start = head * self.num_labels
            own = scores[..., start : start + self.num_labels]  # (B, H, W, L)
            attention = _attend(own, temperature)
            weights = 1 + self.attention_weight * num_regions * attention
            maps = maps + own * weights
        if self.bias is not None:
            maps = maps + ops.cast(self.bias, "float32")
        outputs = maps if self.return_maps else ops.mean(maps, axis=(1, 2))
        return ops.cast(outputs, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        sides = input_shape[1:3] if self.return_maps else ()
        return (input_shape[0], *sides, self.num_labels)

    def get_config(self):
        return {
            **super().get_config(),
            "num_labels": self.num_labels,
            # JSON has no infinity.
            "temperatures": [
                "inf" if math.isinf(temperature) else temperature
                for temperature in self.temperatures
            ],
            "attention_weight": self.attention_weight,
            "normalise": self.normalise,
            "use_bias": self.use_bias,
            "return_maps": self.return_maps,
        }


def _attend(scores, temperature):
    """Returns attention that sums to 1 over the regions: (B, H, W, L)."""
    highest = ops.max(scores, axis=(1, 2), keepdims=True)
    if math.isinf(temperature):
        # Regions that share the maximum share its gradient too.
        attention = ops.stop_gradient(ops.cast(scores >= highest, "float32"))
    else:
        attention = ops.exp(temperature * (scores - ops.stop_gradient(highest)))
    return attention / ops.sum(attention, axis=(1, 2), keepdims=True)
