"""A dataset of own images, from any file or folder that kmlic reads."""

from pathlib import Path
from typing import Unpack

from kmlic.data.build_from_listing import RowOptions, build_from_listing
from kmlic.data.multi_label_data import MultiLabelData
from kmlic.data.read_listing import read_listing
from kmlic.data.reading_options import ReadingOptions


def from_path(
    path: str | Path,
    reading: ReadingOptions | None = None,
    *,
    boxes: bool = False,
    **options: Unpack[RowOptions],
) -> MultiLabelData:
    """Reads own images with their labels from a file or folder of any known layout.

    Args:
        path: the file or folder, see `read_listing`.
        reading: how it is read; the layout is found in its files when None.
        boxes: whether to read the boxes of COCO too, which needs "bbox" in each
            annotation and "height" and "width" of each image.
        **options: image_size and batch_size, both required, and what else
            `build_from_listing` takes.

    Raises:
        ValueError: naming the file, the row and the rule.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for number in range(20):
        ...         label = Path(folder) / ("dog" if number % 2 else "cat")
        ...         label.mkdir(exist_ok=True)
        ...         image = Image.new("RGB", (8, 8), (number, 0, 0))
        ...         image.save(label / f"{number}.png")
        ...     data = from_path(folder, image_size=8, batch_size=2)
        >>> data.labels.names, data.sizes["train"]
        (('cat', 'dog'), 14)
    """
    return build_from_listing(read_listing(path, reading, boxes=boxes), **options)
