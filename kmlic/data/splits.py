"""Splits of a dataset into training, validation and test images."""

from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components

from kmlic.check_choice import check_choice
from kmlic.check_limits import FRACTIONS, check_fractions
from kmlic.count_noun import count_noun
from kmlic.data.multi_label_data import SPLITS
from kmlic.data.read_text_rows import read_columns
from kmlic.data.split_name import split_name
from kmlic.data.stratify import stratify
from kmlic.escape_text import unguard_cell

# `kmlic train` makes no test split of fewer images unless it is told to.
FEWEST_WITH_TEST = 50
# `kmlic train` refuses data with fewer training images.
FEWEST_TO_TRAIN = 4


def split_images(
    targets: np.ndarray | csr_array,
    *,
    fractions: Sequence[float] = FRACTIONS,
    groups: Sequence[Sequence[Hashable]] = (),
    method: Literal["stratified", "random"] = "stratified",
    num_folds: int | None = None,
    seed: int = 0,
) -> np.ndarray:
    """Splits images so that every label has the requested proportions.

    Paper: Sechidis et al., "On the Stratification of Multi-Label Data", ECML PKDD 2011,
    https://doi.org/10.1007/978-3-642-23808-6_10, see `stratify`. A group counts as one
    image with all labels of its members.

    Args:
        targets: (N, L), 1 present; anything else counts as absent. May be sparse.
        fractions: of training, validation and test, summing to 1; a split of 0 gets no
            image.
        groups: any number of groupings, each with one key per image; images that share
            a key, other than None, stay in one split.
        method: "stratified" or "random".
        num_folds: the test images are the fold number `seed` of so many, the same folds
            for all seeds, and `fractions` divides the other images into training and
            validation; None takes the test images by `fractions`.
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
    check_fractions(fractions)
    shares = np.asarray(fractions, np.float64)
    if num_folds is not None:
        return _split_around_fold(targets, shares, groups, method, num_folds, seed)
    wanted = np.flatnonzero(shares)
    dealt, num_groups = _deal(targets, shares[wanted], groups, method, seed)
    split = wanted.astype(np.int8)[dealt]
    count, counts = len(split), np.bincount(split, minlength=3)
    if not counts[wanted].all():
        got = ", ".join(
            f"{images:,} {name}" for name, images in zip(SPLITS, counts, strict=True)
        )
        given = " ".join(f"{share:g}" for share in fractions)
        if tuple(fractions) == FRACTIONS:
            given += ", the default,"
        raise ValueError(
            "`fractions` must leave at least one image in each split; got "
            f"--fractions {given} for {_count(count, num_groups)}: {got}. A split "
            "with the fraction 0 needs none: --fractions 1 0 0 trains on all images."
        )
    return split


def fold_images(
    targets: np.ndarray | csr_array,
    num_folds: int = 5,
    *,
    groups: Sequence[Sequence[Hashable]] = (),
    method: Literal["stratified", "random"] = "stratified",
    seed: int = 0,
) -> np.ndarray:
    """Splits images into folds for cross-validation, as `split_images` does.

    Args:
        targets: as `split_images` takes them.
        num_folds: at least 2.
        groups: as `split_images` takes them.
        method: "stratified" or "random".
        seed: the same one gives the same folds.

    Returns:
        (N,) int8: the number of each image's fold, from 0.

    Raises:
        ValueError: if an argument breaks its rule or a fold gets no image.

    Example:
        >>> targets = np.repeat(np.eye(2, dtype="int8"), 10, axis=0)
        >>> folds = fold_images(targets, 5)
        >>> [targets[folds == fold].sum(axis=0).tolist() for fold in range(5)]
        [[2, 2], [2, 2], [2, 2], [2, 2], [2, 2]]
    """
    if not 2 <= num_folds <= 127:
        raise ValueError(
            f"`num_folds` must be from 2 to 127; got num_folds={num_folds}."
        )
    fractions = (1 / num_folds,) * num_folds
    folds, num_groups = _deal(targets, fractions, groups, method, seed)
    if not np.bincount(folds, minlength=num_folds).all():
        raise ValueError(
            "`num_folds` must leave at least one image in each fold; got "
            f"num_folds={num_folds} for {_count(len(folds), num_groups)}."
        )
    return folds


def count_sets(*groups: Sequence[Hashable]) -> int:
    """Counts the sets of images that stay together, in one split or fold.

    Args:
        *groups: one grouping or more, as `split_images` takes them.

    Example:
        >>> count_sets(["a", "a", "b", None]), count_sets("aab", [None, 1, 1])
        (3, 1)
    """
    return len(np.unique(_join(len(groups[0]), groups)))


def read_splits(path: str | Path) -> dict[str, str]:
    """Reads a CSV with the columns path and split into a dictionary.

    Raises:
        ValueError: naming the file and the row that breaks a rule.
    """
    splits: dict[str, str] = {}
    for line, row in read_columns(path, ("path", "split")):
        image, split = unguard_cell(row["path"]), split_name(row["split"])
        if not split:
            raise ValueError(
                f"{path} row {line}: split must be one of {SPLITS}; got "
                f"{row['split']!r}."
            )
        if image in splits:
            raise ValueError(
                f"{path} row {line}: an image must be listed once; {image!r} is listed "
                "twice."
            )
        splits[image] = split
    return splits


def _split_around_fold(
    targets: np.ndarray | csr_array,
    shares: np.ndarray,
    groups: Sequence[Sequence[Hashable]],
    method: Literal["stratified", "random"],
    num_folds: int,
    seed: int,
) -> np.ndarray:
    """Returns the split whose test images are the fold number `seed`."""
    if not 0 <= seed < num_folds or not shares[0]:
        raise ValueError(
            "`seed` must be the number of a fold, from 0, and `fractions` must leave "
            f"images to train on; got seed={seed} for num_folds={num_folds} and "
            f"fractions={tuple(shares.tolist())}."
        )
    test = fold_images(targets, num_folds, groups=groups, method=method) == seed
    others = np.flatnonzero(~test)
    split = np.full(len(test), SPLITS.index("test"), np.int8)
    split[others] = split_images(
        targets[others],
        fractions=(*(shares[:2] / shares[:2].sum()), 0),
        groups=[[keys[row] for row in others.tolist()] for keys in groups],
        method=method,
        seed=seed,
    )
    return split


def _count(images: int, groups: int) -> str:
    return f"{count_noun(images, 'image')} in {count_noun(groups, 'group')}"


def _deal(
    targets: np.ndarray | csr_array,
    fractions: Sequence[float] | np.ndarray,
    groups: Sequence[Sequence[Hashable]],
    method: str,
    seed: int,
) -> tuple[np.ndarray, int]:
    """Returns the fraction that each image belongs to, and the number of groups."""
    check_choice("method", method, "stratified", "random")
    for keys in groups:
        if len(keys) != targets.shape[0]:
            raise ValueError(
                f"`groups` must have one key per image; got {len(keys)} for "
                f"{targets.shape[0]} images."
            )
    count = targets.shape[0]
    members = _join(count, groups)
    random = np.random.RandomState(seed)
    num_groups = int(members.max(initial=-1)) + 1
    order = random.permutation(num_groups)
    dealt = np.empty(num_groups, np.int8)
    if method == "stratified":
        belongs = csr_array(
            (np.ones(count, bool), (members, np.arange(count))), (num_groups, count)
        )
        present = (belongs @ (csr_array(targets) == 1)).astype(bool)
        present.sum_duplicates()
        dealt[order] = stratify(present[order], fractions, random)
    else:
        sizes = np.bincount(members)[order]
        middles = (np.cumsum(sizes) - sizes / 2) / count
        dealt[order] = np.searchsorted(np.cumsum(fractions)[:-1], middles)
    return dealt[members], num_groups


def _join(count: int, groupings: Sequence[Sequence[Hashable]]) -> np.ndarray:
    """Numbers the images so that those linked by any key have the same number."""
    pairs = []
    for keys in groupings:
        first: dict[Hashable, int] = {}
        pairs += [
            (index, first.setdefault(key, index))
            for index, key in enumerate(keys)
            if key is not None
        ]
    ones, others = np.array(pairs, np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(len(ones), bool), (ones, others)), (count, count))
    return connected_components(graph, directed=False)[1]
