"""Refuses files that are empty or of another kind than their name says."""

import re
from pathlib import Path

_START_BYTES = 4096
_KINDS = (
    (b"\xff\xd8\xff", "a JPEG image", "Name the file that lists it, or its folder"),
    (b"\x89PNG\r\n", "a PNG image", "Name the file that lists it, or its folder"),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook", "Save it as CSV"),
    (b"PK\x03\x04", "a ZIP archive", "Unpack it first"),
    (b"\x1f\x8b", "a gzip file", "Unpack it first"),
    (b"%PDF-", "a PDF document", "Save its table as CSV"),
)
_WORKBOOK = b"[Content_Types].xml"  # the first file in one that Excel writes
_TABLES = (".csv", ".tsv")
_JSON = re.compile(rb'\[\s*[\[{"]|\{\s*"')


def require_kind(path: str | Path) -> None:
    """Raises an error if a file that lists images cannot do so, by its first bytes.

    Args:
        path: a file of this machine; folders and files in a store pass.

    Raises:
        ValueError: naming the file, what it is and what to do.

    Example:
        >>> import tempfile
        >>> with tempfile.NamedTemporaryFile(suffix=".csv") as file:
        ...     try:
        ...         require_kind(file.name)
        ...     except ValueError as error:
        ...         print(str(error).replace(file.name, "labels.csv"))
        labels.csv must list images; it is empty.
    """
    if not Path(path).is_file():
        return
    with Path(path).open("rb") as file:
        start = file.read(_START_BYTES)
    suffix = Path(path).suffix.lower()
    text = start.removeprefix(b"\xef\xbb\xbf").strip()
    if text in (b"", b"[]", b"{}"):
        raise ValueError(f"{path} must list images; it is empty.")
    for magic, kind, remedy in _KINDS:
        if start.startswith(magic):
            if _WORKBOOK in start or suffix == ".xlsx":
                kind, remedy = "an Excel workbook", "Save it as CSV"
            raise ValueError(f"{path} must list images; it is {kind}. {remedy}.")
    if suffix in _TABLES and _JSON.match(text):
        raise ValueError(
            f"{path} must be a table; it is JSON. Name it .json or .jsonl."
        )
    if suffix == ".json" and text[:1] not in (b"[", b"{"):
        raise ValueError(f"{path} must be a JSON file; it is not. Name a table .csv.")
