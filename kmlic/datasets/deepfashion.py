"""The folder of DeepFashion's attribute challenge, as it is distributed."""

import collections
import io
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow_datasets as tfds

from kmlic.data.build_from_listing import list_first
from kmlic.data.check_images import ImageCheck, check_images
from kmlic.data.decoding import decode_image
from kmlic.data.read_resized import read_bytes
from kmlic.data.storage import read_lines

_HINT = "`data_dir` must be the challenge's folder, with img/ and split/."

Box = tuple[int, int, int, int]

# The 26 attributes of DeepFashion's fine-grained benchmark, in its order; the groups
# are the attribute types 1 to 6 of its list_attr_cloth.txt.
ATTRIBUTE_GROUPS: dict[str, tuple[str, ...]] = {
    "texture": (
        "floral",
        "graphic",
        "striped",
        "embroidered",
        "pleated",
        "solid",
        "lattice",
    ),
    "sleeve": ("long_sleeve", "short_sleeve", "sleeveless"),
    "length": ("maxi_length", "mini_length", "no_dress"),
    "neckline": ("crew_neckline", "v_neckline", "square_neckline", "no_neckline"),
    "fabric": ("denim", "chiffon", "cotton", "leather", "faux", "knit"),
    "fit": ("tight", "loose", "conventional"),
}


class DeepfashionRow(NamedTuple):
    """Holds one image as the challenge lists it.

    Args:
        path: of the image, relative to the challenge's folder.
        box: left, top, right and bottom of the garment in pixels.
        classes: index of the attribute of each group, -1 if unknown; empty if the
            challenge does not publish them.
    """

    path: str
    box: Box
    classes: tuple[int, ...]


def read_deepfashion_groups(folder: str | Path) -> dict[str, tuple[str, ...]]:
    """Reads the attributes by group from split/list_attr_cloth.txt.

    Args:
        folder: the challenge's folder.

    Returns:
        The six groups, named as in `ATTRIBUTE_GROUPS`, and their attributes in order.

    Raises:
        ValueError: naming the file and the line that breaks a rule.
    """
    path = Path(folder) / "split" / "list_attr_cloth.txt"
    lines = read_lines(path, hint=_HINT)
    members: dict[int, list[str]] = collections.defaultdict(list)
    last: dict[int, int] = {}
    for number, line in enumerate(lines[2:], start=3):
        *name, group = line.split() or [""]
        if len(name) != 1 or not group.isdecimal() or int(group) < 1:
            raise ValueError(
                f"{path} line {number}: must be an attribute and the number of its "
                f"group; got {line!r}."
            )
        if any(name[0] in names for names in members.values()):
            raise ValueError(
                f"{path} line {number}: an attribute must be listed once; "
                f"{name[0]!r} is listed twice."
            )
        members[int(group)].append(name[0])
        last[int(group)] = number
    count = lines[0].strip() if lines else ""
    if not members or count != str(sum(map(len, members.values()))):
        raise ValueError(
            f"{path} line 1: must count the attributes listed from line 3 on; got "
            f"{count!r} for {sum(map(len, members.values()))}."
        )
    for index in range(1, max(members) + 1):
        if index not in members:
            raise ValueError(
                f"{path} line {last[max(members)]}: groups must be numbered without "
                f"gaps; group {index} is empty beside group {max(members)}."
            )
        if len(members[index]) < 2:
            raise ValueError(
                f"{path} line {last[index]}: a group must have at least two "
                f"attributes; group {index} has {members[index]}."
            )
    names = [*ATTRIBUTE_GROUPS, *(f"group {i}" for i in range(7, max(members) + 1))]
    return {names[index - 1]: tuple(members[index]) for index in sorted(members)}


def read_deepfashion_rows(
    folder: str | Path, split: str, *, with_classes: bool = True
) -> list[DeepfashionRow]:
    """Reads the images of a split, their boxes and their attributes.

    Args:
        folder: the challenge's folder.
        split: "train", "val" or "test": reads split/<split>.txt, <split>_bbox.txt and
            <split>_attr.txt.
        with_classes: whether to read <split>_attr.txt, which test does not have.

    Raises:
        ValueError: naming the files and the lines that break a rule.
    """
    files = Path(folder) / "split"
    listing, boxes = files / f"{split}.txt", files / f"{split}_bbox.txt"
    sources = [listing, boxes]
    if with_classes:
        sources.append(files / f"{split}_attr.txt")
    lines = [read_lines(source, hint=_HINT) for source in sources]
    for source, own in zip(sources[1:], lines[1:], strict=True):
        if len(own) != len(lines[0]):
            raise ValueError(
                f"{source} must have one line per image of {listing}; it ends with "
                f"line {len(own)} and the other with line {len(lines[0])}."
            )
    if not lines[0]:
        raise ValueError(f"{listing} must list at least one image; it is empty.")
    groups = read_deepfashion_groups(folder) if with_classes else {}
    problems: list[str] = []
    rows: list[DeepfashionRow] = []
    seen: dict[str, int] = {}
    for number, (path, box, *classes) in enumerate(zip(*lines, strict=True), start=1):
        for source, problem in (
            (listing, _path_problem(path, seen)),
            (boxes, _box_problem(box)),
            (sources[-1], _class_problem(classes[0], groups) if classes else ""),
        ):
            if problem:
                problems.append(f"{source} line {number}: {problem}")
        seen.setdefault(path, number)
        if not problems:
            left, top, right, bottom = map(int, box.split())
            known = tuple(map(int, classes[0].split())) if classes else ()
            rows.append(DeepfashionRow(path, (left, top, right, bottom), known))
    _raise(listing, problems)
    return rows


