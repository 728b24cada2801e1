"""Zooming into the center of images."""

import keras
from keras import ops

from kmlic.check_number import check_number
from kmlic.layers._known_sides import require_known_sides


@keras.saving.register_keras_serializable(package="kmlic")
class CenterZoom(keras.layers.Layer):
    """Crops the center of images and resizes it to their original size.

    Resizes bilinearly, as `keras.layers.Resizing` does. It lets one model see an image
    at two scales.

    Shapes: (B, H, W, C) to the same. H and W must be known.

    Args:
        share: share of each side that is kept, above 0 and at most 1; rounded so that
            the same number of pixels is cropped on both sides.

    Raises:
        ValueError: if `share` is out of its limits; when built, if H or W is unknown.

    Example:
        >>> images = keras.ops.reshape(keras.ops.arange(16.0), (1, 4, 4, 1))
        >>> CenterZoom(0.5)(images)[0, :, :, 0].numpy().tolist()[0]
        [5.0, 5.25, 5.75, 6.0]
    """

    def __init__(self, share: float, **kwargs):
        super().__init__(**kwargs)
        check_number("share", share, above=0, at_most=1)
        self.share = share

    def build(self, input_shape):
        require_known_sides(input_shape)

    def call(self, inputs):
        _, height, width, _ = inputs.shape
        top, left = (round(side * (1 - self.share) / 2) for side in (height, width))
        middle = inputs[:, top : height - top, left : width - left]
        resized = ops.image.resize(middle, (height, width), data_format="channels_last")
        return ops.cast(resized, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "share": self.share}
