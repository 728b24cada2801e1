"""Every image of a dataset looked at before a training begins."""

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from kmlic.check_choice import check_choice
from kmlic.data.decoding import (
    MAX_BYTES,
    MAX_PIXELS,
    ImageHeader,
    inspect_and_decode,
    inspect_image,
    read_bytes,
)
from kmlic.data.progress import with_progress

_BLOCK = 512


@dataclass(frozen=True, slots=True)
class ImageCheck:
    """Holds what is known of one image file after it was looked at.

    Args:
        digest: SHA-256 of the file, empty when it could not be read.
        header: format and size, None when it is no image.
        problem: the rule it breaks, empty when it is fine.
        description: what `describe` gave for its pixels.
    """

    digest: bytes
    header: ImageHeader | None
    problem: str
    description: Any = None


def check_images(
    paths: Sequence[str | Path],
    *,
    depth: Literal["decode", "header", "none"] = "decode",
    max_bytes: int = MAX_BYTES,
    max_pixels: int = MAX_PIXELS,
    describe: Callable[[np.ndarray], Any] | None = None,
) -> list[ImageCheck]:
    """Reads every image, on all cores, and tells what is wrong with each.

    A progress bar is shown on a terminal when it takes longer than a few seconds.

    Args:
        paths: the files.
        depth: "decode" decodes every image as the pipeline will; "header" reads only
            the file and its header, so that damaged pixels come up in training; "none"
            opens no file.
        max_bytes: most bytes of a file.
        max_pixels: most pixels of an image.
        describe: a function of the pixels of each image; needs depth="decode".

    Raises:
        ValueError: if there is no such depth, or none to describe.

    Example:
        >>> check_images(["missing.jpg"])[0].problem
        'missing.jpg must exist; there is no such file.'
    """
    check_choice("depth", depth, "decode", "header", "none")
    if describe is not None and depth != "decode":
        raise ValueError(f'`describe` needs depth="decode"; got depth={depth!r}.')
    if depth == "none":
        return [ImageCheck(b"", None, "")] * len(paths)

    def check(path: str | Path) -> ImageCheck:
        digest, header, description = b"", None, None
        try:
            data = read_bytes(path, max_bytes=max_bytes)
            digest = hashlib.sha256(data).digest()
            limits = {"max_bytes": max_bytes, "max_pixels": max_pixels}
            header = inspect_image(data, name=str(path), **limits)
            if depth == "decode":
                header, pixels = inspect_and_decode(data, name=str(path), **limits)
                description = describe and describe(pixels)
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
