"""The images of a folder, labelled by subfolders or by text files."""

import hashlib
import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from kmlic.count_noun import count_noun
from kmlic.data.find_images import has_image_suffix
from kmlic.data.finding import Finding
from kmlic.data.image_row import ImageRow, Listing
from kmlic.data.read_class_names import read_class_names
from kmlic.data.reading_options import ReadingOptions
from kmlic.data.split_name import folder_split, infer_splits
from kmlic.data.storage import Files, files_below, is_folder, join, read_file

_MAX_TAGS_BYTES = 1_000_000
# Images, and what holds them, of kinds that are not decoded.
_OTHER_KINDS = (
    *(".arw", ".cr2", ".cr3", ".dcm", ".dng", ".eps", ".exr", ".ico", ".j2k", ".jp2"),
    *(".jxl", ".nef", ".orf", ".pbm", ".pcx", ".pdf", ".pgm", ".pnm", ".ppm", ".psd"),
    *(".raf", ".raw", ".rw2", ".svg", ".tga", ".xcf"),
)
# A line of YOLO's files: the number of a class, and coordinates.
_BOX = re.compile(r"\d+(\s+-?(\d+(\.\d*)?|\.\d+)(e-?\d+)?){4,}")
_BOXES = "Text files that hold boxes"
# Underscores within words; emoticons such as ^_^ and x_x keep theirs.
_SPACE = re.compile(r"(?<=[\w)])_(?=[\w(])")
_SHORTEST_WORDS = 4
# What Danbooru writes before a tag to say what kind of tag it is.
_CATEGORY = re.compile("^(general|artist|character|copyright|meta):(?=.)")


def read_folder(path: str | Path, reading: ReadingOptions) -> Listing:
    """Reads images in folders named after their labels, or beside files of tags.

    With the layout "folders", an image is in a folder named after its label, or after
    several that the separator joins, as in black_jeans. Copies of a file in several
    folders are one image with all these labels. With "tags", each image has a text file
    of the same name beside it, with labels on lines or between separators; it is empty
    for an image without labels. Backslashes before other characters and Danbooru's
    categories, as in artist:name, are removed, and underscores within names become
    spaces. Lines of YOLO's boxes stand for the names in
    classes.txt or data.yaml, and may be in a folder labels instead. Folders named after
    splits may be above or below those of labels; hidden files are left out.

    Args:
        path: the folder, with images at any depth.
        reading: its layout is "folders" unless it is "tags".

    Raises:
        ValueError: if there is no such folder, or text files hold boxes.
    """
    if not is_folder(path):
        raise ValueError(f"{path} must be a folder; there is no such folder.")
    files = files_below(path)
    images = [name for name in files.names if has_image_suffix(name)]
    if not images:
        kinds = Counter(Path(name).suffix or "without a suffix" for name in files.names)
        held = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(5))
        raise ValueError(
            f"{path} must list at least one image; it lists none. It holds "
            f"{held or 'no file'}; {count_noun(files.hidden, 'hidden file')} and "
            f"{count_noun(len(files.broken), 'broken link')} left out."
        )
    if reading.layout == "tags":
        by_folder = {image: folder_split(image) for image in images}
    else:
        by_folder = {image: label_folders(image)[1] for image in images}
    splits = by_folder if all(by_folder.values()) else dict.fromkeys(by_folder, "")
    if reading.layout == "tags":
        rows, findings = _read_tags(path, files, images, splits, reading.separator)
        boxed = any(finding.title == _BOXES for finding in findings)
        held = "YOLO's boxes" if boxed else "labels"
        summary = f"images with a text file of {held} for each"
    else:
        rows = _read_folders(images, splits, reading.separator)
        findings = []
        if reading.separator is None:  # else each folder names all labels
            rows, findings = _join_copies(path, rows)
        summary = "images in a folder for each label"
    if any(splits.values()):
        summary += ", below a folder for each split"
    return Listing(
        rows,
        path,
        path,
        findings=[
            *findings,
            infer_splits(rows, [by_folder[row.path] for row in rows])[1],
            *_left_out(files),
        ],
        summary=summary,
    )


