"""Focal cross-entropy of groups of exclusive labels."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from kmlic.check_number import check_number
from kmlic.losses._known_entries import (
    check_reduction,
    nan_where_wrong,
    per_entry,
)

# Below every logit, but finite in float32.
_LOWEST = -1e30
# The largest share of one label, for a finite logarithm of the rest.
_ALMOST_ONE = 1 - 1e-6


@keras.saving.register_keras_serializable(package="kmlic")
class GroupFocalLoss(keras.Loss):
    """Sums the softmax cross-entropies of groups, down-weighted for easy images.

    With p the softmax probability of an image's label within its group g, the loss of
    the group is w_g (1 - p)^gamma (-log p); `gamma=0` without weights is the plain
    cross-entropy. For mixed images, whose targets are shares, p and -log p are means
    under the shares. Computed in float32 under every precision policy; 1 - p is
    computed from the logits, so loss and gradient are finite for logits of any size.

    Paper: Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017, equation 4,
    https://arxiv.org/abs/1708.02002; Li, "DeepFashion Attribute Prediction Challenge
    Report", equation 7, for the sum over groups and its weights (0.95, 0.85, 0.85, 0.9,
    1, 0.9). Learned weights: Kendall et al., "Multi-Task Learning Using Uncertainty to
    Weigh Losses", CVPR 2018, equation 10, https://arxiv.org/abs/1705.07115: a group
    costs exp(-s) L + s / 2. Priors: Menon et al., "Long-Tail Learning via Logit
    Adjustment", ICLR 2021, equation 10, https://arxiv.org/abs/2007.07314.

    Shapes: targets (B, L), of shares 0-1 or -1 where unknown, and logits (B, L) to a
    number; (B, G) with no reduction.

    Args:
        group_sizes: number of labels of each group, in the order of the logits.
        gamma: 0 or above. The report leaves it open; Lin et al. take 2.
        group_weights: w, one per group, 0 or above; 1 each when None.
        label_weights: one per label, 0 or above, which multiplies the loss of images
            with the label; 1 each when None. See `class_balanced_weights`.
        label_smoothing: share 0-1 of each target that is distributed over all labels of
            its group.
        log_priors: one per label, added to the logits in training, so that the model's
            logits are corrected for the frequency of the labels; none when None.
        log_variances: s of each group, a variable that the model trains, from
            `kmlic.layers.GroupUncertainty`. It is not part of the config.
        reduction: "sum_over_batch_size" or "mean" averages each group over the images
            where it is known and sums the groups, "sum" sums everything, None returns
            each.

    Raises:
        ValueError: if an argument is out of its limits or does not have one value per
            group or label.

    Example:
        >>> loss = GroupFocalLoss((2, 4), gamma=0)
        >>> targets = [[1, 0, -1, -1, -1, -1]]  # the second group is unknown
        >>> round(float(loss(targets, keras.ops.zeros((1, 6)))), 4)  # log 2
        0.6931
    """

    def __init__(
        self,
        group_sizes: Sequence[int],
        *,
        gamma: float = 2.0,
        group_weights: Sequence[float] | None = None,
        label_weights: Sequence[float] | None = None,
        label_smoothing: float = 0.0,
        log_priors: Sequence[float] | None = None,
        log_variances: keras.Variable | None = None,
        reduction: str | None = "sum_over_batch_size",
        name: str = "group_focal_loss",
        **kwargs,
    ):
        check_reduction(reduction)
        super().__init__(name=name, reduction=reduction, **kwargs)
        self.group_sizes = tuple(int(size) for size in group_sizes)
        if not self.group_sizes or min(self.group_sizes) < 2:
            raise ValueError(
                "`group_sizes` must be at least 2 each; got "
                f"group_sizes={self.group_sizes}."
            )
        check_number("gamma", gamma, at_least=0)
        check_number("label_smoothing", label_smoothing, at_least=0, at_most=1)
        groups, labels = len(self.group_sizes), sum(self.group_sizes)
        self.gamma = gamma
        self.group_weights = _numbers("group_weights", group_weights, groups, 0)
        self.label_weights = _numbers("label_weights", label_weights, labels, 0)
        self.label_smoothing = label_smoothing
        self.log_priors = _numbers("log_priors", log_priors, labels, -np.inf)
        if log_variances is not None and tuple(log_variances.shape) != (groups,):
            raise ValueError(
                f"`log_variances` must be one per group, ({groups},); got shape "
                f"{tuple(log_variances.shape)}."
            )
        self.log_variances = log_variances

    def __call__(self, y_true, y_pred, sample_weight=None):
        return super().__call__(y_true, y_pred, per_entry(sample_weight))

    def call(self, y_true, y_pred):
        if y_pred.shape[-1] != sum(self.group_sizes):
            raise ValueError(
                "`group_sizes` must sum to the number of logits; got "
                f"group_sizes={self.group_sizes} for scores {tuple(y_pred.shape)}."
            )
        logits = ops.cast(y_pred, "float32")
        if self.log_priors is not None:
            logits = logits + ops.convert_to_tensor(self.log_priors, "float32")
        present = ops.maximum(ops.cast(y_true, "float32"), 0.0)
        present = nan_where_wrong(y_true, present)
        weights = present
        if self.label_weights is not None:
            weights = present * ops.convert_to_tensor(self.label_weights, "float32")
        costs, known, start = [], [], 0
        for size in self.group_sizes:
            own = slice(start, start + size)
            cost = self._cost(present[:, own], logits[:, own])
            costs.append(cost * ops.sum(weights[:, own], axis=1))
            known.append(ops.cast(ops.any(present[:, own] > 0, axis=1), "float32"))
            start += size
        losses, known = ops.stack(costs, axis=1), ops.stack(known, axis=1)  # (B, G)
        if self.log_variances is not None:
            logs = ops.cast(self.log_variances, "float32")
            losses = ops.exp(-logs) * losses + 0.5 * logs
        if self.group_weights is not None:
            losses = losses * ops.convert_to_tensor(self.group_weights, "float32")
        losses = losses * known
        if self.reduction in (None, "none", "sum"):
            return losses
        # Keras' mean over all entries becomes a mean over images and a sum over groups.
        num_known = ops.maximum(ops.sum(known, axis=0), 1.0)
        return losses * ops.cast(ops.size(known), "float32") / num_known

    def _cost(self, present, logits):
        total = ops.logsumexp(logits, axis=1)
        smoothing = self.label_smoothing / logits.shape[1]
        shares = present * (1 - self.label_smoothing) + smoothing
        cost = ops.sum(shares * (total[:, None] - logits), axis=1)
        if not self.gamma:
            return cost
        rest = ops.log1p(-ops.minimum(present, _ALMOST_ONE))
        absent = ops.where(present < 1, rest, _LOWEST)
        others = ops.logsumexp(logits + absent, axis=1)
        return ops.exp(self.gamma * (others - total)) * cost

    def get_config(self):
        return {
            **super().get_config(),
            "group_sizes": list(self.group_sizes),
            "gamma": self.gamma,
            "group_weights": self.group_weights,
            "label_weights": self.label_weights,
            "label_smoothing": self.label_smoothing,
            "log_priors": self.log_priors,
        }


def _numbers(
    name: str, values: Sequence[float] | None, count: int, lowest: float
) -> list[float] | None:
    if values is None:
        return None
    numbers = np.asarray(values, "float64")
    if (
        numbers.shape != (count,)
        or not (np.isfinite(numbers) & (numbers >= lowest)).all()
    ):
        limit = f"of at least {lowest:g}" if np.isfinite(lowest) else "that are finite"
        raise ValueError(
            f"`{name}` must be {count} numbers {limit}; got {name}={values}."
        )
    return numbers.tolist()
