"""Metrics of the order of each image's labels."""

import numpy as np

from kmlic.metrics._ranking import Ranking, checked, rankings


def label_ranking(targets: np.ndarray, scores: np.ndarray) -> dict[str, float]:
    """Ranks the labels of each image by score and averages over the images.

    "coverage": the number of labels down to the last present one, 0 without any.
    "ranking_loss": share of pairs of a present and an absent label in the wrong order
    or tied. "LRAP": share of present labels among those that score at least as high as
    a present one, averaged over those. An image whose known labels are all present, or
    all absent, has ranking loss 0 and LRAP 1.

    Paper: Tsoumakas et al., "Mining Multi-label Data", Data Mining and Knowledge
    Discovery Handbook 2010, section 34.7, https://doi.org/10.1007/978-0-387-09823-4_34,
    counted as by scikit-learn's coverage_error, label_ranking_loss and
    label_ranking_average_precision_score.

    Shapes: (N, L) and (N, L) to three numbers.

    Args:
        targets: 1 present, 0 absent, -1 unknown; unknown labels are not ranked.
        scores: logits or probabilities, comparable between labels.

    Returns:
        "coverage" in labels, "ranking_loss" and "LRAP" 0-1; nan without images.

    Raises:
        ValueError: as `average_precision` does.

    Example:
        >>> targets = np.array([[1, 0, 0], [0, 0, 1]])
        >>> scores = np.array([[0.75, 0.5, 1], [1, 0.2, 0.1]])
        >>> {name: round(x, 3) for name, x in label_ranking(targets, scores).items()}
        {'coverage': 2.5, 'ranking_loss': 0.75, 'LRAP': 0.417}
    """
    targets, scores = checked(targets, scores)
    found = rankings(targets.T, scores.T)
    values = np.array([_of_one_image(ranking) for ranking in found]).reshape(-1, 3)
    means = values.mean(axis=0) if len(values) else np.full(3, np.nan)
    return dict(zip(("coverage", "ranking_loss", "LRAP"), means.tolist(), strict=True))


def _of_one_image(ranking: Ranking | None) -> tuple[float, float, float]:
    if ranking is None:
        return 0.0, 0.0, 1.0
    present, known = ranking.num_positives, len(ranking.ranked)
    pairs = present * (known - present)
    wrong = (ranking.tied * (ranking.images_from - ranking.positives_from)).sum()
    right = (ranking.tied * ranking.positives_from / ranking.images_from).sum()
    return float(ranking.images_from[0]), wrong / max(pairs, 1), right / present
