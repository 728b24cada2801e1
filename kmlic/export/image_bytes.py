"""Image files as bytes: encoded, and their headers read inside a TensorFlow graph.

What reads a header works on one file and raises where the file ends too soon.
"""

import numpy as np
import tensorflow as tf


def encode_png(image: np.ndarray) -> bytes:
    """Encodes an image as PNG, after `round_pixels`.

    Shapes: (H, W, 3) pixels 0-255 to bytes.
    """
    return tf.io.encode_png(round_pixels(image)).numpy()


def round_pixels(pixels: np.ndarray) -> np.ndarray:
    """Rounds pixels to integers 0-255."""
    return np.clip(np.rint(pixels), 0, 255).astype("uint8")


def number_at(
    content: tf.Tensor, position: int | tf.Tensor, length: int, order: str = "little"
) -> tf.Tensor:
    """Reads an unsigned number from a file's bytes.

    Shapes: () string to () int64.

    Args:
        content: the file.
        position: of the number's first byte.
        length: number of bytes.
        order: "little" if the first byte is the least significant, else "big".

    Example:
        >>> int(number_at(tf.constant(b"GIF89a" + bytes([2, 1])), 6, 2))
        258
    """
    data = tf.io.decode_raw(tf.strings.substr(content, position, length), tf.uint8)
    powers = [256**power for power in range(length)]
    powers = powers[::-1] if order == "big" else powers
    return tf.reduce_sum(tf.cast(data, tf.int64) * tf.constant(powers, tf.int64))


def jpeg_orientation(content: tf.Tensor) -> tf.Tensor:
    """Reads the orientation of a JPEG from its EXIF data, or 1 without.

    Shapes: () string to () int32, 1-8.
    """
    data = tf.io.decode_raw(content, tf.uint8)
    size = tf.size(data)

    def exif_at(position: tf.Tensor) -> tf.Tensor:
        marker = tf.strings.substr(content, position, 2)
        header = tf.strings.substr(content, position + 4, 6)
        return (marker == b"\xff\xe1") & (header == b"Exif\0\0")

    def continues(position: tf.Tensor) -> tf.Tensor:
        # Until the pixels begin, or something that is not a segment.
        inside = position + 10 < size
        position = tf.where(inside, position, 0)
        is_segment = (data[position] == 0xFF) & (data[position + 1] != 0xDA)
        return inside & is_segment & ~exif_at(position)

    def next_segment(position: tf.Tensor) -> tuple[tf.Tensor]:
        length = number_at(content, position + 2, 2, "big")
        return (position + 2 + tf.cast(length, tf.int32),)

    (position,) = tf.while_loop(continues, next_segment, (tf.constant(2),))
    found = tf.cond(
        position + 20 < size,
        lambda: exif_at(position),
        lambda: tf.constant(False),
    )
    return tf.cond(
        found,
        lambda: _tiff_orientation(content, data, position + 10),
        lambda: tf.constant(1),
    )


