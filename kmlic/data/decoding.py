"""Image files to RGB pixels, with their size limited before they are decoded."""

import dataclasses
import functools
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image, ImageOps

from kmlic.data.storage import read_file

MAX_BYTES = 50_000_000
MAX_PIXELS = 50_000_000

_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP")
_ORIENTATION = 0x0112
_TRANSFORM = "INTEGER_ACCURATE"
# What parts of its size a JPEG can be decoded to, one over these.
_REDUCTIONS = (1, 2, 4, 8)
# The sides of an image to the part of it that is wanted, see `decode_plain`.
Crop = Callable[[tf.Tensor], tf.Tensor]

# What makes a PNG more than its pixels: orientation, transparency, animation.
_PNG_EXTRAS = (b"eXIf", b"Raw profile type", b"XML:com.adobe.xmp", b"tRNS", b"acTL")


@dataclasses.dataclass(frozen=True, slots=True)
class ImageHeader:
    """Holds what an image file says of itself before it is decoded.

    Args:
        format: "JPEG", "PNG", "GIF", "BMP" or "WEBP".
        width: in pixels, as stored, before any EXIF rotation.
        height: in pixels, as stored.
        turn: the EXIF orientation, 1-8, of an image of which TensorFlow's JPEG and PNG
            decoder gives the right pixels but for that turn: 8-bit grey or RGB without
            transparency or animation, and upright where it is a PNG. 0 for others.
    """

    format: str
    width: int
    height: int
    turn: int

    @property
    def plain(self) -> bool:
        """Tells whether TensorFlow's decoder gives the right pixels as they are."""
        return self.turn == 1


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
        ImageHeader(format='PNG', width=3, height=2, turn=1)
    """
    _require_bytes(len(data), name, max_bytes)
    with _open(data, name, max_pixels) as image:
        return _header(image, data)


def decode_image(
    data: bytes,
    *,
    name: str = "the image",
    image_size: int | None = None,
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
        image_size: side in pixels that it will be resized to; a much larger JPEG is
            then decoded at a part of its size, see `decode_plain`. None: at its own.
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
        data,
        name=name,
        image_size=image_size,
        max_bytes=max_bytes,
        max_pixels=max_pixels,
    )[1]


def inspect_and_decode(
    data: bytes,
    *,
    name: str = "the image",
    image_size: int | None = None,
    max_bytes: int = MAX_BYTES,
    max_pixels: int = MAX_PIXELS,
) -> tuple[ImageHeader, np.ndarray]:
    """Decodes an image as `decode_image` does and gives its header too.

    An image that TensorFlow should read but refuses, and that Pillow reads, is given
    the turn 0, so that the training pipeline takes the way that works.

    Raises:
        ValueError: naming the image and the rule it breaks.
    """
    _require_bytes(len(data), name, max_bytes)
    with _open(data, name, max_pixels) as image:
        header = _header(image, data)
        if header.turn:
            pixels = _decode_with_tensorflow(data, header, image_size)
            if pixels is not None:
                return header, pixels
            header = dataclasses.replace(header, turn=0)
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


def read_resized(
    path: str | Path,
    image_size: int,
    *,
    box: tuple[int, int, int, int] | None = None,
    max_bytes: int = MAX_BYTES,
    max_pixels: int = MAX_PIXELS,
) -> np.ndarray:
    """Reads an image file to the pixels that a model sees in training and serving.

    Shapes: file to (S, S, 3) float32, 0-255.

    Args:
        path: the file.
        image_size: S in pixels.
        box: left, top, right and bottom of the part that is taken, in pixels, cut off
            where the image ends; None for all of it.
        max_bytes: most bytes of the file, known before it is read.
        max_pixels: most pixels, known before it is decoded.

    Raises:
        ValueError: naming the file and the rule it breaks.
    """
    data = read_bytes(path, max_bytes=max_bytes)
    pixels = decode_image(
        data,
        name=str(path),
        image_size=None if box else image_size,
        max_bytes=max_bytes,
        max_pixels=max_pixels,
    )
    if box:
        height, width = pixels.shape[:2]
        pixels = pixels[box[1] : box[3], box[0] : box[2]]
        if not pixels.size:
            raise ValueError(
                f"{path} must hold a part of its box; it has {width} x {height} pixels,"
                f" the box is {box}."
            )
    return resize_images(pixels, image_size).numpy()


def read_bytes(path: str | Path, *, max_bytes: int = MAX_BYTES) -> bytes:
    """Reads an image file that must be there, not empty and not larger than a limit.

    Raises:
        ValueError: naming the file and the rule it breaks.
    """
    data = read_file(path, max_bytes=max_bytes)
    _require_bytes(len(data), str(path), max_bytes)
    return data


def decode_plain(
    data: tf.Tensor, *, image_size: int | None = None, crop: Crop | None = None
) -> tf.Tensor:
    """Decodes a plain JPEG or PNG inside a TensorFlow graph.

    The accurate transform costs what the fast one does and gives Pillow's pixels; the
    fast one is off by up to 9 of 255. Nothing limits the pixels here: look at the
    header first.

    A JPEG whose sides are at least 4, 8 or 16 times the `image_size` is decoded at a
    half, a quarter or an eighth of its size, so that at least twice the `image_size` is
    left to be cropped and resized. Of a JPEG that is cropped only that part is decoded.

    Shapes: () string to (H, W, 3) uint8.

    Args:
        data: the bytes of one 8-bit grey or RGB image.
        image_size: side in pixels that the image will be resized to; None to decode it
            at its own size.
        crop: the decoded image's height and width, (2,), to the part that is wanted,
            (4,): top, left, height and width in pixels; None for all of it.

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
    """Gives the pixels of an image when it is decoded to be resized.

    Args:
        header: of the image.
        image_size: side in pixels that it will be resized to.
    """
    part = _reduction(header, image_size)
    return -(-header.width // part) * -(-header.height // part)


def cut(image: tf.Tensor, crop: Crop | None) -> tf.Tensor:
    """Gives the part of an image that `crop` wants, as `decode_plain` takes it.

    Shapes: (H, W, C) to (h, w, C).
    """
    if crop is None:
        return image
    top, left, height, width = tf.unstack(crop(tf.shape(image)[:2]))
    return image[top : top + height, left : left + width]


def turn_upright(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Turns and mirrors an image as its EXIF orientation says.

    Shapes: (H, W, C) and () int32 to (H, W, C) or (W, H, C).

    Args:
        image: as it is stored.
        orientation: 1-8; 1 changes nothing.
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
    except Exception:  # A damaged EXIF block says nothing; the pixels may be whole.
        return 1
    return orientation if orientation in range(1, 9) else 1


def _decode_with_tensorflow(
    data: bytes, header: ImageHeader, image_size: int | None
) -> np.ndarray | None:
    # As `decode_plain` does, but one operator: eager ones cost more than the decoding.
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
        # Columns at the edge take colour from their neighbours, if those are there.
        before = tf.minimum(window[1], 1)
        after = tf.minimum(sides[1] - window[1] - window[3], 1)
        wider = window + tf.stack([0, -before, 0, before + after])
        image = tf.io.decode_and_crop_jpeg(data, wider, **options)
        return image[:, before : before + window[3]]

    if image_size is None:
        return decode(1)
    spare = tf.minimum(height, width) // (2 * image_size)
    halvings = tf.reduce_sum(tf.cast(spare >= tf.constant(_REDUCTIONS[1:]), tf.int32))
    # What Pillow has to decode, CMYK, it decodes whole.
    halvings = tf.where(channels == 4, 0, halvings)
    branches = [functools.partial(decode, reduction) for reduction in _REDUCTIONS]
    return tf.switch_case(halvings, branches)


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
