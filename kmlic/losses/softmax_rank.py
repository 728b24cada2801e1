"""Softmax loss that ranks the right labels above all others."""

from collections.abc import Sequence

import keras
from keras import ops

from kmlic.check_number import check_number
from kmlic.losses._known_entries import check_reduction, scale_to_known
from kmlic.losses._label_ranking import (
    check_shared_labels,
    mean_over_present,
    present_and_wrong,
)

# Negligible in any sum of exponentials, and finite so that its gradient is 0.
_LOWEST = -1e9


@keras.saving.register_keras_serializable(package="kmlic")
class SoftmaxRank(keras.Loss):
    """Computes the cross-entropy of right labels against wrong ones, by similarity.

    With z the similarities of an image to the labels, divided by the temperature, the
    loss of an image is the mean over its labels t of the cross-entropy of t among t and
    all absent labels j: log(1 + sum_j exp(z_j - z_t)). It is a smooth form of
    `HingeRank`: similar wrong labels count most, but all count. Computed in float32
    under every precision policy.

    Paper: Sohn, "Improved Deep Metric Learning with Multi-class N-pair Loss Objective",
    NeurIPS 2016, equation 5, https://papers.nips.cc/paper/6200; the temperature as in
    Zhai and Wu, "Classification is a Strong Baseline for Deep Metric Learning", BMVC
    2019, equation 3, https://arxiv.org/abs/1811.12649. Differs from the papers: the
    vectors of the labels are word vectors and fixed; an image may have several
    labels; labels that have the same vector are not ranked against each other.

    Shapes: targets (B, L), 1 present, 0 absent, -1 unknown, and similarities (B, L),
    as `LabelSimilarity` returns, to a number; (B,) with no reduction.

    Args:
        temperature: above 0, in the unit of the similarities.
        shared_labels: groups of indices of labels that have the same vector.
        reduction: "sum_over_batch_size" or "mean" averages over the images that have a
            label, "sum" sums them, None returns each; the loss of other images is 0.

    Raises:
        ValueError: if an argument is out of its limits.

    Example:
        >>> loss = SoftmaxRank(temperature=0.1)
        >>> similarities = keras.ops.array([[0.5, 0.4]])
        >>> round(float(loss([[1.0, 0.0]], similarities)), 4)  # log(1 + exp(-1))
        0.3133
    """

    def __init__(
        self,
        temperature: float = 0.1,
        *,
        shared_labels: Sequence[Sequence[int]] = (),
        reduction: str | None = "sum_over_batch_size",
        name: str = "softmax_rank",
        **kwargs,
    ):
        check_reduction(reduction)
        super().__init__(name=name, reduction=reduction, **kwargs)
        check_number("temperature", temperature, above=0)
        self.temperature = temperature
        self.shared_labels = check_shared_labels(shared_labels)

    def call(self, y_true, y_pred):
        logits = ops.cast(y_pred, "float32") / self.temperature
        present, wrong = present_and_wrong(y_true, logits.shape[-1], self.shared_labels)
        others = ops.logsumexp(
            ops.where(wrong > 0, logits, _LOWEST), axis=-1, keepdims=True
        )  # (B, 1)
        losses = mean_over_present(ops.softplus(others - logits), present)
        return scale_to_known(losses, ops.max(present, axis=-1), self.reduction)

    def get_config(self):
        return {
            **super().get_config(),
            "temperature": self.temperature,
            "shared_labels": self.shared_labels,
        }
