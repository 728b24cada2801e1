"""Several maps per label, of which the largest value is kept at each position."""

from typing import Literal

import keras
from keras import layers, ops

from kmlic.check_choice import check_choice
from kmlic.check_number import check_number
from kmlic.layers.torch_uniform import torch_uniform


@keras.saving.register_keras_serializable(package="kmlic")
class CategorySpaceToDepth(keras.layers.Layer):
    """Computes several maps per label and keeps their largest value per position.

    The features are upsampled to one finer map per label; a convolution with L groups
    then turns each into `maps_per_label` maps at the resolution of the input, which
    moves neighbouring positions into channels; the largest of a label's maps is
    returned.

    Paper: Liu, Guo, Huang and Scott, "Decoupling Category-wise Independence and
    Relevance with Self-Attention for Multi-label Image Classification", ICASSP 2019,
    section 2.1, https://doi.org/10.1109/ICASSP.2019.8683763. The paper leaves sizes
    open; the defaults are those of public development code that seems to be the
    authors'. Differs from that code: the gradient of the maximum is exact, unless
    `max_gradient` selects theirs; biases start at zero.

    Shapes: (B, H, W, C) to (B, H, W, L); with `return_maps` also the maps (B, H, W, L *
    M), those of a label side by side. H and W may be unknown or vary, except with
    "bilinear".

    Args:
        num_labels: number of labels L.
        maps_per_label: number of maps M of each label.
        upsampling: "transposed", a 3x3 transposed convolution; "bilinear", a 1x1
            convolution and interpolation to the same size; or None, one 1x1 convolution
            to all maps without a grouped one.
        stride: of the upsampling and the convolution after it: 1 upsamples H to H + 2,
            as the code does; 2 upsamples H to 2 H, another reading of the text.
        max_gradient: "exact", where the gradient reaches the largest map only, or
            "broadcast", where it reaches all M maps, as in the code.
        return_maps: whether to return the maps as well.

    Raises:
        ValueError: if a number is below 1, a choice is unknown, `stride` is 2 without
            upsampling, or H or W is unknown with "bilinear".

    Example:
        >>> features = keras.ops.ones((2, 7, 5, 32))
        >>> largest, maps = CategorySpaceToDepth(6, 4, return_maps=True)(features)
        >>> tuple(largest.shape), tuple(maps.shape)
        ((2, 7, 5, 6), (2, 7, 5, 24))
    """

    def __init__(
        self,
        num_labels: int,
        maps_per_label: int = 8,
        *,
        upsampling: Literal["transposed", "bilinear"] | None = "transposed",
        stride: Literal[1, 2] = 1,
        max_gradient: Literal["exact", "broadcast"] = "exact",
        return_maps: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_number("num_labels", num_labels, at_least=1)
        check_number("maps_per_label", maps_per_label, at_least=1)
        check_choice("upsampling", upsampling, "transposed", "bilinear", None)
        if stride not in (1, 2) or (stride == 2 and upsampling is None):
            raise ValueError(
                "`stride` must be 1 or 2, and 1 without upsampling; got "
                f"stride={stride} with upsampling={upsampling!r}."
            )
        check_choice("max_gradient", max_gradient, "exact", "broadcast")
        self.num_labels = num_labels
        self.maps_per_label = maps_per_label
        self.upsampling = upsampling
        self.stride = stride
        self.max_gradient = max_gradient
        self.return_maps = return_maps

    def build(self, input_shape):
        if self.upsampling == "bilinear" and None in input_shape[1:3]:
            raise ValueError(
                "The height and width of the features must be known for bilinear "
                f"upsampling; got input shape {tuple(input_shape)}. Build the model "
                'for one image size, or take upsampling="transposed".'
            )
        if self.upsampling == "transposed":
            self.expand = layers.Conv2DTranspose(
                self.num_labels,
                3,
                self.stride,
                kernel_initializer=torch_uniform(),
                dtype=self.dtype_policy,
                name="expand",
            )
        else:
            grouped = self.upsampling == "bilinear"
            self.expand = layers.Conv2D(
                self.num_labels * (1 if grouped else self.maps_per_label),
                1,
                kernel_initializer=torch_uniform(),
                dtype=self.dtype_policy,
                name="expand",
            )
        self.expand.build(input_shape)
        if self.upsampling is None:
            return
        # L groups of one channel are a depthwise convolution. "fan_in" would count all
        # channels; each map has one.
        self.split = layers.DepthwiseConv2D(
            3,
            self.stride,
            depth_multiplier=self.maps_per_label,
            depthwise_initializer=keras.initializers.RandomUniform(-1 / 3, 1 / 3),
            dtype=self.dtype_policy,
            name="split",
        )
        self.split.build((input_shape[0], None, None, self.num_labels))

    @property
    def bias(self):
        """One value per map, those of a label side by side."""
        return (self.expand if self.upsampling is None else self.split).bias

    def call(self, inputs):
        maps = self.expand(inputs)
        if self.upsampling == "transposed" and self.stride == 2:
            maps = maps[:, 1:, 1:]  # torch's padding of 1 and output padding of 1
        elif self.upsampling == "bilinear":
            height, width = inputs.shape[1:3]
            # To the size of the transposed convolution. The 1x1 convolution, which
            # commutes with it, comes first: there are fewer labels than channels.
            finer = (
                (height + 2, width + 2) if self.stride == 1 else (2 * height, 2 * width)
            )
            maps = ops.image.resize(maps, finer, interpolation="bilinear")
        if self.stride == 2:
            maps = ops.pad(maps, ((0, 0), (1, 1), (1, 1), (0, 0)))
        if self.upsampling is not None:
            maps = self.split(maps)  # (B, H, W, L * M)
        largest = self._largest(maps)
        return (largest, maps) if self.return_maps else largest

    def _largest(self, maps):
        if self.maps_per_label == 1:
            return maps
        positions = ops.shape(maps)[:-1]
        maps = ops.reshape(maps, (*positions, self.num_labels, self.maps_per_label))
        largest = ops.max(maps, axis=-1)  # (B, H, W, L)
        if self.max_gradient == "exact":
            return largest
        # The value of the maximum, with the gradient of the sum.
        total = ops.sum(maps, axis=-1)
        return total + ops.stop_gradient(largest - total)

    def compute_output_shape(self, input_shape):
        largest = (*input_shape[:-1], self.num_labels)
        maps = (*input_shape[:-1], self.num_labels * self.maps_per_label)
        return (largest, maps) if self.return_maps else largest

    def get_config(self):
        return {
            **super().get_config(),
            "num_labels": self.num_labels,
            "maps_per_label": self.maps_per_label,
            "upsampling": self.upsampling,
            "stride": self.stride,
            "max_gradient": self.max_gradient,
            "return_maps": self.return_maps,
        }
