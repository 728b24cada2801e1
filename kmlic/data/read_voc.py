"""A dataset with annotations in Pascal VOC's XML format."""

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from kmlic.data.image_row import ImageRow, Listing
from kmlic.data.read_resized import read_bytes
from kmlic.data.reading_options import ReadingOptions
from kmlic.data.storage import files_below, is_folder, join

_MAX_XML_BYTES = 10_000_000


def read_voc(path: str | Path, reading: ReadingOptions) -> Listing:
    """Reads the images of a folder with their labels, see `from_voc`."""
    if not is_folder(join(path, "Annotations")):
        raise ValueError(f"{path} must hold the folder Annotations; it does not.")
    rows = list(_read_rows(path, reading.difficult))
    return Listing(rows, path, path)


def _read_rows(path: str | Path, difficult: str) -> Iterator[ImageRow]:
    for name in files_below(join(path, "Annotations")):
        if not name.endswith(".xml"):
            continue
        annotation = f"Annotations/{name}"
        try:
            yield _read_row(join(path, annotation), difficult)
        except (ValueError, LookupError, ElementTree.ParseError) as error:
            yield ImageRow(0, annotation, problem=f"must be VOC's XML; got {error}")


def _read_row(annotation: str, difficult: str) -> ImageRow:
    data = read_bytes(annotation, max_bytes=_MAX_XML_BYTES)
    # Expat limits the growth of entities and ElementTree loads nothing from outside.
    tree = ElementTree.fromstring(data)
    file_name = (tree.findtext("filename") or "").strip()
    if not file_name:
        raise ValueError("no filename")
    easy: set[str] = set()
    hard: set[str] = set()
    for thing in tree.iter("object"):
        name = (thing.findtext("name") or "").strip()
        if not name:
            raise ValueError("an object without a name")
        mark = (thing.findtext("difficult") or "0").strip()
        (hard if mark == "1" else easy).add(name)
    hard -= easy
    return ImageRow(
        0,
        f"JPEGImages/{file_name}",
        labels=tuple(sorted(easy | hard if difficult == "present" else easy)),
        unknown=tuple(sorted(hard)) if difficult == "unknown" else (),
    )
