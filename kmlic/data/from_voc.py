"""A dataset with annotations in Pascal VOC's XML format."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, Unpack
from xml.etree import ElementTree

from kmlic.check_choice import check_choice
from kmlic.data.build_from_listing import RowOptions, build_from_listing
from kmlic.data.decoding import read_bytes
from kmlic.data.image_row import ImageRow, Listing
from kmlic.data.multi_label_data import MultiLabelData
from kmlic.data.storage import files_below, is_folder, join

_MAX_XML_BYTES = 10_000_000


def from_voc(
    path: str | Path,
    *,
    difficult: Literal["unknown", "present", "absent"] = "unknown",
    **options: Unpack[RowOptions],
) -> MultiLabelData:
    """Reads a folder with Annotations/*.xml and JPEGImages, as in Pascal VOC.

    A label is present where any object of an image has it. The splits of
    ImageSets/Main are not used; pass them as a file with `splitting`.

    Args:
        path: the folder; may be in a store, such as gs://.
        difficult: what a label is if all its objects in an image are difficult.
        **options: image_size and batch_size, both required, and what else
            `build_from_listing` takes.

    Raises:
        ValueError: naming the folder, the image and the rule: no annotations, a file
            that is not such XML, an image that is missing or does not decode.

    Example:
        >>> from_voc("VOC2007", image_size=64, batch_size=8)
        Traceback (most recent call last):
            ...
        ValueError: VOC2007 must hold the folder Annotations; it does not.
    """
    return build_from_listing(read_voc(path, difficult=difficult), **options)


def read_voc(
    path: str | Path, *, difficult: Literal["unknown", "present", "absent"] = "unknown"
) -> Listing:
    """Reads the images of a folder with their labels, see `from_voc`."""
    check_choice("difficult", difficult, "unknown", "present", "absent")
    if not is_folder(join(path, "Annotations")):
        raise ValueError(f"{path} must hold the folder Annotations; it does not.")
    rows = list(_read_rows(path, difficult))
    return Listing(rows, path, path, name="voc", options={"difficult": difficult})


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
