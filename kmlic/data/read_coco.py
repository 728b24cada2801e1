"""The images of JSON files in COCO's format."""

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from kmlic.data.find_images import find_images, has_image_suffix
from kmlic.data.finding import Finding
from kmlic.data.image_row import ImageRow, Listing
from kmlic.data.multi_label_data import Boxes
from kmlic.data.read_json import read_json
from kmlic.data.reading_options import ReadingOptions
from kmlic.data.split_name import folder_split, left_out_splits, split_name
from kmlic.data.storage import files_below, is_folder, join, parent

Entry = dict[str, Any]

_SHOWN = 1000
_KINDS: dict[str, tuple[type, ...]] = {
    "id": (int, str),
    "image_id": (int, str),
    "category_id": (int, str),
    "name": (str,),
    "file_name": (str,),
    "height": (int,),
    "width": (int,),
    "bbox": (list,),
}


# Those of Roboflow, beside its images, and of COCO itself.
_FILES = re.compile(
    r"(?:.+/)?(?:_annotations\.coco\.json|annotations/instances_[^/]+\.json)"
)


class _Read(NamedTuple):
    """Holds the listing of one file, with all names of categories and those used."""

    listing: Listing
    names: list[str]
    used: set[str]


def read_coco(
    path: str | Path, reading: ReadingOptions, *, boxes: bool = False
) -> Listing:
    """Reads the images of a JSON file, or a folder of such, see `from_coco`."""
    if not is_folder(path):
        root = parent(path) if reading.root is None else reading.root
        reads = [_read_file(path, root, reading, boxes=boxes)]
        return _join(reads, path, root, reads[0].listing.rows, [])
    if reading.root is not None:
        raise ValueError(
            f"`root` must come with a file, not with a folder; got "
            f"root={reading.root!r} for {path}."
        )
    names = files_below(path).names
    found = coco_files(names)
    if not found:
        raise ValueError(
            f"{path} must hold _annotations.coco.json or annotations/instances_*.json; "
            "it does not. Give the JSON file itself."
        )
    folders = {name.rpartition("/")[0] for name in names if has_image_suffix(name)}
    reads, rows, splits = [], [], []
    for name in found:
        folder = _folder_of_images(name, folders)
        read = _read_file(
            join(path, name),
            join(path, folder) if folder else path,
            reading,
            boxes=boxes,
        )
        reads.append(read)
        split = folder_split(f"{_set_name(name)}/") or folder_split(name)
        splits += [row.split or split for row in read.listing.rows]
        rows += [
            row._replace(path=f"{folder}/{row.path}") if folder and row.path else row
            for row in read.listing.rows
        ]
    if all(splits):
        rows = [row._replace(split=own) for row, own in zip(rows, splits, strict=True)]
    return _join(reads, path, path, rows, [left_out_splits(splits)])


def coco_files(names: Sequence[str]) -> list[str]:
    """Returns the files among names that Roboflow and COCO name so.

    Example:
        >>> coco_files(["train/_annotations.coco.json", "train/1.jpg", "a.json"])
        ['train/_annotations.coco.json']
    """
    return [name for name in names if _FILES.fullmatch(name)]


def _set_name(file: str) -> str:
    """Returns the last word of a file's name, as train2017 of instances_train2017."""
    return file.rpartition("/")[2].rpartition(".")[0].rpartition("_")[2]


def _folder_of_images(file: str, folders: set[str]) -> str:
    """Returns the folder that the names of images in a file are relative to."""
    own = file.rpartition("/")[0]
    if own in folders:
        return own
    top = own.rpartition("/")[0]
    places = [f"{each}{_set_name(file)}" for each in ("", "images/")]
    places = [f"{top}/{place}" if top else place for place in places]
    return next((place for place in places if place in folders), top)


