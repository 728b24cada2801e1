"""The names of the classes whose numbers YOLO's files hold."""

import re
from collections.abc import Sequence
from pathlib import Path

from kmlic.data.storage import join, read_file

_PLAIN = ("classes.txt", "obj.names")
_MAX_BYTES = 1_000_000
_VALUE = r"""(?:'(?:[^']|'')*'|"[^"\\]*"|[^\s'"\[\]{},#&*!|>%@`][^'"\[\]{},#]*)"""
_ITEM = re.compile(rf"\s*-\s+({_VALUE})\s*(?:\s#.*)?")
_PAIR = re.compile(rf"\s+(\d+)\s*:\s+({_VALUE})\s*(?:\s#.*)?")
_LIST = re.compile(rf"\[\s*(?:{_VALUE}\s*(?:,\s*{_VALUE}\s*)*,?)?\s*\]\s*(?:#.*)?")
_NAMES = re.compile(r"names\s*:(.*)")


def read_class_names(folder: str | Path, names: Sequence[str]) -> list[str]:
    """Returns the names in a folder's classes.txt, obj.names or data.yaml.

    The list or mapping `names` of data.yaml is read, not YAML in general.

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
        return _read_yaml(join(folder, file), text.splitlines())
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


def _read_yaml(path: str | Path, lines: Sequence[str]) -> list[str]:
    error = ValueError(
        f"{path} must hold `names` as a list, such as [dog, cat], or as numbers from 0 "
        f"with a name each. Or put the names, one per line, into {_PLAIN[0]} beside it."
    )
    starts = [i for i, line in enumerate(lines) if _NAMES.match(line)]
    if len(starts) != 1:
        raise error
    match = _NAMES.match(lines[starts[0]])
    rest = re.sub(r"^\s*#.*", "", match[1] if match else "").strip()
    after = lines[starts[0] + 1 :]
    if rest:
        text = rest
        for line in after:
            if "]" in text:
                break
            text += f" {line.strip()}"
        if not _LIST.fullmatch(text):
            raise error
        found = re.findall(_VALUE, text[: text.rindex("]")].removeprefix("["))
        return list(map(_plain, found))
    listed: list[str] = []
    mapped: dict[int, str] = {}
    for line in after:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if item := _ITEM.fullmatch(line):
            listed.append(_plain(item[1]))
        elif pair := _PAIR.fullmatch(line):
            mapped[int(pair[1])] = _plain(pair[2])
        elif line[0].isspace() or line.startswith("-"):
            raise error
        else:
            break
    if bool(listed) == bool(mapped) or sorted(mapped) != list(range(len(mapped))):
        raise error
    return listed or [mapped[number] for number in range(len(mapped))]


def _plain(value: str) -> str:
    value = value.strip()
    if value[:1] == "'":
        return value[1:-1].replace("''", "'")
    return value[1:-1] if value[:1] == '"' else value
