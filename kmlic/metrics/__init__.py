"""Metrics that ignore unknown labels."""

from kmlic.metrics.attribute_accuracy import (
    AttributeAccuracy,
    attribute_accuracy,
    confusion_matrices,
)
from kmlic.metrics.mean_average_precision import (
    MeanAveragePrecision,
    average_precision,
)
from kmlic.metrics.precision_recall_auc import precision_recall_auc
from kmlic.metrics.precision_recall_f1 import PrecisionRecallF1, precision_recall_f1

__all__ = [
    "AttributeAccuracy",
    "MeanAveragePrecision",
    "PrecisionRecallF1",
    "attribute_accuracy",
    "average_precision",
    "confusion_matrices",
    "precision_recall_auc",
    "precision_recall_f1",
]