def _join(
    reads: Sequence[_Read],
    path: str | Path,
    root: str | Path,
    rows: Sequence[ImageRow],
    findings: Sequence[Finding],
) -> Listing:
    names = dict.fromkeys(name for read in reads for name in read.names)
    used = {name for read in reads for name in read.used}
    unused = [name for name in names if name not in used]
    note = Finding(
        "note",
        "Categories that no annotation has",
        len(unused),
        f"They are left out: {', '.join(unused[:10])}. --label_names keeps them.",
        ("category",),
        [[name] for name in unused[:_SHOWN]],
    )
    listings = [read.listing for read in reads]
    own = [finding for each in listings for finding in each.findings]
    return Listing(
        rows,
        path,
        root,
        [name for name in names if name in used],
        findings=[*own, note, *findings],
        unlisted=next(
            (each.unlisted for each in listings if each.unlisted == "unknown"), "absent"
        ),
        summary=f"COCO: {', '.join(each.summary for each in listings)}",
    )


def _read_file(
    path: str | Path, root: str | Path, reading: ReadingOptions, *, boxes: bool
) -> _Read:
    content = read_json(path)
    refuse_results(path, content)
    sizes = ("height", "width") if boxes else ()
    categories = _entries(path, content, "categories", "id", "name")
    images = _entries(path, content, "images", "id", "file_name", *sizes)
    names = {key: name.strip() for key, name in _categories(path, categories).items()}
    numbers = _numbers(path, images)
    corners = ("bbox",) if boxes else ()
    annotations = _entries(
        path, content, "annotations", "image_id", "category_id", *corners
    )
    present: dict[str, list[tuple[str, Any]]] = defaultdict(list)
    problems: dict[str, str] = {}
    orphans = []
    for number, mark in enumerate(annotations, start=1):
        image, category = str(mark["image_id"]), str(mark["category_id"])
        if image not in numbers:
            orphans.append([str(number), str(image)])
        elif category not in names:
            problems[image] = (
                f"the category of annotation {number} must be listed; got "
                f"{mark['category_id']!r}"
            )
        else:
            if boxes:
                _check_box(path, number, mark["bbox"])
            present[image].append((names[category], mark.get("bbox")))
    found = find_images(
        [entry["file_name"] for entry in images], root, suffix=reading.suffix
    )
    used = {name for marks in present.values() for name, _ in marks}
    ordered = dict.fromkeys(names[key] for key in sorted(names, key=_order))
    rows = [
        ImageRow(
            number,
            found.paths[number - 1],
            tuple(dict.fromkeys(name for name, _ in present[str(entry["id"])])),
            boxes=_boxes(entry, present[str(entry["id"])]) if boxes else None,
            **_extras(entry),
            problem=problems.get(str(entry["id"]))
            or found.problems.get(number - 1, ""),
        )
        for number, entry in enumerate(images, start=1)
    ]
    used |= {name for row in rows for name in (*row.unknown, *row.absent)}
    if "unlisted" in content:  # written by `kmlic data convert`, which keeps all labels
        used |= ordered.keys()
    ids: dict[str, list[str]] = defaultdict(list)
    for key, name in names.items():
        ids[name].append(key)
    alike = [[name, ", ".join(own)] for name, own in ids.items() if len(own) > 1]
    findings = [
        Finding(
            "warning",
            "Annotations of images that are not listed",
            len(orphans),
            "They are left out.",
            ("annotation", "image_id"),
            orphans[:_SHOWN],
        ),
        Finding(
            "note",
            "Categories with the same name",
            len(alike),
            "They are one label.",
            ("category", "ids"),
            alike[:_SHOWN],
        ),
    ]
    listing = Listing(
        rows,
        path,
        root,
        findings=[*findings, *found.findings],
        unlisted="unknown" if content.get("unlisted") == "unknown" else "absent",
        summary=f"{len(annotations):,} annotations",
    )
    return _Read(listing, list(ordered), used)


