"""Exact average precision of each label and its mean."""

import sys

import keras
import numpy as np

from kmlic.check_number import check_number
from kmlic.metrics._ranking import Ranking, checked, per_label
from kmlic.metrics.average_metric import average_metric


def average_precision(targets: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Ranks the images of each label and averages the precision at positives.

    Images with equal scores share the last of their ranks, as in scikit-learn, so the
    order of the images does not matter. Each label is sorted once; the ranks of
    positives are found by bisection.

    Paper: Everingham et al., "The PASCAL Visual Object Classes Challenge", IJCV 2010,
    as revised in 2010: the sum of precision times the step of recall at each distinct
    score. Differs from VOC 2007, which sampled eleven recalls, and from ML-GCN's code,
    which breaks ties by the order of the images.

    Shapes: (N, L) and (N, L) to (L,) float64.

    Args:
        targets: 1 present, 0 absent, -1 unknown; unknown entries are ignored.
        scores: logits or probabilities; only their order matters.

    Returns:
        One number 0-1 per label, nan for labels without positives.

    Raises:
        ValueError: if shapes differ, a target is not 1, 0 or -1, or a score is NaN.

    Example:
        >>> targets = np.array([[1, 0], [0, 0], [1, -1]])
        >>> scores = np.array([[0.9, 0.2], [0.5, 0.1], [0.1, 0.3]])
        >>> average_precision(targets, scores).round(4).tolist()
        [0.8333, nan]
    """
    return per_label(_average_precision, targets, scores)


def mean_average_precision(
    targets: np.ndarray, scores: np.ndarray, *, average: str = "macro"
) -> float:
    """Averages the average precision over labels, entries or images.

    See `average_metric` for the averages; "macro" is the mean that papers report.
    "micro" and "samples" compare scores of different labels.

    Paper: as `average_precision`; the averages are those of scikit-learn's
    average_precision_score, which counts labels and images without positives as 0,
    where they are excluded here.

    Shapes: (N, L) and (N, L) to a number 0-1, nan without positives.

    Args:
        targets: as `average_precision` takes them.
        scores: as `average_precision` takes them.
        average: "macro", "weighted", "micro" or "samples".

    Raises:
        ValueError: if `average` is unknown, and as `average_precision` does.

    Example:
        >>> targets = np.array([[1, 0], [0, 1], [1, 0]])
        >>> scores = np.array([[0.9, 0.2], [0.5, 0.1], [0.1, 0.3]])
        >>> round(mean_average_precision(targets, scores), 4)
        0.5833
    """
    return average_metric(average_precision, *checked(targets, scores), average=average)


@keras.saving.register_keras_serializable(package="kmlic")
class MeanAveragePrecision(keras.Metric):
    """Computes mean average precision from scores gathered on the host.

    Exact average precision needs all scores at once, and Keras' weights cannot grow. So
    this metric works in NumPy, eagerly and outside replicas: score the complete
    validation set once, without padding, and pass it in batches of any size. Labels
    without positives are excluded from the mean and listed.

    Paper: as `average_precision`.

    Shapes: targets (B, L) and scores (B, L) to a number 0-1, 0 when no label has a
    positive.

    Args:
        num_labels: L.
        from_logits: whether scores are logits. Only their order matters; probabilities
            are checked to be between 0 and 1.

    Raises:
        ValueError: if `update_state` is called inside a graph or a replica, or gets
            another number of labels, targets other than 1, 0 and -1, or weights
            other than 0 and 1.

    Example:
        >>> metric = MeanAveragePrecision(2)
        >>> metric.update_state([[1, 0], [0, 0]], [[2.0, -1.0], [0.0, 1.0]])
        >>> metric.update_state([[1, 0]], [[-3.0, 0.5]])
        >>> round(metric.result(), 4), metric.labels_without_positives()
        (0.8333, [1])
    """

    def __init__(
        self,
        num_labels: int,
        *,
        from_logits: bool = True,
        name: str = "mean_average_precision",
        **kwargs,
    ):
        super().__init__(name=name, **kwargs)
        check_number("num_labels", num_labels, at_least=1)
        self.num_labels = num_labels
        self.from_logits = from_logits
        self._chunks: list[tuple[np.ndarray, np.ndarray]] = []

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Stores a batch without its padding, the rows whose `sample_weight` is 0."""
        inputs = [y_true, y_pred, sample_weight]
        if any(_is_symbolic(x) for x in inputs) or _is_inside_replica():
            raise ValueError(
                "MeanAveragePrecision needs all scores at once: it cannot be updated "
                "inside a graph or a replica, nor passed to `compile`. Score the "
                "complete validation set on the host instead, through kmlic.training's "
                "callback or kmlic.training.predict_scores."
            )
        targets, scores = checked(_to_numpy(y_true), _to_numpy(y_pred))
        if targets.shape[1] != self.num_labels:
            raise ValueError(
                f"targets must be (B, {self.num_labels}); got {targets.shape} for "
                f"num_labels={self.num_labels}."
            )
        if not self.from_logits and not ((scores >= 0) & (scores <= 1)).all():
            raise ValueError(
                "`y_pred` must be probabilities 0-1; got values from "
                f"{scores.min()} to {scores.max()}. Pass from_logits=True for logits."
            )
        if sample_weight is not None:
            real = _to_numpy(sample_weight).reshape(-1)
            if len(real) != len(targets) or not np.isin(real, (0, 1)).all():
                raise ValueError(
                    "`sample_weight` must be 1 for an image and 0 for padding, one "
                    f"per row; got {len(real)} weights for {len(targets)} rows, "
                    f"{np.unique(real)[:5].tolist()} among them."
                )
            targets, scores = targets[real == 1], scores[real == 1]
        self._chunks.append((targets.astype(np.int8), scores.copy()))

    def per_label(self) -> np.ndarray:
        """Returns the average precision of each label, nan without positives."""
        if not self._chunks:
            return np.full(self.num_labels, np.nan)
        targets, scores = (np.concatenate(x) for x in zip(*self._chunks, strict=True))
        return average_precision(targets, scores)

    def labels_without_positives(self) -> list[int]:
        """Returns the indices of the labels that the mean excludes."""
        return np.flatnonzero(np.isnan(self.per_label())).tolist()

    def result(self):
        precisions = self.per_label()
        known = precisions[~np.isnan(precisions)]
        return float(known.mean()) if len(known) else 0.0

    def reset_state(self):
        self._chunks.clear()

    def get_config(self):
        return {
            **super().get_config(),
            "num_labels": self.num_labels,
            "from_logits": self.from_logits,
        }


def _average_precision(ranking: Ranking) -> float:
    precisions = ranking.positives_from / ranking.images_from
    return float((ranking.tied * precisions).sum() / ranking.num_positives)


def _is_symbolic(x) -> bool:
    """Returns whether a tensor is part of a graph and has no values."""
    return isinstance(x, keras.KerasTensor) or (
        keras.ops.is_tensor(x)
        and not isinstance(x, keras.Variable)
        and not hasattr(x, "numpy")
    )


def _is_inside_replica() -> bool:
    # Without TensorFlow in the process there are no replicas, so it is not imported.
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is None or keras.backend.backend() != "tensorflow":
        return False
    context = tensorflow.distribute.get_replica_context()
    return context is not None and context.num_replicas_in_sync > 1


def _to_numpy(x) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(x))
