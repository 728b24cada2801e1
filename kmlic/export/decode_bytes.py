"""Encoded images decoded inside a served graph, whether or not some are broken."""

import tensorflow as tf

from kmlic.check_limits import MAX_BYTES, MAX_PIXELS
from kmlic.data.decode_content import decode_content
from kmlic.data.decoding import resize_images
from kmlic.data.read_header import asserted, read_header, within_limits


def decode_bytes(
    contents: tf.Tensor,
    *,
    image_size: int,
    max_bytes: int = MAX_BYTES,
    max_pixels: int = MAX_PIXELS,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Decodes and resizes encoded images, and marks those that are broken.

    The pixels are those of `kmlic.data.decode_image`, which reads and decodes with the
    same functions; what that leaves to Pillow is refused. Only core TensorFlow
    operators are used, so the graph runs wherever a SavedModel does.

    Shapes: (B,) strings to images (B, S, S, 3) float32 pixels 0-255, zeros where
    broken, and (B,) bool.

    Args:
        contents: JPEG, PNG, GIF (its first frame), BMP or WebP files.
        image_size: side S in pixels of the returned images.
        max_bytes: longest file that is decoded.
        max_pixels: largest height times width that is decoded, see `Limits`.

    Example:
        >>> images, ok = decode_bytes(tf.constant([b"", b"GIF8"]), image_size=4)
        >>> images.shape.as_list(), ok.numpy().tolist()
        ([2, 4, 4, 3], [False, False])
    """
    count = tf.size(contents, out_type=tf.int64)

    @tf.autograph.experimental.do_not_convert
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
    with asserted(tf.strings.length(content) <= max_bytes, "too many bytes"):
        content = tf.identity(content)
    header = read_header(content)
    with asserted(within_limits(header, max_pixels), "too many pixels"):
        content = tf.identity(content)
    return decode_content(content, header, image_size=image_size)
