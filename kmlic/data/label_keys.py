"""Names of labels that are nearly equal."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

_SEPARATORS = re.compile(r"[\s_-]+")
_NEGATIONS = ("-", "!", "~")
# Shorter names differ by a letter on purpose: cat, bat.
_SHORTEST, _LONGEST = 5, 60
# A misspelt name is rare, the right one is not.
_RARER = 10


def group_by_key(names: Iterable[str]) -> list[list[str]]:
    """Finds names that differ in case, spaces, hyphens and underscores only.

    A hyphen before a name may negate it, and is a difference.

    Args:
        names: of labels, in any order, also several times.

    Returns:
        The sets of two or more names, each sorted.

    Example:
        >>> group_by_key(["T-Shirt", "t shirt", "tshirt", "shirt", "^_^", "^^"])
        [['T-Shirt', 't shirt', 'tshirt']]
    """
    groups: dict[str, set[str]] = defaultdict(set)
    for name in names:
        key = _key(name)
        if any(map(str.isalnum, key)):
            groups[key].add(name)
    return sorted(sorted(group) for group in groups.values() if len(group) > 1)


def find_negated(names: Collection[str]) -> list[tuple[str, str]]:
    """Finds names that are another one with -, ! or ~ before it.

    Args:
        names: of labels.

    Returns:
        Pairs of such a name and the other, sorted.

    Example:
        >>> find_negated(["-sofa", "sofa", "!dog", "-_-"])
        [('-sofa', 'sofa')]
    """
    plain = {_key(name): name for name in sorted(names) if not _is_negation(name)}
    negations = [name for name in sorted(names) if _is_negation(name)]
    pairs = [(name, plain.get(_key(name[1:]))) for name in negations]
    return [(name, other) for name, other in pairs if other is not None]


def _is_negation(name: str) -> bool:
    return name[:1] in _NEGATIONS and name[1:].strip() != ""


def _key(name: str) -> str:
    key = _SEPARATORS.sub("", unicodedata.normalize("NFKC", name).casefold())
    return f"-{key}" if name.startswith("-") and key else key


def find_misspelt(counts: Mapping[str, int]) -> list[tuple[str, str]]:
    """Finds rare names that are a frequent one with a letter changed, or two swapped.

    Names of fewer than 5 letters, plurals and names that differ in a digit are taken to
    be different. The work grows with the number of letters.

    Args:
        counts: name to the number of images with it.

    Returns:
        Pairs of a rare name and the frequent one, sorted.

    Example:
        >>> find_misspelt({"jacket": 40, "jaket": 1, "jackets": 2, "size 1": 30})
        [('jaket', 'jacket')]
    """
    near = _index(name for name in counts if len(name) >= _SHORTEST)
    found = set()
    for group in near.values():
        if len(group) > 1:
            best = max(group, key=lambda name: (counts[name], name))
            found |= {
                (name, best)
                for name in group
                if counts[name] * _RARER <= counts[best] and is_misspelt(name, best)
            }
    return sorted(found)


def find_meant(wrong: Iterable[str], names: Iterable[str]) -> dict[str, str]:
    """Finds which name is meant by each one that is written wrong.

    Args:
        wrong: texts that are no names.
        names: the names.

    Returns:
        The text to the name that differs in case, one letter or two swapped ones; texts
        without such a name are left out.

    Example:
        >>> find_meant(["soffa", "CAT", "horse"], ["sofa", "cat"])
        {'soffa': 'sofa', 'CAT': 'cat'}
    """
    near = _index(names)
    found = {}
    for text in wrong:
        likely = [name for key in _keys(text) for name in near.get(key, ())]
        meant = [
            name
            for name in likely
            if name.casefold() == text.casefold() or is_misspelt(text, name)
        ]
        if meant:
            found[text] = min(meant)
    return found


def is_misspelt(name: str, other: str) -> bool:
    """Returns whether two names differ by one letter or two swapped ones.

    Example:
        >>> is_misspelt("soffa", "sofa"), is_misspelt("sofas", "sofa")
        (True, False)
    """
    one, two = sorted((name.casefold(), other.casefold()), key=len)
    start = 0
    while start < len(one) and one[start] == two[start]:
        start += 1
    rest_one, rest_two = one[start:], two[start:]
    if len(one) == len(two):
        swapped = rest_one[:2] == rest_two[:2][::-1] and rest_one[2:] == rest_two[2:]
        near = rest_one[1:] == rest_two[1:] or swapped
    else:
        near = len(two) == len(one) + 1 and rest_one == rest_two[1:]
    differing = rest_one[:1] + rest_two[:1]
    is_plural = len(one) < len(two) and rest_two == "s"
    return near and one != two and not is_plural and differing.isalpha()


def _index(names: Iterable[str]) -> dict[str, list[str]]:
    """Maps each name, and each name without one of its letters, to the names."""
    near: dict[str, list[str]] = defaultdict(list)
    for name in names:
        for key in _keys(name):
            near[key].append(name)
    return near


def _keys(name: str) -> set[str]:
    name = name.casefold()
    if len(name) > _LONGEST:
        return {name}
    return {name, *(name[:i] + name[i + 1 :] for i in range(len(name)))}
