"""EfficientNet-Lite: EfficientNet for phones, fast on processors too."""

import dataclasses
import math
from typing import Any

import keras
from keras import layers

from kmlic.backbones._build_network import build_network
from kmlic.layers import FusedBatchNorm


@dataclasses.dataclass(frozen=True)
class EfficientNetLite:
    """Describes an EfficientNet-Lite; `build` turns it into a model.

    Seven stages of inverted bottlenecks: a 1x1 convolution to more channels, a
    depthwise one, and a 1x1 convolution to fewer. Compared with EfficientNet there is
    no squeeze-and-excite, and ReLU6 replaces swish.

    Paper: Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural
    Networks", ICML 2019, table 1, https://arxiv.org/abs/1905.11946; the Lite variants
    are of the authors' code, where stem, head and the depth of the first and the last
    stage do not scale. Differs from that code: no block is dropped in training.

    Shapes: images (B, H, W, C) of pixels 0-255 to four feature maps, of sides H / 4,
    H / 8, H / 16 and H / 32, rounded up: the expanded maps before each stride, then the
    1,280 channels of the head.

    Args:
        width: factor of the channels of each stage.
        depth: factor of the blocks of each stage.

    Example:
        >>> model = EfficientNetLite().build("lite0", image_size=64)
        >>> [shape[1:] for shape in model.output_shape]
        [(16, 16, 144), (8, 8, 240), (4, 4, 672), (2, 2, 1280)]
    """

    width: float = 1.0
    depth: float = 1.0

    def build(self, name: str, **options: Any) -> keras.Model:
        """Builds the network, with the normalisation of its RGB pixels inside.

        Args:
            name: name of the model.
            **options: of `build_network`: `image_size`, `channels`, `include_top`,
                `num_classes`, `mean` and `std`, by default 127 and 128 of 255.
        """
        pixels = {"mean": (127 / 255,) * 3, "std": (128 / 255,) * 3}
        return build_network(name, self._extract, **{**pixels, **options})

    def _extract(self, x):
        x = _convolve(x, 32, 3, 2, "conv_stem")
        x = _relu6(_normalise_batch(x, "bn0"), "act0")
        feature_maps = []
        index = 0
        for filters, expansion, size, stride, blocks in self._stages():
            for step in (stride, *[1] * (blocks - 1)):
                x, expanded = _block(
                    x, f"blocks.{index}", filters, expansion, size, step
                )
                if step == 2 and index > 1:
                    feature_maps.append(expanded)
                index += 1
        x = _convolve(x, 1280, 1, 1, "conv_head")
        return [*feature_maps, _relu6(_normalise_batch(x, "bn1"), "act1")]

    def _stages(self):
        """Yields filters, expansion, kernel size, stride and blocks of each stage."""
        last = len(_STAGES) - 1
        for stage, (filters, expansion, size, stride, blocks) in enumerate(_STAGES):
            scaled = blocks if stage in (0, last) else math.ceil(blocks * self.depth)
            yield _round_to_eight(filters * self.width), expansion, size, stride, scaled


_STAGES = (
    (16, 1, 3, 1, 1),
    (24, 6, 3, 2, 2),
    (40, 6, 5, 2, 2),
    (80, 6, 3, 2, 3),
    (112, 6, 5, 1, 3),
    (192, 6, 5, 2, 4),
    (320, 6, 3, 1, 1),
)

EFFICIENTNET_LITES = {
    "efficientnet_lite0": EfficientNetLite(),
    # Its ImageNet weights were trained on images of 260 pixels, those of lite0 on 224.
    "efficientnet_lite2": EfficientNetLite(width=1.1, depth=1.2),
}


def _round_to_eight(filters):
    rounded = max(8, int(filters + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * filters else rounded


def _block(x, name, filters, expansion, size, stride):
    shortcut = x
    if expansion > 1:
        x = _convolve(x, x.shape[-1] * expansion, 1, 1, f"{name}.expand_conv")
        x = _relu6(_normalise_batch(x, f"{name}.bn0"), f"{name}.act0")
    expanded = x
    x = layers.DepthwiseConv2D(
        size,
        stride,
        padding="same",
        use_bias=False,
        depthwise_initializer=_kernel_initializer(),
        name=f"{name}.depthwise_conv",
    )(x)
    x = _relu6(_normalise_batch(x, f"{name}.bn1"), f"{name}.act1")
    x = _convolve(x, filters, 1, 1, f"{name}.project_conv")
    x = _normalise_batch(x, f"{name}.bn2")
    if stride == 1 and shortcut.shape[-1] == filters:
        x = layers.Add(name=f"{name}.add")([x, shortcut])
    return x, expanded


def _convolve(x, filters, size, stride, name):
    return layers.Conv2D(
        filters,
        size,
        stride,
        padding="same",
        use_bias=False,
        kernel_initializer=_kernel_initializer(),
        name=name,
    )(x)


def _kernel_initializer():
    return keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal")


def _normalise_batch(x, name):
    return FusedBatchNorm(momentum=0.99, epsilon=1e-3, name=name)(x)


def _relu6(x, name):
    return layers.Activation("relu6", name=name)(x)
