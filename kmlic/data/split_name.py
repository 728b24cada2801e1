"""The split that a word in a dataset's file or folder means."""

import functools
import re
from collections.abc import Sequence

from kmlic.data.finding import Finding

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


def left_out_splits(splits: Sequence[str]) -> Finding:
    """Returns a warning that only some images have a split, so that none is used.

    Example:
        >>> left_out_splits(["train", "", "test"]).count
        2
    """
    given = sum(map(bool, splits))
    return Finding(
        "warning",
        "Splits that are not used",
        0 if given == len(splits) else given,
        f"The files give {given:,} of {len(splits):,} images a split, and the others "
        "none, so new splits are made. Give all images a split to keep these.",
    )
