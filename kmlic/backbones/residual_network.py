"""Residual networks, described by their dimensions."""

import dataclasses
from typing import Any

import keras
from keras import layers

from kmlic.backbones._build_network import build_network
from kmlic.layers import (
    FusedBatchNorm,
    GroupedConv2D,
    SpatialGroupEnhance,
    SplitAttention,
    SqueezeExcite,
)


@dataclasses.dataclass(frozen=True)
class ResidualNetwork:
    """Describes a residual network of four stages, which `build` builds.

    Layers have timm's names (`layer1.0.conv1`), by which checkpoints are loaded.

    Paper: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016,
    https://arxiv.org/abs/1512.03385. Differs from the paper: the stride of a
    bottleneck is on its 3x3 convolution (v1.5), as in torchvision.

    Shapes: images (B, H, W, C) of pixels 0-255 to four feature maps, of sides H / 4,
    H / 8, H / 16 and H / 32, rounded up.

    Args:
        blocks: number of blocks of each stage.
        widths: channels inside the blocks of each stage, before `base_width`. A
            bottleneck outputs four times as many, a basic block the same number.
        bottleneck: whether blocks are 1x1, 3x3, 1x1 (else 3x3, 3x3).
        stem: "7x7", "3x3" (one convolution) or "deep" (three of 3x3).
        stem_width: channels of the stem; of its first two convolutions if "deep".
        groups: groups (cardinality) of the 3x3 convolution of a bottleneck.
        base_width: channels of each of these groups for every 64 in `widths`.
        attention: layer class that scales the output of a block before the shortcut is
            added, constructed without arguments; or None.
        radix: splits of split attention instead of the 3x3 convolution (the second one
            without `bottleneck`); 0 for none.
        pool_first: whether the strided pool of split attention comes before it.
        average_shortcut: whether shortcuts are strided by average pooling.
        caffe: whether the stride is on the first 1x1 convolution (without groups) and
            the first pool pads only at the end.

    Example:
        >>> network = ResidualNetwork(blocks=(1, 1, 1, 1), widths=(8, 16, 24, 32))
        >>> model = network.build("tiny", image_size=64)
        >>> [shape[1:] for shape in model.output_shape]
        [(16, 16, 32), (8, 8, 64), (4, 4, 96), (2, 2, 128)]
    """

    blocks: tuple[int, int, int, int]
    widths: tuple[int, int, int, int] = (64, 128, 256, 512)
    bottleneck: bool = True
    stem: str = "7x7"
    stem_width: int = 64
    groups: int = 1
    base_width: int = 64
    attention: type[SqueezeExcite] | type[SpatialGroupEnhance] | None = None
    radix: int = 0
    pool_first: bool = False
    average_shortcut: bool = False
    caffe: bool = False

    def build(self, name: str, **options: Any) -> keras.Model:
        """Builds the network as a model that normalises its pixels.

        Args:
            name: name of the model.
            **options: of `build_network`: `image_size`, `channels`, `include_top`,
                `num_classes`, `mean` and `std`.
        """
        return build_network(name, self._extract, **options)

    def _extract(self, x):
        x = self._stem(x)
        feature_maps = []
        for stage, (depth, width) in enumerate(
            zip(self.blocks, self.widths, strict=True), start=1
        ):
            for index in range(depth):
                stride = 2 if stage > 1 and index == 0 else 1
                x = self._block(x, f"layer{stage}.{index}", width, stride)
            feature_maps.append(x)
        return feature_maps

    def _stem(self, x):
        if self.stem == "deep":
            width = self.stem_width
            x = _convolve(x, width, 3, 2, "conv1.0")
            x = _relu(_normalise_batch(x, "conv1.1"), "conv1.2")
            x = _convolve(x, width, 3, 1, "conv1.3")
            x = _relu(_normalise_batch(x, "conv1.4"), "conv1.5")
            x = _convolve(x, width * 2, 3, 1, "conv1.6")
        else:
            x = _convolve(x, self.stem_width, int(self.stem[0]), 2, "conv1")
        x = _relu(_normalise_batch(x, "bn1"), "act1")
        # After ReLU, padding with zeros equals padding with minus infinity. Caffe pads
        # at the end, and drops windows that start beyond the image.
        pad = ((0, 1), (0, 1)) if self.caffe else 1
        x = layers.ZeroPadding2D(pad, name="maxpool.pad")(x)
        return layers.MaxPooling2D(3, 2, name="maxpool")(x)

    def _block(self, x, name, width, stride):
        channels = width * 4 if self.bottleneck else width
        shortcut = x
        if stride > 1 or x.shape[-1] != channels:
            shortcut = self._shortcut(x, name, channels, stride)
        if self.bottleneck:
            x = self._bottleneck(x, name, width, stride)
        else:
            x = _convolve(x, width, 3, stride, f"{name}.conv1")
            x = _relu(_normalise_batch(x, f"{name}.bn1"), f"{name}.act1")
            x = (
                self._attend(x, width, f"{name}.conv2")
                if self.radix
                else _convolve(x, width, 3, 1, f"{name}.conv2")
            )
            x = _normalise_batch(x, f"{name}.bn2", gamma="zeros")
        if self.attention is not None:
            kind = "sge" if self.attention is SpatialGroupEnhance else "se"
            x = self.attention(name=f"{name}.{kind}")(x)
        x = layers.Add(name=f"{name}.add")([x, shortcut])
        return _relu(x, f"{name}.act3")

    def _shortcut(self, x, name, channels, stride):
        if not self.average_shortcut:
            x = _convolve(x, channels, 1, stride, f"{name}.downsample.0")
            return _normalise_batch(x, f"{name}.downsample.1")
        if stride > 1:
            pool = layers.AveragePooling2D(
                stride, padding="same", name=f"{name}.downsample.0"
            )
            x = pool(x)
        x = _convolve(x, channels, 1, 1, f"{name}.downsample.1")
        return _normalise_batch(x, f"{name}.downsample.2")

    def _bottleneck(self, x, name, width, stride):
        inner = width * self.base_width // 64 * self.groups
        on_first = stride if self.caffe and self.groups == 1 else 1
        x = _convolve(x, inner, 1, on_first, f"{name}.conv1")
        x = _relu(_normalise_batch(x, f"{name}.bn1"), f"{name}.act1")
        if self.radix:
            if stride > 1 and self.pool_first:
                x = _average(x, stride, f"{name}.avd_first")
            x = self._attend(x, inner, f"{name}.conv2")
            if stride > 1 and not self.pool_first:
                x = _average(x, stride, f"{name}.avd_last")
        else:
            stride //= on_first
            x = _convolve(x, inner, 3, stride, f"{name}.conv2", self.groups)
            x = _relu(_normalise_batch(x, f"{name}.bn2"), f"{name}.act2")
        x = _convolve(x, width * 4, 1, 1, f"{name}.conv3")
        return _normalise_batch(x, f"{name}.bn3", gamma="zeros")

    def _attend(self, x, channels, name):
        return SplitAttention(
            channels,
            radix=self.radix,
            cardinality=self.groups,
            kernel_initializer=_kernel_initializer(),
            name=name,
        )(x)


def _convolve(x, filters, size, stride, name, groups=1):
    # Keras' padding of a strided convolution depends on the image's size, torch's not.
    if size > 1 and stride > 1:
        x = layers.ZeroPadding2D(size // 2, name=f"{name}.pad")(x)
    arguments = {
        "strides": stride,
        "padding": "same" if stride == 1 else "valid",
        "use_bias": False,
        "kernel_initializer": _kernel_initializer(),
        "name": name,
    }
    if groups > 1:
        return GroupedConv2D(filters, size, groups=groups, **arguments)(x)
    return layers.Conv2D(filters, size, **arguments)(x)


def _kernel_initializer():
    # Preserves the gradient's variance under ReLU, as in torchvision and timm.
    return keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal")


def _normalise_batch(x, name, gamma="ones"):
    return FusedBatchNorm(
        momentum=0.9, epsilon=1e-5, gamma_initializer=gamma, name=name
    )(x)


def _relu(x, name):
    return layers.Activation("relu", name=name)(x)


def _average(x, stride, name):
    # The average includes the zeros around the image, as in torch.
    x = layers.ZeroPadding2D(1, name=f"{name}.pad")(x)
    return layers.AveragePooling2D(3, stride, name=name)(x)
