"""Apparel images, 11 labels: a colour and a garment each."""

from pathlib import Path
from typing import Unpack

from kmlic.data.build_from_listing import RowOptions, build_from_listing
from kmlic.data.multi_label_data import MultiLabelData
from kmlic.data.read_folder import read_folder
from kmlic.data.reading_options import ReadingOptions

GROUPS = {
    "colours": ("black", "blue", "brown", "green", "red", "white"),
    "garments": ("dress", "pants", "shirt", "shoes", "shorts"),
}


def load_apparel(
    *, data_dir: str | Path | None, **options: Unpack[RowOptions]
) -> MultiLabelData:
    """Loads the apparel images from their folder, as they are distributed.

    It holds 24 folders of a colour and a garment each, such as black_dress, with 11,385
    images. There is no official split: half of the images are the test split, as in
    MSRN's code. Differs from it: splits are stratified, and copies of an image stay in
    one split.

    Paper: Qu, Che, Huang, Xu and Zheng, "Multi-layered Semantic Representation Network
    for Multi-label Image Classification", 2021, section 4.1,
    https://arxiv.org/abs/2106.11596.

    Args:
        data_dir: the folder.
        **options: image_size and batch_size, both required, and what else
            `build_from_listing` takes; `fractions` are (0.45, 0.05, 0.5) when left out.

    Raises:
        ValueError: naming the folder, the image and the rule: a folder of another name,
            an image that does not decode.
    """
    if data_dir is None:
        raise ValueError(
            '`data_dir` must be the folder of the images for the dataset "apparel"; '
            "got data_dir=None. They are not downloaded."
        )
    listing = read_folder(data_dir, ReadingOptions(separator="_"))
    names = tuple(name for group in GROUPS.values() for name in group)
    listing = listing._replace(label_names=names, name="apparel", options={})
    options.setdefault("label_groups", GROUPS)
    options.setdefault("fractions", (0.45, 0.05, 0.5))
    return build_from_listing(listing, **options)
