"""The layout of a dataset's file or folder, as its content shows it."""

import re
from pathlib import Path
from typing import NamedTuple

from kmlic.data.find_images import has_image_suffix
from kmlic.data.read_folder import tags_of
from kmlic.data.read_tables import table_names
from kmlic.data.reading_options import Layout
from kmlic.data.storage import files_below, is_folder, join, open_text

# Files that a folder is read by, with the layout where the name tells it.
_FILES = (
    "labels.csv",
    "labels.json",
    "annotations.xml",
    "samples.json",
    "labels.tsv",
    "labels.parquet",
    "labels.jsonl",
)
_TABLES = (".csv", ".tsv", ".parquet", ".jsonl", ".json")
_HEAD = 65_536
_KEY = re.compile(r'"(\w+)"\s*:')


class FoundLayout(NamedTuple):
    """Holds the layout of a path, and the file in it where a folder holds one."""

    layout: Layout
    path: str | Path


def find_layout(path: str | Path) -> FoundLayout:
    """Tells the layout of a file by its content, that of a folder by all its files.

    Args:
        path: the file or folder.

    Raises:
        ValueError: if the path is of no known layout, or a folder has nothing that
            labels its images.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     table = Path(folder) / "rows.jsonl"
        ...     _ = table.write_text('{"file_name": "1.jpg", "labels": ["dog"]}')
        ...     find_layout(table).layout
        'json_lines'
    """
    if not is_folder(path):
        return FoundLayout(_layout_of_file(path), path)
    names = files_below(path).names
    at_top = [name for name in _FILES if name in names]
    if at_top:
        inner = join(path, at_top[0])
        return FoundLayout(_layout_of_file(inner), inner)
    if table_names(names):
        return FoundLayout("tables", path)
    tables = [n for n in names if "/" not in n and n.lower().endswith(_TABLES)]
    folders = {name.split("/")[-2] for name in names if _is_below(name)}
    if len(tables) == 1 and len(folders) == 1:  # which is no label
        inner = join(path, tables[0])
        return FoundLayout(_layout_of_file(inner), inner)
    return FoundLayout(_layout_of_folder(path, names), path)


def _is_below(name: str) -> bool:
    return "/" in name and has_image_suffix(name)


def _layout_of_folder(path: str | Path, names: list[str]) -> Layout:
    known = set(names)
    images = [name for name in names if has_image_suffix(name)]
    tagged = sum(tags_of(image, known) is not None for image in images)
    described = sum(f"{image.rpartition('.')[0]}.xml" in known for image in images)
    annotations = any(
        name.startswith("Annotations/") and name.lower().endswith(".xml")
        for name in names
    )
    in_folders = sum("/" in image for image in images)
    if annotations or described * 2 > len(images):
        return "voc"
    if tagged * 2 >= len(images) > 0 or (tagged and not in_folders):
        return "tags"
    if in_folders or not images:
        return "folders"
    tables = [name for name in names if name.lower().endswith((".csv", ".json"))]
    hint = f" Or name the file: {join(path, tables[0])}." if tables else ""
    raise ValueError(
        f"{path} must label its images: by folders named after labels, or by a text or "
        f"XML file beside each; none of its {len(images)} images has any.{hint}"
    )


def _layout_of_file(path: str | Path) -> Layout:
    suffix = Path(path).suffix.lower()
    if suffix == ".parquet":
        return "csv"
    try:
        with open_text(path) as file:
            head = file.read(_HEAD).lstrip()
    except (OSError, UnicodeDecodeError):
        return "csv"  # whose reader says what is wrong
    if suffix == ".xml" or head.startswith("<"):
        return "cvat"
    if head[:1] not in ("{", "[") or suffix in (".csv", ".tsv"):
        return "coco" if suffix == ".json" else "csv"
    keys = set(_KEY.findall(head))
    if suffix in (".jsonl", ".ndjson") or _is_lines(head):
        return "json_lines"
    if head.startswith("{"):
        coco = {"images", "annotations", "categories"} & keys
        fiftyone = {"samples", "labels"} & keys
        return "fiftyone" if fiftyone and not coco else "coco"
    if {"filepath"} & keys:
        return "fiftyone"
    if {"data", "choices", "annotation_id", "completions"} & keys:
        return "label_studio"
    return "json_lines"


def _is_lines(head: str) -> bool:
    """Returns whether the first two lines are an object each."""
    lines = [line.strip() for line in head.splitlines() if line.strip()][:2]
    return len(lines) == 2 and all(
        line.startswith("{") and line.endswith("}") for line in lines
    )
