"""The images of a folder with a table of labels beside them, or one for each split."""

from collections.abc import Sequence
from pathlib import Path

from kmlic.data.finding import Finding
from kmlic.data.image_row import ImageRow, Listing
from kmlic.data.read_csv import read_csv
from kmlic.data.read_json_lines import read_json_lines
from kmlic.data.reading_options import ReadingOptions
from kmlic.data.split_name import folder_split, infer_splits
from kmlic.data.storage import files_below, is_folder, join

TABLE_NAMES = ("_classes.csv", "metadata.csv", "metadata.jsonl")
_DEEPEST = 2


def read_tables(path: str | Path, reading: ReadingOptions) -> Listing:
    """Reads the tables `_classes.csv` of Roboflow, or `metadata.*` of Hugging Face.

    Each table lists the images beside it. Where tables are in folders named after
    splits, these are the splits of the images.

    Args:
        path: the folder.
        reading: see `read_table`.

    Raises:
        ValueError: naming the table, the row and the rule.
    """
    if not is_folder(path):
        raise ValueError(f"{path} must be a folder; there is no such folder.")
    tables = table_names(files_below(path).names)
    if not tables:
        raise ValueError(f"{path} must hold {' or '.join(TABLE_NAMES)}; it does not.")
    splits = list(map(folder_split, tables))
    listings = []
    for name in tables:
        read = read_json_lines if name.endswith(".jsonl") else read_csv
        listing = read(join(path, name), reading)
        folder = name.rpartition("/")[0]
        rows = [
            row._replace(
                path=f"{folder}/{row.path}" if folder and row.path else row.path
            )
            for row in listing.rows
        ]
        listings.append(listing._replace(rows=rows))
    if len({listing.unlisted for listing in listings}) > 1:
        raise ValueError(
            f"{path} must hold tables of one kind; in some of {', '.join(tables)} "
            "labels that are not listed are absent, in others unknown. Read each by "
            "its path."
        )
    names = list(
        dict.fromkeys(name for each in listings for name in each.label_names or ())
    )
    findings: list[Finding] = []
    all_rows: list[ImageRow] = []
    for table, listing in zip(tables, listings, strict=True):
        own = set(listing.label_names or names)
        lacking = tuple(name for name in names if name not in own)
        all_rows += _with_unknown(listing.rows, lacking)
        findings += listing.findings
        if lacking:
            findings.append(
                Finding(
                    "warning",
                    "Labels that a table has no column for",
                    f"They are unknown for the images of {table}.",
                    ("label",),
                    lacking,
                )
            )
    by_folder = [
        split
        for split, listing in zip(splits, listings, strict=True)
        for _ in listing.rows
    ]
    all_rows, unused = infer_splits(all_rows, by_folder)
    return Listing(
        all_rows,
        path,
        path,
        names or None,
        findings=[unused, *findings],
        unlisted=listings[0].unlisted,
        summary=f"{', '.join(tables)}: {listings[0].summary}",
    )


def table_names(names: Sequence[str]) -> list[str]:
    """Returns the tables among the files of a folder, at most two folders deep.

    Example:
        >>> table_names(["train/_classes.csv", "train/1.jpg", "notes.csv"])
        ['train/_classes.csv']
    """
    found = [name for name in names if name.rpartition("/")[2] in TABLE_NAMES]
    return [name for name in found if name.count("/") <= _DEEPEST]


def _with_unknown(
    rows: Sequence[ImageRow], labels: tuple[str, ...]
) -> Sequence[ImageRow]:
    if not labels:
        return rows
    return [row._replace(unknown=(*row.unknown, *labels)) for row in rows]
