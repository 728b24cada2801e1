"""The names of the classes whose numbers YOLO's files hold."""

import re
from collections.abc import Sequence
from pathlib import Path

import yaml

from kmlic.data.storage import join, read_file

_PLAIN = ("classes.txt", "obj.names")
_MAX_BYTES = 1_000_000
_NAMES = re.compile(r"^names\s*:", re.MULTILINE)


def read_class_names(folder: str | Path, names: Sequence[str]) -> list[str]:
    """Returns the names in a folder's classes.txt, obj.names or data.yaml.

    Args:
        folder: the dataset.
        names: of the files below it.

    Raises:
        ValueError: if no file or more than one has the names, or it cannot be read.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = (Path(folder) / "data.yaml").write_text("names: [dog, 'big cat']")
        ...     read_class_names(folder, ["data.yaml"])
        ['dog', 'big cat']
    """
    file = _find(folder, names)
    content = read_file(join(folder, file), max_bytes=_MAX_BYTES)
    text = content.decode("utf-8-sig", "replace")
    if file.endswith((".yaml", ".yml")):
        return _read_yaml(join(folder, file), text)
    return [line.strip() for line in text.splitlines()]


def _find(folder: str | Path, names: Sequence[str]) -> str:
    for known in (*_PLAIN, "data.yaml"):
        found = [name for name in names if name.rpartition("/")[2] == known]
        if known in found:
            return known
        if len(found) > 1:
            raise ValueError(
                f"{folder} must hold one {known}; it holds {', '.join(found[:5])}. Put "
                f"the one that is right into {join(folder, known)}."
            )
        if found:
            return found[0]
    found = [n for n in names if "/" not in n and n.endswith((".yaml", ".yml"))]
    if len(found) == 1:
        return found[0]
    raise ValueError(
        f"{folder} must name its classes; its text files hold boxes, a number of a "
        "class and coordinates, as YOLO writes them. Put the names of the classes, one "
        f"per line, into {join(folder, _PLAIN[0])}, or convert the boxes to COCO's "
        "JSON."
    )


def _read_yaml(path: str | Path, text: str) -> list[str]:
    try:
        # Makes nothing but texts, lists and dictionaries, so that "no" is a name.
        content = yaml.load(text, yaml.BaseLoader)
        names = content.get("names")
        if isinstance(names, dict):
            names = [names[f"{number}"] for number in range(len(names))]
        names = [name.strip() for name in names] if isinstance(names, list) else None
    # `ValueError` and `OverflowError` are those of numbers that are no character.
    except (
        yaml.YAMLError,
        AttributeError,
        LookupError,
        RecursionError,
        ValueError,
        OverflowError,
    ):
        names = None
    listed = names is not None and all(len(name.splitlines()) == 1 for name in names)
    if not names or not listed or len(_NAMES.findall(text)) > 1:
        raise ValueError(
            f"{path} must hold `names` as a list, such as [dog, cat], or as numbers "
            "from 0 with a name each, none of them empty or with a line break. Or put "
            f"the names, one per line, into {_PLAIN[0]} beside it."
        )
    return names
