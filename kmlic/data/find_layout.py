"""The layout of a dataset's file or folder, as its content shows it."""

import re
from pathlib import Path
from typing import NamedTuple

from kmlic.count_noun import count_noun
from kmlic.data.find_images import has_image_suffix
from kmlic.data.read_coco import coco_files
from kmlic.data.read_folder import label_folders, tags_of
from kmlic.data.read_tables import table_names
from kmlic.data.read_voc import voc_folders
from kmlic.data.reading_options import Layout
from kmlic.data.split_name import folder_split, split_name
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
# Folders that hold the files of a dataset, and no label; also those of splits.
_NO_LABELS = (
    *("annotation", "annotations", "data", "image", "images", "img", "imgs"),
    *("imagesets", "jpegimages", "label", "labels"),
)
_SIDECARS = (".xml", ".json", ".txt")
_LISTS = (".csv", ".tsv", ".txt", ".jsonl", ".ndjson")
_ANNOTATION_FILES = ("data.yaml", "_darknet.labels")
_ANNOTATION_KEYS = {
    *("annotations", "categories", "image_id", "images", "labels", "samples"),
}
_SHOWN = 5
_HEAD = 65_536
_KEY = re.compile(r'"(\w+)"\s*:')
_BETWEEN_CELLS = re.compile(r"[,;|\t\[\]{}:\"']+")


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
    if _is_yolo(names):
        return FoundLayout("tags", path)
    tables = [n for n in names if "/" not in n and n.lower().endswith(_TABLES)]
    folders = {name.split("/")[-2] for name in names if _is_below(name)}
    if len(tables) == 1 and len(folders) == 1:  # which is no label
        inner = join(path, tables[0])
        return FoundLayout(_layout_of_file(inner), inner)
    return FoundLayout(_layout_of_folder(path, names), path)


def _is_below(name: str) -> bool:
    return "/" in name and has_image_suffix(name)


def _is_yolo(names: list[str]) -> bool:
    """Returns whether an image in a folder images has a text file in labels."""
    known = set(names)
    found = (tags_of(name, known) for name in names if has_image_suffix(name))
    return any("/labels/" in f"/{text}" for text in found if text)


def _layout_of_folder(path: str | Path, names: list[str]) -> Layout:
    known = set(names)
    images = [name for name in names if has_image_suffix(name)]
    tagged = sum(tags_of(image, known) is not None for image in images)
    described = sum(f"{image.rpartition('.')[0]}.xml" in known for image in images)
    in_folders = sum("/" in image for image in images)
    if coco_files(names):
        return "coco"
    if voc_folders(names) or described * 2 > len(images):
        return "voc"
    if tagged * 2 >= len(images) > 0 or (tagged and not in_folders):
        return "tags"
    if not images and Path(path).name.lower() == "annotations":
        return "voc"  # whose reader names the folder to give
    if in_folders or not images:
        _check_annotations(path, names, images)
        require_label_folders(path)
        return "folders"
    tables = [name for name in names if name.lower().endswith((".csv", ".json"))]
    hint = f" Or name the file: {join(path, tables[0])}." if tables else ""
    raise ValueError(
        f"{path} must label its images: by folders named after labels, or by a text or "
        f"XML file beside each; it has {count_noun(len(images), 'image')}, and neither."
        f"{hint}"
    )


def _check_annotations(path: str | Path, names: list[str], images: list[str]) -> None:
    """Raises an error if files below a folder may label its images."""
    files = {image.rpartition("/")[2] for image in images}
    own_stems = {_stem(image) for image in images}
    stems = own_stems | files
    found = [
        name
        for name in names
        if (name.lower().endswith(_SIDECARS) and _stem(name) in stems)
        or name.rpartition("/")[2] in _ANNOTATION_FILES
        or name.lower().endswith(".parquet")
        or (name.lower().endswith(".json") and _holds_annotations(join(path, name)))
        or (
            name.lower().endswith(_LISTS)
            and _labels_images(join(path, name), files, own_stems)
        )
    ]
    if found:
        raise ValueError(
            f"{path} must be labelled by its folders or by its files; "
            f"{count_noun(len(found), 'file')} may label its images: {_some(found)}. "
            "Give the file that has all labels, or "
            "the folder that a tool wrote; --layout tags reads the text files and "
            "--layout folders the names of the folders."
        )


def require_label_folders(path: str | Path) -> None:
    """Raises an error unless each image lies in one folder, which may be a label.

    Args:
        path: a folder; anything else passes.

    Raises:
        ValueError: naming the folders that cannot be labels.
    """
    if not is_folder(path):
        return
    images = [name for name in files_below(path).names if has_image_suffix(name)]
    above = [label_folders(image)[0] for image in images]
    last = {folders[-1] for folders in above if folders}
    wrong = [n for n in last if n.lower() in _NO_LABELS or folder_split(f"{n}/")]
    if wrong:
        raise ValueError(
            f"{path} must hold folders named after labels; it holds images in "
            f"{_some(sorted(wrong))}. Give the file that labels the images; --layout "
            "folders takes these names as labels."
        )
    nested = [folders for folders in above if folders]
    common = 0
    while all(len(folders) > common + 1 for folders in nested) and (
        len({folders[common] for folders in nested}) == 1
    ):
        common += 1
    if all(len(folders) == common + 1 for folders in nested):
        return
    first = sorted({folders[common] for folders in nested})
    raise ValueError(
        f"{path} must hold one level of folders named after labels; it holds "
        f"several: the first is {_some(first)}, the last {_some(sorted(last))}. "
        "--layout folders takes the last; to take the first, move the images up to it, "
        "or list them in a CSV with the columns path and labels."
    )


def _some(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")


def _stem(name: str) -> str:
    return name.rpartition("/")[2].rpartition(".")[0]


def _holds_annotations(path: str | Path) -> bool:
    try:
        with open_text(path) as file:
            return bool(_ANNOTATION_KEYS & set(_KEY.findall(file.read(_HEAD))))
    except (OSError, UnicodeDecodeError):
        return False


def _labels_images(path: str | Path, files: set[str], stems: set[str]) -> bool:
    """Returns whether lines of a text name images and something else, but no split.

    One name of a file tells. Names without a suffix, and words between spaces, may mean
    something else: most lines must have one.
    """
    try:
        with open_text(path) as file:
            lines = [line for line in file.read(_HEAD).splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError):
        return False
    uncertain = 0
    for line in lines:
        cells = [cell.strip() for cell in _BETWEEN_CELLS.split(line)]
        if _names_and_labels(cells, files):
            return True
        uncertain += _names_and_labels(cells, stems) or _names_and_labels(
            line.split(), files
        )
    return uncertain * 2 > len(lines)


def _names_and_labels(cells: list[str], images: set[str]) -> bool:
    names = [cell.replace("\\", "/").rpartition("/")[2] for cell in cells]
    others = [
        cell
        for cell, name in zip(cells, names, strict=True)
        if name not in images and cell and not split_name(cell)
    ]
    return len(others) > 0 and not images.isdisjoint(names)


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
