"""Handling of unknown entries and checks of arguments, shared by the losses."""

import warnings

import keras
import numpy as np
from keras import ops

from kmlic.check_choice import check_choice

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
