"""Exclusive groups of labels from a file."""

import json
from pathlib import Path

_SHOWN = 40  # characters of a file that is no such JSON


def read_groups(path: str | Path) -> dict[str, tuple[str, ...]]:
    """Reads exclusive groups from a JSON file: group name to a list of labels.

    Raises:
        ValueError: if the file is not such JSON.
    """
    content: object = None
    try:
        content = Path(path).read_bytes()
        content = json.loads(content)
    except OSError as error:
        raise _no_groups(path, str(error)) from error
    except (ValueError, RecursionError) as error:
        raise _no_groups(path, _shorten(content)) from error
    if not isinstance(content, dict) or not all(map(_is_group, content.values())):
        raise _no_groups(path, _shorten(json.dumps(content, ensure_ascii=False)))
    if not content:
        raise ValueError(f"{path} must name at least one group; it is empty.")
    return {name: tuple(map(str, own)) for name, own in content.items()}


def _is_group(labels: object) -> bool:
    return isinstance(labels, list) and all(
        isinstance(label, str | int | float) for label in labels
    )


def _shorten(content: object) -> str:
    text = content.decode(errors="replace") if isinstance(content, bytes) else content
    text = " ".join(str(text).split())
    short = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
    return short or "an empty file"


def _no_groups(path: str | Path, got: str) -> ValueError:
    return ValueError(
        f"{path} must be JSON of group names and all their labels, such as "
        f'{{"size": ["small", "large"]}}; got {got}.'
    )
