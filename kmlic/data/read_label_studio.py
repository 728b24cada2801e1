"""The images of a JSON or JSON-MIN file of Label Studio."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from kmlic.data.find_images import find_images, has_image_suffix
from kmlic.data.finding import Finding
from kmlic.data.image_row import ImageRow, Listing
from kmlic.data.read_json import read_json
from kmlic.data.reading_options import ReadingOptions
from kmlic.data.storage import is_file, join, parent

# What Label Studio puts before the names of uploaded files.
_UPLOADED = re.compile(r"[0-9a-f]{8}-")
# Keys of JSON-MIN that are no results.
_PLAIN = ("id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time")

Entry = Mapping[str, Any]


def read_label_studio(path: str | Path, reading: ReadingOptions) -> Listing:
    """Reads the images of Label Studio's export with the labels that were chosen.

    A label is present if any annotation of the image has it; canceled annotations do
    not count. Tasks without an annotation are left out. A row is the number of the
    task in the file, from 1.

    Args:
        path: the file.
        reading: see `ReadingOptions`; `path_column` names the image in a task's data,
            `labels_column` the control whose results are labels.

    Raises:
        ValueError: naming the file and the row that breaks a rule.
    """
    tasks = read_json(path)
    if not isinstance(tasks, list):
        raise ValueError(
            f"{path} must hold a list of tasks, as Label Studio's files do; got a "
            f"{type(tasks).__name__}."
        )
    root = parent(path) if reading.root is None else reading.root
    rows: dict[str, tuple[int, dict[str, None]]] = {}
    without = []
    several = set()
    for number, task in enumerate(tasks, start=1):
        image, found = _read_task(path, number, task, reading)
        if not found:
            without.append([str(number), image])
            continue
        if len({frozenset(labels) for labels in found}) > 1:
            several.add(image)
        _, own = rows.setdefault(image, (number, {}))
        own.update(dict.fromkeys(label for labels in found for label in labels))
    images = [_file(image) for image in rows]
    located = find_images(images, root, suffix=reading.suffix)
    names = [
        _without_prefix(where, root) if where in (name, name.lstrip("/")) else where
        for where, name in zip(located.paths, images, strict=True)
    ]
    again = find_images(names, root, suffix=reading.suffix)
    findings = [
        Finding(
            "warning",
            "Tasks without an annotation",
            "They are left out.",
            ("row", "image"),
            without,
        ),
        Finding(
            "warning",
            "Images whose annotations differ",
            "They have the labels of all their annotations.",
            ("image",),
            sorted(several),
        ),
    ]
    return Listing(
        [
            ImageRow(
                row,
                again.paths[index],
                tuple(labels),
                problem=located.problems.get(index) or again.problems.get(index, ""),
            )
            for index, (row, labels) in enumerate(rows.values())
        ],
        path,
        root,
        findings=[*findings, *located.findings],
        summary="Label Studio: the choices of all annotations",
    )


def _read_task(
    path: str | Path, number: int, task: Any, reading: ReadingOptions
) -> tuple[str, list[list[str]]]:
    """Returns the image of a task, and the labels of each of its annotations."""
    if not isinstance(task, dict):
        raise ValueError(f"{path} row {number}: a task must be an object.")
    data = task.get("data", task)
    image = _image(data, reading.path_column)
    if not image:
        raise ValueError(
            f"{path} row {number}: a task must name an image; got "
            f"{sorted(data) if isinstance(data, dict) else data!r}. Name its key "
            "with --path_column."
        )
    read = _labels if "data" in task else _minimal_labels
    try:
        return image, list(read(task, reading.labels_column))
    except (AttributeError, TypeError) as error:
        raise ValueError(
            f"{path} row {number}: must be a task of Label Studio; got {error}."
        ) from error


def _without_prefix(path: str, root: str | Path) -> str:
    """Returns the name that a file had before it was uploaded, if it is not there."""
    name = path.rpartition("/")[2]
    if not _UPLOADED.match(name) or is_file(join(root, path)):
        return path
    return _UPLOADED.sub("", name, count=1)


def _image(data: Any, key: str | None) -> str:
    """Returns the image of a task: under a key, or the first text that is one."""
    if not isinstance(data, dict):
        return ""
    keys = [key] if key is not None else ["image", "img", "url", *data]
    texts = [data[k] for k in keys if isinstance(data.get(k), str)]
    named = [text for text in texts if has_image_suffix(_file(text))]
    return next(iter(named or (texts if key or "image" in data else ())), "")


def _file(image: str) -> str:
    """Returns the path in the address of an image.

    Example:
        >>> _file("/data/local-files/?d=photos/1%20a.jpg")
        '/photos/1 a.jpg'
    """
    address = urlsplit(image)
    inner = parse_qs(address.query).get("d")
    if inner:
        return "/" + inner[0].lstrip("/")
    if address.scheme:
        return unquote(address.path)
    return unquote(image.partition("?")[0])


def _labels(task: Entry, control: str | None) -> Iterator[list[str]]:
    for annotation in task.get("annotations") or task.get("completions") or ():
        if not annotation.get("was_cancelled"):
            yield [
                label
                for result in annotation.get("result") or ()
                if control in (None, result.get("from_name"))
                for label in _values(result.get("value") or {})
            ]


def _minimal_labels(task: Entry, control: str | None) -> Iterator[list[str]]:
    image = _image(task, None)
    found: list[str] = []
    if control is not None and control not in task:
        return
    for key, value in task.items():
        if control not in (None, key) or key in _PLAIN or value == image:
            continue
        if isinstance(value, str):
            if control is not None or key in ("choice", "choices", "label", "labels"):
                found.append(value)
        elif isinstance(value, list):
            found += [text for each in value for text in _values(each)]
        elif isinstance(value, dict):
            found += _values(value)
    if found or "annotation_id" in task:
        yield found


def _values(value: Any) -> list[str]:
    """Returns the labels in a result: its choices, or those of its shapes."""
    if isinstance(value, str):
        return [value]
    labels: list[str] = []
    for key, items in value.items():
        if key == "choices" or key == "taxonomy" or key.endswith("labels"):
            for item in [items] if isinstance(items, str) else items:
                labels.append(" / ".join(item) if isinstance(item, list) else item)
    return [label.strip() for label in labels]
