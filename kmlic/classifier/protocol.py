"""Which images models are fitted to and which they are compared on."""

import dataclasses

import numpy as np

from kmlic.classifier.images import VALIDATION, Images
from kmlic.data import fold_images
from kmlic.data.splits import count_sets
from kmlic.evaluation.bootstrap import Bootstrap
from kmlic.known_names import Metric

# Below this a validation split would choose badly, so that every image is scored once
# by a model that was fitted without it.
FEW = 2000
_NUM_FOLDS = 5
_VALIDATION_FOLDS = 10


@dataclasses.dataclass(frozen=True, eq=False)
class Protocol:
    """Holds the folds that every candidate is scored in, alike for all of them.

    Args:
        folds: rows to fit to and rows to score, in pairs.
        scored: the scored rows of all folds, in the order of a candidate's logits.
        parts: number of the part of each scored row, for what is fitted to scores and
            judged by scores of the other parts: its fold, if there are several.
        cross_validated: whether scored rows are fitted to by the other folds and by
            the model of all training images.
    """

    folds: tuple[tuple[np.ndarray, np.ndarray], ...]
    scored: np.ndarray
    parts: np.ndarray
    cross_validated: bool

    def first(self, scored: int) -> "Protocol":
        """Returns the protocol of the first folds, which score so many rows."""
        ends = np.cumsum([len(rows) for _, rows in self.folds])
        return dataclasses.replace(
            self,
            folds=self.folds[: int(np.searchsorted(ends, scored)) + 1],
            scored=self.scored[:scored],
            parts=self.parts[:scored],
        )

    @property
    def name(self) -> str:
        """Returns what scores are called in reports."""
        return "out of fold" if self.cross_validated else "on the validation images"

    def bootstrap(self, images: Images, metric: Metric) -> Bootstrap:
        """Returns what draws the scored images, to compare models on the same draws."""
        return Bootstrap(
            images.targets[self.scored],
            images.labels,
            metric=metric,
            groups=images.groups_of(self.scored),
        )

    def describe(self, images: Images, metric: Metric, logits: np.ndarray) -> str:
        """Returns a metric of the scored images with its interval, in words."""
        bootstrap = self.bootstrap(images, metric)
        value = bootstrap.interval(bootstrap.values(logits))
        return f"{metric} {value} {self.name}"


def make_protocol(images: Images, *, seed: int = 0) -> Protocol:
    """Returns five folds of fewer than 2,000 images, else one validation split.

    Validation images of data that names its splits take part in the folds; of more
    images they are the validation split, a tenth of the images where there are none.

    Args:
        images: the test images among them take part in nothing.
        seed: of the folds.

    Raises:
        ValueError: if the training images cannot be divided.
    """
    rows = images.training_rows
    given = np.flatnonzero(images.split == VALIDATION)
    if len(rows) >= FEW:
        if not len(given):
            given = rows[_deal(images, rows, _VALIDATION_FOLDS, seed) == 0]
        fitted = np.setdiff1d(rows, given)
        parts = _deal(images, given, _NUM_FOLDS, seed)
        return Protocol(((fitted, given),), given, parts, False)
    number = _deal(images, rows, _NUM_FOLDS, seed)
    folds = tuple(
        (rows[number != fold], rows[number == fold]) for fold in np.unique(number)
    )
    return Protocol(
        folds, np.concatenate([scored for _, scored in folds]), np.sort(number), True
    )


def _deal(images: Images, rows: np.ndarray, wanted: int, seed: int) -> np.ndarray:
    """Returns each row's fold, of fewer folds where one would have no image."""
    targets = images.targets[rows]
    groups = [[keys[row] for row in rows] for keys in images.together]
    distinct = count_sets(*groups)
    if distinct < 2:
        raise ValueError(
            f"{images.source} must have images that can be divided in two, to fit "
            f"models to one part and compare them on the other; all {len(rows)} are "
            "copies of one image, or of one group. Add other images."
        )
    for count in range(min(wanted, distinct), 2, -1):
        try:
            return fold_images(targets, count, groups=groups, seed=seed)
        except ValueError:  # very few images: their labels leave a fold empty
            continue
    return fold_images(targets, 2, groups=groups, seed=seed)
