"""Precision, recall and F1 of binary predictions, per label and overall."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from kmlic.check_choice import check_choice
from kmlic.check_number import check_number
from kmlic.metrics._image_weights import image_weights
from kmlic.metrics.check_scores import check_scores, check_threshold

_VALUES = ("CP", "CR", "CF1", "OP", "OR", "OF1")


def precision_recall_f1(
    targets: np.ndarray,
    probabilities: np.ndarray,
    *,
    threshold: float | Sequence[float] | np.ndarray | None = 0.5,
    top_k: int | None = None,
) -> dict[str, float]:
    """Computes precision, recall and F1 of predictions, per label and overall.

    OP, OR: precision and recall over all entries together. CP, CR: their means over the
    labels that have a positive; a label that is never predicted has precision 0. OF1,
    CF1: harmonic means of OP and OR, of CP and CR. A quotient 0 / 0 is 0.

    Paper: Zhu et al., "Learning Spatial Regularization with Image-level Supervisions
    for Multi-label Image Classification", CVPR 2017, section 4.1,
    https://arxiv.org/abs/1702.05891. Differs from scikit-learn's macro F1: CF1 is the
    F1 of the means, not the mean of the F1; and from its macro mean, which counts a
    label without positives as 0.

    Shapes: (N, L) and (N, L) to six numbers.

    Args:
        targets: 1 present, 0 absent, -1 unknown; unknown entries are ignored.
        probabilities: 0-1.
        threshold: probability 0-1 from which a label is predicted present, one for all
            or one per label; None only with `top_k`.
        top_k: predict at most this many labels of an image, those with the highest
            probabilities (the first of equal ones), if they reach `threshold`. Unknown
            labels are candidates. None: all labels that reach it.

    Returns:
        CP, CR, CF1, OP, OR and OF1, 0-1 each.

    Raises:
        ValueError: if shapes differ or a number is out of its limits.

    Example:
        >>> targets = np.array([[1, 0], [1, 1], [0, -1]])
        >>> probabilities = np.array([[0.9, 0.8], [0.2, 0.7], [0.1, 0.9]])
        >>> found = precision_recall_f1(targets, probabilities)
        >>> {name: round(value, 3) for name, value in found.items()}
        {'CP': 0.75, 'CR': 0.75, 'CF1': 0.75, 'OP': 0.667, 'OR': 0.667, 'OF1': 0.667}
    """
    targets, probabilities = check_scores(
        targets, probabilities, name="probabilities", probabilities=True
    )
    num_labels = targets.shape[1]
    _check_rule(num_labels, threshold, top_k)
    called = np.ones(targets.shape, bool)
    if threshold is not None:
        called &= probabilities >= np.asarray(threshold, probabilities.dtype)
    if top_k is not None:
        order = np.argsort(-probabilities, axis=1, kind="stable")[:, :top_k]
        highest = np.zeros(targets.shape, bool)
        np.put_along_axis(highest, order, True, axis=1)
        called &= highest
    counts = [
        (called & (targets == 1)).sum(axis=0),
        (called & (targets != -1)).sum(axis=0),
        (targets == 1).sum(axis=0),
    ]
    values = _values(counts, np)
    return {name: float(value) for name, value in values.items()}


@keras.saving.register_keras_serializable(package="kmlic")
class PrecisionRecallF1(keras.Metric):
    """Counts predicted, present and correct labels, batch by batch.

    It sums counts, so it works inside graphs and replicas: the counts of all replicas
    are added when the result is read outside them.

    Paper: as `precision_recall_f1`, whose six values it streams.

    Shapes: targets (B, L) and scores (B, L) to a number 0-1.

    Args:
        num_labels: L.
        value: which of CP, CR, CF1, OP, OR and OF1 is the `result`.
        threshold: as `precision_recall_f1` takes it.
        top_k: as `precision_recall_f1` takes it.
        from_logits: whether scores are logits, otherwise probabilities.

    Raises:
        ValueError: if an argument is out of its limits or scores have another number
            of labels.

    Example:
        >>> metric = PrecisionRecallF1(2, value="OP")
        >>> metric.update_state([[1, 0], [1, 1]], [[2.2, 1.4], [-1.4, 0.8]])
        >>> metric.update_state([[0, -1]], [[-2.2, 2.2]])  # -1 is ignored
        >>> round(float(metric.result()), 3), metric.labels_without_positives()
        (0.667, [])
    """

    def __init__(
        self,
        num_labels: int,
        *,
        value: str = "CF1",
        threshold: float | Sequence[float] | None = 0.5,
        top_k: int | None = None,
        from_logits: bool = True,
        name: str | None = None,
        **kwargs,
    ):
        check_choice("value", value, *_VALUES)
        if name is None:
            name = value if top_k is None else f"{value}_top{top_k}"
        super().__init__(name=name, **kwargs)
        check_number("num_labels", num_labels, at_least=1)
        _check_rule(num_labels, threshold, top_k)
        self.num_labels = num_labels
        self.value = value
        self.threshold = threshold
        self.top_k = top_k
        self.from_logits = from_logits
        # float32 stops counting at 2**24 = 16.8 million.
        self.true_positives, self.called, self.positives = (
            self.add_variable((num_labels,), "zeros", dtype="float64", name=counted)
            for counted in ("true_positives", "called", "positives")
        )

    def update_state(self, y_true, y_pred, sample_weight=None):
        targets = ops.convert_to_tensor(y_true)
        scores = ops.cast(ops.convert_to_tensor(y_pred), "float32")
        if scores.shape[-1] != self.num_labels:
            raise ValueError(
                f"`y_pred` must be (B, {self.num_labels}); got shape "
                f"{tuple(scores.shape)} for num_labels={self.num_labels}."
            )
        probabilities = ops.sigmoid(scores) if self.from_logits else scores
        called = ops.ones_like(probabilities, dtype="bool")
        if self.threshold is not None:
            called = probabilities >= ops.convert_to_tensor(self.threshold, "float32")
        if self.top_k is not None:
            # The order of logits, as sigmoids of large ones are equal.
            _, highest = ops.top_k(scores, self.top_k)  # (B, K)
            among = ops.one_hot(highest, self.num_labels, dtype="int32")
            called = ops.logical_and(called, ops.any(among > 0, axis=1))
        weights = image_weights(sample_weight)
        present, known = targets == 1, targets != -1
        for counter, entries in (
            (self.true_positives, ops.logical_and(called, present)),
            (self.called, ops.logical_and(called, known)),
            (self.positives, present),
        ):
            counter.assign_add(ops.sum(ops.cast(entries, "float64") * weights, axis=0))

    def results(self) -> dict[str, float]:
        """Returns all six values, by name."""
        counts = [ops.convert_to_numpy(counter) for counter in self._counters]
        values = _values(counts, np)
        return {name: float(value) for name, value in values.items()}

    def labels_without_positives(self) -> list[int]:
        """Returns the indices of the labels that CP and CR exclude."""
        return np.flatnonzero(ops.convert_to_numpy(self.positives) == 0).tolist()

    def result(self):
        counts = [ops.convert_to_tensor(counter) for counter in self._counters]
        values = _values(counts, ops)
        return ops.cast(values[self.value], "float32")

    @property
    def _counters(self):
        return self.true_positives, self.called, self.positives

    def get_config(self):
        threshold = self.threshold
        if threshold is not None:
            threshold = np.asarray(threshold).tolist()
        return {
            **super().get_config(),
            "num_labels": self.num_labels,
            "value": self.value,
            "threshold": threshold,
            "top_k": self.top_k,
            "from_logits": self.from_logits,
        }


def _check_rule(num_labels, threshold, top_k):
    if threshold is None and top_k is None:
        raise ValueError("`threshold` and `top_k` must not both be None.")
    if threshold is not None:
        check_threshold(num_labels, threshold)
    if top_k is not None:
        check_number("top_k", top_k, at_least=1, at_most=num_labels)


def _values(counts, ops):
    """Computes the six values from counts per label, in NumPy or keras.ops."""
    true_positives, called, positives = counts
    counted = ops.cast(positives > 0, "float64") if ops is not np else positives > 0
    num_counted = ops.maximum(ops.sum(counted), 1)
    precisions = true_positives / ops.maximum(called, 1e-12)
    recalls = true_positives / ops.maximum(positives, 1e-12)
    overall = ops.sum(true_positives)
    values = {
        "CP": ops.sum(precisions * counted) / num_counted,
        "CR": ops.sum(recalls * counted) / num_counted,
        "OP": overall / ops.maximum(ops.sum(called), 1e-12),
        "OR": overall / ops.maximum(ops.sum(positives), 1e-12),
    }
    for f1, precision, recall in (("CF1", "CP", "CR"), ("OF1", "OP", "OR")):
        product = 2 * values[precision] * values[recall]
        total = ops.maximum(values[precision] + values[recall], 1e-12)
        values[f1] = product / total
    return {name: values[name] for name in _VALUES}
