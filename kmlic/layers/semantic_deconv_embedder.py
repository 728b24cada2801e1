"""Upsampling of class activation maps by transposed convolutions."""

import keras
from keras import layers

from kmlic.check_number import check_number


@keras.saving.register_keras_serializable(package="kmlic")
class SemanticDeconvEmbedder(keras.layers.Layer):
    """Upsamples activation maps to a few channels at the size of the image.

    Each step doubles the sides: a transposed convolution of stride 2, instance
    normalization and ReLU. All steps keep one channel per label, except the last, which
    returns `channels`.

    Paper: Shen, Zhao and Luo, "Semantic Embedded Deep Neural Network: A Generic
    Approach to Boost Multi-Label Image Classification Performance", 2023, section III,
    https://arxiv.org/abs/2305.05228. The paper states neither the kernel nor what
    follows the last step: here a kernel of 4 covers all pixels evenly, and the output
    is normalised ("to normalize the output of regional semantic embedding") without
    ReLU.

    Shapes: (B, H, W, L) to (B, 2^steps H, 2^steps W, `channels`). H and W may be
    unknown or vary.

    Args:
        channels: D, channels of the embedding.
        steps: number of doublings, at least 1.
        kernel_size: side of the kernels, at least 2.
        last_norm: whether the last step is normalised as well: each map then has mean 0
            and deviation 1 in each image, however strong the activation.
        last_activation: activation after the last step, by name, or None.
        affine: whether normalization learns a scale and an offset for each channel.

    Raises:
        ValueError: if a number is below its limit.

    Example:
        >>> layer = SemanticDeconvEmbedder(channels=1, steps=5)
        >>> tuple(layer(keras.ops.ones((2, 8, 8, 11))).shape)
        (2, 256, 256, 1)
        >>> layer.count_params()
        7965
    """

    def __init__(
        self,
        channels: int = 1,
        steps: int = 5,
        kernel_size: int = 4,
        last_norm: bool = True,
        last_activation: str | None = None,
        affine: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_number("channels", channels, at_least=1)
        check_number("steps", steps, at_least=1)
        check_number("kernel_size", kernel_size, at_least=2)
        self.channels = channels
        self.steps = steps
        self.kernel_size = kernel_size
        self.last_norm = last_norm
        self.last_activation = last_activation
        self.affine = affine

    def build(self, input_shape):
        shape = tuple(input_shape)
        self.upsample, self.normalise, self.activate = [], [], []
        for step in range(1, self.steps + 1):
            last = step == self.steps
            upsample = layers.Conv2DTranspose(
                self.channels if last else input_shape[-1],
                self.kernel_size,
                strides=2,
                padding="same",
                dtype=self.dtype_policy,
                name=f"upsample_{step}",
            )
            upsample.build(shape)
            shape = upsample.compute_output_shape(shape)
            self.upsample.append(upsample)
            normalise = None
            if self.last_norm or not last:
                # Variances over thousands of pixels need float32 under every policy.
                normalise = layers.GroupNormalization(
                    groups=-1,
                    epsilon=1e-5,
                    center=self.affine,
                    scale=self.affine,
                    dtype="float32",
                    name=f"normalise_{step}",
                )
                normalise.build(shape)
            self.normalise.append(normalise)
            self.activate.append(
                keras.activations.get(self.last_activation if last else "relu")
            )

    def call(self, inputs):
        x = inputs
        for upsample, normalise, activate in zip(
            self.upsample, self.normalise, self.activate, strict=True
        ):
            x = upsample(x)
            if normalise is not None:
                x = keras.ops.cast(normalise(x), self.compute_dtype)
            x = activate(x)
        return x

    def compute_output_shape(self, input_shape):
        batch, *sides, _ = input_shape
        sides = [side and side * 2**self.steps for side in sides]
        return (batch, *sides, self.channels)

    def get_config(self):
        return {
            **super().get_config(),
            "channels": self.channels,
            "steps": self.steps,
            "kernel_size": self.kernel_size,
            "last_norm": self.last_norm,
            "last_activation": self.last_activation,
            "affine": self.affine,
        }
