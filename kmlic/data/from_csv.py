"""A dataset of a table of image paths and labels."""

import dataclasses
from pathlib import Path
from typing import Unpack

from kmlic.data.build_from_listing import RowOptions
from kmlic.data.from_path import from_path
from kmlic.data.multi_label_data import MultiLabelData
from kmlic.data.reading_options import DEFAULT_READING, ReadingOptions


def from_csv(
    path: str | Path,
    reading: ReadingOptions | None = None,
    **options: Unpack[RowOptions],
) -> MultiLabelData:
    r"""Reads a table of images and labels; an image has the labels of all its rows.

    Columns: path (or filename, image, id and the like), labels (or tags, label and the
    like; joined by the separator, empty for an image without labels, `?name` for an
    unknown label), and optionally split (train, validation or test), is_valid, caption,
    and group (images of one group stay in one split). Without a column of labels, every
    other column that holds marks is a label: 1 present, 0 absent, -1 unknown, empty as
    `blank` says. Columns that are not used are a finding. A table without a header has
    a path and, behind it, labels in each row. The columns ImageID, LabelName and
    Confidence are those of Open Images: labels that an image does not list are unknown.

    Args:
        path: a UTF-8 file with commas, semicolons or tabs, or .parquet (read by
            pyarrow, may hold lists of labels). May be in a store, such as gs://.
        reading: how it is read; by the defaults when None.
        **options: image_size and batch_size, both required, and what else
            `build_from_listing` takes.

    Raises:
        ValueError: naming the file, the row (the header is row 1) and the rule, such as
            a missing column, a path outside the root or an image that does not decode.

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
    reading = dataclasses.replace(reading or DEFAULT_READING, layout="csv")
    return from_path(path, reading, **options)
