"""Metrics that ignore unknown labels."""

from kmlic.metrics.mean_average_precision import (
    MeanAveragePrecision,
    average_precision,
)
from kmlic.metrics.precision_recall_auc import precision_recall_auc
from kmlic.metrics.precision_recall_f1 import PrecisionRecallF1, precision_recall_f1

__all__ = [
    "MeanAveragePrecision",
    "PrecisionRecallF1",
    "average_precision",
    "precision_recall_auc",
    "precision_recall_f1",
]
