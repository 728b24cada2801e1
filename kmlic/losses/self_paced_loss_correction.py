"""A loss for missing labels: absent ones above a threshold count as present."""

import keras
from keras import ops

from kmlic.check_number import check_number
from kmlic.losses._known_entries import (
    LogitsCheck,
    check_reduction,
    check_unknown_target,
    mark_unknown,
    per_entry,
    scale_to_known,
)


@keras.saving.register_keras_serializable(package="kmlic")
class SelfPacedLossCorrection(keras.Loss):
    """Computes the focal loss, with absent labels above a threshold as present.

    With p = sigmoid(logit) the loss of an absent label is -p^gamma log(1 - p), or
    -(1 - p)^gamma log p if p is above the threshold. The loss of a present label is
    -(1 - q)^gamma log q of q = sigmoid(logit - margin). After one epoch a model finds
    missing labels with high precision; `step` and `start` begin the correction then.
    Computed in float32 under every precision policy.

    Paper: Zhang et al., "Simple and Robust Loss Design for Multi-Label Learning with
    Missing Labels", 2021, equations 4 and 8, https://arxiv.org/abs/2112.07368. Differs
    from the authors' code: it sums over all entries, where this averages, and counts
    epochs, where this counts steps.

    Shapes: targets (B, L) and logits (B, L) to a number; (B, L) with no reduction.

    Args:
        threshold: probability 0-1 above which an absent label counts as present.
        margin: subtracted from the logits of present labels.
        gamma: 0 or above.
        step: a variable that counts training steps, such as `optimizer.iterations`;
            None corrects from the first step. It is not part of the config.
        start: the step that the correction begins at.
        unknown_target: None excludes unknown labels; 0 treats them as absent, as the
            paper treats all labels that nobody marked.
        reduction: "sum_over_batch_size" or "mean" averages over the known entries,
            "sum" sums them as the authors' code does, None returns each.

    Raises:
        ValueError: if an argument is out of its limits.

    Example:
        >>> loss = SelfPacedLossCorrection(gamma=0, reduction=None)
        >>> losses = loss([[0.0, 0.0]], keras.ops.array([[0.0, 4.0]]))
        >>> [round(float(cost), 4) for cost in losses[0]]  # the second is present
        [0.6931, 0.0181]
    """

    def __init__(
        self,
        *,
        threshold: float = 0.6,
        margin: float = 1.0,
        gamma: float = 2.0,
        step: keras.Variable | None = None,
        start: int = 0,
        unknown_target: float | None = None,
        reduction: str | None = "sum_over_batch_size",
        name: str = "self_paced_loss_correction",
        **kwargs,
    ):
        check_reduction(reduction)
        super().__init__(name=name, reduction=reduction, **kwargs)
        check_number("threshold", threshold, at_least=0, at_most=1)
        check_number("gamma", gamma, at_least=0)
        check_number("start", start, at_least=0)
        check_unknown_target(unknown_target)
        self.threshold = threshold
        self.margin = margin
        self.gamma = gamma
        self.step = step
        self.start = start
        self.unknown_target = unknown_target
        self._check_logits = LogitsCheck()

    def __call__(self, y_true, y_pred, sample_weight=None):
        return super().__call__(y_true, y_pred, per_entry(sample_weight))

    def call(self, y_true, y_pred):
        self._check_logits(self.name, y_pred)
        targets, known = mark_unknown(y_true, self.unknown_target)
        logits = ops.cast(y_pred, "float32")
        looks_present = ops.sigmoid(logits) > self.threshold
        if self.step is not None:
            begun = ops.convert_to_tensor(self.step) >= self.start
            looks_present = ops.logical_and(looks_present, begun)
        absent = ops.where(looks_present, self._focal(logits), self._focal(-logits))
        present = self._focal(logits - self.margin)
        losses = targets * present + (1 - targets) * absent
        return scale_to_known(losses, known, self.reduction)

    def _focal(self, logits):
        return ops.softplus(-logits) * ops.exp(-self.gamma * ops.softplus(logits))

    def get_config(self):
        return {
            **super().get_config(),
            "threshold": self.threshold,
            "margin": self.margin,
            "gamma": self.gamma,
            "start": self.start,
            "unknown_target": self.unknown_target,
        }
