"""The image files among paths."""

import logging
from collections.abc import Iterable
from pathlib import Path

from kmlic.count_noun import count_noun
from kmlic.require_paths import require_paths

_log = logging.getLogger(__name__)

SUFFIXES = (
    *(".avif", ".bmp", ".gif", ".heic", ".heif", ".hif", ".jfif", ".jpe", ".jpeg"),
    *(".jpg", ".mpo", ".png", ".tif", ".tiff", ".webp"),
)


class _Listed(list[Path]):
    """Holds what `list_images` returned, so that it is not looked for again."""


def list_images(paths: Iterable[str | Path]) -> list[Path]:
    """Lists files as they are given, and the images below folders, sorted by name.

    Each path is listed once. A warning counts those that are given more than once, such
    as a file and its folder.

    Args:
        paths: files, with any suffix, and folders, in which images are found by their
            suffix and hidden files and folders are skipped. A list that was returned
            before is returned as it is.

    Raises:
        ValueError: naming a path that does not exist or is a named pipe, or a folder
            without images.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in ("b.JPG", "a.png", "notes.txt"):
        ...         (Path(folder) / name).touch()
        ...     [path.name for path in list_images([folder])]
        ['a.png', 'b.JPG']
    """
    if isinstance(paths, _Listed):
        return paths
    images: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            found = sorted(_below(path))
            if not found:
                raise ValueError(
                    f"{path} must hold images ({', '.join(SUFFIXES)}); it holds none."
                )
            images += found
        elif path.exists():
            require_paths(path)
            images.append(path)
        else:
            raise ValueError(
                f"{path} must be an image or a folder of images; there is no such path."
            )
    if not images:
        raise ValueError("`paths` must name at least one image or folder; got none.")
    return _Listed(_without_repeats(images))


def _without_repeats(images: Iterable[Path]) -> list[Path]:
    first: dict[Path, Path] = {}
    repeated = set()
    for path in images:
        # Links are not followed: "link/../1.jpg" need not be 1.jpg.
        full = path.absolute()
        if full in first:
            repeated.add(full)
        first.setdefault(full, path)
    if repeated:
        _log.warning(
            "%s given more than once; each is taken once.",
            count_noun(len(repeated), "image"),
        )
    return list(first.values())


def _below(folder: Path) -> Iterable[Path]:
    for path in folder.rglob("*"):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.suffix.lower() in SUFFIXES and not hidden and path.is_file():
            yield path
