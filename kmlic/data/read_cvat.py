"""The images of an XML file of CVAT, version 1.1 for images."""

from pathlib import Path
from xml.etree import ElementTree

from kmlic.data.find_images import place_rows
from kmlic.data.image_row import ImageRow, Listing
from kmlic.data.reading_options import ReadingOptions
from kmlic.data.split_name import split_name
from kmlic.data.storage import is_file, parent, read_file

_MAX_XML_BYTES = 2**30


def read_cvat(path: str | Path, reading: ReadingOptions) -> Listing:
    """Reads the images of CVAT's file, with the labels of their tags and shapes.

    A row is the number of the image in the file, from 1.

    Args:
        path: the XML file.
        reading: see `ReadingOptions`.

    Raises:
        ValueError: naming the file, if it is missing or not such XML.
    """
    if not is_file(path):
        raise ValueError(f"{path} must be an XML file; there is no such file.")
    root = parent(path) if reading.root is None else reading.root
    try:
        # Expat limits the growth of entities; ElementTree loads nothing from outside.
        tree = ElementTree.fromstring(read_file(path, max_bytes=_MAX_XML_BYTES))
    except (LookupError, ElementTree.ParseError) as error:
        raise ValueError(f"{path} must be CVAT's XML; got {error}.") from error
    images = tree.findall("image")
    if tree.tag != "annotations":
        raise ValueError(
            f"{path} must be CVAT's XML for images, with the element annotations; got "
            f"{tree.tag}."
        )
    if not images and tree.find("track") is not None:
        raise ValueError(
            f"{path} must be CVAT's XML for images; it is an export for video, whose "
            "tracks name no image files. Export the task as CVAT for images 1.1."
        )
    rows = []
    for number, image in enumerate(images, start=1):
        labels = dict.fromkeys(shape.get("label", "").strip() for shape in image)
        rows.append(
            ImageRow(
                number,
                image.get("name", ""),
                tuple(labels),
                split=split_name(image.get("subset", "")) or "",
                problem="a tag and a shape must have a label" * ("" in labels),
            )
        )
    rows, findings = place_rows(rows, root, suffix=reading.suffix)
    return Listing(
        rows,
        path,
        root,
        findings=findings,
        summary="CVAT for images: the labels of tags and shapes",
    )
