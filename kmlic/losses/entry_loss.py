"""Base of losses that are a mean over the known entries."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from kmlic.check_number import check_number
from kmlic.losses._known_entries import (
    LogitsCheck,
    check_reduction,
    known_entries,
    per_entry,
    scale_to_known,
)


class EntryLoss(keras.Loss):
    """Averages the losses of present and absent labels over the known entries.

    A subclass computes both losses of every entry from its logit in `entry_losses`; the
    targets choose between them. Computed in float32 under every precision policy. The
    loss of a batch without known labels is 0. Each replica averages over its own known
    labels.

    Paper: for unknown labels treated as absent, fully or in part, Cole et al.,
    "Multi-Label Learning from Single Positive Labels", CVPR 2021, losses AN, AN-LS and
    WAN, https://arxiv.org/abs/2106.09708.

    Shapes: targets (B, L) and logits (B, L) to a number; (B, L) with no reduction.

    Args:
        positive_weight: weight of a present label against an absent one, above 0; one
            for all labels or one per label. See `positive_weights`.
        label_smoothing: share 0-1 of each target that is replaced by 1/2.
        unknown_target: None excludes unknown labels; 0 treats them as absent, a number
            up to 1 as present with that probability.
        unknown_weight: 0 or above; weight of an unknown label that is not excluded,
            relative to a known one.
        reduction: "sum_over_batch_size" or "mean" averages over the known entries,
            "sum" sums them, None returns each; unknown entries are 0. Weights of images
            are applied before.
        name: of the loss.
        **options: see `keras.Loss`.

    Raises:
        ValueError: if an argument is out of its limits, or there is not one positive
            weight per label.

    Example:
        >>> class AbsoluteError(EntryLoss):
        ...     def entry_losses(self, logits):
        ...         probabilities = keras.ops.sigmoid(logits)
        ...         return 1 - probabilities, probabilities
        >>> float(AbsoluteError()([[1.0, -1.0]], keras.ops.array([[0.0, 9.0]])))
        0.5
    """

    from_logits = True

    def __init__(
        self,
        *,
        positive_weight: float | Sequence[float] = 1.0,
        label_smoothing: float = 0.0,
        unknown_target: float | None = None,
        unknown_weight: float = 1.0,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        **options,
    ):
        check_reduction(reduction)
        super().__init__(name=name, reduction=reduction, **options)
        weights = np.asarray(positive_weight, "float64")
        if weights.ndim > 1 or not (np.isfinite(weights) & (weights > 0)).all():
            raise ValueError(
                "`positive_weight` must be above 0, one number or one per label; got "
                f"positive_weight={positive_weight}."
            )
        check_number("label_smoothing", label_smoothing, at_least=0, at_most=1)
        if unknown_target is not None:
            check_number("unknown_target", unknown_target, at_least=0, at_most=1)
        check_number("unknown_weight", unknown_weight, at_least=0)
        self.positive_weight = positive_weight
        self.label_smoothing = label_smoothing
        self.unknown_target = unknown_target
        self.unknown_weight = unknown_weight
        self._check_logits = LogitsCheck()

    def entry_losses(self, logits):
        """Returns the loss of each entry if it is present, and if it is absent.

        Shapes: (B, L) float32 to (B, L) and (B, L).
        """
        raise NotImplementedError

    def __call__(self, y_true, y_pred, sample_weight=None):
        return super().__call__(y_true, y_pred, per_entry(sample_weight))

    def call(self, y_true, y_pred):
        if self.from_logits:
            self._check_logits(self.name, y_pred)
        weights = self.positive_weights(y_pred.shape)
        targets, known = known_entries(y_true)
        if self.unknown_target is not None:
            unknown = 1 - known
            targets = targets + unknown * self.unknown_target
            known = known + unknown * self.unknown_weight
        targets = targets * (1 - self.label_smoothing) + 0.5 * self.label_smoothing
        present, absent = self.entry_losses(ops.cast(y_pred, "float32"))
        losses = weights * targets * present + (1 - targets) * absent
        return scale_to_known(losses, known, self.reduction)

    def positive_weights(self, shape):
        """Returns the weights of present labels, () or (L,), for a shape of logits."""
        weights = np.asarray(self.positive_weight, "float32")
        if weights.ndim and len(weights) != shape[-1]:
            raise ValueError(
                f"`positive_weight` must be one per label; got {len(weights)} for "
                f"{shape[-1]} labels (scores {tuple(shape)})."
            )
        return ops.convert_to_tensor(weights)

    def get_config(self):
        return {
            **super().get_config(),
            "positive_weight": np.asarray(self.positive_weight).tolist(),
            "label_smoothing": self.label_smoothing,
            "unknown_target": self.unknown_target,
            "unknown_weight": self.unknown_weight,
        }
