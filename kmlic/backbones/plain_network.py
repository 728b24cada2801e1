"""Plain convolutional networks, without shortcuts, for small images."""

import dataclasses

import keras
from keras import layers

from kmlic.backbones.residual_network import IMAGENET_MEAN, IMAGENET_STD
from kmlic.layers import FusedBatchNorm


@dataclasses.dataclass(frozen=True)
class PlainNetwork:
    """Describes a network of one convolution a stage; `build` turns it into a model.

    Each stage is a 3x3 convolution, batch normalization, a pool that halves the sides,
    and ReLU.

    Paper: Nishimura et al., "A Combined Deep Learning and Semantic Embedding Model for
    Image Classification", section 2.1, which takes a network like those of Yao and
    Miller, "Tiny ImageNet Classification with Convolutional Neural Networks", 2015.
    Differs from the paper: it gives no widths.

    Shapes: images (B, H, W, C) of pixels 0-255 to one feature map a stage, of sides
    H / 2, H / 4 and so on, rounded down.

    Args:
        widths: channels of each stage.

    Example:
        >>> model = PlainNetwork((8, 16)).build("tiny", image_size=32)
        >>> [shape[1:] for shape in model.output_shape]
        [(16, 16, 8), (8, 8, 16)]
    """

    widths: tuple[int, ...]

    def build(
        self,
        name: str,
        *,
        image_size: int | None = None,
        channels: int = 3,
        include_top: bool = False,
        num_classes: int = 1000,
        mean: tuple[float, float, float] = IMAGENET_MEAN,
        std: tuple[float, float, float] = IMAGENET_STD,
    ) -> keras.Model:
        """Builds the network, with `mean` and `std` for its RGB pixels inside.

        Args:
            name: name of the model.
            image_size: side of the images in pixels; None for any.
            channels: of the images. The first three are RGB pixels 0-255; those after
                them reach the first convolution as they are.
            include_top: whether to end in one float32 logit per class.
            num_classes: number of those classes.
            mean: of the RGB pixels, as shares of 255.
            std: their standard deviation, likewise.
        """
        images = keras.Input((image_size, image_size, channels), name="images")
        extra = channels - len(mean)
        x = layers.Rescaling(
            scale=[1 / (255 * s) for s in std] + [1.0] * extra,
            offset=[-m / s for m, s in zip(mean, std, strict=True)] + [0.0] * extra,
            dtype="float32",  # bfloat16 has too few bits for pixels
            name="normalise",
        )(images)
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
            # The same as before the pool, on a quarter of the numbers.
            x = layers.Activation("relu", name=f"act{stage}")(x)
            feature_maps.append(x)
        if not include_top:
            return keras.Model(images, feature_maps, name=name)
        x = layers.GlobalAveragePooling2D(name="global_pool")(x)
        logits = layers.Dense(num_classes, dtype="float32", name="fc")(x)
        return keras.Model(images, logits, name=name)


PLAIN_NETWORKS = {
    # From scratch on two cores, for images of about 64 pixels.
    "small_cnn": PlainNetwork((64, 128, 256, 512)),
}
