"""Headers of encoded images, read inside a TensorFlow graph.

Training, `kmlic predict` and every SavedModel read headers with these functions, so
that they cannot disagree. All work is bounded, whatever a file declares.
"""

from contextlib import AbstractContextManager
from typing import NamedTuple

import tensorflow as tf

from kmlic.data.limits import SCANS

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP")

MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"BM", b"RIFF")
# A photograph has about 20 segments, and at most 800 of 64 kB within 50 MB.
_MOST_SEGMENTS = 1000
_MOST_STEPS = 2000
# Blocks of one length of a GIF that are passed in one step.
_RUN = 4096
_EXIF_BYTES = 1 << 16
_XMP_BYTES = 1 << 20
_XMP_ORIENTATION = r'(?s)^\C*?tiff:Orientation(?:="|>)([0-9])\C*$'
# Value types of EXIF: 16 and 32 bits.
_SHORT, _LONG = 3, 4


class Header(NamedTuple):
    """Holds what an image file declares, as tensors of shape ().

    Args:
        format: int32, index in `FORMATS`; -1 for any other file.
        height: int64, as stored, before the orientation is applied.
        width: int64, as stored.
        orientation: int32, 1-8, from EXIF, or from XMP if EXIF has none.
        scans: int64, times that a JPEG passes over its pixels; 1 for other files.
        plain: bool, whether `decode_plain` decodes it, apart from the orientation.
        decodable: bool, whether `decode_content` decodes this kind of file.
    """

    format: tf.Tensor
    height: tf.Tensor
    width: tf.Tensor
    orientation: tf.Tensor
    scans: tf.Tensor
    plain: tf.Tensor
    decodable: tf.Tensor


def read_header(content: tf.Tensor) -> Header:
    r"""Reads the format, size and orientation of an encoded image.

    An error is raised if the file ends within its header, or if a JPEG has more than
    1,000 segments.

    Shapes: () string to tensors of shape ().

    Args:
        content: the complete file.

    Example:
        >>> gif = b"GIF89a\x02\0\x01\0\0\0\0,\0\0\0\0\x02\0\x01\0\0\x02\0;"
        >>> header = read_header(tf.constant(gif))
        >>> FORMATS[header.format], int(header.height), int(header.width)
        ('GIF', 1, 2)
    """
    cases = [
        (
            tf.strings.substr(content, 0, len(magic)) == magic,
            lambda index=index: tuple(read_header_of(index, content)),
        )
        for index, magic in enumerate(MAGIC)
    ]
    return Header(*tf.case(cases, lambda: tuple(_header(-1, 0, 0, decodable=False))))


def read_header_of(format: int, content: tf.Tensor) -> Header:
    """Reads the header of a file of a known format, see `read_header`.

    Args:
        format: index in `FORMATS`, of a file that starts with its `MAGIC`.
        content: the complete file.
    """
    readers = (_read_jpeg, _read_png, _read_gif, _read_bmp, _read_webp)
    return _header(format, *readers[format](content))


