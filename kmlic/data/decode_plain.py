"""JPEG and PNG decoded inside a TensorFlow graph, in part or at a part of the size."""

import functools
from collections.abc import Callable

import tensorflow as tf

from kmlic.data.limits import REDUCTIONS

# Computes the wanted part of an image from its sides, see `decode_plain`.
Crop = Callable[[tf.Tensor], tf.Tensor]

_TRANSFORM = "INTEGER_ACCURATE"


def decode_plain(
    data: tf.Tensor, *, image_size: int | None = None, crop: Crop | None = None
) -> tf.Tensor:
    """Decodes a plain JPEG or PNG inside a TensorFlow graph.

    The accurate transform is as fast as the default, and decodes to Pillow's pixels;
    the default is off by up to 9 of 255. Check the header first: pixels have no limit.

    A JPEG whose sides are at least 4, 8 or 16 times the `image_size` is decoded at a
    half, a quarter or an eighth of its size, which leaves at least twice the
    `image_size`. Only the wanted part of a JPEG is decoded.

    Shapes: () string to (H, W, 3) uint8.

    Args:
        data: the bytes of one 8-bit grey or RGB image.
        image_size: side in pixels that the image will be resized to; None to decode it
            at full size.
        crop: computes the wanted part (4,), as top, left, height and width, from the
            decoded image's height and width (2,); None for all of it.

    Example:
        >>> data = tf.io.encode_jpeg(tf.zeros((70, 90, 3), tf.uint8))
        >>> decode_plain(data, image_size=8).shape.as_list()
        [18, 23, 3]
    """
    if image_size is None and crop is None:
        return _decode_jpeg_or_png(data)
    image = tf.cond(
        tf.strings.substr(data, 0, 2) == b"\xff\xd8",
        lambda: _decode_part(data, image_size, crop),
        lambda: cut(_decode_jpeg_or_png(data), crop),
    )
    return tf.ensure_shape(image, (None, None, 3))


def cut(image: tf.Tensor, crop: Crop | None) -> tf.Tensor:
    """Cuts an image to the part that `crop` computes, see `decode_plain`.

    Shapes: (H, W, C) to (h, w, C).
    """
    if crop is None:
        return image
    top, left, height, width = tf.unstack(crop(tf.shape(image)[:2]))
    return image[top : top + height, left : left + width]


def turn_upright(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Turns and mirrors an image by its EXIF orientation.

    Shapes: (H, W, C) and () int32 to (H, W, C) or (W, H, C).

    Args:
        image: as stored.
        orientation: 1-8; 1 is upright.
    """
    for numbers, change in (
        ((5, 6, 7, 8), lambda x: tf.transpose(x, (1, 0, 2))),
        ((2, 3, 6, 7), lambda x: tf.reverse(x, [1])),
        ((3, 4, 7, 8), lambda x: tf.reverse(x, [0])),
    ):
        needed = tf.reduce_any(orientation == tf.constant(numbers))
        image = tf.cond(
            needed,
            lambda image=image, change=change: change(image),
            lambda image=image: image,
        )
    return image


def _decode_jpeg_or_png(data: tf.Tensor) -> tf.Tensor:
    return tf.io.decode_jpeg(data, channels=3, dct_method=_TRANSFORM)


def _decode_part(
    data: tf.Tensor, image_size: int | None, crop: Crop | None
) -> tf.Tensor:
    height, width, _ = tf.unstack(tf.io.extract_jpeg_shape(data))

    def decode(reduction: int) -> tf.Tensor:
        options = {"channels": 3, "ratio": reduction, "dct_method": _TRANSFORM}
        if crop is None:
            return tf.io.decode_jpeg(data, **options)
        sides = tf.stack([-(-height // reduction), -(-width // reduction)])
        window = crop(sides)
        # Colours of the columns at the edge depend on their neighbours.
        before = tf.minimum(window[1], 1)
        after = tf.minimum(sides[1] - window[1] - window[3], 1)
        wider = window + tf.stack([0, -before, 0, before + after])
        image = tf.io.decode_and_crop_jpeg(data, wider, **options)
        return image[:, before : before + window[3]]

    if image_size is None:
        return decode(1)
    spare = tf.minimum(height, width) // (2 * image_size)
    halvings = tf.reduce_sum(tf.cast(spare >= tf.constant(REDUCTIONS[1:]), tf.int32))
    branches = [functools.partial(decode, reduction) for reduction in REDUCTIONS]
    return tf.switch_case(halvings, branches)
