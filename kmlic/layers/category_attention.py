"""Self-attention that weights each label by its relevance to the others."""

from typing import Literal

import keras
from keras import layers, ops

from kmlic.check_choice import check_choice
from kmlic.check_number import check_number
from kmlic.layers.fused_batch_norm import FusedBatchNorm
from kmlic.layers.torch_uniform import torch_uniform


@keras.saving.register_keras_serializable(package="kmlic")
class CategoryAttention(keras.layers.Layer):
    """Computes a weight per label from the strongest response in a feature map.

    A 1x1 convolution to L channels, batch normalization, the maximum over all positions
    and a sigmoid: U of the paper's equation 1. The weights a couple a label's map Z
    with the other labels: X = Z + a * Z, equation 2.

    Paper: Liu, Guo, Huang and Scott, "Decoupling Category-wise Independence and
    Relevance with Self-Attention for Multi-label Image Classification", ICASSP 2019,
    section 2.2, https://doi.org/10.1109/ICASSP.2019.8683763. The paper's arch2 reads
    the features of the backbone; its arch1 the labels' maps, of which public
    development code takes the mean of each label (`pool_maps="avg"`).

    Shapes: (B, H, W, C) to (B, 1, 1, L). H and W may be unknown or vary.

    Args:
        num_labels: number of labels L.
        pool_maps: how the maps (B, H, W, L * M), those of a label side by side, are
            reduced to one per label before the convolution: "avg", "max" or None, which
            keeps all of them. None for any other features.

    Raises:
        ValueError: if `num_labels` is below 1, `pool_maps` unknown, or the channels are
            not a multiple of the labels where they are pooled.

    Example:
        >>> maps = keras.ops.ones((2, 7, 5, 24))
        >>> tuple(CategoryAttention(6, pool_maps="avg")(maps).shape)
        (2, 1, 1, 6)
    """

    def __init__(
        self,
        num_labels: int,
        *,
        pool_maps: Literal["avg", "max"] | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_number("num_labels", num_labels, at_least=1)
        check_choice("pool_maps", pool_maps, "avg", "max", None)
        self.num_labels = num_labels
        self.pool_maps = pool_maps

    def build(self, input_shape):
        channels = input_shape[-1]
        if self.pool_maps is not None:
            if channels % self.num_labels:
                raise ValueError(
                    "Each label must have the same number of maps; got "
                    f"{channels} channels (input shape {tuple(input_shape)}) for "
                    f"num_labels={self.num_labels}."
                )
            channels = self.num_labels
        self.relate = layers.Conv2D(
            self.num_labels,
            1,
            use_bias=False,
            kernel_initializer=torch_uniform(),  # as the paper's backbone
            dtype=self.dtype_policy,
            name="relate",
        )
        self.relate.build((*input_shape[:-1], channels))
        self.normalise = FusedBatchNorm(
            momentum=0.9, epsilon=1e-5, dtype=self.dtype_policy, name="normalise"
        )
        self.normalise.build((*input_shape[:-1], self.num_labels))

    def call(self, inputs, training=None):
        x = inputs
        if self.pool_maps is not None:
            x = ops.reshape(x, (*ops.shape(x)[:-1], self.num_labels, -1))
            reduce = ops.mean if self.pool_maps == "avg" else ops.max
            x = reduce(x, axis=-1)  # (B, H, W, L)
        x = self.normalise(self.relate(x), training=training)
        return ops.sigmoid(ops.max(x, axis=(1, 2), keepdims=True))

    def compute_output_shape(self, input_shape):
        return (input_shape[0], 1, 1, self.num_labels)

    def get_config(self):
        return {
            **super().get_config(),
            "num_labels": self.num_labels,
            "pool_maps": self.pool_maps,
        }
