"""Labels that are probably wrong, by the probabilities of a model."""

import dataclasses
import warnings

import numpy as np

from kmlic.metrics import average_precision, check_scores
from kmlic.require_extra import require_extra

_EDGE = 1e-6
# With 5 % of two datasets' labels flipped it found 50 and 83 % of these, cleanlab's
# default 52 and 93 %, with 298 and 193 entries to look at instead of 403 and 236.
_FILTER = "confident_learning"


@dataclasses.dataclass(frozen=True, eq=False)
class LabelErrors:
    """Holds how much each entry of the targets is to be trusted.

    Args:
        quality: (N, L), the probability that an entry is right, 0-1; NaN if unknown.
        likely: (N, L), whether cleanlab finds the entry wrong.
        image_quality: (N,), 0-1, low for images whose entries are probably wrong.
        uncertainty: (N,), mean entropy of the image's labels in bits: high for images
            that the model is least sure of, whatever their targets.
        precisions: (L,), average precision of each label, NaN without positives.
    """

    quality: np.ndarray
    likely: np.ndarray
    image_quality: np.ndarray
    uncertainty: np.ndarray
    precisions: np.ndarray

    def ranked(self, among: np.ndarray | None = None) -> list[tuple[int, int]]:
        """Returns images and labels of entries, those most probably wrong first.

        Args:
            among: (N, L) which entries; None for all known ones.
        """
        known = ~np.isnan(self.quality)
        rows, columns = np.nonzero(known if among is None else known & among)
        order = np.argsort(self.quality[rows, columns], kind="stable")
        return list(zip(rows[order].tolist(), columns[order].tolist(), strict=True))


def find_label_errors(targets: np.ndarray, probabilities: np.ndarray) -> LabelErrors:
    """Finds missing and wrong labels by probabilities of a model that did not see them.

    A label is probably missing where it is absent and the model is sure of it, and
    probably wrong where it is present and the model is sure that it is not. Its
    certainty is judged for each label against its usual probabilities. Probabilities
    must be of images that the model was not fitted to, otherwise it repeats their
    errors. Needs the extra label_errors.

    Paper: Thyagarajan, Snorrason, Northcutt and Mueller, "Identifying Incorrect
    Annotations in Multi-Label Classification Data", 2022,
    https://arxiv.org/abs/2211.13895; Northcutt, Jiang and Chuang, "Confident Learning:
    Estimating Uncertainty in Dataset Labels", JAIR 2021,
    https://arxiv.org/abs/1911.00068. Computed by cleanlab, for each label among the
    images where it is known.

    Shapes: (N, L) and (N, L).

    Args:
        targets: 1 present, 0 absent, -1 unknown; unknown entries are never errors.
        probabilities: 0-1.

    Raises:
        ValueError: if shapes differ or a number is out of its limits.
        ImportError: naming the extra, if it is not installed.

    Example:
        >>> targets = np.array([[1], [1], [1], [0], [0], [0], [0], [1]])
        >>> probabilities = np.array([[9], [8], [9], [1], [2], [1], [9], [1]]) / 10
        >>> found = find_label_errors(targets, probabilities)
        >>> np.argwhere(found.likely).tolist(), found.ranked()[:2]
        ([[6, 0], [7, 0]], [(6, 0), (7, 0)])
    """
    require_extra("label_errors", "cleanlab", "Finding label errors")
    from cleanlab.multilabel_classification import filter, rank

    targets, probabilities = check_scores(
        targets, probabilities, name="probabilities", probabilities=True
    )
    # cleanlab takes the rows of one label to be distributions that sum to 1.
    probabilities = np.clip(probabilities.astype(np.float64), _EDGE, 1 - _EDGE)
    quality = np.full(targets.shape, np.nan)
    likely = np.zeros(targets.shape, bool)
    for label, truth in enumerate(targets.T):
        rows = np.flatnonzero(truth != -1)
        if not len(rows):
            continue
        given = [[0] if present else [] for present in truth[rows] == 1]
        own = probabilities[rows, label, None]
        if not any(given):  # which cleanlab cannot score
            quality[rows, label] = 1 - own[:, 0]
            continue
        scores = rank.get_label_quality_scores_per_class(given, own)
        quality[rows, label] = scores[:, 0]
        if (truth == 1).sum() < len(rows):
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "May not flag all label issues")
                issues = filter.find_multilabel_issues_per_class(
                    given, own, filter_by=_FILTER, n_jobs=1
                )
            likely[rows, label] = issues[:, 0]
    # An unknown entry counts as the model sees it, so that it is no error.
    assumed = np.where(targets == -1, probabilities >= 0.5, targets == 1)
    image_quality = np.nan_to_num(quality[:, 0], nan=1.0)
    if not assumed.any():
        image_quality = 1 - probabilities.max(axis=1)
    elif targets.shape[1] > 1:
        lists = [np.flatnonzero(row).tolist() for row in assumed]
        image_quality = rank.get_label_quality_scores(lists, probabilities)
    entropy = -probabilities * np.log2(probabilities)
    entropy -= (1 - probabilities) * np.log2(1 - probabilities)
    return LabelErrors(
        quality,
        likely,
        image_quality,
        entropy.mean(axis=1),
        average_precision(targets, probabilities),
    )