def within_limits(header: Header, max_pixels: int) -> tf.Tensor:
    """Returns whether the pixels of all scans are within the limits, () bool."""
    height, width = header.height, header.width
    across = tf.maximum(width, 1)  # divided, because products could overflow
    fits = (height <= max_pixels // across) & (height > 0) & (width > 0)
    return fits & (height * header.scans <= SCANS * max_pixels // across)


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


def asserted(condition: tf.Tensor, message: str) -> AbstractContextManager:
    """Returns a context whose operators fail with a message if a condition is false."""
    return tf.control_dependencies([tf.debugging.Assert(condition, [message])])


class Frame(NamedTuple):
    """Holds the first frame of an animation and where it lies on the canvas.

    Args:
        content: () string, a still image of the frame alone.
        top: () int64, of the frame, in pixels.
        left: () int64.
        height: () int64, of the canvas.
        width: () int64.
        fill: (3,) uint8, the colour of the canvas around the frame.
    """

    content: tf.Tensor
    top: tf.Tensor
    left: tf.Tensor
    height: tf.Tensor
    width: tf.Tensor
    fill: tf.Tensor


def first_gif_frame(content: tf.Tensor) -> Frame:
    """Rewrites a GIF as its first frame alone, with transparency made white.

    The decoder would unpack every frame, each of any size, before it returns the first.
    """
    data = tf.io.decode_raw(content, tf.uint8)
    screen_end = 13 + 3 * _gif_colours(data[10])
    end, frame, control = _walk_gif(data, screen_end)
    left, top, width, height = (
        number_at(content, frame + 1 + 2 * side, 2) for side in range(4)
    )
    own_colours = data[frame + 9] >= 128
    colours = tf.where(own_colours, frame + 10, 13)
    count = tf.where(own_colours, _gif_colours(data[frame + 9]), _gif_colours(data[10]))
    index = tf.cast(data[tf.maximum(control, 0) + 6], tf.int32)
    is_transparent = (control >= 0) & (data[tf.maximum(control, 0) + 3] % 2 == 1)
    first = tf.concat([data[colours : colours + 3], tf.zeros(3, tf.uint8)], 0)[:3]
    sides = tf.strings.substr(content, frame + 5, 4)
    alone = tf.strings.join(
        [
            tf.strings.substr(content, 0, 6),
            sides,
            tf.strings.substr(content, 10, screen_end - 10),
            b",\0\0\0\0",
            sides,
            tf.strings.substr(content, frame + 9, end - frame - 9),
            b";",
        ]
    )
    white = tf.where(own_colours, screen_end + 10, 13) + 3 * index
    alone = tf.cond(
        is_transparent & (index < count),
        lambda: tf.strings.join(
            [
                tf.strings.substr(alone, 0, white),
                b"\xff\xff\xff",
                tf.strings.substr(alone, white + 3, tf.strings.length(alone)),
            ]
        ),
        lambda: alone,
    )
    return Frame(
        alone,
        top,
        left,
        tf.maximum(number_at(content, 8, 2), top + height),
        tf.maximum(number_at(content, 6, 2), left + width),
        tf.where(is_transparent, tf.constant(255, tf.uint8), first),
    )


def first_webp_frame(content: tf.Tensor) -> Frame:
    """Rewrites an animated WebP as its first frame alone.

    TensorFlow 2.21 writes outside its memory when it decodes an animation, so no file
    that could be one may reach it.
    """
    position = _walk_webp(content)[0]
    with asserted(position > 0, "it has no frame"):
        length = number_at(content, position - 4, 4)
    left, top = (2 * number_at(content, position + 3 * side, 3) for side in range(2))
    images = tf.strings.substr(content, position + 16, tf.cast(length, tf.int32) - 16)
    # As the canvas of an extended file: flags (transparency), three bytes, both sides.
    canvas = tf.strings.join(
        [b"\x10\0\0\0", tf.strings.substr(content, position + 6, 6)]
    )
    size = tf.cast(tf.strings.length(images), tf.int64) + 22
    still = tf.strings.join(
        [b"RIFF", _as_bytes(size), b"WEBPVP8X\x0a\0\0\0", canvas, images]
    )
    height, width = number_at(content, 27, 3) + 1, number_at(content, 24, 3) + 1
    return Frame(still, top, left, height, width, tf.constant([255] * 3, tf.uint8))


def is_animated(content: tf.Tensor) -> tf.Tensor:
    """Returns whether a WebP is an animation, () bool."""
    extended = tf.strings.substr(content, 12, 4) == b"VP8X"
    flags = number_at(content, tf.where(extended, 20, 0), 1)
    return extended & (flags // 2 % 2 == 1)


def _header(
    format: int,
    height: int | tf.Tensor,
    width: int | tf.Tensor,
    orientation: int | tf.Tensor = 1,
    scans: int | tf.Tensor = 1,
    plain: bool | tf.Tensor = False,
    decodable: bool | tf.Tensor = True,
) -> Header:
    return Header(
        tf.constant(format),
        tf.cast(height, tf.int64),
        tf.cast(width, tf.int64),
        tf.cast(orientation, tf.int32),
        tf.cast(scans, tf.int64),
        tf.cast(plain, tf.bool),
        tf.cast(decodable, tf.bool),
    )


def _read_jpeg(content: tf.Tensor) -> tuple[tf.Tensor, ...]:
    height, width, _ = tf.unstack(tf.io.extract_jpeg_shape(content, tf.int64))
    data = tf.io.decode_raw(content, tf.uint8)
    size = tf.size(data)
    code = data[1:]
    is_restart = (code >= 0xD0) & (code <= 0xD7)
    is_marker = (data[:-1] == 0xFF) & (code >= 0xC0) & (code < 0xFF) & ~is_restart
    markers = tf.cast(tf.where(is_marker)[:, 0], tf.int32)
    markers = tf.concat([markers, [size]], axis=0)

    def starts(position: tf.Tensor, text: bytes) -> tf.Tensor:
        return tf.strings.substr(content, position + 4, len(text)) == text

    def step(
        position: tf.Tensor, scans: tf.Tensor, exif: tf.Tensor, xmp: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        marker = tf.searchsorted(markers, position[None])[0]
        position = markers[tf.minimum(marker, tf.size(markers) - 1)]
        inside = position + 4 < size
        kind = data[tf.where(inside, position + 1, 0)]
        length = number_at(content, tf.where(inside, position + 2, 0), 2, "big")
        is_scan = inside & (kind == 0xDA)
        is_text = inside & (kind == 0xE1) & (scans == 0)
        place = tf.where(is_text, position, 0)
        is_exif = is_text & starts(place, b"Exif\0\0") & (exif == 0)
        is_xmp = is_text & starts(place, b"http://ns.adobe.com/xap/1.0/\0")
        ended = ~inside | (kind == 0xD9)
        return (
            tf.where(ended, size, position + 2 + tf.cast(length, tf.int32)),
            scans + tf.cast(is_scan, tf.int32),
            tf.where(is_exif, position, exif),
            tf.where(is_xmp, position, xmp),
        )

    position, scans, exif, xmp = tf.while_loop(
        lambda position, *_: position < size,
        step,
        tuple(tf.constant(start) for start in (2, 0, 0, 0)),
        maximum_iterations=_MOST_SEGMENTS,
    )
    bounded = tf.debugging.Assert(
        position >= size, [f"it has more than {_MOST_SEGMENTS:,} segments and scans"]
    )

    def segment(start: tf.Tensor) -> tf.Tensor:
        length = number_at(content, tf.where(start > 0, start + 2, 0), 2, "big") - 2
        length = tf.where(start > 0, tf.cast(length, tf.int32), 0)
        return tf.strings.substr(content, tf.where(start > 0, start + 4, 0), length)

    with tf.control_dependencies([bounded]):
        orientation = _orientation(segment(exif), segment(xmp))
    return height, width, orientation, scans, tf.constant(True)


def _read_png(content: tf.Tensor) -> tuple[tf.Tensor, ...]:
    depth, colour = number_at(content, 24, 1), number_at(content, 25, 1)
    xmp = _behind(content, b"XML:com.adobe.xmp\0", _XMP_BYTES)
    orientation = _orientation(_behind(content, b"eXIf", _EXIF_BYTES), xmp)
    opaque = ((colour == 0) | (colour == 2)) & ~_holds(content, b"tRNS")
    # Compressed text may be of any size when it is unpacked.
    packed = tf.strings.substr(xmp, 0, 1) == b"\1"
    packed |= _holds(content, b"Raw profile type exif")
    return (
        number_at(content, 20, 4, "big"),
        number_at(content, 16, 4, "big"),
        orientation,
        tf.constant(1),
        opaque & (depth == 8) & (orientation == 1),
        ~packed,
    )


def _read_gif(content: tf.Tensor) -> tuple[tf.Tensor, ...]:
    frame = first_gif_frame(content)
    return frame.height, frame.width


def _read_bmp(content: tf.Tensor) -> tuple[tf.Tensor, ...]:
    width, height = number_at(content, 18, 4), number_at(content, 22, 4)
    # A negative height means rows from top to bottom.
    height = tf.where(height < 2**31, height, 2**32 - height)
    depth, compression = number_at(content, 28, 2), number_at(content, 30, 4)
    known = (depth == 8) | (depth == 24) | (depth == 32)
    known &= (compression == 0) & (number_at(content, 14, 4) >= 40)
    return height, width, tf.constant(1), tf.constant(1), tf.constant(False), known


def _read_webp(content: tf.Tensor) -> tuple[tf.Tensor, ...]:
    kind = tf.strings.substr(content, 12, 4)
    one = tf.constant(1)

    def lossy() -> tuple[tf.Tensor, ...]:
        sides = [number_at(content, position, 2) % 2**14 for position in (28, 26)]
        return *sides, one

    def lossless() -> tuple[tf.Tensor, ...]:
        packed = number_at(content, 21, 4)
        return packed // 2**14 % 2**14 + 1, packed % 2**14 + 1, one

    def extended() -> tuple[tf.Tensor, ...]:
        flags = number_at(content, 20, 1)
        _, exif, xmp = _walk_webp(content)
        exif = tf.where(flags // 8 % 2 == 1, _limited(content, exif, _EXIF_BYTES), "")
        xmp = tf.where(flags // 4 % 2 == 1, _limited(content, xmp, _XMP_BYTES), "")
        sides = [number_at(content, position, 3) + 1 for position in (27, 24)]
        return *sides, _orientation(exif, xmp)

    zero = tf.constant(0, tf.int64)
    return tf.case(
        [
            (tf.strings.substr(content, 8, 4) != b"WEBP", lambda: (zero, zero, one)),
            (kind == b"VP8 ", lossy),
            (kind == b"VP8L", lossless),
            (kind == b"VP8X", extended),
        ],
        default=lambda: (zero, zero, one),
    )


def _walk_gif(
    data: tf.Tensor, start: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Finds the end and the start of the first frame, and its control block or -1."""
    size = tf.size(data)

    def step(
        position: tf.Tensor, frame: tf.Tensor, control: tf.Tensor, in_blocks: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
        byte = data[position]
        is_frame = ~in_blocks & (byte == 0x2C)
        is_extension = ~in_blocks & (byte == 0x21)
        known = tf.debugging.Assert(
            in_blocks | is_frame | is_extension, ["it is no complete GIF"]
        )
        with tf.control_dependencies([known]):
            frame = tf.where(is_frame, position, frame)
        is_control = is_extension & (data[tf.where(in_blocks, 0, position + 1)] == 0xF9)
        control = tf.where(is_control, position, control)
        flags = data[tf.where(is_frame, position + 9, 0)]
        # Blocks start with their length, and mostly all have the same; an extension
        # starts with two bytes, a frame with its description, colours and code size.
        block = tf.cast(byte, tf.int32) + 1
        starts = position + block * tf.range(_RUN)
        alike = (starts < size) & (tf.gather(data, starts % size) == byte) & (byte > 0)
        run = tf.reduce_sum(tf.math.cumprod(tf.cast(alike, tf.int32)))
        length = tf.where(in_blocks, block * tf.maximum(run, 1), 2)
        length = tf.where(is_frame, 11 + 3 * _gif_colours(flags), length)
        return position + length, frame, control, ~in_blocks | (byte > 0)

    end, frame, control, in_blocks = tf.while_loop(
        lambda position, frame, control, in_blocks: in_blocks | (frame < 0),
        step,
        (start, tf.constant(-1), tf.constant(-1), tf.constant(False)),
        maximum_iterations=_MOST_STEPS,
    )
    complete = tf.debugging.Assert(
        ~in_blocks & (frame >= 0),
        ["it has too many blocks before the end of its first frame"],
    )
    with tf.control_dependencies([complete]):
        return tf.identity(end), tf.identity(frame), tf.identity(control)


def _walk_webp(content: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Finds the content of the first frame, of EXIF and of XMP; 0 where absent."""
    size = tf.cast(tf.strings.length(content), tf.int64)
    names = (b"ANMF", b"EXIF", b"XMP ")

    def step(position: tf.Tensor, *found: tf.Tensor) -> tuple[tf.Tensor, ...]:
        name = tf.strings.substr(content, position, 4)
        length = number_at(content, position + 4, 4)
        inside = position + 8 + length <= size
        found = tuple(
            tf.where((name == wanted) & inside & (old == 0), position + 8, old)
            for wanted, old in zip(names, found, strict=True)
        )
        return position + 8 + length + length % 2, *found

    start = tf.constant(12, tf.int64)
    position, *found = tf.while_loop(
        lambda position, *_: position + 8 <= size,
        step,
        (start, *(tf.zeros_like(start) for _ in names)),
        maximum_iterations=_MOST_STEPS,
    )
    bounded = tf.debugging.Assert(
        position + 8 > size, [f"it has more than {_MOST_STEPS:,} chunks"]
    )
    with tf.control_dependencies([bounded]):
        frame, exif, xmp = (tf.cast(each, tf.int32) for each in found)
    return frame, exif, xmp


def _limited(content: tf.Tensor, position: tf.Tensor, most: int) -> tf.Tensor:
    """Returns up to `most` bytes of a chunk of a WebP; none at position 0."""
    length = number_at(content, tf.maximum(position - 4, 0), 4)
    length = tf.cast(tf.minimum(length, most), tf.int32)
    return tf.strings.substr(content, position, tf.where(position > 0, length, 0))


def _orientation(exif: tf.Tensor, xmp: tf.Tensor) -> tf.Tensor:
    """Reads the orientation of EXIF data, or else of XMP, or else 1; () int32."""
    own = _exif_orientation(tf.strings.regex_replace(exif, r"^(Exif\x00\x00)+", ""))
    digit = tf.strings.regex_replace(xmp, _XMP_ORIENTATION, r"\1")
    has_digit = tf.strings.regex_full_match(digit, "[0-9]")
    other = tf.strings.to_number(tf.where(has_digit, digit, "1"), tf.int64)
    value = tf.where(own >= 0, own, other)
    return tf.cast(tf.where((value >= 1) & (value <= 8), value, 1), tf.int32)


def _exif_orientation(tiff: tf.Tensor) -> tf.Tensor:
    """Reads the orientation that the first table of EXIF data holds, or -1."""
    order = tf.strings.substr(tiff, 0, 4)
    is_big = order == b"MM\0*"
    data = tf.cast(tf.io.decode_raw(tiff, tf.uint8), tf.int64)
    size = tf.size(data)
    data = tf.concat([data, tf.zeros(8, tf.int64)], axis=0)

    def read(numbers: tf.Tensor, length: int) -> tf.Tensor:
        numbers = tf.reshape(numbers, (-1, length))
        powers = [256**power for power in range(length)]
        powers = tf.where(is_big, tf.constant(powers[::-1], tf.int64), powers)
        return tf.reduce_sum(numbers * powers, axis=1)

    limit = tf.cast(size, tf.int64)
    table = tf.cast(tf.minimum(read(data[4:8], 4)[0], limit), tf.int32)
    count = tf.cast(read(data[table : table + 2], 2)[0], tf.int32)
    count = tf.clip_by_value(count, 0, tf.maximum(size - table - 2, 0) // 12)
    entries = tf.reshape(data[table + 2 : table + 2 + 12 * count], (-1, 12))
    kinds = read(entries[:, 2:4], 2)
    wanted = (read(entries[:, :2], 2) == 0x0112) & (read(entries[:, 4:8], 4) == 1)
    wanted &= (kinds == _SHORT) | (kinds == _LONG)
    wanted &= is_big | (order == b"II*\0")
    short, long = read(entries[:, 8:10], 2), read(entries[:, 8:12], 4)
    values = tf.boolean_mask(tf.where(kinds == _SHORT, short, long), wanted)
    return tf.concat([values, tf.constant([-1], tf.int64)], axis=0)[0]


def _behind(content: tf.Tensor, text: bytes, most: int) -> tf.Tensor:
    """Returns up to `most` bytes behind the first `text`; none if it is absent."""
    before = tf.strings.length(tf.strings.split(content, text, maxsplit=1)[0])
    is_found = before < tf.strings.length(content)
    start = tf.where(is_found, before + len(text), 0)
    return tf.strings.substr(content, start, tf.where(is_found, most, 0))


def _holds(content: tf.Tensor, text: bytes) -> tf.Tensor:
    return tf.size(tf.strings.split(content, text, maxsplit=1)) > 1


def _gif_colours(flags: tf.Tensor) -> tf.Tensor:
    flags = tf.cast(flags, tf.int32)
    return tf.where(flags >= 128, tf.bitwise.left_shift(2, flags % 8), 0)


def _as_bytes(number: tf.Tensor) -> tf.Tensor:
    """Writes a number as four bytes, the least significant first."""
    characters = tf.constant([bytes([byte]) for byte in range(256)])
    powers = tf.constant([256**power for power in range(4)], tf.int64)
    return tf.strings.reduce_join(tf.gather(characters, number // powers % 256))
