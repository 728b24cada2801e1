"""A loss for missing labels: absent ones above a threshold count as present."""

import keras
from keras import ops

from kmlic.check_number import check_number
from kmlic.losses.entry_loss import EntryLoss


@keras.saving.register_keras_serializable(package="kmlic")
class SelfPacedLossCorrection(EntryLoss):
    """Computes the focal loss, with absent labels above a threshold as present.

    With p = sigmoid(logit) the loss of an absent label is -p^gamma log(1 - p), or
    -(1 - p)^gamma log p if p is above the threshold. The loss of a present label is
    -(1 - q)^gamma log q of q = sigmoid(logit - margin). After one epoch a model finds
    missing labels with high precision; `step` and `start` begin the correction then.

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
        name: of the loss.
        **options: see `EntryLoss`. The paper treats all labels that nobody marked as
            absent, `unknown_target=0`, and sums over entries, `reduction="sum"`.

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
        name: str = "self_paced_loss_correction",
        **options,
    ):
        super().__init__(name=name, **options)
        check_number("threshold", threshold, at_least=0, at_most=1)
        check_number("gamma", gamma, at_least=0)
        check_number("start", start, at_least=0)
        self.threshold = threshold
        self.margin = margin
        self.gamma = gamma
        self.step = step
        self.start = start

    def entry_losses(self, logits):
        looks_present = ops.sigmoid(logits) > self.threshold
        if self.step is not None:
            begun = ops.convert_to_tensor(self.step) >= self.start
            looks_present = ops.logical_and(looks_present, begun)
        absent = ops.where(looks_present, self._focal(logits), self._focal(-logits))
        return self._focal(logits - self.margin), absent

    def _focal(self, logits):
        return ops.softplus(-logits) * ops.exp(-self.gamma * ops.softplus(logits))

    def get_config(self):
        return {
            **super().get_config(),
            "threshold": self.threshold,
            "margin": self.margin,
            "gamma": self.gamma,
            "start": self.start,
        }
