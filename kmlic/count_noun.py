"""Counts with their noun, in the singular or plural."""


def count_noun(count: int, noun: str) -> str:
    """Returns a count and its noun, which gets an s unless the count is one.

    Args:
        count: how many; 1,000 and more are written with commas.
        noun: the singular.

    Example:
        >>> count_noun(1, "label"), count_noun(2500, "test image")
        ('1 label', '2,500 test images')
    """
    return f"{count:,} {noun if count == 1 else noun + 's'}"
