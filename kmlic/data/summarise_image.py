"""What a check of a dataset remembers of an image."""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from kmlic.data.near_duplicates import perceptual_hash

_THUMBNAIL_SIDE = 96
_QUALITY = 75
# Cells across and down whose mean colours tell one kind of picture from another.
_CELLS = 4


@dataclass(frozen=True, slots=True, eq=False)
class ImageSummary:
    """Holds what is left of an image's pixels after its check.

    Args:
        hash: from `perceptual_hash`; None if it was not asked for.
        colours: (48,) uint8, mean colours of 4 x 4 parts.
        thumbnail: a JPEG of at most 96 x 96 pixels; empty if it was not asked for.
    """

    hash: int | None
    colours: np.ndarray
    thumbnail: bytes


def summarise_image(
    pixels: np.ndarray, *, hashed: bool = True, thumbnail: bool = True
) -> ImageSummary:
    """Summarises decoded pixels, so that the image need not be decoded again.

    Shapes: (H, W, 3) uint8 to a summary of about 3 kB, or 0.2 kB without thumbnail.

    Args:
        pixels: 0-255.
        hashed: whether to compute the perceptual hash.
        thumbnail: whether to keep a thumbnail.

    Example:
        >>> summary = summarise_image(np.zeros((30, 400, 3), "uint8"), hashed=False)
        >>> Image.open(io.BytesIO(summary.thumbnail)).size
        (96, 7)
    """
    image = Image.fromarray(pixels)
    small = image.copy() if thumbnail else image
    jpeg = b""
    if thumbnail:
        small.thumbnail((_THUMBNAIL_SIDE, _THUMBNAIL_SIDE), Image.Resampling.BOX)
        file = io.BytesIO()
        small.save(file, "JPEG", quality=_QUALITY)
        jpeg = file.getvalue()
    cells = small.resize((_CELLS, _CELLS), Image.Resampling.BOX)
    return ImageSummary(
        perceptual_hash(pixels) if hashed else None,
        np.asarray(cells, np.uint8).ravel(),
        jpeg,
    )


def most_unusual(colours: np.ndarray, count: int) -> np.ndarray:
    """Finds the images whose colours differ most from those of all images.

    Distances are Mahalanobis', so that a colour that is common counts little. The
    work grows with the number of images.

    Shapes: (N, 48) to at most (count,) indices, the most unusual first.

    Args:
        colours: of `ImageSummary`, one row per image.
        count: number of images to find.

    Example:
        >>> colours = np.random.default_rng(0).integers(90, 99, (50, 48))
        >>> colours[7] = 255
        >>> most_unusual(colours, 1).tolist()
        [7]
    """
    centred = np.asarray(colours, np.float32)
    centred = centred - centred.mean(axis=0)
    # Black and white photos must not be unusual for having no colour at all.
    covariance = centred.T @ centred / len(centred) + np.eye(centred.shape[1]) * 25
    distances = np.einsum("nc,nc->n", centred @ np.linalg.inv(covariance), centred)
    return np.argsort(-distances, kind="stable")[:count]
