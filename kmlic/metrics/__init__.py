"""Metrics that ignore unknown labels."""

from kmlic.metrics.attribute_accuracy import (
    AttributeAccuracy,
    attribute_accuracy,
    confusion_matrices,
)
from kmlic.metrics.average_metric import average_metric
from kmlic.metrics.brier_score import brier_score
from kmlic.metrics.check_scores import check_scores
from kmlic.metrics.expected_calibration_error import expected_calibration_error
from kmlic.metrics.hamming_loss import hamming_loss, subset_accuracy
from kmlic.metrics.hit_at_k import HitAtK, hit_at_k
from kmlic.metrics.label_ranking import label_ranking
from kmlic.metrics.label_scores import label_confusion, label_scores
from kmlic.metrics.mean_average_precision import (
    MeanAveragePrecision,
    average_precision,
    mean_average_precision,
)
from kmlic.metrics.ndcg import ndcg
from kmlic.metrics.precision_recall_auc import precision_recall_auc
from kmlic.metrics.precision_recall_f1 import PrecisionRecallF1, precision_recall_f1
from kmlic.metrics.recall_at_precision import precision_at_recall, recall_at_precision
from kmlic.metrics.roc_auc import roc_auc
from kmlic.metrics.top_similarity import (
    TopSimilarity,
    random_similarity,
    top_similarity,
)
from kmlic.metrics.zero_shot import choose_seen_bias, harmonic_mean, zero_shot_hits

__all__ = [
    "AttributeAccuracy",
    "HitAtK",
    "MeanAveragePrecision",
    "PrecisionRecallF1",
    "TopSimilarity",
    "attribute_accuracy",
    "average_metric",
    "average_precision",
    "brier_score",
    "check_scores",
    "choose_seen_bias",
    "confusion_matrices",
    "expected_calibration_error",
    "hamming_loss",
    "harmonic_mean",
    "hit_at_k",
    "label_confusion",
    "label_ranking",
    "label_scores",
    "mean_average_precision",
    "ndcg",
    "precision_at_recall",
    "precision_recall_auc",
    "precision_recall_f1",
    "random_similarity",
    "recall_at_precision",
    "roc_auc",
    "subset_accuracy",
    "top_similarity",
    "zero_shot_hits",
]