def _tiff_orientation(
    content: tf.Tensor, data: tf.Tensor, start: tf.Tensor
) -> tf.Tensor:
    big = tf.strings.substr(content, start, 2) == b"MM"
    left = tf.size(data) - start

    def read(values: tf.Tensor) -> tf.Tensor:
        values = tf.cast(values, tf.int32)
        values = tf.where(big, values, values[..., ::-1])
        powers = tf.constant([256**p for p in range(values.shape[-1])][::-1])
        return tf.reduce_sum(values * powers, axis=-1)

    # An EXIF segment is shorter than 2^16 bytes, so 16 bits of the offset are enough.
    offset = data[start + 4 : start + 8]
    table = read(tf.ensure_shape(tf.where(big, offset[2:], offset[:2]), (2,)))
    table = tf.minimum(table, left - 2)
    count = read(tf.ensure_shape(data[start + table : start + table + 2], (2,)))
    count = tf.minimum(count, (left - table - 2) // 12)
    first = start + table + 2
    entries = tf.reshape(data[first : first + 12 * count], (-1, 12))
    is_orientation = read(entries[:, :2]) == 0x0112
    values = tf.boolean_mask(read(entries[:, 8:10]), is_orientation)
    value = tf.concat([values, [1]], axis=0)[0]
    return tf.where((value >= 1) & (value <= 8), value, 1)


def first_gif_frame(
    content: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Rewrites a GIF as its first frame alone, with transparency made white.

    The decoder would unpack every frame, each of any size, before it returns the first.

    Shapes: () string to () string and the frame's () height and () width, int64.
    """
    data = tf.io.decode_raw(content, tf.uint8)
    screen_end = 13 + _gif_colours(data[10])

    def step(
        position: tf.Tensor, frame: tf.Tensor, control: tf.Tensor, in_blocks: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
        byte = data[position]
        is_frame = ~in_blocks & (byte == 0x2C)
        is_extension = ~in_blocks & (byte == 0x21)
        known = tf.debugging.Assert(in_blocks | is_frame | is_extension, ["no GIF"])
        with tf.control_dependencies([known]):
            frame = tf.where(is_frame, position, frame)
        is_control = is_extension & (data[tf.where(in_blocks, 0, position + 1)] == 0xF9)
        control = tf.where(is_control, position, control)
        flags = data[tf.where(is_frame, position + 9, 0)]
        # A block starts with its length; an extension starts with two bytes, a frame
        # with its description, colours and code size.
        length = tf.where(in_blocks, tf.cast(byte, tf.int32) + 1, 2)
        length = tf.where(is_frame, 11 + _gif_colours(flags), length)
        return position + length, frame, control, ~in_blocks | (byte > 0)

    end, frame, control, _ = tf.while_loop(
        lambda position, frame, control, in_blocks: in_blocks | (frame < 0),
        step,
        (screen_end, tf.constant(-1), tf.constant(-1), tf.constant(False)),
    )
    area = tf.strings.substr(content, frame + 1, 8)
    covers = area == tf.strings.join([b"\0\0\0\0", tf.strings.substr(content, 6, 4)])
    with tf.control_dependencies(
        [tf.debugging.Assert(covers, ["first frame leaves some of the screen free"])]
    ):
        alone = tf.strings.join(
            [
                tf.strings.substr(content, 0, screen_end),
                tf.strings.substr(content, frame, end - frame),
                b";",
            ]
        )
    transparent = tf.where(
        (control >= 0) & (data[tf.maximum(control, 0) + 3] % 2 == 1),
        tf.cast(data[tf.maximum(control, 0) + 6], tf.int32),
        -1,
    )
    own_colours = data[frame + 9] >= 128
    colours = tf.where(own_colours, screen_end + 10, 13)
    whitened = _with_white(alone, colours + 3 * transparent)
    alone = tf.cond(transparent >= 0, lambda: whitened, lambda: alone)
    return alone, number_at(area, 6, 2), number_at(area, 4, 2)


def _gif_colours(flags: tf.Tensor) -> tf.Tensor:
    flags = tf.cast(flags, tf.int32)
    return tf.where(flags >= 128, 3 * tf.bitwise.left_shift(2, flags % 8), 0)


def _with_white(content: tf.Tensor, position: tf.Tensor) -> tf.Tensor:
    position = tf.maximum(position, 0)
    length = tf.strings.length(content)
    return tf.strings.join(
        [
            tf.strings.substr(content, 0, position),
            b"\xff\xff\xff",
            tf.strings.substr(content, position + 3, length),
        ]
    )


def still_webp_size(content: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Reads height and width of a WebP that is not animated; zeros for other files.

    TensorFlow 2.21 writes outside its memory when it decodes an animation, so no file
    that could be one may reach it.

    Shapes: () string to () and () int64.
    """
    kind = tf.strings.substr(content, 12, 4)
    zero = tf.constant(0, tf.int64)

    def lossy() -> tuple[tf.Tensor, tf.Tensor]:
        return number_at(content, 28, 2) % 2**14, number_at(content, 26, 2) % 2**14

    def lossless() -> tuple[tf.Tensor, tf.Tensor]:
        packed = number_at(content, 21, 4)
        return packed // 2**14 % 2**14 + 1, packed % 2**14 + 1

    def extended() -> tuple[tf.Tensor, tf.Tensor]:
        still = number_at(content, 20, 1) // 2 % 2 == 0
        height, width = number_at(content, 27, 3) + 1, number_at(content, 24, 3) + 1
        return tf.where(still, height, 0), width

    height, width = tf.case(
        [
            (tf.strings.substr(content, 8, 4) != b"WEBP", lambda: (zero, zero)),
            (kind == b"VP8 ", lossy),
            (kind == b"VP8L", lossless),
            (kind == b"VP8X", extended),
        ],
        default=lambda: (zero, zero),
    )
    return height, width
