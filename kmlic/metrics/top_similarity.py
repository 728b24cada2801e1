"""Similarity of the top k candidate words to the right one."""

import keras
import numpy as np
from keras import ops

from kmlic.check_number import check_number
from kmlic.metrics._image_weights import image_weights
from kmlic.metrics._top_labels import shares_of_present, top_shares
from kmlic.metrics.check_scores import check_targets


def top_similarity(
    targets: np.ndarray, scores: np.ndarray, similarities: np.ndarray, k: int = 3
) -> float:
    """Returns the mean similarity of the k best candidates to each image's label.

    Labels and candidates may be different words: a model that never saw tigers is
    judged by whether its words are similar to tiger. For an image with several labels
    the mean over them counts. Ties are averaged over all their orders.

    Paper: Nishimura, Yu, Hellmers and Desai, "A Combined Deep Learning and Semantic
    Embedding Model for Image Classification", section 3.3 and Fig. 8.

    Shapes: (N, T), (N, L) and (T, L) to a number.

    Args:
        targets: of the T words that images may have: 1 present; 0 or -1 otherwise.
        scores: of the L candidates; only their order matters.
        similarities: cosine of each of the T words with each candidate, for instance
            `EmbeddingIndex(...).scores(vectors of the T words)`.
        k: 1 to L.

    Returns:
        -1 to 1; nan if no image has a label.

    Raises:
        ValueError: if shapes do not fit, or a number is out of its limits.

    Example:
        >>> targets = np.array([[1, 0]])  # tiger, of tiger and bus
        >>> scores = np.array([[0.7, 0.9, 0.1]])  # of lion, cat and truck
        >>> similarities = np.array([[0.6, 0.5, 0.1], [0.1, 0.1, 0.6]])
        >>> round(top_similarity(targets, scores, similarities, k=2), 4)
        0.55
    """
    targets, scores = np.asarray(targets), np.asarray(scores)
    similarities = np.asarray(similarities, np.float64)
    expected = targets.shape[:1] + similarities.shape[1:]
    if targets.shape[1:] != similarities.shape[:1] or scores.shape != expected:
        raise ValueError(
            "`targets` must be (N, T), `scores` (N, L) and `similarities` (T, L); got "
            f"shapes {targets.shape}, {scores.shape} and {similarities.shape}."
        )
    check_targets(targets)
    if np.isnan(scores).any():
        raise ValueError("`scores` must be numbers; got NaN.")
    check_number("k", k, at_least=1, at_most=scores.shape[1])
    values, shown = _values(targets, scores, similarities, k, np)
    return float(values.sum() / shown.sum()) if shown.any() else float("nan")


def random_similarity(
    similarities: np.ndarray, *, pairs: int = 10_000, seed: int = 0
) -> float:
    """Returns the mean similarity of random pairs of words, the level of chance.

    Paper: as `top_similarity`: "10,000 combinations of random labels".

    Shapes: (T, L) to a number.

    Args:
        similarities: of each right word with each candidate.
        pairs: number of pairs drawn, uniformly.
        seed: of the draws.

    Raises:
        ValueError: if `similarities` are empty or `pairs` is below 1.

    Example:
        >>> random_similarity(np.full((2, 3), 0.25))
        0.25
    """
    similarities = np.asarray(similarities, np.float64)
    if similarities.ndim != 2 or not similarities.size or pairs < 1:
        raise ValueError(
            "`similarities` must be (T, L) and `pairs` at least 1; got shape "
            f"{similarities.shape} and pairs={pairs}."
        )
    random = np.random.default_rng(seed)
    rows, columns = (random.integers(0, size, pairs) for size in similarities.shape)
    return float(similarities[rows, columns].mean())


@keras.saving.register_keras_serializable(package="kmlic")
class TopSimilarity(keras.Metric):
    """Averages the similarity of the k best candidates to the labels, batch by batch.

    It sums similarities, so it works inside graphs and replicas.

    Paper: as `top_similarity`, which it streams.

    Shapes: targets (B, T) and scores (B, L) to a number, 0 before any image.

    Args:
        similarities: (T, L), of each right word with each candidate.
        k: 1 to L.

    Raises:
        ValueError: if k is out of its limits or `similarities` is not (T, L).

    Example:
        >>> metric = TopSimilarity([[0.6, 0.5, 0.1], [0.1, 0.1, 0.6]], k=2)
        >>> metric.update_state([[1, 0]], [[0.7, 0.9, 0.1]])
        >>> round(float(metric.result()), 4)
        0.55
    """

    def __init__(self, similarities, k: int = 3, *, name: str | None = None, **kwargs):
        super().__init__(name=name or f"top_{k}_similarity", **kwargs)
        self.similarities = np.asarray(similarities, np.float64)
        if self.similarities.ndim != 2:
            raise ValueError(
                f"`similarities` must be (T, L); got shape {self.similarities.shape}."
            )
        check_number("k", k, at_least=1, at_most=self.similarities.shape[1])
        self.k = k
        self.total, self.images = (
            self.add_variable((), "zeros", dtype="float64", name=counted)
            for counted in ("total", "images")
        )

    def update_state(self, y_true, y_pred, sample_weight=None):
        targets = ops.convert_to_tensor(y_true)
        scores = ops.cast(ops.convert_to_tensor(y_pred), "float32")
        similarities = ops.convert_to_tensor(self.similarities)
        values, shown = _values(targets, scores, similarities, self.k, ops)
        weights = image_weights(sample_weight)
        self.total.assign_add(ops.sum(values[:, None] * weights))
        self.images.assign_add(ops.sum(shown[:, None] * weights))

    def result(self):
        images = ops.convert_to_tensor(self.images)
        mean = ops.convert_to_tensor(self.total) / ops.where(images > 0, images, 1.0)
        return ops.cast(mean, "float32")

    def get_config(self):
        return {
            **super().get_config(),
            "similarities": self.similarities.tolist(),
            "k": self.k,
        }


def _values(targets, scores, similarities, k, xp):
    """Returns the similarity of each image's best candidates, and whether it counts."""
    shares, shown = shares_of_present(targets, xp)
    among_top = top_shares(xp.zeros_like(scores), scores, k, xp)
    to_labels = xp.matmul(shares, similarities)  # (B, L)
    return xp.sum(among_top * to_labels, axis=1) / k, shown
