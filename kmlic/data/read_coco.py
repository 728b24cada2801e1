"""A dataset with annotations in COCO's JSON format."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from kmlic.data.image_row import ImageRow, Listing
from kmlic.data.multi_label_data import Boxes
from kmlic.data.reading_options import ReadingOptions
from kmlic.data.storage import is_file, parent, read_file

Entry = dict[str, Any]

_MAX_JSON_BYTES = 2 * 1024**3


def read_coco(
    path: str | Path, reading: ReadingOptions, *, boxes: bool = False
) -> Listing:
    """Reads the images of a JSON file with their labels, see `from_coco`."""
    if not is_file(path):
        raise ValueError(f"{path} must be a JSON file; there is no such file.")
    try:
        content = json.loads(read_file(path, max_bytes=_MAX_JSON_BYTES))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"{path} must be a JSON file; got {error}.") from error
    names = {
        entry["id"]: entry["name"]
        for entry in _entries(path, content, "categories", {"id": int, "name": str})
    }
    return Listing(
        list(_read_rows(path, content, names, boxes)),
        path,
        parent(path) if reading.root is None else reading.root,
        [names[number] for number in sorted(names)],
        unlisted="unknown" if content.get("unlisted") == "unknown" else "absent",
    )


def _read_rows(
    path: str | Path, content: Any, names: dict[int, str], boxes: bool
) -> Iterator[ImageRow]:
    fields: dict[str, type] = {"id": int, "file_name": str}
    sizes: dict[str, type] = {"height": int, "width": int}
    images = _entries(path, content, "images", {**fields, **(sizes if boxes else {})})
    present: dict[int, list[tuple[str, Any]]] = {entry["id"]: [] for entry in images}
    fields = {"image_id": int, "category_id": int}
    corners: dict[str, type] = {"bbox": list}
    marks = _entries(
        path, content, "annotations", {**fields, **(corners if boxes else {})}
    )
    for number, mark in enumerate(marks, start=1):
        image, category = mark["image_id"], mark["category_id"]
        if image not in present or category not in names:
            raise ValueError(
                f"{path} annotation {number}: image_id and category_id must be listed "
                f"in images and categories; got {image} and {category}."
            )
        if boxes and not (
            len(mark["bbox"]) == 4
            and all(isinstance(value, int | float) for value in mark["bbox"])
        ):
            raise ValueError(
                f"{path} annotation {number}: bbox must be four numbers, left, top, "
                f"width and height; got {mark['bbox']}."
            )
        present[image].append((names[category], mark.get("bbox")))
    for number, entry in enumerate(images, start=1):
        marked = present[entry["id"]]
        yield ImageRow(
            number,
            entry["file_name"],
            labels=tuple(dict.fromkeys(name for name, _ in marked)),
            boxes=_boxes(entry, marked) if boxes else None,
            **_extras(entry),
        )


def _extras(image: Entry) -> dict[str, Any]:
    """Reads what `kmlic data convert` adds to an image."""
    texts = {name: str(image.get(name, "")) for name in ("split", "group", "caption")}
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


def _entries(
    path: str | Path, content: Any, name: str, fields: dict[str, type]
) -> list[Entry]:
    entries = content.get(name) if isinstance(content, dict) else None
    if not isinstance(entries, list):
        raise ValueError(f'{path} must hold a list "{name}", as COCO\'s files do.')
    for number, entry in enumerate(entries, start=1):
        for field, kind in fields.items():
            if not isinstance(entry, dict) or not isinstance(entry.get(field), kind):
                raise ValueError(
                    f'{path} entry {number} of "{name}": {field} must be of type '
                    f"{kind.__name__}."
                )
    return entries
