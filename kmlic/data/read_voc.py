"""The images of a folder with annotations in Pascal VOC's XML format."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree

from kmlic.count_noun import count_noun
from kmlic.data.find_images import has_image_suffix, place_rows
from kmlic.data.image_row import ImageRow, Listing
from kmlic.data.read_resized import read_bytes
from kmlic.data.reading_options import ReadingOptions
from kmlic.data.split_name import folder_split, infer_splits, split_name
from kmlic.data.storage import files_below, is_folder, join, parent, read_file

_MAX_XML_BYTES = 10_000_000
_DECLARATION = re.compile(rb"""\s*<\?xml[^>]*encoding=["']([\w.-]+)["'][^>]*\?>""")
_FOLDERS = ("JPEGImages/", "images/", "Images/")
_ANNOTATIONS = re.compile(r"(?:(.+)/)?[Aa]nnotations/.+\.xml", re.IGNORECASE)
_SETS = "ImageSets/Main/"
_MAX_SET_BYTES = 100_000_000


def read_voc(path: str | Path, reading: ReadingOptions) -> Listing:
    """Reads a folder with XML files of objects for its images, as in Pascal VOC.

    They are in the folder Annotations, or else anywhere; the images are in JPEGImages,
    images or beside them, and the filename in a file may lack its suffix. A label is
    present where any object of an image has it. The splits are those of train.txt,
    val.txt, test.txt and trainval.txt in ImageSets/Main, or else of folders named after
    splits. The folder above, such as VOCdevkit, may be given where it holds one year.

    Args:
        path: the folder.
        reading: see `ReadingOptions`.

    Raises:
        ValueError: naming the folder and the rule, such as no annotations.
    """
    if not is_folder(path):
        raise ValueError(f"{path} must be a folder; there is no such folder.")
    files = files_below(path).names
    annotations = [name for name in files if name.lower().endswith(".xml")]
    images = [name for name in files if has_image_suffix(name)]
    if not images and Path(path).name.lower() == "annotations":
        raise ValueError(
            f"{path} must hold images; it holds XML files alone. Give the folder above "
            f"it, {parent(path)}."
        )
    tops = voc_folders(files)
    if len(tops) > 1:
        raise ValueError(
            f"{path} must hold one folder of annotations; it holds those of "
            f"{', '.join(tops)}. Give one of these folders."
        )
    if tops and tops[0]:
        return read_voc(join(path, tops[0]), reading)
    inside = [name for name in annotations if _ANNOTATIONS.fullmatch(name)]
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
    rows, findings = place_rows(rows, path, suffix=reading.suffix)
    by_name = _read_sets(path, files)
    read = inside or annotations
    splits = [
        by_name.get(_stem(name), "") if by_name else folder_split(name) for name in read
    ]
    rows, unused = infer_splits(rows, splits)
    where = "in the folder Annotations" if inside else "beside the images"
    if by_name and all(splits):
        where += f", splits of {_SETS.rstrip('/')}"
    return Listing(
        rows,
        path,
        path,
        findings=[*findings, unused],
        summary=f"Pascal VOC: {count_noun(len(rows), 'XML file')} {where}",
    )


def voc_folders(names: Sequence[str]) -> list[str]:
    """Returns the folders in which a folder Annotations holds XML files.

    Example:
        >>> voc_folders(["Annotations/1.xml"]), voc_folders(["a/annotations/1.xml"])
        ([''], ['a'])
    """
    matches = filter(None, map(_ANNOTATIONS.fullmatch, names))
    return sorted({match[1] or "" for match in matches})


def _read_sets(path: str | Path, files: Sequence[str]) -> dict[str, str]:
    """Returns the split of each name that the files of ImageSets/Main list."""
    splits: dict[str, str] = {}
    known = set(files)
    for word in ("train", "val", "test", "trainval"):
        name = f"{_SETS}{word}.txt"
        if name not in known:
            continue
        split = split_name(word) or ""
        content = read_file(join(path, name), max_bytes=_MAX_SET_BYTES)
        for line in filter(
            None, map(str.strip, content.decode("utf-8-sig", "replace").splitlines())
        ):
            other = splits.setdefault(line, split or "train")
            if other != split and (split or other == "test"):
                raise ValueError(
                    f"{join(path, name)} must list images of no other split; {line!r} "
                    f"is listed in that of {other} too."
                )
    return splits


def _stem(annotation: str) -> str:
    return annotation.rpartition("/")[2].rpartition(".")[0]


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
