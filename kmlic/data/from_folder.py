"""A dataset of a folder of images, labelled by subfolders or text files."""

from pathlib import Path
from typing import Literal, Unpack

from kmlic.check_choice import check_choice
from kmlic.data.build_from_listing import RowOptions, build_from_listing
from kmlic.data.image_row import ImageRow, Listing
from kmlic.data.multi_label_data import MultiLabelData
from kmlic.data.storage import files_below, is_file, is_folder, join, read_file
from kmlic.list_images import SUFFIXES

_MAX_TAGS_BYTES = 1_000_000


def from_folder(
    path: str | Path,
    *,
    layout: Literal["folders", "tags"] = "folders",
    separator: str | None = None,
    **options: Unpack[RowOptions],
) -> MultiLabelData:
    """Reads the images of a folder, labelled by subfolders or by text files.

    With the layout "folders", an image is in a folder named after its label, or after
    several that the separator joins, as in black_jeans. With "tags", each image has a
    text file of the same name beside it, with labels on lines or between separators;
    it is empty for an image without labels. Other files are ignored.

    Args:
        path: the folder, with images at any depth; may be in a store, such as gs://.
        layout: "folders" or "tags".
        separator: between labels; None for one label per folder, or commas in tags.
        **options: image_size and batch_size, both required, and what else
            `build_from_listing` takes.

    Raises:
        ValueError: naming the folder, the image and the rule: no image, no text file
            beside an image, an image that does not decode, an unknown label.

    Example:
        >>> from_folder("photos", image_size=64, batch_size=8, layout="names")
        Traceback (most recent call last):
            ...
        ValueError: `layout` must be one of 'folders', 'tags'; got layout='names'.
    """
    listing = read_folder(path, layout=layout, separator=separator)
    return build_from_listing(listing, **options)


def read_folder(
    path: str | Path,
    *,
    layout: Literal["folders", "tags"] = "folders",
    separator: str | None = None,
) -> Listing:
    """Lists the images of a folder with their labels, see `from_folder`."""
    check_choice("layout", layout, "folders", "tags")
    if separator == "":
        raise ValueError("`separator` must be a text or None; got separator=''.")
    if not is_folder(path):
        raise ValueError(f"{path} must be a folder; there is no such folder.")
    read = _by_folder if layout == "folders" else _by_tags
    rows = []
    for image in images_below(path):
        try:
            labels = tuple(label.strip() for label in read(image, path, separator))
            problem = (
                "" if all(labels) else f"labels must not be empty; got {list(labels)}"
            )
        except ValueError as error:
            labels, problem = (), str(error)
        rows.append(ImageRow(0, image, labels, problem=problem))
    options = {"layout": layout, "separator": separator}
    return Listing(rows, path, path, name="folder", options=options)


def images_below(path: str | Path) -> list[str]:
    """Lists the image files at all levels below a folder, relative to it, in order."""
    return [name for name in files_below(path) if name.lower().endswith(SUFFIXES)]


def tags_beside(image: str) -> str:
    """Returns the name of the text file beside an image."""
    return f"{image.rpartition('.')[0]}.txt"


def _by_folder(image: str, root: str | Path, separator: str | None) -> list[str]:
    del root
    *_, folder, _ = ["", *image.split("/")]
    if not folder:
        raise ValueError("an image must be in the folder of a label")
    return folder.split(separator) if separator else [folder]


def _by_tags(image: str, root: str | Path, separator: str | None) -> list[str]:
    tags = tags_beside(image)
    name = tags.rpartition("/")[2]
    if not is_file(join(root, tags)):
        raise ValueError(f"{name} with its labels must be beside it")
    try:
        content = read_file(join(root, tags), max_bytes=_MAX_TAGS_BYTES)
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{name} must be UTF-8 text") from error
    lines = text.replace(separator or ",", "\n").splitlines()
    return [line for line in lines if line.strip()]
