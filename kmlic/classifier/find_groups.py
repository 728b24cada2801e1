"""Exclusive groups that nobody named."""

import itertools
from collections import Counter
from collections.abc import Collection, Sequence

# With fewer images, labels that never meet may do so by chance.
_FEWEST_IMAGES = 100
_MOST_STEPS = 10_000


def find_groups(labels: Sequence[Collection[str]]) -> dict[str, tuple[str, ...]] | None:
    """Finds groups of labels of which every image has exactly one.

    Args:
        labels: those of each image.

    Returns:
        Two or more groups that together hold every label once, such as colours and
        garments; None where there are none, or fewer than 100 images.

    Example:
        >>> images = [("red", "dress"), ("red", "shirt"), ("blue", "dress")] * 40
        >>> find_groups(images)
        {'group 1': ('blue', 'red'), 'group 2': ('dress', 'shirt')}
    """
    sizes = {len(set(own)) for own in labels}
    if len(labels) < _FEWEST_IMAGES or len(sizes) != 1 or min(sizes) < 2:
        return None
    counts = Counter(name for own in labels for name in set(own))
    meeting = {pair for own in labels for pair in itertools.permutations(set(own), 2)}
    steps = 0

    def split(names: list[str]) -> list[tuple[str, ...]] | None:
        """Splits names into groups; the first name's members are sought first."""
        if not names:
            return []
        return extend([names[0]], names[1:], names)

    def extend(
        group: list[str], others: list[str], names: list[str]
    ) -> list[tuple[str, ...]] | None:
        nonlocal steps
        steps += 1
        missing = len(labels) - sum(counts[name] for name in group)
        if missing == 0:
            rest = split([name for name in names if name not in group])
            return None if rest is None else [tuple(group), *rest]
        for index, name in enumerate(others):
            if steps > _MOST_STEPS:
                return None
            if counts[name] > missing or any((name, own) in meeting for own in group):
                continue
            found = extend([*group, name], others[index + 1 :], names)
            if found is not None:
                return found
        return None

    groups = split(sorted(counts))
    if groups is None:
        return None
    return {f"group {number}": group for number, group in enumerate(groups, start=1)}
