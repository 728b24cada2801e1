"""The labels inside an export."""

from pathlib import Path

from kmlic.export.format import LABELS_FILE
from kmlic.export.formats import format_of
from kmlic.labels import Labels


def read_labels(path: str | Path) -> Labels:
    """Reads the labels that an export stores.

    Args:
        path: a file or folder in one of `kmlic.export.FORMATS`.

    Raises:
        ValueError: naming the path, if it is not an export or stores no labels.
    """
    labels = find_labels(path)
    if labels is None:
        raise ValueError(
            f"{path} must be an export with labels; it holds no {LABELS_FILE}."
        )
    return labels


def find_labels(path: str | Path) -> Labels | None:
    """Reads the labels that an export stores, or returns None if it stores none.

    Raises:
        ValueError: if the path is not an export, or its labels are corrupt.
    """
    text = format_of(path).read_labels(Path(path))
    if text is None:
        return None
    return Labels.from_json(text, source=f"{LABELS_FILE} in {path}")
