"""Image files to RGB pixels, with their size limited before they are decoded."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image, ImageOps

from kmlic.data.storage import read_file

MAX_BYTES = 50_000_000
MAX_PIXELS = 50_000_000

_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP")
_ORIENTATION = 0x0112
# What makes a PNG more than its pixels: orientation, transparency, animation.
_PNG_EXTRAS = (b"eXIf", b"Raw profile type", b"XML:com.adobe.xmp", b"tRNS", b"acTL")


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """Holds what an image file says of itself before it is decoded.

    Args:
        format: "JPEG", "PNG", "GIF", "BMP" or "WEBP".
        width: in pixels, as stored, before any EXIF rotation.
        height: in pixels, as stored.
        plain: whether TensorFlow's JPEG and PNG decoder gives the right pixels: 8-bit
            grey or RGB without orientation, transparency or animation.
    """

    format: str
    width: int
    height: int
    plain: bool


def inspect_image(
    data: bytes,
    *,
    name: str = "the image",
    max_bytes: int = MAX_BYTES,
    max_pixels: int = MAX_PIXELS,
) -> ImageHeader:
    """Reads the header of an encoded image and refuses what is too large.

    Args:
        data: the whole file.
        name: what errors call the image.
        max_bytes: most bytes of the file.
        max_pixels: most pixels, width times height.

    Raises:
        ValueError: naming the image and the rule it breaks.

    Example:
        >>> file = io.BytesIO()
        >>> Image.new("RGB", (3, 2)).save(file, "PNG")
        >>> inspect_image(file.getvalue())
        ImageHeader(format='PNG', width=3, height=2, plain=True)
    """
    _require_bytes(len(data), name, max_bytes)
    with _open(data, name, max_pixels) as image:
        return _header(image, data)


def decode_image(
    data: bytes,
    *,
    name: str = "the image",
    max_bytes: int = MAX_BYTES,
    max_pixels: int = MAX_PIXELS,
) -> np.ndarray:
    """Decodes a JPEG, PNG, GIF, BMP or WebP image to RGB pixels 0-255.

    Orientation in EXIF is applied, transparency is laid on white, of an animation the
    first frame is taken, 16 bits are cut to the upper 8, palettes, grey and CMYK become
    RGB. The pixels are those of Pillow; plain images are decoded by TensorFlow, to
    the same pixels, as in the training pipeline.

    Shapes: bytes to (H, W, 3) uint8.

    Args:
        data: the whole file.
        name: what errors call the image.
        max_bytes: most bytes of the file.
        max_pixels: most pixels, known from the header before anything is decoded.

    Raises:
        ValueError: naming the image and the rule it breaks: empty, too large, of no
            known format, truncated or damaged.

    Example:
        >>> file = io.BytesIO()
        >>> Image.new("LA", (3, 2), (0, 0)).save(file, "PNG")
        >>> decode_image(file.getvalue())[0, 0].tolist()
        [255, 255, 255]
    """
    return inspect_and_decode(
        data, name=name, max_bytes=max_bytes, max_pixels=max_pixels
    )[1]


def inspect_and_decode(
    data: bytes,
    *,
    name: str = "the image",
    max_bytes: int = MAX_BYTES,
    max_pixels: int = MAX_PIXELS,
) -> tuple[ImageHeader, np.ndarray]:
    """Decodes an image as `decode_image` does and gives its header too.

    An image that looks plain but that TensorFlow refuses and Pillow reads is given as
    not plain, so that the training pipeline takes the way that works.

    Raises:
        ValueError: naming the image and the rule it breaks.
    """
    _require_bytes(len(data), name, max_bytes)
    with _open(data, name, max_pixels) as image:
        header = _header(image, data)
        if header.plain:
            pixels = _decode_with_tensorflow(data, header)
            if pixels is not None:
                return header, pixels
            header = ImageHeader(header.format, header.width, header.height, False)
        pixels = _guarded(lambda: _to_rgb(image), name, image.format)
        return header, pixels


def read_image(
    path: str | Path, *, max_bytes: int = MAX_BYTES, max_pixels: int = MAX_PIXELS
) -> np.ndarray:
    """Reads an image file and decodes it to RGB pixels 0-255.

    Shapes: file to (H, W, 3) uint8.

    Args:
        path: the file.
        max_bytes: most bytes of the file, known before it is read.
        max_pixels: most pixels, known before it is decoded.

    Raises:
        ValueError: naming the file and the rule it breaks.
    """
    return decode_image(
        read_bytes(path, max_bytes=max_bytes),
        name=str(path),
        max_bytes=max_bytes,
        max_pixels=max_pixels,
    )


def read_bytes(path: str | Path, *, max_bytes: int = MAX_BYTES) -> bytes:
    """Reads an image file that must be there, not empty and not larger than a limit.

    Raises:
        ValueError: naming the file and the rule it breaks.
    """
    data = read_file(path, max_bytes=max_bytes)
    _require_bytes(len(data), str(path), max_bytes)
    return data


def decode_plain(data: tf.Tensor) -> tf.Tensor:
    """Decodes a plain JPEG or PNG inside a TensorFlow graph.

    The accurate transform costs what the fast one does and gives Pillow's pixels; the
    fast one is off by up to 9 of 255. Nothing limits the pixels here: look at the
    header first.

    Shapes: () string to (H, W, 3) uint8.

    Args:
        data: the bytes of one 8-bit grey or RGB image.
    """
    return tf.io.decode_jpeg(data, channels=3, dct_method="INTEGER_ACCURATE")


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


def _require_bytes(size: int, name: str, max_bytes: int) -> None:
    if size == 0:
        raise ValueError(f"{name} must hold an image; it is empty (0 bytes).")
    if size > max_bytes:
        raise ValueError(
            f"{name} must have at most max_bytes={max_bytes:,} bytes; it has {size:,}."
        )


def _open(data: bytes, name: str, max_pixels: int) -> Image.Image:
    try:
        image = Image.open(io.BytesIO(data), formats=_FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ValueError(
            f"{name} must have at most max_pixels={max_pixels:,} pixels; "
            f"Pillow says: {error}"
        ) from error
    except Exception as error:  # Pillow's parsers raise whatever they trip over.
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
    plain = image.mode in ("L", "RGB")
    if kind == "JPEG":
        plain = plain and _orientation(image) == 1
    elif kind == "PNG":
        plain = plain and data[24] == 8 and not any(x in data for x in _PNG_EXTRAS)
    else:
        plain = False
    return ImageHeader(kind, image.width, image.height, plain)


def _orientation(image: Image.Image) -> int:
    try:
        return image.getexif().get(_ORIENTATION, 1)
    except Exception:  # A damaged EXIF block says nothing; the pixels may be whole.
        return 1


def _decode_with_tensorflow(data: bytes, header: ImageHeader) -> np.ndarray | None:
    try:
        pixels: np.ndarray = decode_plain(tf.constant(data)).numpy()
    except tf.errors.OpError:
        return None
    return pixels if pixels.shape == (header.height, header.width, 3) else None


def _guarded(
    decode: Callable[[], np.ndarray], name: str, kind: str | None
) -> np.ndarray:
    try:
        return decode()
    except Exception as error:  # Pillow's decoders raise whatever they trip over.
        raise ValueError(
            f"{name} must be a whole {kind} image; it is truncated or damaged "
            f"({error})."
        ) from error


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
