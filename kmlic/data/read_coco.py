"""The images of JSON files in COCO's format."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from kmlic.count_noun import count_noun
from kmlic.data.find_images import has_image_suffix, place_rows
from kmlic.data.finding import Finding
from kmlic.data.image_row import ImageRow, Listing
from kmlic.data.multi_label_data import Boxes
from kmlic.data.read_json import read_json
from kmlic.data.reading_options import ReadingOptions
from kmlic.data.split_name import folder_split, infer_splits, split_name
from kmlic.data.storage import files_below, is_folder, join, parent

Entry = dict[str, Any]

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


class _File(NamedTuple):
    """Holds a file, and the folder in the dataset that its images are relative to."""

    path: str | Path
    root: str | Path
    folder: str = ""
    split: str = ""


class _Read(NamedTuple):
    """Holds the images of a file, all names of its categories and those it uses."""

    rows: list[ImageRow]
    annotations: int
    names: list[str]
    used: set[str]
    unlisted: Literal["absent", "unknown"]
    findings: list[Finding]


def read_coco(
    path: str | Path, reading: ReadingOptions, *, boxes: bool = False
) -> Listing:
    """Reads JSON of images, categories and annotations, as in COCO.

    A label is present if any annotation has it, crowds included. Labels are in the
    order of the categories' ids, without those that no annotation has. Ids are numbers
    or texts. In errors a row is the number of the image in the list "images", from 1.

    Args:
        path: the JSON file, or a folder with annotations/instances_*.json or with
            Roboflow's _annotations.coco.json, whose names or folders give the splits.
        reading: see `ReadingOptions`.
        boxes: whether to read the boxes too, see `read_listing`.

    Raises:
        ValueError: naming the file and the rule: not such JSON, an id of two images, an
            annotation of a category that is not listed.
    """
    if is_folder(path):
        root, files = path, _files_of(path, reading)
    else:
        root = parent(path) if reading.root is None else reading.root
        files = [_File(path, root)]
    reads = [_read_file(file, reading, boxes=boxes) for file in files]
    rows = [row for read in reads for row in read.rows]
    splits = [
        file.split for file, read in zip(files, reads, strict=True) for _ in read.rows
    ]
    rows, unused_splits = infer_splits(rows, splits)
    names = dict.fromkeys(name for read in reads for name in read.names)
    used = {name for read in reads for name in read.used}
    unused = [name for name in names if name not in used]
    note = Finding(
        "note",
        "Categories that no annotation has",
        f"They are left out: {', '.join(unused[:10])}. --label_names keeps them.",
        ("category",),
        unused,
    )
    own = [finding for read in reads for finding in read.findings]
    counts = ", ".join(count_noun(read.annotations, "annotation") for read in reads)
    unlisted = {read.unlisted for read in reads}
    return Listing(
        rows,
        path,
        root,
        [name for name in names if name in used],
        findings=[*own, note, unused_splits],
        unlisted="unknown" if "unknown" in unlisted else "absent",
        summary=f"COCO: {counts}",
    )


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


def _files_of(path: str | Path, reading: ReadingOptions) -> list[_File]:
    """Returns the files of a folder, each with the folder of its images."""
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
    files = []
    for name in found:
        folder = _folder_of_images(name, folders)
        split = folder_split(f"{_set_name(name)}/") or folder_split(name)
        root = join(path, folder) if folder else path
        files.append(_File(join(path, name), root, folder, split))
    return files


def _read_file(file: _File, reading: ReadingOptions, *, boxes: bool) -> _Read:
    path, root, folder, _ = file
    content = read_json(path)
    refuse_results(path, content)
    sizes = ("height", "width") if boxes else ()
    names = _names(path, _entries(path, content, "categories", "id", "name"))
    images = _entries(path, content, "images", "id", "file_name", *sizes)
    _require_own_ids(path, images)
    corners = ("bbox",) if boxes else ()
    annotations = _entries(
        path, content, "annotations", "image_id", "category_id", *corners
    )
    present: dict[str, list[tuple[str, Any]]] = {str(e["id"]): [] for e in images}
    problems: dict[str, str] = {}
    orphans = []
    for number, mark in enumerate(annotations, start=1):
        image, category = str(mark["image_id"]), str(mark["category_id"])
        if image not in present:
            orphans.append([str(number), image])
        elif category not in names:
            problems[image] = (
                f"the category of annotation {number} must be listed; got "
                f"{mark['category_id']!r}"
            )
        else:
            if boxes:
                _check_box(path, number, mark["bbox"])
            present[image].append((names[category], mark.get("bbox")))
    rows = []
    for number, (image, marks) in enumerate(present.items(), start=1):
        entry = images[number - 1]
        labels = tuple(dict.fromkeys(name for name, _ in marks))
        own = _boxes(entry, marks) if boxes else None
        row = ImageRow(number, entry["file_name"], labels, boxes=own, **_extras(entry))
        rows.append(row._replace(problem=problems.get(image, "")))
    rows, not_found = place_rows(rows, root, suffix=reading.suffix)
    if folder:
        rows = [r._replace(path=f"{folder}/{r.path}") if r.path else r for r in rows]
    ordered = list(dict.fromkeys(names[key] for key in sorted(names, key=_order)))
    used = {n for row in rows for n in (*row.labels, *row.unknown, *row.absent)}
    if "unlisted" in content:  # written by `kmlic data convert`, which keeps all labels
        used = set(ordered)
    unlisted: Any = "unknown" if content.get("unlisted") == "unknown" else "absent"
    findings = [*_find_problems(names, orphans, annotations), *not_found]
    return _Read(rows, len(annotations), ordered, used, unlisted, findings)


def _find_problems(
    names: Mapping[str, str],
    orphans: Sequence[list[str]],
    annotations: Sequence[Entry],
) -> list[Finding]:
    ids: dict[str, list[str]] = defaultdict(list)
    for key, name in names.items():
        ids[name].append(key)
    return [
        Finding(
            "warning",
            "Annotations of images that are not listed",
            "They are left out.",
            ("annotation", "image_id"),
            orphans,
        ),
        Finding(
            "warning",
            "Boxes that are not four numbers",
            "Their labels count, but the dataset cannot be read with its boxes. Write "
            "left, top, width and height in pixels, the last two 0 or more.",
            ("annotation", "image_id", "bbox"),
            [
                [str(number), str(mark["image_id"]), str(mark["bbox"])]
                for number, mark in enumerate(annotations, start=1)
                if mark.get("bbox") and not _is_box(mark["bbox"])
            ],
        ),
        Finding(
            "note",
            "Categories with the same name",
            "They are one label.",
            ("category", "ids"),
            [[name, ", ".join(own)] for name, own in ids.items() if len(own) > 1],
        ),
    ]


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


def _names(path: str | Path, entries: list[Entry]) -> dict[str, str]:
    """Returns the name of each category by its id."""
    names: dict[str, str] = {}
    for number, entry in enumerate(entries, start=1):
        name = names.setdefault(str(entry["id"]), entry["name"].strip())
        if name != entry["name"].strip():
            raise ValueError(
                f'{path} entry {number} of "categories": an id must have one name; '
                f"got {entry['name']!r} for {entry['id']!r}, which is {name!r}. Give "
                "the categories of files that are put together new ids."
            )
    return names


def _require_own_ids(path: str | Path, images: list[Entry]) -> None:
    numbers: dict[str, int] = {}
    for number, entry in enumerate(images, start=1):
        other = numbers.setdefault(str(entry["id"]), number)
        if other != number:
            raise ValueError(
                f'{path} entry {number} of "images": an id must be that of one image; '
                f"{entry['id']!r} is that of {images[other - 1]['file_name']!r}, "
                f"entry {other}, and of {entry['file_name']!r}. Give the images of "
                "files that are put together new ids."
            )


def _order(text: str) -> tuple[bool, int, str]:
    """Sorts numbers, also those written as texts, before other texts."""
    number = text.removeprefix("-").isdecimal()
    return not number, int(text) if number else 0, text


def _is_box(box: Any) -> bool:
    return (
        isinstance(box, list)
        and len(box) == 4
        and all(isinstance(value, int | float) for value in box)
        and min(box[2:]) >= 0
    )


def _check_box(path: str | Path, number: int, box: list[Any]) -> None:
    if not _is_box(box):
        raise ValueError(
            f"{path} annotation {number}: bbox must be four numbers, left, top, width "
            f"and height, the last two 0 or more; got {box}."
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
