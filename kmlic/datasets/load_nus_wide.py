"""NUS-WIDE, 81 labels."""

from pathlib import Path
from typing import Unpack

import numpy as np

from kmlic.data.build_from_listing import RowOptions, build_from_listing
from kmlic.data.image_row import ImageRow, Listing
from kmlic.data.multi_label_data import MultiLabelData
from kmlic.data.splits import split_images
from kmlic.data.storage import read_lines


def load_nus_wide(
    *,
    data_dir: str | Path | None,
    validation: float = 0.05,
    unlabelled: bool = True,
    **options: Unpack[RowOptions],
) -> MultiLabelData:
    """Loads NUS-WIDE from its folder, as its authors distribute it.

    The folder holds ConceptsList/Concepts81.txt, ImageList/TrainImagelist.txt and
    TestImagelist.txt, Groundtruth/TrainTestLabels/Labels_<label>_Train.txt and
    ..._Test.txt, and the images in Flickr. The 107,859 official test images are the
    test split; a stratified part of the 161,789 others is the validation split. "ASL's
    split" in papers is another one.

    Args:
        data_dir: the folder.
        validation: fraction 0-1 of the training images that is the validation split.
        unlabelled: whether to keep images without any label, more than a fifth.
        **options: image_size and batch_size, both required, and what else
            `build_from_listing` takes; `check` is "header" when left out. Use
            `on_error="skip"` if images that Flickr has lost are missing.

    Raises:
        ValueError: naming the file and the rule: a list that is missing, lists that
            differ in length, a mark that is not 0 or 1.
    """
    if data_dir is None:
        raise ValueError(
            '`data_dir` must be the folder of NUS-WIDE for the dataset "nus_wide"; got '
            "data_dir=None. Ask the authors for it."
        )
    if not 0 < validation < 1:
        raise ValueError(
            f"`validation` must be between 0 and 1; got validation={validation}."
        )
    folder, seed = Path(data_dir), options.get("seed", 0)
    names = read_lines(folder / "ConceptsList" / "Concepts81.txt")
    rows: list[ImageRow] = []
    for part in ("Train", "Test"):
        paths = read_lines(folder / "ImageList" / f"{part}Imagelist.txt")
        targets = _read_targets(folder, part, names, len(paths))
        split = np.full(len(paths), "test")
        if part == "Train":
            fractions = (1 - validation, validation / 2, validation / 2)
            held_out = split_images(targets, fractions=fractions, seed=seed) > 0
            split = np.where(held_out, "validation", "train")
        for path, marks, own in zip(paths, targets, split.tolist(), strict=True):
            present = tuple(names[index] for index in np.flatnonzero(marks))
            if present or unlabelled:
                image = f"Flickr/{path.replace(chr(92), '/')}"  # written on Windows
                rows.append(ImageRow(0, image, present, split=own))
    own = {"validation": validation, "unlabelled": unlabelled}
    options.setdefault("check", "header")
    return build_from_listing(
        Listing(rows, folder, folder, names, "nus_wide", own), **options
    )


def _read_targets(folder: Path, part: str, names: list[str], count: int) -> np.ndarray:
    targets = np.empty((count, len(names)), np.int8)
    for index, name in enumerate(names):
        path = folder / "Groundtruth" / "TrainTestLabels" / f"Labels_{name}_{part}.txt"
        lines = read_lines(path)
        if len(lines) != count:
            raise ValueError(
                f"{path} must have one line per image of {part}Imagelist.txt; got "
                f"{len(lines)} for {count}."
            )
        wrong = [number for number, line in enumerate(lines) if line not in ("0", "1")]
        if wrong:
            raise ValueError(
                f"{path} line {wrong[0] + 1}: must be 0 or 1; got {lines[wrong[0]]!r}."
            )
        targets[:, index] = np.array(lines) == "1"
    return targets
