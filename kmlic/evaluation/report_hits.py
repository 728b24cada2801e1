"""Hit rates of ranked labels."""

import numpy as np

from kmlic.evaluation.report import Report
from kmlic.labels import Labels
from kmlic.metrics import average_precision, hit_at_k

_KS = (1, 2, 3, 5, 10, 20)


def report_hits(targets: np.ndarray, scores: np.ndarray, labels: Labels) -> Report:
    """Computes hit@k for six k up to 20 and the mean average precision from scores.

    Shapes: (N, L) and (N, L).

    Args:
        targets: 1 present, 0 absent, -1 unknown.
        scores: larger for better labels.
        labels: names.

    Example:
        >>> targets, scores = np.eye(2), np.array([[0.9, 0.1], [0.8, 0.2]])
        >>> report_hits(targets, scores, Labels(("dog", "cat"))).metrics["hit@1"]
        0.5
    """
    precisions = average_precision(targets, scores)
    metrics = {f"hit@{k}": hit_at_k(targets, scores, k) for k in _KS}
    metrics["mAP"] = float(np.nanmean(precisions))
    per_label = dict(zip(labels.names, map(float, precisions), strict=True))
    return Report(metrics, per_label, len(targets))
