"""Decoding of image files, with limits that are checked before decoding."""

import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Unpack

import numpy as np
import tensorflow as tf
from PIL import Image

from kmlic.check_limits import MAX_PIXELS
from kmlic.data.decode_content import decode_content
from kmlic.data.image_header import ImageHeader
from kmlic.data.limits import REDUCTIONS, SCANS, Limits, require_bytes
from kmlic.data.open_with_pillow import open_with_pillow, pillow_format, to_rgb
from kmlic.data.read_header import FORMATS, MAGIC, Header, read_header_of
from kmlic.data.read_resized import read_bytes


class EncodedImage:
    """Holds an encoded image whose header was read and is within the limits.

    Args:
        data: the complete file.
        name: of the image, for errors.
        **limits: see `Limits`.

    Raises:
        ValueError: naming the image and the rule it breaks.

    Example:
        >>> import io
        >>> file = io.BytesIO()
        >>> Image.new("RGB", (3, 2)).save(file, "PNG")
        >>> EncodedImage(file.getvalue()).header
        ImageHeader(format='PNG', width=3, height=2, turn=1)
    """

    def __init__(
        self, data: bytes, *, name: str = "the image", **limits: Unpack[Limits]
    ) -> None:
        self._data, self._name = data, name
        self.header, self._row, self._image = _inspect(data, name, limits)

    def decode(self, image_size: int | None = None) -> np.ndarray:
        """Decodes the image, see `decode_image`.

        Raises:
            ValueError: naming the image and the rule it breaks.
        """
        format = self.header.format
        try:
            if self._image is not None:
                return to_rgb(self._image)
            decode = _decoder(FORMATS.index(format), image_size)
            return decode(self._data, self._row).numpy()
        except Image.DecompressionBombError as error:
            raise ValueError(
                f"{self._name} is too large for Pillow: {error}"
            ) from error
        except Exception as error:  # Pillow's decoders raise errors of any type.
            raise ValueError(
                f"{self._name} must be a complete {format} image; it is truncated or "
                "damaged."
            ) from error


def inspect_image(
    data: bytes, *, name: str = "the image", **limits: Unpack[Limits]
) -> ImageHeader:
    """Reads the header of an encoded image, see `EncodedImage`.

    Raises:
        ValueError: naming the image and the rule it breaks.
    """
    return EncodedImage(data, name=name, **limits).header


def decode_image(
    data: bytes,
    *,
    name: str = "the image",
    image_size: int | None = None,
    **limits: Unpack[Limits],
) -> np.ndarray:
    """Decodes an encoded image to RGB pixels 0-255.

    It may be a JPEG (also MPO), PNG, GIF, BMP, WebP, TIFF or AVIF, or HEIC with the
    extra heif. The orientation of EXIF or XMP is applied, transparency becomes white,
    an animation its first frame, 16 bits their upper 8, and palettes, grey and CMYK
    become RGB.

    Training and exports decode with the same TensorFlow functions. Only what these do
    not know is left to Pillow, and refused by exports: TIFF, HEIC, AVIF, BMP that is
    compressed or has other than 8, 24 or 32 bits, and PNG with compressed EXIF or XMP.

    Shapes: bytes to (H, W, 3) uint8.

    Args:
        data: the complete file.
        name: of the image, for errors.
        image_size: side in pixels that it will be resized to; a much larger JPEG is
            then decoded at a part of its size, see `decode_plain`, as in exports.
            Images of other formats are always decoded at full size, also when None:
            neither TensorFlow nor Pillow decodes a part of them.
        **limits: see `Limits`.

    Raises:
        ValueError: naming the image and the rule it breaks.

    Example:
        >>> import io
        >>> file = io.BytesIO()
        >>> Image.new("LA", (3, 2), (0, 0)).save(file, "PNG")
        >>> decode_image(file.getvalue())[0, 0].tolist()
        [255, 255, 255]
    """
    return EncodedImage(data, name=name, **limits).decode(image_size)


def read_image(path: str | Path, **limits: Unpack[Limits]) -> np.ndarray:
    """Reads an image file and decodes it to RGB pixels 0-255.

    Shapes: file to (H, W, 3) uint8.

    Args:
        path: the file.
        **limits: see `Limits`.

    Raises:
        ValueError: naming the file and the rule it breaks.
    """
    return decode_image(read_bytes(path, **limits), name=str(path), **limits)


