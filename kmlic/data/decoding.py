"""Decoding of image files, with limits that are checked before decoding."""

import dataclasses
import functools
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypedDict, Unpack

import numpy as np
import tensorflow as tf
from PIL import Image, ImageOps

from kmlic.data.decode_content import decode_content
from kmlic.data.decode_plain import REDUCTIONS
from kmlic.data.read_header import FORMATS, MAGIC, SCANS, Header, read_header_of
from kmlic.data.storage import read_file

MAX_BYTES = 50_000_000
MAX_PIXELS = 50_000_000


class Limits(TypedDict, total=False):
    """Limits the images that are read, before they are decoded.

    Args:
        max_bytes: largest size of a file; 50 million when left out.
        max_pixels: largest width times height; 50 million when left out. A JPEG may
            pass over that many pixels 16 times, or more often over fewer.
    """

    max_bytes: int
    max_pixels: int


@dataclasses.dataclass(frozen=True, slots=True)
class ImageHeader:
    """Holds the format, size and orientation of an image file.

    Args:
        format: "JPEG", "PNG", "GIF", "BMP" or "WEBP".
        width: in pixels, as stored, before any EXIF rotation.
        height: in pixels, as stored.
        turn: orientation, 1-8, of an image that `decode_plain` decodes correctly apart
            from it: a JPEG, or an 8-bit grey or RGB PNG that is upright and has no
            transparency. 0 for other images.
    """

    format: str
    width: int
    height: int
    turn: int

    @property
    def plain(self) -> bool:
        """Returns whether `decode_plain` decodes the image correctly."""
        return self.turn == 1


def inspect_image(
    data: bytes, *, name: str = "the image", **limits: Unpack[Limits]
) -> ImageHeader:
    """Reads the header of an encoded image.

    Args:
        data: the complete file.
        name: of the image, for errors.
        **limits: see `Limits`.

    Raises:
        ValueError: naming the image and the rule it breaks.

    Example:
        >>> file = io.BytesIO()
        >>> Image.new("RGB", (3, 2)).save(file, "PNG")
        >>> inspect_image(file.getvalue())
        ImageHeader(format='PNG', width=3, height=2, turn=1)
    """
    return _inspect(data, name, limits)[0]


def decode_image(
    data: bytes,
    *,
    name: str = "the image",
    image_size: int | None = None,
    **limits: Unpack[Limits],
) -> np.ndarray:
    """Decodes a JPEG, PNG, GIF, BMP or WebP image to RGB pixels 0-255.

    The orientation of EXIF or XMP is applied, transparency becomes white, an animation
    its first frame, 16 bits their upper 8, and palettes, grey and CMYK become RGB.

    Training and exports decode with the same TensorFlow functions. Only what these do
    not know is left to Pillow, and refused by exports: BMP that is compressed or has
    other than 8, 24 or 32 bits, and PNG with compressed EXIF or XMP.

    Shapes: bytes to (H, W, 3) uint8.

    Args:
        data: the complete file.
        name: of the image, for errors.
        image_size: side in pixels that it will be resized to; a much larger JPEG is
            then decoded at a part of its size, see `decode_plain`. None: at full size.
        **limits: see `Limits`.

    Raises:
        ValueError: naming the image and the rule it breaks.

    Example:
        >>> file = io.BytesIO()
        >>> Image.new("LA", (3, 2), (0, 0)).save(file, "PNG")
        >>> decode_image(file.getvalue())[0, 0].tolist()
        [255, 255, 255]
    """
    return inspect_and_decode(data, name=name, image_size=image_size, **limits)[1]


def inspect_and_decode(
    data: bytes,
    *,
    name: str = "the image",
    image_size: int | None = None,
    **limits: Unpack[Limits],
) -> tuple[ImageHeader, np.ndarray]:
    """Decodes an image as `decode_image` does, and returns its header too.

    Raises:
        ValueError: naming the image and the rule it breaks.
    """
    header, row, image = _inspect(data, name, limits)
    try:
        if image is not None:
            return header, _to_rgb(image)
        format = FORMATS.index(header.format)
        return header, _decoder(format, image_size)(data, row).numpy()
    except Exception as error:  # Pillow's decoders raise errors of any type.
        raise ValueError(
            f"{name} must be a complete {header.format} image; it is truncated or "
            "damaged."
        ) from error


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