def check_deepfashion_images(
    folder: str | Path, split: str, rows: Sequence[DeepfashionRow]
) -> list[ImageCheck]:
    """Checks the header of every image, and the boxes against its size.

    Args:
        folder: the challenge's folder.
        split: "train", "val" or "test", for errors.
        rows: from `read_deepfashion_rows`.

    Raises:
        ValueError: naming the files and the lines that break a rule.
    """
    folder = Path(folder)
    checks = check_images([folder / row.path for row in rows], depth="header")
    problems = []
    for number, (row, check) in enumerate(zip(rows, checks, strict=True), start=1):
        if check.header is None:
            source = folder / "split" / f"{split}.txt"
            problems.append(f"{source} line {number}: {check.problem}")
            continue
        width, height = check.header.width, check.header.height
        if not check.header.plain:  # its sides may be swapped when decoded
            data = read_bytes(folder / row.path)
            height, width = decode_image(data, name=row.path).shape[:2]
        if row.box[2] > width or row.box[3] > height:
            source = folder / "split" / f"{split}_bbox.txt"
            problems.append(
                f"{source} line {number}: the box must lie in its image of {width} x "
                f"{height} pixels; got {row.box}."
            )
    _raise(folder / "split" / f"{split}.txt", problems)
    return checks


class Deepfashion(tfds.core.GeneratorBasedBuilder):
    """Builds a tensorflow-datasets dataset of the challenge's folder, uncropped.

    `load_deepfashion` reads the folder without a copy; this is for other programs.

    Example:
        >>> builder = Deepfashion(data_dir="unused")
        >>> builder.info.features["attributes"]["sleeve"].names
        ['long_sleeve', 'short_sleeve', 'sleeveless']
    """

    name = "deepfashion"
    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "26 attributes in 6 groups."}  # noqa: RUF012
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "Ask for the images at https://mmlab.ie.cuhk.edu.hk/projects/DeepFashion.html; "
        "`manual_dir` must hold the challenge's img/ and split/."
    )

    url_infos = None  # nothing is downloaded: no checksums

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=(
                "Garments with one of each of six groups of attributes: DeepFashion's "
                "attribute prediction challenge. The images are for non-commercial "
                "research; ask their authors for them."
            ),
            homepage="https://mmlab.ie.cuhk.edu.hk/projects/DeepFashion.html",
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(encoding_format="jpeg"),
                    "path": tfds.features.Text(),
                    "box": tfds.features.Tensor(shape=(4,), dtype=np.int32),
                    "attributes": {
                        group: tfds.features.ClassLabel(names=list(names))
                        for group, names in ATTRIBUTE_GROUPS.items()
                    },
                }
            ),
            citation=(
                "@inproceedings{liu2016deepfashion, title={DeepFashion: Powering "
                "Robust Clothes Recognition and Retrieval with Rich Annotations}, "
                "author={Liu, Ziwei and Luo, Ping and Qiu, Shi and Wang, Xiaogang and "
                "Tang, Xiaoou}, booktitle={CVPR}, year={2016}}"
            ),
        )

    def _split_generators(
        self, dl_manager: tfds.download.DownloadManager
    ) -> dict[str, Iterator[tuple[str, dict[str, Any]]]]:
        folder = Path(dl_manager.manual_dir)
        groups = read_deepfashion_groups(folder)
        if groups != ATTRIBUTE_GROUPS:
            raise ValueError(
                f"{folder / 'split' / 'list_attr_cloth.txt'} must list DeepFashion's "
                f"26 attributes; got {groups}."
            )
        return {
            "train": self._generate_examples(folder, "train"),
            "validation": self._generate_examples(folder, "val"),
        }

    def _generate_examples(
        self, folder: Path, split: str
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        rows = read_deepfashion_rows(folder, split)
        check_deepfashion_images(folder, split, rows)
        for row in rows:
            classes = dict(zip(ATTRIBUTE_GROUPS, row.classes, strict=True))
            yield (
                row.path,
                {
                    "image": io.BytesIO((folder / row.path).read_bytes()),
                    "path": row.path,
                    "box": row.box,
                    "attributes": classes,
                },
            )


def _path_problem(path: str, seen: dict[str, int]) -> str:
    outside = os.path.isabs(path) or os.path.normpath(path).startswith("..")  # noqa: PTH117
    if not path or "\0" in path or outside:
        return f"must be the path of an image inside the folder; got {path!r}"
    if path in seen:
        return (
            f"an image must be listed once; {path!r} is listed in line {seen[path]} "
            "already"
        )
    return ""


def _box_problem(line: str) -> str:
    numbers = line.split()
    if len(numbers) != 4 or not all(number.isdecimal() for number in numbers):
        return f"must be x1 y1 x2 y2, 4 columns of pixels; got {line!r}"
    left, top, right, bottom = map(int, numbers)
    if left >= right or top >= bottom:
        return f"the box must have x1 < x2 and y1 < y2; got {line!r}"
    return ""


def _class_problem(line: str, groups: dict[str, tuple[str, ...]]) -> str:
    numbers = line.split()
    if len(numbers) != len(groups) or not all(
        number.removeprefix("-").isdecimal() for number in numbers
    ):
        return f"must have one class per group, {len(groups)} columns; got {line!r}"
    for (group, names), number in zip(groups.items(), numbers, strict=True):
        if not -1 <= int(number) < len(names):
            return (
                f"the class of {group!r} must be 0 to {len(names) - 1}, or -1 for "
                f"unknown; got {number}"
            )
    return ""


def _raise(source: Path, problems: Sequence[str]) -> None:
    if not problems:
        return
    lines = [f"{problem}." for problem in problems]
    if len(lines) == 1:
        raise ValueError(lines[0])
    head = f"{source} and the files beside it must be correct; {len(lines)} lines"
    raise ValueError(f"{head} are not.\n{list_first(lines)}")
