"""The split that a word in a dataset's file or folder means."""

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
