"""A CSV file of image paths and labels to a dataset."""

import csv
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Unpack

from kmlic.data.build_from_rows import ImageRow, RowOptions, build_from_rows
from kmlic.data.multi_label_data import MultiLabelData

_OPTIONAL = ("split", "caption", "group")

_log = logging.getLogger(__name__)


def from_csv(
    path: str | Path,
    *,
    image_size: int,
    batch_size: int,
    root: str | Path | None = None,
    separator: str = "|",
    **options: Unpack[RowOptions],
) -> MultiLabelData:
    r"""Reads a CSV file with one image a row and loads what it lists.

    Columns: path, labels (joined by the separator; nothing for an image without
    labels; `?name` for a label of which it is unknown whether it is there), and, where
    wanted, split (train, validation or test), caption, and group (images of one group
    stay in one split). Other columns are left alone, and logged. The header is row 1.

    Args:
        path: a UTF-8 file.
        image_size: side in pixels that images are resized to.
        batch_size: images a batch.
        root: folder that the paths are relative to; the file's own when None.
        separator: between labels.
        **options: see `build_from_rows`: label_names, label_groups, seed, on_error,
            fractions, splitting, augmentation, cache, check, max_bytes, max_pixels.

    Raises:
        ValueError: naming the file, the row and the rule: a missing column, no rows,
            text that is not UTF-8, an empty path or one outside the root, an image that
            is missing, stands twice or does not decode, an unknown label.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     lines = ["path,labels"]
        ...     for number in range(10):
        ...         name = f"{number}.png"
        ...         image = Image.new("RGB", (8, 8), (number, 0, 0))
        ...         image.save(Path(folder) / name)
        ...         lines.append(f"{name},{'dog|sofa' if number % 2 else 'cat'}")
        ...     _ = (Path(folder) / "labels.csv").write_text("\n".join(lines))
        ...     data = from_csv(
        ...         Path(folder) / "labels.csv", image_size=8, batch_size=2
        ...     )
        >>> data.labels.names, data.sizes["train"]
        (('cat', 'dog', 'sofa'), 7)
    """
    path = Path(path)
    if not separator:
        raise ValueError("`separator` must be a text; got separator=''.")
    if not path.is_file():
        raise ValueError(f"{path} must be a CSV file; there is no such file.")
    try:
        rows = list(_read_rows(path, separator))
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} must be UTF-8 text; byte {error.start} is not. Save it as UTF-8."
        ) from error
    except csv.Error as error:
        raise ValueError(f"{path} must be a CSV file; got {error}.") from error
    return build_from_rows(
        rows,
        source=path,
        root=path.parent if root is None else root,
        image_size=image_size,
        batch_size=batch_size,
        **options,
    )


def _read_rows(path: Path, separator: str) -> Iterator[ImageRow]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        header = next(reader, [])
        _require_columns(header, path)
        for cells in reader:
            if cells:
                yield _read_row(reader.line_num, header, cells, separator)


def _require_columns(header: list[str], path: Path) -> None:
    for name in ("path", "labels"):
        if name not in header:
            raise ValueError(
                f"{path} row 1: the header must name the columns path and labels; "
                f"{name!r} is missing in {header}."
            )
    if len(set(header)) < len(header):
        raise ValueError(f"{path} row 1: a column must stand once; got {header}.")
    surplus = [name for name in header if name not in ("path", "labels", *_OPTIONAL)]
    if surplus:
        _log.warning("%s: the columns %s are not used", path, surplus)


def _read_row(
    line: int, header: list[str], cells: list[str], separator: str
) -> ImageRow:
    values = dict(zip(header, cells, strict=False))
    path = values.get("path", "")
    if len(cells) != len(header):
        return ImageRow(
            line,
            path,
            problem=f"a row must have {len(header)} cells {header}; got {len(cells)}",
        )
    names = [name.strip() for name in values["labels"].split(separator)]
    if names == [""]:
        names = []
    if not all(name.removeprefix("?") for name in names):
        return ImageRow(
            line, path, problem=f"labels must not be empty; got {values['labels']!r}"
        )
    return ImageRow(
        line,
        path,
        labels=tuple(name for name in names if not name.startswith("?")),
        unknown=tuple(name[1:] for name in names if name.startswith("?")),
        split=values.get("split", ""),
        caption=values.get("caption", ""),
        group=values.get("group", ""),
    )
