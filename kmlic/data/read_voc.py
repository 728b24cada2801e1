"""The images of a folder with annotations in Pascal VOC's XML format."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from kmlic.data.find_images import find_images, has_image_suffix
from kmlic.data.image_row import ImageRow, Listing
from kmlic.data.read_resized import read_bytes
from kmlic.data.reading_options import ReadingOptions
from kmlic.data.storage import files_below, is_folder, join

_MAX_XML_BYTES = 10_000_000
_DECLARATION = re.compile(rb"""\s*<\?xml[^>]*encoding=["']([\w.-]+)["'][^>]*\?>""")
_FOLDERS = ("JPEGImages/", "images/", "Images/")


def read_voc(path: str | Path, reading: ReadingOptions) -> Listing:
    """Reads the images of a folder with their labels, see `from_voc`."""
    if not is_folder(path):
        raise ValueError(f"{path} must be a folder; there is no such folder.")
    files = files_below(path).names
    annotations = [name for name in files if name.lower().endswith(".xml")]
    inside = [name for name in annotations if name.startswith("Annotations/")]
    images = [name for name in files if has_image_suffix(name)]
    # A filename may lack its suffix, if only one image has it.
    stems = Counter(name.rpartition(".")[0] for name in images)
    known = {name.rpartition(".")[0]: name for name in images}
    known = {stem: name for stem, name in known.items() if stems[stem] == 1}
    known |= {name: name for name in images}
    rows = list(_read_rows(path, inside or annotations, known, reading))
    if not rows:
        raise ValueError(
            f"{path} must hold XML files, in the folder Annotations or beside its "
            "images; it holds none."
        )
    found = find_images([row.path for row in rows], path, suffix=reading.suffix)
    rows = [
        row._replace(
            path=found.paths[index],
            problem=row.problem or found.problems.get(index, ""),
        )
        for index, row in enumerate(rows)
    ]
    where = "in the folder Annotations" if inside else "beside the images"
    return Listing(
        rows,
        path,
        path,
        findings=found.findings,
        summary=f"Pascal VOC: {len(rows)} XML files {where}",
    )


def _read_rows(
    path: str | Path,
    annotations: list[str],
    files: dict[str, str],
    reading: ReadingOptions,
) -> Iterator[ImageRow]:
    for annotation in annotations:
        try:
            image, easy, hard = _read_objects(join(path, annotation))
        except (ValueError, LookupError, ElementTree.ParseError) as error:
            yield ImageRow(0, annotation, problem=f"must be VOC's XML; got {error}")
            continue
        present = easy | hard if reading.difficult == "present" else easy
        unknown = hard if reading.difficult == "unknown" else set()
        folder = annotation.rpartition("/")[0]
        beside = f"{folder}/{image}" if folder else image
        likely = [*(f"{each}{image}" for each in _FOLDERS), beside]
        image = next((files[each] for each in likely if each in files), image)
        yield ImageRow(0, image, tuple(sorted(present)), tuple(sorted(unknown)))


def _read_objects(annotation: str) -> tuple[str, set[str], set[str]]:
    """Returns the image of a file, its labels, and those of difficult objects alone."""
    tree = _parse(read_bytes(annotation, max_bytes=_MAX_XML_BYTES))
    image = (tree.findtext("filename") or "").strip()
    if not image:
        raise ValueError("no filename")
    easy: set[str] = set()
    hard: set[str] = set()
    for thing in tree.iter("object"):
        name = (thing.findtext("name") or "").strip()
        if not name:
            raise ValueError("an object without a name")
        mark = (thing.findtext("difficult") or "0").strip()
        (hard if mark == "1" else easy).add(name)
    return image, easy, hard - easy


def _parse(data: bytes) -> ElementTree.Element:
    # Expat limits the growth of entities and ElementTree loads nothing from outside.
    try:
        return ElementTree.fromstring(data)
    except (ValueError, LookupError):
        # Expat itself knows few encodings, and none of several bytes per character.
        declaration = _DECLARATION.match(data)
        if declaration is None:
            raise
        text = data[declaration.end() :].decode(declaration[1].decode())
        return ElementTree.fromstring(text)
