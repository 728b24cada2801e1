"""The images that files of labels list, among the inputs of `kmlic predict`."""

from collections.abc import Iterable
from pathlib import Path

from kmlic.data.read_listing import read_listing
from kmlic.data.reading_options import ReadingOptions
from kmlic.data.storage import join

_LISTS = (".csv", ".json", ".jsonl", ".ndjson", ".parquet", ".tsv", ".xml")


def listed_images(paths: Iterable[str], reading: ReadingOptions) -> list[str]:
    """Replaces tables and files of annotation tools by the images they list.

    Args:
        paths: images, folders, and files that `kmlic data check` reads.
        reading: how those files are read.

    Raises:
        ValueError: naming the file and the first row without a usable path, or that
            there is no row.

    Example:
        >>> listed_images(["holiday.jpg"], ReadingOptions())
        ['holiday.jpg']
    """
    images: list[str] = []
    for path in paths:
        if Path(path).suffix.lower() not in _LISTS:
            images.append(path)
            continue
        listing = read_listing(path, reading)
        if not listing.rows:
            raise ValueError(f"{path} must list at least one image; it lists none.")
        for row in listing.rows:
            if row.problem:
                raise ValueError(f"{path} row {row.row}: {row.problem}.")
            images.append(join(listing.root, row.path))
    return images
