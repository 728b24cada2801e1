"""Handling of unknown entries and checks of arguments, shared by the losses."""

import warnings

import keras
import numpy as np
from keras import ops

from kmlic.check_choice import check_choice
from kmlic.check_number import check_number

# So many logits are unlikely to be all between 0 and 1.
_ENTRIES_TO_JUDGE = 64


def check_reduction(reduction):
    """Raises an error for a reduction that is undefined with unknown entries."""
    allowed = ("sum_over_batch_size", "mean", "sum", "none", None)
    check_choice("reduction", reduction, *allowed)


def per_entry(sample_weight):
    """Reshapes weights of images (B,) for losses (B, L), which Keras does not do.

    Shapes: (B,) to (B, 1); (B, 1) and (B, L) stay.
    """
    if sample_weight is None or len(ops.shape(sample_weight)) != 1:
        return sample_weight
    return ops.expand_dims(sample_weight, axis=1)


def known_entries(y_true):
    """Sets unknown targets to 0 and returns which targets are known.

    Shapes: (B, L) to targets (B, L) and known (B, L), 1 or 0, both float32.
    """
    known = ops.cast(ops.not_equal(y_true, -1), "float32")
    return ops.cast(y_true, "float32") * known, nan_where_wrong(y_true, known)


def nan_where_wrong(y_true, values):
    """Refuses targets that are neither -1 nor from 0 to 1, as mixed ones are.

    In a graph, which cannot raise an error, their values become NaN, and so the loss,
    which ends a training.

    Shapes: (B, L) and (B, L) to (B, L).

    Raises:
        ValueError: in eager code, naming the first wrong target.
    """
    if _has_values(y_true):
        targets = np.asarray(ops.convert_to_numpy(y_true), "float32")
        wrong = ~((targets == -1) | ((targets >= 0) & (targets <= 1)))
        if wrong.any():
            raise ValueError(
                "`y_true` must be 1 (present), 0 (absent), -1 (unknown) or between 0 "
                f"and 1; got {targets[wrong][0]}."
            )
        return values
    targets = ops.cast(y_true, "float32")
    right = ops.logical_and(targets >= 0, targets <= 1)
    return ops.where(ops.logical_or(right, targets == -1), values, float("nan"))


def scale_to_known(losses, known, reduction):
    """Scales losses so that Keras' mean over all is the mean over known entries.

    Losses of unknown entries become 0. For other reductions nothing is scaled.

    Shapes: (B, L) and (B, L) to (B, L) float32.
    """
    losses = losses * known
    if reduction in (None, "none", "sum"):
        return losses
    num_known = ops.maximum(ops.sum(known), 1.0)
    num_entries = ops.cast(ops.size(known), "float32")
    return losses * (num_entries / num_known)


def mark_unknown(y_true, unknown_target, unknown_weight=1.0):
    """Replaces unknown targets by a number, or gives them the weight 0.

    Shapes: (B, L) to targets (B, L) float32 and weights (B, L) float32.
    """
    targets, known = known_entries(y_true)
    if unknown_target is None:
        return targets, known
    unknown = 1 - known
    return targets + unknown * unknown_target, known + unknown * unknown_weight


def check_unknown_target(unknown_target):
    """Raises an error unless `unknown_target` is None or from 0 to 1."""
    if unknown_target is not None:
        check_number("unknown_target", unknown_target, at_least=0, at_most=1)


class LogitsCheck:
    """Warns once if scores look like probabilities instead of logits.

    In eager code it checks the values; in a graph, the operator that computes them.
    """

    def __init__(self):
        self._done = False

    def __call__(self, name, scores):
        if self._done:
            return
        self._done = True
        operator = getattr(getattr(scores, "op", None), "type", None)
        found = None
        if operator in ("Sigmoid", "Softmax"):
            found = f"the output of a {operator.lower()}"
        elif _has_values(scores):
            values = ops.convert_to_numpy(scores)
            if (
                values.size >= _ENTRIES_TO_JUDGE
                and 0 <= values.min() < values.max() <= 1
            ):
                found = f"values from {values.min():.3g} to {values.max():.3g}"
        if found:
            warnings.warn(
                f"{name} takes logits; got {found}, which look like probabilities. "
                "Remove the sigmoid from the model: applied twice, it prevents "
                "learning.",
                stacklevel=3,
            )


def _has_values(scores):
    return not isinstance(scores, keras.KerasTensor) and (
        not ops.is_tensor(scores) or hasattr(scores, "numpy")
    )


def check_positive_weight(positive_weight):
    """Raises an error unless the weights of present labels are above 0."""
    weights = np.asarray(positive_weight, "float64")
    if weights.ndim > 1 or not (np.isfinite(weights) & (weights > 0)).all():
        raise ValueError(
            "`positive_weight` must be above 0, one number or one per label; got "
            f"positive_weight={positive_weight}."
        )


def broadcast_weight(positive_weight, scores):
    """Returns the weights of present labels, checking that there is one per label.

    Shapes: () or (L,) float32.
    """
    weights = np.asarray(positive_weight, "float32")
    if weights.ndim and len(weights) != scores.shape[-1]:
        raise ValueError(
            f"`positive_weight` must be one per label; got {len(weights)} for "
            f"{scores.shape[-1]} labels (scores {tuple(scores.shape)})."
        )
    return weights