def tags_of(image: str, names: set[str]) -> str | None:
    """Returns the text file among names that is beside an image, or in YOLO's labels.

    Example:
        >>> tags_of("a/1.jpg", {"a/1.txt"}), tags_of("1.jpg", {"1.jpg.txt"})
        ('a/1.txt', '1.jpg.txt')
        >>> tags_of("images/train/1.jpg", {"labels/train/1.txt"})
        'labels/train/1.txt'
    """
    beside = (f"{image.rpartition('.')[0]}.txt", f"{image}.txt", _in_labels(image))
    return next((name for name in beside if name in names), None)


def _in_labels(image: str) -> str:
    """Returns the text file that YOLO has for an image in a folder images, or ""."""
    above, images, below = f"/{image}".rpartition("/images/")
    text = f"{above}/labels/{below.rpartition('.')[0]}.txt"
    return text.removeprefix("/") if images else ""


def label_folders(image: str) -> tuple[list[str], str]:
    """Returns the folders above an image without that of a split, and the split.

    Example:
        >>> label_folders("train/cat/1.jpg"), label_folders("cat/val/1.jpg")
        ((['cat'], 'train'), (['cat'], 'validation'))
    """
    folders = image.split("/")[:-1]
    splits = [folder_split(f"{folder}/") for folder in folders]
    index = next((i for i, split in enumerate(splits) if split), None)
    if index is None or len(folders) == 1:
        return folders, ""
    return folders[:index] + folders[index + 1 :], splits[index]


def _read_folders(
    images: Sequence[str], splits: dict[str, str], separator: str | None
) -> list[ImageRow]:
    rows = []
    for image in images:
        above = label_folders(image)[0] if splits[image] else image.split("/")[:-1]
        folder = above[-1] if above else ""
        names = folder.split(separator) if separator else [folder]
        labels = tuple(name.strip() for name in names)
        problem = ""
        if not folder:
            problem = "an image must be in the folder of a label"
        elif not all(labels):
            problem = f"labels must not be empty; got {list(labels)}"
        own = () if problem else labels
        rows.append(ImageRow(0, image, own, split=splits[image], problem=problem))
    return rows


def _join_copies(
    path: str | Path, rows: list[ImageRow]
) -> tuple[list[ImageRow], list[Finding]]:
    """Joins the rows of files that are copies of each other in several folders."""
    if "://" in os.fspath(path):
        return rows, []
    by_size: dict[tuple[int, str], list[int]] = defaultdict(list)
    for index, row in enumerate(rows):
        if not row.problem:
            size = os.stat(join(path, row.path)).st_size  # noqa: PTH116 - a million files
            by_size[size, row.split].append(index)
    joined: list[list[int]] = []
    for (size, _), members in by_size.items():
        if size and len({rows[index].labels for index in members}) > 1:
            copies: dict[bytes, list[int]] = defaultdict(list)
            for index in members:
                copies[_digest(path, rows[index].path)].append(index)
            joined += [own for own in copies.values() if len(own) > 1]
    joined = [own for own in joined if len({rows[i].labels for i in own}) > 1]
    if not joined:
        return rows, []
    dropped: set[int] = set()
    rows = list(rows)
    shown = []
    for first, *others in joined:
        labels = dict.fromkeys(n for i in (first, *others) for n in rows[i].labels)
        shown.append([rows[first].path, ", ".join(rows[i].path for i in others)])
        rows[first] = rows[first]._replace(labels=tuple(labels))
        dropped.update(others)
    note = Finding(
        "note",
        "Images in the folders of several labels",
        "Files with the same content are one image with all these labels.",
        ("image", "copies"),
        shown,
    )
    return [row for i, row in enumerate(rows) if i not in dropped], [note]


