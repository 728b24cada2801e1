"""A dataset of a folder of images, labelled by subfolders or text files."""

from pathlib import Path

from kmlic.data.image_row import ImageRow, Listing
from kmlic.data.reading_options import ReadingOptions
from kmlic.data.storage import files_below, is_file, is_folder, join, read_file
from kmlic.list_images import SUFFIXES

_MAX_TAGS_BYTES = 1_000_000


def read_folder(path: str | Path, reading: ReadingOptions) -> Listing:
    """Lists the images of a folder with their labels, see `from_folder`."""
    separator = reading.separator
    if not is_folder(path):
        raise ValueError(f"{path} must be a folder; there is no such folder.")
    read = _by_tags if reading.layout == "tags" else _by_folder
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
    return Listing(rows, path, path)


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
