"""The share of images whose label is among the top k."""

import keras
import numpy as np
from keras import ops

from kmlic.check_number import check_number
from kmlic.metrics._image_weights import image_weights
from kmlic.metrics._top_labels import shares_of_present, top_shares
from kmlic.metrics.check_scores import check_scores


def hit_at_k(targets: np.ndarray, scores: np.ndarray, k: int = 5) -> float:
    """Returns the share of images whose label is among the k highest scores.

    For an image with several labels, the share of them that is found counts. Ties, such
    as labels with the same vector, are averaged over all their orders.

    Paper: Frome et al., "DeViSE: A Deep Visual-Semantic Embedding Model", NeurIPS 2013,
    section 4.2, "flat hit@k", https://papers.nips.cc/paper/5204. Differs from the
    paper: several labels, and ties.

    Shapes: (N, L) and (N, L) to a number.

    Args:
        targets: 1 present, 0 absent, -1 unknown; unknown labels are no candidates.
        scores: similarities, logits or probabilities; only their order matters.
        k: 1 or above.

    Returns:
        0-1; nan if no image has a label.

    Raises:
        ValueError: if shapes differ, a target is another number, a score is NaN or k is
            below 1.

    Example:
        >>> targets = np.array([[1, 0, 0], [0, 1, 0]])
        >>> scores = np.array([[0.9, 0.1, 0.3], [0.5, 0.2, 0.2]])
        >>> hit_at_k(targets, scores, k=1), hit_at_k(targets, scores, k=2)
        (0.5, 0.75)
    """
    targets, scores = check_scores(targets, scores)
    check_number("k", k, at_least=1)
    hits, shown = _hits(targets, scores, k, np)
    return float(hits.sum() / shown.sum()) if shown.any() else float("nan")


@keras.saving.register_keras_serializable(package="kmlic")
class HitAtK(keras.Metric):
    """Counts the images whose label is among the k highest scores.

    It sums counts, so it works inside graphs and replicas.

    Paper: as `hit_at_k`, which it streams.

    Shapes: targets (B, L) and scores (B, L) to a number 0-1, 0 before any image.

    Args:
        k: 1 or above.

    Raises:
        ValueError: if k is below 1.

    Example:
        >>> metric = HitAtK(2)
        >>> metric.update_state([[1, 0, 0]], [[0.9, 0.1, 0.3]])
        >>> metric.update_state([[0, 1, 0]], [[0.5, 0.2, 0.2]])
        >>> float(metric.result())
        0.75
    """

    def __init__(self, k: int = 5, *, name: str | None = None, **kwargs):
        super().__init__(name=name or f"hit_at_{k}", **kwargs)
        check_number("k", k, at_least=1)
        self.k = k
        # float32 stops counting at 2**24 = 16.8 million.
        self.hits, self.images = (
            self.add_variable((), "zeros", dtype="float64", name=counted)
            for counted in ("hits", "images")
        )

    def update_state(self, y_true, y_pred, sample_weight=None):
        targets = ops.convert_to_tensor(y_true)
        scores = ops.cast(ops.convert_to_tensor(y_pred), "float32")
        hits, shown = _hits(targets, scores, self.k, ops)
        weights = image_weights(sample_weight)
        self.hits.assign_add(ops.sum(hits[:, None] * weights))
        self.images.assign_add(ops.sum(shown[:, None] * weights))

    def result(self):
        images = ops.convert_to_tensor(self.images)
        # Without images the result is 0; sums of weights may be below 1.
        share = ops.convert_to_tensor(self.hits) / ops.where(images > 0, images, 1.0)
        return ops.cast(share, "float32")

    def get_config(self):
        return {**super().get_config(), "k": self.k}


def _hits(targets, scores, k, xp):
    """Returns the share of each image's labels found, and whether it has any."""
    shares, shown = shares_of_present(targets, xp)
    return xp.sum(shares * top_shares(targets, scores, k, xp), axis=1), shown
