"""Exclusive groups of labels from a file."""

import json
from pathlib import Path


def read_groups(path: str | Path) -> dict[str, tuple[str, ...]]:
    """Reads exclusive groups from a JSON file: group name to a list of labels.

    Raises:
        ValueError: if the file is not such JSON.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        groups = {str(name): tuple(map(str, own)) for name, own in content.items()}
    except (OSError, json.JSONDecodeError, AttributeError, TypeError) as error:
        raise ValueError(
            f"{path} must be JSON of group names and their labels, such as "
            f'{{"size": ["small", "large"]}}; got {error}.'
        ) from error
    if not groups:
        raise ValueError(f"{path} must name at least one group; it is empty.")
    return groups
