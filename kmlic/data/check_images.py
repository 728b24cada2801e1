"""Every image of a dataset looked at before a training begins."""

import hashlib
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.progress import Progress

from kmlic.data.decoding import (
    MAX_BYTES,
    MAX_PIXELS,
    ImageHeader,
    inspect_and_decode,
    inspect_image,
    read_bytes,
)

_BLOCK = 512
_PATIENCE = 3.0


@dataclass(frozen=True, slots=True)
class ImageCheck:
    """Holds what is known of one image file after it was looked at.

    Args:
        digest: SHA-256 of the file, empty when it could not be read.
        header: format and size, None when it is no image.
        problem: the rule it breaks, empty when it is fine.
    """

    digest: bytes
    header: ImageHeader | None
    problem: str


def check_images(
    paths: Sequence[str | Path],
    *,
    depth: Literal["decode", "header"] = "decode",
    max_bytes: int = MAX_BYTES,
    max_pixels: int = MAX_PIXELS,
) -> list[ImageCheck]:
    """Reads every image, on all cores, and tells what is wrong with each.

    A progress bar is shown on a terminal when it takes longer than a few seconds.

    Args:
        paths: the files.
        depth: "decode" decodes every image as the pipeline will; "header" reads only
            the file and its header, so that damaged pixels come up in training.
        max_bytes: most bytes of a file.
        max_pixels: most pixels of an image.

    Raises:
        ValueError: if `depth` is neither.

    Example:
        >>> check_images(["missing.jpg"])[0].problem
        'missing.jpg must exist; there is no such file.'
    """
    if depth not in ("decode", "header"):
        raise ValueError(f'`depth` must be "decode" or "header"; got depth={depth!r}.')

    def check(path: str | Path) -> ImageCheck:
        digest, header = b"", None
        try:
            data = read_bytes(path, max_bytes=max_bytes)
            digest = hashlib.sha256(data).digest()
            limits = {"max_bytes": max_bytes, "max_pixels": max_pixels}
            header = inspect_image(data, name=str(path), **limits)
            if depth == "decode":
                header, _ = inspect_and_decode(data, name=str(path), **limits)
        except ValueError as error:
            return ImageCheck(digest, header, str(error))
        return ImageCheck(digest, header, "")

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return [
            result
            for block in _with_progress(paths)
            for result in pool.map(check, block)
        ]


def _with_progress(paths: Sequence[str | Path]) -> Iterator[Sequence[str | Path]]:
    console = Console(stderr=True)
    began = time.monotonic()
    with Progress(console=console, disable=not console.is_terminal) as progress:
        task = None
        for start in range(0, len(paths), _BLOCK):
            if task is None and time.monotonic() - began > _PATIENCE:
                task = progress.add_task("checking images", total=len(paths))
            if task is not None:
                progress.update(task, completed=start)
            yield paths[start : start + _BLOCK]
        if task is not None:
            progress.update(task, completed=len(paths))
