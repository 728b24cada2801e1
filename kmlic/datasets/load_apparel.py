"""Apparel images, 11 labels: a colour and a garment each."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from kmlic.data.build_from_rows import build_from_listing
from kmlic.data.from_folder import read_folder
from kmlic.data.multi_label_data import MultiLabelData

GROUPS = {
    "colours": ("black", "blue", "brown", "green", "red", "white"),
    "garments": ("dress", "pants", "shirt", "shoes", "shorts"),
}


def load_apparel(
    *,
    image_size: int,
    batch_size: int,
    data_dir: str | Path | None,
    seed: int = 0,
    augmentation: str = "flip",
    cache: bool = True,
    fractions: Sequence[float] = (0.45, 0.05, 0.5),
    on_error: Literal["raise", "skip"] = "raise",
    check: Literal["decode", "header", "none"] = "decode",
) -> MultiLabelData:
    """Loads the apparel images from their folder, as they are distributed.

    It holds a folder for each colour and garment, such as black_dress and brown_shoes,
    24 with 11,385 images in all. There is no official split: half of the images test,
    as in MSRN's code, and a part of the other half validates. Differs from it: splits
    are stratified, and copies of an image stay in one.

    Paper: Qu, Che, Huang, Xu and Zheng, "Multi-layered Semantic Representation Network
    for Multi-label Image Classification", 2021, section 4.1,
    https://arxiv.org/abs/2106.11596.

    Args:
        image_size: side in pixels that images are resized to.
        batch_size: images a batch.
        data_dir: the folder.
        seed: of splits, order and augmentation.
        augmentation: of training images, see `Augmentation`.
        cache: whether to keep decoded images in memory while they fit in 2 GiB.
        fractions: of training, validation and test images.
        on_error: "raise" or "skip", see `build_from_rows`.
        check: see `build_from_rows`.

    Raises:
        ValueError: naming the folder, the image and the rule: a folder of another name,
            an image that does not decode.
    """
    if data_dir is None:
        raise ValueError(
            '`data_dir` must be the folder of the images for the dataset "apparel"; '
            "got data_dir=None. They are not downloaded."
        )
    listing = read_folder(data_dir, layout="folders", separator="_")
    names = tuple(name for group in GROUPS.values() for name in group)
    return build_from_listing(
        listing._replace(label_names=names),
        label_groups=GROUPS,
        image_size=image_size,
        batch_size=batch_size,
        seed=seed,
        augmentation=augmentation,
        cache=cache,
        fractions=fractions,
        on_error=on_error,
        check=check,
    )
