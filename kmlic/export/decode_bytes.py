"""Encoded images decoded inside a served graph, whether or not some are broken."""

import functools
from contextlib import AbstractContextManager

import tensorflow as tf

from kmlic.data.decoding import (
    MAX_BYTES,
    MAX_PIXELS,
    decode_plain,
    resize_images,
    turn_upright,
)
from kmlic.export.image_bytes import (
    first_gif_frame,
    jpeg_orientation,
    number_at,
    still_webp_size,
)


def decode_bytes(
    contents: tf.Tensor,
    *,
    image_size: int,
    max_bytes: int = MAX_BYTES,
    max_pixels: int = MAX_PIXELS,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Decodes and resizes encoded images, and marks those that are broken.

    The pixels are those of `kmlic.data.decoding`: a JPEG is turned by its EXIF
    orientation, transparency becomes white, and of a GIF the first frame is used. Only
    core TensorFlow operators are used, so the graph runs wherever a SavedModel does.
    Unlike Pillow, it refuses animated WebP, BMP that is compressed or has fewer than 8
    bits, and GIF whose first frame does not cover the screen.

    Shapes: (B,) strings to images (B, S, S, 3) float32 pixels 0-255, zeros where
    broken, and (B,) bool.

    Args:
        contents: JPEG, PNG, GIF (its first frame), BMP or WebP files.
        image_size: side S in pixels of the returned images.
        max_bytes: longest file that is decoded.
        max_pixels: largest height times width that is decoded, read from the header.

    Example:
        >>> images, ok = decode_bytes(tf.constant([b"", b"GIF8"]), image_size=4)
        >>> images.shape.as_list(), ok.numpy().tolist()
        ([2, 4, 4, 3], [False, False])
    """
    count = tf.size(contents, out_type=tf.int64)

    def decode(row: tf.Tensor, content: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        image = _decode(content, image_size, max_bytes, max_pixels)
        return row, resize_images(image, image_size)

    # An error in a decoder would fail the complete batch. A tf.data pipeline drops the
    # rows that raise one; the others are put back in their position.
    rows = tf.data.Dataset.from_tensor_slices((tf.range(count), contents))
    rows = rows.map(decode, tf.data.AUTOTUNE, deterministic=False)
    rows = rows.ignore_errors()
    # One row more than the batch, because a batch must exist if all images are broken.
    shape = (image_size, image_size, 3)
    spare = tf.data.Dataset.from_tensors((count, tf.zeros(shape)))
    rows = rows.concatenate(spare).batch(count + 1)
    indices, images = rows.with_options(_for_one_batch()).get_single_element()
    indices = indices[:, None]
    images = tf.scatter_nd(indices, images, tf.stack([count + 1, *shape]))
    ok = tf.scatter_nd(indices, tf.ones_like(indices[:, 0]), count[None] + 1)
    return tf.ensure_shape(images[:-1], (None, *shape)), ok[:-1] > 0


def _for_one_batch() -> tf.data.Options:
    # Tuning a pipeline costs more than it gains on one request.
    options = tf.data.Options()
    options.autotune.enabled = False
    options.experimental_optimization.apply_default_optimizations = False
    return options


def _decode(
    content: tf.Tensor, image_size: int, max_bytes: int, max_pixels: int
) -> tf.Tensor:
    with _asserted(tf.strings.length(content) <= max_bytes, "too many bytes"):
        content = tf.identity(content)
    decoders = {
        b"\xff\xd8\xff": functools.partial(_decode_jpeg, image_size=image_size),
        b"\x89PNG\r\n\x1a\n": _decode_png,
        b"GIF8": _decode_gif,
        b"BM": _decode_bmp,
        b"RIFF": _decode_webp,
    }
    return tf.case(
        [
            (
                tf.strings.substr(content, 0, len(magic)) == magic,
                lambda decode=decode: decode(content, max_pixels=max_pixels),
            )
            for magic, decode in decoders.items()
        ],
        default=_refuse,
    )


def _decode_jpeg(content: tf.Tensor, max_pixels: int, image_size: int) -> tf.Tensor:
    height, width, _ = tf.unstack(tf.io.extract_jpeg_shape(content, tf.int64))
    with _within(height, width, max_pixels):
        image = decode_plain(content, image_size=image_size)
    return turn_upright(image, jpeg_orientation(content))


def _decode_png(content: tf.Tensor, max_pixels: int) -> tf.Tensor:
    width = number_at(content, 16, 4, "big")
    height = number_at(content, 20, 4, "big")
    with _within(height, width, max_pixels):
        image = tf.io.decode_png(content, channels=4)
    # For a PNG of fewer than 8 bits without transparency the decoder returns the most
    # that those bits can hold as alpha, for instance 1 instead of 255.
    largest = 2 ** tf.minimum(number_at(content, 24, 1), 8) - 1
    opaque = tf.reduce_all(image[..., 3] == tf.cast(largest, tf.uint8))
    return tf.cond(opaque, lambda: image[..., :3], lambda: _on_white(image))


def _decode_gif(content: tf.Tensor, max_pixels: int) -> tf.Tensor:
    frame, height, width = first_gif_frame(content)
    with _within(height, width, max_pixels):
        return tf.io.decode_gif(frame)[0]


def _decode_bmp(content: tf.Tensor, max_pixels: int) -> tf.Tensor:
    width, height = number_at(content, 18, 4), number_at(content, 22, 4)
    # A negative height means rows from top to bottom.
    height = tf.where(height < 2**31, height, 2**32 - height)
    depth, compression = number_at(content, 28, 2), number_at(content, 30, 4)
    known = (depth == 8) | (depth == 24) | (depth == 32)

    def decode_indices() -> tf.Tensor:
        start = 14 + tf.cast(number_at(content, 14, 4), tf.int32)
        colours = tf.io.decode_raw(tf.strings.substr(content, start, 1024), tf.uint8)
        colours = tf.reshape(colours[: tf.size(colours) // 4 * 4], (-1, 4))
        return tf.gather(colours[:, 2::-1], tf.cast(image[..., 0], tf.int32))

    with (
        _within(height, width, max_pixels),
        _asserted(known & (compression == 0), "unknown kind of BMP"),
    ):
        image = tf.io.decode_bmp(content)
        return tf.cond(depth == 8, decode_indices, lambda: image[..., :3])


def _decode_webp(content: tf.Tensor, max_pixels: int) -> tf.Tensor:
    height, width = still_webp_size(content)
    with _within(height, width, max_pixels):
        image = tf.io.decode_webp(content)[0]
    transparent = tf.shape(image)[-1] == 4
    return tf.cond(transparent, lambda: _on_white(image), lambda: image)


def _on_white(image: tf.Tensor) -> tf.Tensor:
    image = tf.cast(image, tf.int32)
    colours, alpha = image[..., :3], image[..., 3:]
    # Rounded as Pillow does.
    product = 128 * (colours * alpha + 255 * (255 - alpha) + 128)
    return tf.cast((product // 256 + product) // 256 // 128, tf.uint8)


def _refuse() -> tf.Tensor:
    with _asserted(tf.constant(False), "not an image"):
        return tf.zeros((1, 1, 3), tf.uint8)


def _within(
    height: tf.Tensor, width: tf.Tensor, max_pixels: int
) -> AbstractContextManager:
    fits = (height > 0) & (width > 0) & (height * width <= max_pixels)
    return _asserted(fits, "too many pixels")


def _asserted(condition: tf.Tensor, message: str) -> AbstractContextManager:
    return tf.control_dependencies([tf.debugging.Assert(condition, [message])])
