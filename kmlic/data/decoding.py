"""Decoding of image files, with limits that are checked before decoding."""

import dataclasses
import functools
import io
from collections.abc import Callable
from pathlib import Path
from typing import TypedDict, Unpack

import numpy as np
import tensorflow as tf
from PIL import Image, ImageOps

from kmlic.data.storage import read_file

MAX_BYTES = 50_000_000
MAX_PIXELS = 50_000_000

_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP")
_ORIENTATION = 0x0112
_TRANSFORM = "INTEGER_ACCURATE"
# A JPEG can be decoded at one over these of its size.
_REDUCTIONS = (1, 2, 4, 8)
# Computes the wanted part of an image from its sides, see `decode_plain`.
Crop = Callable[[tf.Tensor], tf.Tensor]

# Chunks of a PNG that change its pixels: orientation, transparency, animation.
_PNG_EXTRAS = (b"eXIf", b"Raw profile type", b"XML:com.adobe.xmp", b"tRNS", b"acTL")


class Limits(TypedDict, total=False):
    """Limits the images that are read, before they are decoded.

    Args:
        max_bytes: largest size of a file; 50 million when left out.
        max_pixels: largest width times height; 50 million when left out.
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
        turn: EXIF orientation, 1-8, of an image that TensorFlow decodes correctly apart
            from it: an 8-bit grey or RGB JPEG, or such a PNG that is upright and has no
            transparency or animation. 0 for other images.
    """

    format: str
    width: int
    height: int
    turn: int

    @property
    def plain(self) -> bool:
        """Returns whether TensorFlow decodes the image correctly."""
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
    with _open(data, name, limits) as image:
        return _header(image, data)


def decode_image(
    data: bytes,
    *,
    name: str = "the image",
    image_size: int | None = None,
    **limits: Unpack[Limits],
) -> np.ndarray:
    """Decodes a JPEG, PNG, GIF, BMP or WebP image to RGB pixels 0-255.

    The EXIF orientation is applied, transparency becomes white, an animation its first
    frame, 16 bits their upper 8, and palettes, grey and CMYK become RGB. The pixels
    are those of Pillow, also where TensorFlow decodes them, as in training.

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

    An image that TensorFlow unexpectedly refuses gets the turn 0, so that the training
    pipeline leaves it to Pillow.

    Raises:
        ValueError: naming the image and the rule it breaks.
    """
    with _open(data, name, limits) as image:
        header = _header(image, data)
        if header.turn:
            pixels = _decode_with_tensorflow(data, header, image_size)
            if pixels is not None:
                return header, pixels
            header = dataclasses.replace(header, turn=0)
        try:
            return header, _to_rgb(image)
        except Exception as error:  # Pillow's decoders raise errors of any type.
            raise ValueError(
                f"{name} must be a complete {image.format} image; it is truncated or "
                f"damaged ({error})."
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
        >>> file = io.BytesIO()
        >>> Image.new("RGB", (90, 70)).save(file, "JPEG")
        >>> decode_plain(file.getvalue(), image_size=8).shape.as_list()
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


def decoded_pixels(header: ImageHeader, image_size: int) -> int:
    """Computes the number of pixels of an image as `decode_plain` decodes it."""
    part = _reduction(header, image_size)
    return -(-header.width // part) * -(-header.height // part)


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
        ((2, 3, 6, 7), lambda x: x[:, ::-1]),
        ((3, 4, 7, 8), lambda x: x[::-1]),
    ):
        needed = tf.reduce_any(orientation == tf.constant(numbers))
        image = tf.cond(
            needed,
            lambda image=image, change=change: change(image),
            lambda image=image: image,
        )
    return image


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


def _open(data: bytes, name: str, limits: Limits) -> Image.Image:
    _require_bytes(data, name, limits)
    max_pixels = limits.get("max_pixels", MAX_PIXELS)
    try:
        image = Image.open(io.BytesIO(data), formats=_FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ValueError(
            f"{name} must have at most max_pixels={max_pixels:,} pixels; "
            f"Pillow says: {error}"
        ) from error
    except Exception as error:  # Pillow's parsers raise errors of any type.
        raise ValueError(
            f"{name} must be a JPEG, PNG, GIF, BMP or WebP image; its header is "
            "damaged or that of another kind of file."
        ) from error
    width, height = image.size
    if width * height > max_pixels:
        raise ValueError(
            f"{name} must have at most max_pixels={max_pixels:,} pixels; it has "
            f"{width * height:,} ({width} x {height})."
        )
    return image


def _header(image: Image.Image, data: bytes) -> ImageHeader:
    # Photographs with a second picture behind the first are JPEGs here.
    kind = "JPEG" if image.format == "MPO" else str(image.format)
    turn = 0
    if image.mode in ("L", "RGB"):
        if kind == "JPEG":
            turn = _orientation(image)
        elif kind == "PNG":
            turn = int(data[24] == 8 and not any(x in data for x in _PNG_EXTRAS))
    return ImageHeader(kind, image.width, image.height, turn)


def _orientation(image: Image.Image) -> int:
    try:
        orientation = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # The pixels may be complete although the EXIF block is damaged.
        return 1
    return orientation if orientation in range(1, 9) else 1


def _decode_with_tensorflow(
    data: bytes, header: ImageHeader, image_size: int | None
) -> np.ndarray | None:
    # As `decode_plain`, but in one operator: each costs much outside a graph.
    part = _reduction(header, image_size)
    try:
        pixels = tf.io.decode_jpeg(data, channels=3, ratio=part, dct_method=_TRANSFORM)
    except tf.errors.OpError:
        return None
    if pixels.shape != (-(-header.height // part), -(-header.width // part), 3):
        return None
    if header.turn != 1:
        pixels = turn_upright(pixels, tf.constant(header.turn))
    upright: np.ndarray = pixels.numpy()
    return upright


def _reduction(header: ImageHeader, image_size: int | None) -> int:
    if image_size is None or header.format != "JPEG":
        return 1
    spare = min(header.height, header.width) // (2 * image_size)
    return max(part for part in _REDUCTIONS if part <= max(spare, 1))


def _decode_jpeg_or_png(data: tf.Tensor) -> tf.Tensor:
    return tf.io.decode_jpeg(data, channels=3, dct_method=_TRANSFORM)


def _decode_part(
    data: tf.Tensor, image_size: int | None, crop: Crop | None
) -> tf.Tensor:
    height, width, channels = tf.unstack(tf.io.extract_jpeg_shape(data))

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
    halvings = tf.reduce_sum(tf.cast(spare >= tf.constant(_REDUCTIONS[1:]), tf.int32))
    # CMYK is left to Pillow, which decodes at full size.
    halvings = tf.where(channels == 4, 0, halvings)
    branches = [functools.partial(decode, reduction) for reduction in _REDUCTIONS]
    return tf.switch_case(halvings, branches)


def _to_rgb(image: Image.Image) -> np.ndarray:
    image.load()
    if _orientation(image) != 1:
        image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):  # 16 bits of grey, which convert would clip
        grey = (np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if image.has_transparency_data:
        colours = image.convert("RGBA")
        white = Image.new("RGBA", colours.size, "white")
        image = Image.alpha_composite(white, colours)
    return np.array(image.convert("RGB"))
