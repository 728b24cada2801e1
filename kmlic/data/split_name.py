"""The split that a word in a dataset's file or folder means."""

import functools
import re
from collections.abc import Sequence

from kmlic.data.finding import Finding
from kmlic.data.image_row import ImageRow

_WORDS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "val", "valid", "dev", "eval"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
    **dict.fromkeys(("", "unassigned"), ""),
}
_YEAR = re.compile(r"(?<=[a-z])(19|20)\d\d$")  # as in COCO's train2017


def split_name(word: str) -> str | None:
    """Returns the split that a word means: "" for none, None if it means nothing.

    Example:
        >>> split_name("TRAINING"), split_name("val"), split_name("unassigned")
        ('train', 'validation', '')
    """
    return _WORDS.get(word.strip().lower())


def folder_split(path: str) -> str:
    """Returns the split that the topmost folder named after one means, or "".

    Example:
        >>> folder_split("data/val2017/1.jpg"), folder_split("dogs/train.jpg")
        ('validation', '')
    """
    return next(filter(None, map(_split_of, path.split("/")[:-1])), "")


@functools.lru_cache(maxsize=4096)
def _split_of(folder: str) -> str:
    return split_name(_YEAR.sub("", folder)) or ""


def infer_splits(
    rows: Sequence[ImageRow], splits: Sequence[str]
) -> tuple[list[ImageRow], Finding]:
    """Fills in the splits that names of files or folders mean, if all have one.

    A split that a row names itself is kept.

    Args:
        rows: one per image.
        splits: of the rows, by these names; "" for none.

    Returns:
        The rows, and a warning if some splits are not used.

    Example:
        >>> rows = [ImageRow(1, "a.jpg"), ImageRow(2, "b.jpg", split="test")]
        >>> [row.split for row in infer_splits(rows, ["train", ""])[0]]
        ['train', 'test']
        >>> infer_splits(rows[:1] * 3, ["train", "", "test"])[1].count
        2
    """
    pairs = list(zip(rows, splits, strict=True))
    complete = all(row.split or split for row, split in pairs)
    if complete:
        rows = [row._replace(split=row.split or split) for row, split in pairs]
    unused = 0 if complete else sum(bool(split) for split in splits)
    warning = Finding(
        "warning",
        "Splits that are not used",
        f"The files give {unused:,} of {len(rows):,} images a split, and the others "
        "none, so new splits are made. Give all images a split to keep these.",
        count=unused,
    )
    return list(rows), warning
