"""The images of a JSON file in COCO's format."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from kmlic.data.find_images import find_images
from kmlic.data.finding import Finding
from kmlic.data.image_row import ImageRow, Listing
from kmlic.data.multi_label_data import Boxes
from kmlic.data.read_json import read_json
from kmlic.data.reading_options import ReadingOptions
from kmlic.data.split_name import split_name
from kmlic.data.storage import parent

Entry = dict[str, Any]
_Id = int | str

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


def read_coco(
    path: str | Path, reading: ReadingOptions, *, boxes: bool = False
) -> Listing:
    """Reads the images of a JSON file with their labels, see `from_coco`."""
    content = read_json(path)
    root = parent(path) if reading.root is None else reading.root
    sizes = ("height", "width") if boxes else ()
    categories = _entries(path, content, "categories", "id", "name")
    images = _entries(path, content, "images", "id", "file_name", *sizes)
    names = {key: name.strip() for key, name in _categories(path, categories).items()}
    numbers = _numbers(path, images)
    corners = ("bbox",) if boxes else ()
    annotations = _entries(
        path, content, "annotations", "image_id", "category_id", *corners
    )
    present: dict[_Id, list[tuple[str, Any]]] = defaultdict(list)
    problems: dict[_Id, str] = {}
    orphans = []
    for number, mark in enumerate(annotations, start=1):
        image, category = mark["image_id"], mark["category_id"]
        if image not in numbers:
            orphans.append([str(number), str(image)])
        elif category not in names:
            problems[image] = (
                f"the category of annotation {number} must be listed; got {category!r}"
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
            tuple(dict.fromkeys(name for name, _ in present[entry["id"]])),
            boxes=_boxes(entry, present[entry["id"]]) if boxes else None,
            **_extras(entry),
            problem=problems.get(entry["id"]) or found.problems.get(number - 1, ""),
        )
        for number, entry in enumerate(images, start=1)
    ]
    used |= {name for row in rows for name in (*row.unknown, *row.absent)}
    if "unlisted" in content:  # written by `kmlic data convert`, which keeps all labels
        used |= ordered.keys()
    unused = [name for name in ordered if name not in used]
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
            "Categories that no annotation has",
            len(unused),
            f"They are left out: {', '.join(unused[:10])}. --label_names keeps them.",
            ("category",),
            [[name] for name in unused[:_SHOWN]],
        ),
    ]
    return Listing(
        rows,
        path,
        root,
        [name for name in ordered if name in used],
        findings=[*findings, *found.findings],
        unlisted="unknown" if content.get("unlisted") == "unknown" else "absent",
        summary=f"COCO: {len(annotations):,} annotations",
    )


def _categories(path: str | Path, entries: list[Entry]) -> dict[_Id, str]:
    names: dict[_Id, str] = {}
    for number, entry in enumerate(entries, start=1):
        name = names.setdefault(entry["id"], entry["name"])
        if name != entry["name"]:
            raise ValueError(
                f'{path} entry {number} of "categories": an id must have one name; '
                f"got {entry['name']!r} for {entry['id']!r}, which is {name!r}. Give "
                "the categories of files that are put together new ids."
            )
    return names


def _numbers(path: str | Path, entries: list[Entry]) -> dict[_Id, int]:
    numbers: dict[_Id, int] = {}
    for number, entry in enumerate(entries, start=1):
        other = numbers.setdefault(entry["id"], number)
        if other != number:
            raise ValueError(
                f'{path} entry {number} of "images": an id must be that of one image; '
                f"{entry['id']!r} is that of {entries[other - 1]['file_name']!r}, "
                f"entry {other}, and of {entry['file_name']!r}. Give the images of "
                "files that are put together new ids."
            )
    return numbers


def _order(key: _Id) -> tuple[bool, int, str]:
    """Sorts numbers, also those written as texts, before other texts."""
    text = str(key)
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
