"""Checks of all images of a dataset before a training."""

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Unpack

import numpy as np

from kmlic.check_choice import check_choice
from kmlic.check_limits import MAX_PIXELS
from kmlic.data.decode_common import open_common
from kmlic.data.image_header import ImageHeader
from kmlic.data.limits import Limits
from kmlic.data.progress import with_progress
from kmlic.data.read_resized import read_bytes

_BLOCK = 512
# Damage shows at any size; descriptions and thumbnails need twice this at most.
_CHECKED_SIZE = 128


@dataclass(frozen=True, slots=True)
class ImageCheck:
    """Holds what is known of an image file.

    Args:
        digest: SHA-256 of the file, empty when it could not be read.
        header: format and size, None when it is no image.
        problem: the rule it breaks, empty when it is fine.
        description: what `describe` returned for its pixels.
    """

    digest: bytes
    header: ImageHeader | None
    problem: str
    description: Any = None


def check_images(
    paths: Sequence[str | Path],
    *,
    depth: Literal["decode", "header", "none"] = "decode",
    describe: Callable[[np.ndarray], Any] | None = None,
    **limits: Unpack[Limits],
) -> list[ImageCheck]:
    """Reads every image, on all cores, and finds what is wrong with each.

    TensorFlow is imported for uncommon or damaged files only.

    Args:
        paths: the files.
        depth: "decode" decodes every image as in training; "header" reads the file and
            its header, and does not find damaged pixels; "none" opens no file.
        describe: a function of the pixels of each image, of a large JPEG at a part of
            its size; needs depth="decode".
        **limits: see `Limits`.

    Raises:
        ValueError: if `depth` is wrong, or too little for `describe`.

    Example:
        >>> check_images(["missing.jpg"])[0].problem
        'missing.jpg must exist; there is no such file.'
    """
    check_choice("depth", depth, "decode", "header", "none")
    if describe is not None and depth != "decode":
        raise ValueError(f'`describe` needs depth="decode"; got depth={depth!r}.')
    if depth == "none":
        return [ImageCheck(b"", None, "")] * len(paths)
    decodes = depth == "decode"

    def check(path: str | Path) -> ImageCheck:
        digest, header, pixels = b"", None, None
        try:
            data = read_bytes(path, **limits)
            digest = hashlib.sha256(data).digest()
            common = open_common(data, max_pixels=limits.get("max_pixels", MAX_PIXELS))
            if common is not None:
                header = common.header
                pixels = common.decode(_CHECKED_SIZE) if decodes else None
            if common is None or (decodes and pixels is None):
                from kmlic.data.decoding import EncodedImage  # imports TensorFlow

                image = EncodedImage(data, name=str(path), **limits)
                header = image.header
                pixels = image.decode(_CHECKED_SIZE) if decodes else None
            description = None
            if describe is not None and pixels is not None:
                description = describe(pixels)
        except ValueError as error:
            return ImageCheck(digest, header, str(error))
        return ImageCheck(digest, header, "", description)

    blocks = (paths[start : start + _BLOCK] for start in range(0, len(paths), _BLOCK))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = (result for block in blocks for result in pool.map(check, block))
        return list(with_progress(results, "checking images", len(paths)))


def shorten(digests: Iterable[bytes]) -> np.ndarray:
    """Returns the first 64 bits of each digest, (N,) uint64.

    Example:
        >>> shorten([bytes(range(32))]).tolist()
        [506097522914230528]
    """
    return np.frombuffer(b"".join(digest[:8] for digest in digests), "<u8")
