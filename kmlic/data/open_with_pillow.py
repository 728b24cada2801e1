"""Images that only Pillow decodes."""

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageOps, features

from kmlic.require_extra import require_extra

# Brands of the container that HEIC and AVIF share.
_AVIF = (b"avif", b"avis")
_HEIF = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_TILE_WIDTH, _TILE_HEIGHT = 322, 323  # tags of TIFF


def pillow_format(data: bytes) -> str:
    r"""Returns the format of a TIFF, HEIF or AVIF file, "" of any other.

    Args:
        data: the start of the file, at least 64 bytes of it.

    Example:
        >>> pillow_format(b"II*\0"), pillow_format(b"GIF89a")
        ('TIFF', '')
    """
    if data.startswith((b"II*\0", b"MM\0*")):
        return "TIFF"
    if data[4:8] != b"ftyp":
        return ""
    end = min(int.from_bytes(data[:4]), 64)
    brands = [data[8:12], *(data[i : i + 4] for i in range(16, end, 4))]
    if any(brand in _AVIF for brand in brands):
        return "AVIF"
    return "HEIF" if any(brand in _HEIF for brand in brands) else ""


def open_with_pillow(data: bytes, format: str) -> tuple[Image.Image, int]:
    """Reads the header of an image, and the pixels that decoding it takes at once.

    Args:
        data: the complete file.
        format: "BMP", "PNG", "TIFF", "HEIF" or "AVIF".

    Returns:
        The image, not yet decoded, and the larger of its pixels and those of one of its
        tiles.

    Raises:
        ImportError: naming the package that is missing for this format.
        Exception: of any type, if the header is damaged.
    """
    image = _opener(format)(io.BytesIO(data))
    width, height = image.size
    tags = getattr(image, "tag_v2", {})
    tile = tags.get(_TILE_WIDTH, 0) * tags.get(_TILE_HEIGHT, 0)
    return image, max(width * height, tile)


def to_rgb(image: Image.Image) -> np.ndarray:
    """Decodes an image to upright RGB pixels on white.

    Shapes: to (H, W, 3) uint8.

    Args:
        image: from `open_with_pillow`; of 8 or 16 bits per value.

    Raises:
        Exception: of any type, if the image is damaged.

    Example:
        >>> to_rgb(Image.new("LA", (3, 2), (0, 0)))[0, 0].tolist()
        [255, 255, 255]
    """
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


def _opener(format: str) -> Callable[..., Image.Image]:
    # The classes themselves, because Image.open has a limit of pixels of its own.
    if format == "HEIF":
        require_extra("heif", "pillow_heif", "Reading HEIC images")
        from pillow_heif import HeifImageFile

        return HeifImageFile
    if format == "AVIF" and not features.check("avif"):
        raise ImportError(
            "AVIF images need a Pillow that was built with libavif. Install it with: "
            "pip install --force-reinstall --only-binary pillow 'pillow>=12'"
        )
    Image.init()
    return Image.OPEN[format][0]