def _digest(path: str | Path, image: str) -> bytes:
    with Path(join(path, image)).open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _read_tags(
    path: str | Path,
    files: Files,
    images: Sequence[str],
    splits: dict[str, str],
    separator: str | None,
) -> tuple[list[ImageRow], list[Finding]]:
    names = set(files.names)
    texts: dict[str, list[str]] = {}
    problems: dict[str, str] = {}
    for image in images:
        try:
            texts[image] = _lines(path, image, names)
        except ValueError as error:
            problems[image] = str(error)
    lines = [line for own in texts.values() for line in own]
    boxes = lines and all(map(_BOX.fullmatch, lines))
    findings = []
    if boxes:
        classes = read_class_names(path, files.names)
        findings.append(
            Finding(
                "note",
                _BOXES,
                "A label is present where a box has its class.",
                count=sum(map(bool, texts.values())),
            )
        )
        # YOLO writes no file for an image without objects.
        held = {name.rpartition("/")[0] for name in names if name.endswith(".txt")}
        empty = [
            image
            for image in images
            if tags_of(image, names) is None
            and _in_labels(image)
            and _in_labels(image).rpartition("/")[0] in held
        ]
        for image in empty:
            texts[image] = []
            del problems[image]
        findings.append(
            Finding(
                "note",
                "Images without a file of boxes",
                "None of the labels is present, as in YOLO.",
                ("image",),
                empty,
            )
        )
    elif separator is None:
        tags = "," in "".join(lines) or any("_" not in line for line in lines)
        separator = "," if tags else " "
    rows = []
    for image in images:
        labels: Iterable[str] = ()
        problem = problems.get(image, "")
        try:
            if boxes and not problem:
                labels = [classes[int(line.split()[0])] for line in texts[image]]
            elif not problem:
                labels = _tags(texts[image], separator or ",")
        except IndexError:
            problem = f"classes must have names in their file; got {texts[image]}"
        own = tuple(dict.fromkeys(labels))
        rows.append(ImageRow(0, image, own, split=splits[image], problem=problem))
    return rows, findings


def _lines(path: str | Path, image: str, names: set[str]) -> list[str]:
    beside = tags_of(image, names)
    if beside is None:
        name = f"{image.rpartition('.')[0]}.txt".rpartition("/")[2]
        raise ValueError(f"{name} with its labels must be beside it")
    try:
        content = read_file(join(path, beside), max_bytes=_MAX_TAGS_BYTES)
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{beside.rpartition('/')[2]} must be UTF-8 text") from error
    return [line.strip() for line in text.splitlines() if line.strip()]


def _tags(lines: Sequence[str], separator: str) -> list[str]:
    tags = "\n".join(lines).replace(separator, "\n").splitlines()
    return [tag for tag in map(_tag, tags) if tag]


def _tag(text: str) -> str:
    r"""Returns a tag without escapes and category, with spaces for underscores.

    Example:
        >>> _tag(r"character:miku_\(vocaloid\)"), _tag("^_^")
        ('miku (vocaloid)', '^_^')
    """
    text = _CATEGORY.sub("", re.sub(r"\\(.)", r"\1", text.strip()))
    return text if len(text) < _SHORTEST_WORDS else _SPACE.sub(" ", text)


def _left_out(files: Files) -> list[Finding]:
    kinds = Counter(Path(name).suffix.lower() for name in files.names)
    others = {kind: kinds[kind] for kind in _OTHER_KINDS if kinds[kind]}
    held = {name.rpartition("/")[0] for name in files.names if has_image_suffix(name)}
    lost = {
        name.rpartition("/")[0]
        for name in files.names
        if Path(name).suffix.lower() in others
    } - held
    text = ", ".join(f"{count} {kind}" for kind, count in others.items())
    text += " are left out; they cannot be decoded. Convert them to JPEG or PNG."
    if lost:
        text += f" Nothing else is in: {', '.join(sorted(lost))}."
    return [
        Finding(
            "warning",
            "Images of kinds that are not read",
            text,
            ("kind", "files"),
            [[kind, str(count)] for kind, count in others.items()],
            count=sum(others.values()),
        ),
        Finding(
            "warning",
            "Links that lead nowhere",
            "What they should hold is left out.",
            ("link",),
            files.broken,
        ),
        Finding(
            "note",
            "Hidden files that are left out",
            "Their names, or those of folders above them, begin with a dot.",
            count=files.hidden,
        ),
    ]
