"""Plain convolutional networks for small images."""

import dataclasses
from typing import Any

import keras
from keras import layers

from kmlic.backbones._build_network import build_network
from kmlic.layers import FusedBatchNorm


@dataclasses.dataclass(frozen=True)
class PlainNetwork:
    """Describes a network of one convolution per stage, which `build` builds.

    A stage is a 3x3 convolution, batch normalization, max pooling that halves the
    sides, and ReLU.

    Paper: Nishimura, Yu, Hellmers and Desai, "A Combined Deep Learning and Semantic
    Embedding Model for Image Classification", section 2.1, which takes a network like
    those of Yao and Miller, "Tiny ImageNet Classification with Convolutional Neural
    Networks", 2015. The paper states no widths.

    Shapes: images (B, H, W, C) of pixels 0-255 to one feature map per stage, of sides H
    / 2, H / 4 and so on, rounded down.

    Args:
        widths: channels of each stage.

    Example:
        >>> model = PlainNetwork((8, 16)).build("tiny", image_size=32)
        >>> [shape[1:] for shape in model.output_shape]
        [(16, 16, 8), (8, 8, 16)]
    """

    widths: tuple[int, ...]

    def build(self, name: str, **options: Any) -> keras.Model:
        """Builds the network as a model, as `ResidualNetwork.build` does."""
        return build_network(name, self._extract, **options)

    def _extract(self, x):
        feature_maps = []
        for stage, width in enumerate(self.widths, start=1):
            x = layers.Conv2D(
                width,
                3,
                padding="same",
                use_bias=False,
                kernel_initializer=keras.initializers.HeNormal(),
                name=f"conv{stage}",
            )(x)
            x = FusedBatchNorm(momentum=0.9, epsilon=1e-5, name=f"bn{stage}")(x)
            x = layers.MaxPooling2D(2, name=f"pool{stage}")(x)
            # After the pool, ReLU gives the same on a quarter of the values.
            x = layers.Activation("relu", name=f"act{stage}")(x)
            feature_maps.append(x)
        return feature_maps


PLAIN_NETWORKS = {
    # For training from scratch on two cores, on images of about 64 pixels.
    "small_cnn": PlainNetwork((64, 128, 256, 512))
}