def decoded_pixels(header: ImageHeader, image_size: int) -> int:
    """Computes the number of pixels of an image as `decode_plain` decodes it."""
    part = _reduction(header, image_size)
    return -(-header.width // part) * -(-header.height // part)


def resize_images(images: tf.Tensor, size: int) -> tf.Tensor:
    """Resizes images to squares, bilinear, without antialiasing, without rounding.

    Training and every export resize with this function, so they see the same pixels.
    The aspect ratio is not kept, as in the papers' tests.

    Shapes: (H, W, C) to (S, S, C) or (B, H, W, C) to (B, S, S, C); float32.

    Args:
        images: pixels 0-255, uint8 or float.
        size: S, the side in pixels.

    Example:
        >>> resize_images(np.zeros((2, 8, 6, 3), "uint8"), 4).shape.as_list()
        [2, 4, 4, 3]
    """
    resized = tf.image.resize(images, (size, size), method="bilinear", antialias=False)
    return tf.cast(resized, tf.float32)


def _inspect(
    data: bytes, name: str, limits: Limits
) -> tuple[ImageHeader, np.ndarray, Image.Image | None]:
    """Returns the header, its numbers, and the image if it is left to Pillow."""
    require_bytes(data, name, limits)
    known = [index for index, magic in enumerate(MAGIC) if data.startswith(magic)]
    if not known:
        format = pillow_format(data[:64])
        if not format:
            raise ValueError(_no_image(name))
        return _open(data, format, name, limits)
    try:
        row = _reader(known[0])(data).numpy()
    except tf.errors.OpError as error:
        reason = re.search(r"assertion failed: \[(.+?)\]", error.message)
        raise ValueError(_no_image(name, reason[1] if reason else "")) from error
    except UnicodeDecodeError as error:  # of a message with bytes of the file
        raise ValueError(_no_image(name)) from error
    found = Header(*row.tolist())
    if not found.decodable:
        return _open(data, FORMATS[found.format], name, limits)
    width, height, turn = found.width, found.height, found.orientation * found.plain
    if not width or not height:
        raise ValueError(_no_image(name))
    header = ImageHeader(FORMATS[found.format], width, height, turn)
    _require_pixels(header, width * height, found.scans, name, limits)
    return header, row, None


@functools.cache
def _reader(format: int) -> Callable[[bytes], tf.Tensor]:
    def read(content: tf.Tensor) -> tf.Tensor:
        with tf.device("CPU"):
            header = read_header_of(format, content)
            return tf.stack([tf.cast(each, tf.int64) for each in header])

    return tf.function(read, [tf.TensorSpec((), tf.string)], autograph=False)


@functools.cache
def _decoder(
    format: int, image_size: int | None
) -> Callable[[bytes, np.ndarray], tf.Tensor]:
    def decode(content: tf.Tensor, row: tf.Tensor) -> tf.Tensor:
        with tf.device("CPU"):
            header = Header(*tf.unstack(row))
            turn = tf.cast(header.orientation, tf.int32)
            header = header._replace(format=format, orientation=turn)
            return decode_content(content, header, image_size=image_size)

    row = tf.TensorSpec((len(Header.__annotations__),), tf.int64)
    return tf.function(decode, [tf.TensorSpec((), tf.string), row], autograph=False)


def _open(
    data: bytes, format: str, name: str, limits: Limits
) -> tuple[ImageHeader, np.ndarray, Image.Image]:
    try:
        image, pixels = open_with_pillow(data, format)
    except ImportError as error:
        raise ValueError(f"{name} cannot be read: {error}") from error
    except Exception as error:  # Pillow's parsers raise errors of any type.
        reason = f"the header of its {format} is damaged"
        raise ValueError(_no_image(name, reason)) from error
    if image.mode in ("I", "F"):
        reason = "it has 32 bits per value; save it with 8 or 16 bits"
        raise ValueError(_no_image(name, reason))
    header = ImageHeader(format, *image.size, 0)
    _require_pixels(header, pixels, 1, name, limits)
    return header, np.zeros(0), image


def _no_image(name: str, reason: str = "") -> str:
    reason = reason or "its header is damaged or that of another kind of file"
    return (
        f"{name} must be a JPEG, PNG, GIF, BMP, WebP, TIFF, HEIC or AVIF image; "
        f"{reason}."
    )


def _require_pixels(
    header: ImageHeader, pixels: int, scans: int, name: str, limits: Limits
) -> None:
    max_pixels = limits.get("max_pixels", MAX_PIXELS)
    sides = f"{header.width} x {header.height}"
    if pixels > max_pixels:
        raise ValueError(
            f"{name} must have at most max_pixels={max_pixels:,} pixels; it has "
            f"{pixels:,} ({sides}). Raise max_pixels to read it."
        )
    if pixels * scans > SCANS * max_pixels:
        raise ValueError(
            f"{name} must have at most {SCANS} times max_pixels={max_pixels:,} pixels "
            f"in all its scans; it has {scans:,} scans of {sides} pixels."
        )


def _reduction(header: ImageHeader, image_size: int | None) -> int:
    if image_size is None or header.format != "JPEG":
        return 1
    spare = min(header.height, header.width) // (2 * image_size)
    return max(part for part in REDUCTIONS if part <= max(spare, 1))
