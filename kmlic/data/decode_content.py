"""Encoded images decoded inside a TensorFlow graph, bounded by their headers."""

import functools

import tensorflow as tf

from kmlic.data.decode_plain import decode_plain, turn_upright
from kmlic.data.read_header import (
    Frame,
    Header,
    asserted,
    first_gif_frame,
    first_webp_frame,
    is_animated,
    number_at,
)

# Pixels that are laid on white at a time, so that this needs little memory.
_STRIP = 1 << 20


def decode_content(
    content: tf.Tensor, header: Header, *, image_size: int | None = None
) -> tf.Tensor:
    """Decodes a JPEG, PNG, GIF, BMP or WebP file to RGB pixels 0-255.

    Training, `kmlic predict` and every SavedModel decode with this function. The
    orientation is applied, transparency becomes white, and an animation its first
    frame. Check the limits of the header first; a damaged file raises an error.

    Shapes: () string to (H, W, 3) uint8.

    Args:
        content: the complete file.
        header: of the file, from `read_header`; must be decodable. Its format may be a
            number instead of a tensor.
        image_size: side in pixels that the image will be resized to, see
            `decode_plain`; None to decode it at full size.
    """
    functions = (
        _decode_jpeg,
        _decode_png,
        _decode_gif,
        _decode_bmp,
        _decode_webp,
    )
    decoders = [functools.partial(each, content, image_size) for each in functions]
    if isinstance(header.format, int):
        image = decoders[header.format]()
    else:
        # No file of a kind that the decoders do not know reaches them.
        with asserted(header.decodable, "unknown kind of image"):
            format = tf.identity(header.format)
        image = tf.switch_case(format, decoders)
    image = turn_upright(image, header.orientation)
    return tf.ensure_shape(image, (None, None, 3))


def _decode_jpeg(content: tf.Tensor, image_size: int | None) -> tf.Tensor:
    return decode_plain(content, image_size=image_size)


def _decode_png(content: tf.Tensor, image_size: int | None) -> tf.Tensor:
    image = tf.io.decode_png(content, channels=4)
    # For a PNG of fewer than 8 bits without transparency the decoder returns the most
    # that those bits can hold as alpha, for instance 1 instead of 255.
    largest = 2 ** tf.minimum(number_at(content, 24, 1), 8) - 1
    opaque = tf.reduce_all(image[..., 3] == tf.cast(largest, tf.uint8))
    return tf.cond(opaque, lambda: image[..., :3], lambda: _on_white(image))


def _decode_gif(content: tf.Tensor, image_size: int | None) -> tf.Tensor:
    frame = first_gif_frame(content)
    return _on_canvas(tf.io.decode_gif(frame.content)[0], frame)


def _decode_bmp(content: tf.Tensor, image_size: int | None) -> tf.Tensor:
    image = tf.io.decode_bmp(content)

    def decode_indices() -> tf.Tensor:
        start = 14 + tf.cast(number_at(content, 14, 4), tf.int32)
        colours = tf.io.decode_raw(tf.strings.substr(content, start, 1024), tf.uint8)
        colours = tf.reshape(colours[: tf.size(colours) // 4 * 4], (-1, 4))
        return tf.gather(colours[:, 2::-1], tf.cast(image[..., 0], tf.int32))

    return tf.cond(tf.shape(image)[-1] == 1, decode_indices, lambda: image[..., :3])


def _decode_webp(content: tf.Tensor, image_size: int | None) -> tf.Tensor:
    def decode_frame() -> tf.Tensor:
        frame = first_webp_frame(content)
        return _on_canvas(_decode_still_webp(frame.content), frame)

    return tf.cond(
        is_animated(content), decode_frame, lambda: _decode_still_webp(content)
    )


def _decode_still_webp(content: tf.Tensor) -> tf.Tensor:
    image = tf.io.decode_webp(content)[0]
    transparent = tf.shape(image)[-1] == 4
    return tf.cond(transparent, lambda: _on_white(image), lambda: image)


def _on_canvas(image: tf.Tensor, frame: Frame) -> tf.Tensor:
    """Lays a frame on its canvas, which the decoders of one frame do not know."""
    sides = tf.shape(image, out_type=tf.int64)
    below = frame.height - frame.top - sides[0]
    right = frame.width - frame.left - sides[1]
    with asserted((below >= 0) & (right >= 0), "frame outside its canvas"):
        margins = tf.stack([[frame.top, below], [frame.left, right], [0, 0]])
    # What is padded has zeros, which the colour is added to.
    return tf.cond(
        tf.reduce_any(margins > 0),
        lambda: tf.pad(image - frame.fill, margins) + frame.fill,
        lambda: image,
    )


def _on_white(image: tf.Tensor) -> tf.Tensor:
    """Lays an image with transparency on white, rounded as Pillow does."""
    width = tf.shape(image)[1]
    rows = tf.maximum(_STRIP // tf.maximum(width, 1), 1)
    count = -(-tf.shape(image)[0] // rows)

    def blend(number: tf.Tensor) -> tf.Tensor:
        strip = tf.cast(image[number * rows : (number + 1) * rows], tf.uint16)
        colours, alpha = strip[..., :3], strip[..., 3:]
        product = colours * alpha + 255 * (255 - alpha) + 128
        shift = tf.constant(8, tf.uint16)
        product += tf.bitwise.right_shift(product, shift)
        return tf.cast(tf.bitwise.right_shift(product, shift), tf.uint8)

    def step(number: tf.Tensor, strips: tf.TensorArray) -> tuple:
        return number + 1, strips.write(number, blend(number))

    strips = tf.TensorArray(
        tf.uint8, count, infer_shape=False, element_shape=(None, None, 3)
    )
    _, strips = tf.while_loop(
        lambda number, _: number < count,
        step,
        (tf.constant(0), strips),
        parallel_iterations=1,
    )
    return strips.concat()