def refuse_results(path: str | Path, content: Any) -> None:
    """Raises an error if a file holds results of a detector instead of a dataset.

    Args:
        path: the file, for the error.
        content: all of the file.

    Raises:
        ValueError: if it is a list of scores of images.

    Example:
        >>> refuse_results("coco.json", {"images": [], "annotations": []})
    """
    first = content[0] if isinstance(content, list) and content else None
    if isinstance(first, dict) and {"image_id", "category_id", "score"} <= first.keys():
        raise ValueError(
            f"{path} holds results of a detector in COCO's format, which name no "
            'images. Give the file of the dataset, with "images" and "categories".'
        )


def _categories(path: str | Path, entries: list[Entry]) -> dict[str, str]:
    names: dict[str, str] = {}
    for number, entry in enumerate(entries, start=1):
        name = names.setdefault(str(entry["id"]), entry["name"])
        if name != entry["name"]:
            raise ValueError(
                f'{path} entry {number} of "categories": an id must have one name; '
                f"got {entry['name']!r} for {entry['id']!r}, which is {name!r}. Give "
                "the categories of files that are put together new ids."
            )
    return names


def _numbers(path: str | Path, entries: list[Entry]) -> dict[str, int]:
    numbers: dict[str, int] = {}
    for number, entry in enumerate(entries, start=1):
        other = numbers.setdefault(str(entry["id"]), number)
        if other != number:
            raise ValueError(
                f'{path} entry {number} of "images": an id must be that of one image; '
                f"{entry['id']!r} is that of {entries[other - 1]['file_name']!r}, "
                f"entry {other}, and of {entry['file_name']!r}. Give the images of "
                "files that are put together new ids."
            )
    return numbers


def _order(text: str) -> tuple[bool, int, str]:
    """Sorts numbers, also those written as texts, before other texts."""
    number = text.removeprefix("-").isdecimal()
    return not number, int(text) if number else 0, text


def _check_box(path: str | Path, number: int, box: list[Any]) -> None:
    if len(box) != 4 or not all(isinstance(value, int | float) for value in box):
        raise ValueError(
            f"{path} annotation {number}: bbox must be four numbers, left, top, width "
            f"and height; got {box}."
        )


def _extras(image: Entry) -> dict[str, Any]:
    """Reads what `kmlic data convert` adds to an image; null is none."""
    given = {name: image.get(name) for name in ("split", "group", "caption")}
    texts = {name: "" if value is None else str(value) for name, value in given.items()}
    split = split_name(texts["split"])
    texts["split"] = texts["split"] if split is None else split
    lists = {name: image.get(name, ()) for name in ("unknown", "absent")}
    return texts | {
        name: tuple(map(str, value)) if isinstance(value, list) else ()
        for name, value in lists.items()
    }


def _boxes(image: Entry, marked: list[tuple[str, Any]]) -> Boxes:
    left, top, width, height = np.reshape([box for _, box in marked], (-1, 4)).T
    corners = np.stack([top, left, top + height, left + width], axis=1)
    sides = np.array([image["height"], image["width"]] * 2)
    return Boxes(tuple(name for name, _ in marked), (corners / sides).astype("float32"))


def _entries(path: str | Path, content: Any, name: str, *fields: str) -> list[Entry]:
    entries = content.get(name) if isinstance(content, dict) else None
    if not isinstance(entries, list):
        held: object = type(content).__name__
        if isinstance(content, dict):
            held = list(content)[:10]
        raise ValueError(
            f'{path} must hold a list "{name}", as COCO\'s files do; it holds {held}. '
            "--layout names other formats."
        )
    for number, entry in enumerate(entries, start=1):
        for field in fields:
            value = entry.get(field) if isinstance(entry, dict) else None
            if not isinstance(value, _KINDS[field]) or isinstance(value, bool):
                kinds = " or ".join(kind.__name__ for kind in _KINDS[field])
                raise ValueError(
                    f'{path} entry {number} of "{name}": {field} must be of type '
                    f"{kinds}; got {value!r}."
                )
    return entries
