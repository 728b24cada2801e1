"""The split that a word in a dataset's file or folder means."""

from collections.abc import Sequence

from kmlic.data.finding import Finding

_WORDS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "val", "valid", "dev", "eval"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
    **dict.fromkeys(("", "unassigned"), ""),
}


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
        >>> folder_split("data/train/1.jpg"), folder_split("dogs/train.jpg")
        ('train', '')
    """
    return next(filter(None, map(split_name, path.split("/")[:-1])), "")


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
