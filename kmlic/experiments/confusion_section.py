"""Report section on labels that are predicted in place of others."""

import numpy as np

from kmlic.evaluation.count_confusions import count_confusions
from kmlic.experiments.scored_images import ScoredImages
from kmlic.html_report import Gallery, Section

_MOST_PAIRS, _MOST_GALLERIES, _MOST_PICTURES = 40, 8, 3


def confusion_section(examined: ScoredImages) -> Section:
    """Lists which label is predicted in place of which, the most frequent first.

    Args:
        examined: images with targets and probabilities.
    """
    names, targets = examined.labels.names, examined.targets
    predicted = examined.predicted
    counts = count_confusions(targets, predicted)
    present = (targets == 1).sum(axis=0)
    called, missed = np.nonzero(counts)
    shares = counts[called, missed] / present[missed]
    order = np.lexsort((-shares, -counts[called, missed]))[:_MOST_PAIRS]
    pairs = list(zip(called[order].tolist(), missed[order].tolist(), strict=True))
    if not pairs:
        return Section("Confusions")
    examples = {}
    for one, other in pairs[:_MOST_GALLERIES]:
        rows = np.flatnonzero(
            (targets[:, one] == 0)
            & predicted[:, one]
            & (targets[:, other] == 1)
            & ~predicted[:, other]
        )
        best = rows[np.argsort(-examined.probabilities[rows, one], kind="stable")]
        examples[one, other] = best[:_MOST_PICTURES].tolist()
    pictures = examined.pictures(
        {
            (row, one): examined.caption(row, one)
            for (one, _), rows in examples.items()
            for row in rows
        }
    )
    return Section(
        "Confusions",
        f"Labels that are predicted where another label is missed, on {examined.name}. "
        f"Labels are predicted by {examined.labels.describe_thresholds()}.",
        ("predicted", "but it is", "images", "of its images, %"),
        [
            [
                names[one],
                names[other],
                f"{counts[one, other]:,}",
                f"{100 * counts[one, other] / present[other]:.1f}",
            ]
            for one, other in pairs
        ],
        galleries=[
            Gallery(
                f"Called {names[one]} when it is {names[other]}",
                [pictures[row, one] for row in rows],
            )
            for (one, other), rows in examples.items()
        ],
    )
