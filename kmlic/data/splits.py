"""Training, validation and test images that share labels but no image."""

import csv
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from scipy.sparse import csr_array

from kmlic.data.multi_label_data import SPLITS
from kmlic.data.stratify import stratify


def split_images(
    targets: np.ndarray | csr_array,
    *,
    fractions: Sequence[float] = (0.7, 0.1, 0.2),
    groups: Sequence[Sequence[Hashable]] = (),
    method: Literal["stratified", "random"] = "stratified",
    seed: int = 0,
) -> np.ndarray:
    """Gives each image a split, with every label in the asked proportions.

    Paper: Sechidis et al., "On the Stratification of Multi-Label Data", ECML PKDD 2011,
    https://doi.org/10.1007/978-3-642-23808-6_10, see `stratify`. A group counts as one
    image with all labels of its members.

    Args:
        targets: (N, L), 1 present; anything else counts as absent. May be sparse.
        fractions: of training, validation and test; positive, summing to 1.
        groups: any number of groupings, each with one key an image; images that share
            a key in one of them stay in one split. None is a key of its own.
        method: "stratified" or "random".
        seed: the same one gives the same split.

    Returns:
        (N,) int8: 0 training, 1 validation, 2 test.

    Raises:
        ValueError: if an argument breaks its rule or a split gets no image.

    Example:
        >>> targets = np.repeat(np.eye(2, dtype="int8"), 10, axis=0)
        >>> split = split_images(targets, fractions=(0.5, 0.2, 0.3))
        >>> [targets[split == i].sum(axis=0).tolist() for i in range(3)]
        [[5, 5], [2, 2], [3, 3]]
    """
    _require(targets, fractions, groups, method)
    count = targets.shape[0]
    members = _join(count, groups)
    random = np.random.RandomState(seed)
    num_groups = int(members.max(initial=-1)) + 1
    order = random.permutation(num_groups)
    folds = np.empty(num_groups, np.int8)
    if method == "stratified":
        belongs = csr_array(
            (np.ones(count, bool), (members, np.arange(count))), (num_groups, count)
        )
        present = (belongs @ (csr_array(targets) == 1)).astype(bool)
        present.sum_duplicates()
        folds[order] = stratify(present[order], fractions, random)
    else:
        sizes = np.bincount(members)[order]
        middles = (np.cumsum(sizes) - sizes / 2) / count
        folds[order] = np.searchsorted(np.cumsum(fractions)[:2], middles)
    split: np.ndarray = folds[members]
    counts = np.bincount(split, minlength=3)
    if not counts.all():
        raise ValueError(
            f"`fractions` must leave at least one image in each split; got "
            f"fractions={tuple(fractions)} for {count} images in "
            f"{num_groups} groups: {dict(zip(SPLITS, counts.tolist(), strict=True))}."
        )
    return split


def read_splits(path: str | Path) -> dict[str, str]:
    """Reads a CSV with columns path and split, as `MultiLabelData.write_splits` makes.

    Args:
        path: the file.

    Returns:
        Image path to "train", "validation" or "test".

    Raises:
        ValueError: naming the file and the row that breaks a rule.
    """
    splits: dict[str, str] = {}
    with Path(path).open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        if reader.fieldnames is None or not {"path", "split"} <= set(reader.fieldnames):
            raise ValueError(
                f"{path} must have the columns path and split; got {reader.fieldnames}."
            )
        for row in reader:
            image, split = row["path"], row["split"]
            if split not in SPLITS:
                raise ValueError(
                    f"{path} row {reader.line_num}: split must be one of {SPLITS}; "
                    f"got {split!r}."
                )
            if image in splits:
                raise ValueError(
                    f"{path} row {reader.line_num}: an image must stand once; "
                    f"{image!r} stands twice."
                )
            splits[image] = split
    return splits


def _require(
    targets: np.ndarray | csr_array,
    fractions: Sequence[float],
    groups: Sequence[Sequence[Hashable]],
    method: str,
) -> None:
    if len(fractions) != 3 or min(fractions) <= 0 or abs(sum(fractions) - 1) > 1e-6:
        raise ValueError(
            "`fractions` must be three positive numbers that sum to 1 (training, "
            f"validation, test); got fractions={tuple(fractions)}."
        )
    if method not in ("stratified", "random"):
        raise ValueError(
            f'`method` must be "stratified" or "random"; got method={method!r}.'
        )
    for keys in groups:
        if len(keys) != targets.shape[0]:
            raise ValueError(
                f"`groups` must have one key per image; got {len(keys)} for "
                f"{targets.shape[0]} images."
            )


def _join(count: int, groupings: Sequence[Sequence[Hashable]]) -> np.ndarray:
    """Numbers the images so that those linked by any key have the same number."""
    parents = list(range(count))

    def root(index: int) -> int:
        while parents[index] != index:
            parents[index] = parents[parents[index]]
            index = parents[index]
        return index

    for keys in groupings:
        first: dict[Hashable, int] = {}
        for index, key in enumerate(keys):
            if key is not None:
                parents[root(index)] = root(first.setdefault(key, index))
    roots = np.array([root(index) for index in range(count)], np.int64)
    return np.unique(roots, return_inverse=True)[1]