def read_resized(
    path: str | Path,
    image_size: int,
    *,
    box: tuple[int, int, int, int] | None = None,
    **limits: Unpack[Limits],
) -> np.ndarray:
    """Reads an image file and resizes it, as in training and serving.

    Shapes: file to (S, S, 3) float32, 0-255.

    Args:
        path: the file.
        image_size: S in pixels.
        box: left, top, right and bottom of the part to take, in pixels, as far as the
            image goes; None for all of it.
        **limits: see `Limits`.

    Raises:
        ValueError: naming the file and the rule it breaks.
    """
    data, size = read_bytes(path, **limits), None if box else image_size
    pixels = decode_image(data, name=str(path), image_size=size, **limits)
    if box:
        height, width = pixels.shape[:2]
        pixels = pixels[box[1] : box[3], box[0] : box[2]]
        if not pixels.size:
            raise ValueError(
                f"{path} must hold a part of its box; it has {width} x {height} pixels,"
                f" the box is {box}."
            )
    return resize_images(pixels, image_size).numpy()


def read_bytes(path: str | Path, **limits: Unpack[Limits]) -> bytes:
    """Reads an image file that must exist, not be empty and be within the limits.

    Raises:
        ValueError: naming the file and the rule it breaks.
    """
    data = read_file(path, max_bytes=limits.get("max_bytes", MAX_BYTES))
    _require_bytes(data, str(path), limits)
    return data


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


def _require_bytes(data: bytes, name: str, limits: Limits) -> None:
    max_bytes = limits.get("max_bytes", MAX_BYTES)
    if not data:
        raise ValueError(f"{name} must hold an image; it is empty (0 bytes).")
    if len(data) > max_bytes:
        raise ValueError(
            f"{name} must have at most max_bytes={max_bytes:,} bytes; it has "
            f"{len(data):,}."
        )


def _inspect(
    data: bytes, name: str, limits: Limits
) -> tuple[ImageHeader, np.ndarray, Image.Image | None]:
    """Returns the header, its numbers, and the image if it is left to Pillow."""
    _require_bytes(data, name, limits)
    known = [index for index, magic in enumerate(MAGIC) if data.startswith(magic)]
    if not known:
        raise ValueError(_no_image(name))
    try:
        row = _reader(known[0])(data).numpy()
    except tf.errors.OpError as error:
        reason = re.search(r"assertion failed: \[(.+?)\]", error.message)
        raise ValueError(_no_image(name, reason[1] if reason else "")) from error
    found = Header(*row.tolist())
    if not found.decodable:
        image = _open(data, name)
        _require_pixels(*image.size, 1, name, limits)
        return ImageHeader(str(image.format), *image.size, 0), row, image
    width, height, turn = found.width, found.height, found.orientation * found.plain
    if not width or not height:
        raise ValueError(_no_image(name))
    _require_pixels(width, height, found.scans, name, limits)
    return ImageHeader(FORMATS[found.format], width, height, turn), row, None


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


def _no_image(name: str, reason: str = "") -> str:
    reason = reason or "its header is damaged or that of another kind of file"
    return f"{name} must be a JPEG, PNG, GIF, BMP or WebP image; {reason}."


def _require_pixels(
    width: int, height: int, scans: int, name: str, limits: Limits
) -> None:
    max_pixels = limits.get("max_pixels", MAX_PIXELS)
    if width * height > max_pixels:
        raise ValueError(
            f"{name} must have at most max_pixels={max_pixels:,} pixels; it has "
            f"{width * height:,} ({width} x {height})."
        )
    if width * height * scans > SCANS * max_pixels:
        raise ValueError(
            f"{name} must have at most {SCANS} times max_pixels={max_pixels:,} pixels "
            f"in all its scans; it has {scans:,} scans of {width} x {height} pixels."
        )


def _open(data: bytes, name: str) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except Exception as error:  # Pillow's parsers raise errors of any type.
        raise ValueError(_no_image(name)) from error


def _reduction(header: ImageHeader, image_size: int | None) -> int:
    if image_size is None or header.format != "JPEG":
        return 1
    spare = min(header.height, header.width) // (2 * image_size)
    return max(part for part in REDUCTIONS if part <= max(spare, 1))


def _to_rgb(image: Image.Image) -> np.ndarray:
    image.load()
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):  # 16 bits of grey, which convert would clip
        grey = (np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if image.has_transparency_data:
        colours = image.convert("RGBA")
        white = Image.new("RGBA", colours.size, "white")
        image = Image.alpha_composite(white, colours)
    return np.array(image.convert("RGB"))
