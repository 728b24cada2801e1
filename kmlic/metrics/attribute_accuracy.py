"""Accuracy of the most probable label of each group."""

from collections.abc import Mapping, Sequence

import keras
import numpy as np
from keras import ops

from kmlic.check_choice import check_choice
from kmlic.metrics._image_weights import image_weights

_VALUES = ("accuracy", "balanced_accuracy", "macro_f1")

Groups = Mapping[str, Sequence[str]]


def attribute_accuracy(
    targets: np.ndarray, scores: np.ndarray, groups: Groups
) -> dict[str, float]:
    """Compares the most probable label of each group with the right one.

    `accuracy` is the share of images whose label is right, `balanced_accuracy` the mean
    of that share over the labels that occur, `macro_f1` the mean F1 of the labels that
    occur or are predicted. Each is returned per group, as `accuracy/<group>`, and as
    the mean over groups, which for `accuracy` is the score of the DeepFashion
    challenge. `exact` is the share of images that are right in all known groups.

    Paper: Li, "DeepFashion Attribute Prediction Challenge Report", section 1, for the
    mean accuracy. Equals scikit-learn's accuracy_score, balanced_accuracy_score and
    f1_score(average="macro").

    Shapes: (N, L) and (N, L) to numbers.

    Args:
        targets: 1 for the label of an image in a group, otherwise 0 or -1; a group
            without a 1 is unknown for that image and ignored.
        scores: logits or probabilities; only their order within a group matters.
        groups: group name to the names of its labels, in the order of the columns.

    Returns:
        The means, `exact`, and the values of each group, 0-1; nan for a group that is
        unknown for all images, which the means exclude.

    Raises:
        ValueError: if shapes do not fit, a group has fewer than two labels, or an image
            has two labels of one group.

    Example:
        >>> groups = {"sleeve": ("long", "short"), "fit": ("tight", "loose")}
        >>> targets = np.array([[1, 0, 1, 0], [0, 1, 0, 1], [1, 0, -1, -1]])
        >>> scores = np.array([[5, 1, 2, 1], [1, 0, 0, 1], [2, 1, 0, 0]])
        >>> found = attribute_accuracy(targets, scores, groups)
        >>> found["accuracy/sleeve"], found["accuracy/fit"], found["exact"]
        (0.6666666666666666, 1.0, 0.6666666666666666)
    """
    matrices = confusion_matrices(targets, scores, groups)
    values = {
        group: _values(matrix.astype("float64"), np)
        for group, matrix in matrices.items()
    }
    known = [own for group, own in values.items() if matrices[group].any()]
    found = {
        name: float(np.mean([own[name] for own in known])) if known else np.nan
        for name in _VALUES
    }
    found["exact"] = _exact(targets, scores, groups)
    for name in _VALUES:
        found |= {f"{name}/{group}": float(own[name]) for group, own in values.items()}
    return found


def confusion_matrices(
    targets: np.ndarray, scores: np.ndarray, groups: Groups
) -> dict[str, np.ndarray]:
    """Counts the images of each group by their label and the predicted one.

    Shapes: (N, L) and (N, L) to one (K, K) int64 per group of K labels: row the label
    of an image, column the predicted one.

    Args:
        targets: as in `attribute_accuracy`.
        scores: as in `attribute_accuracy`.
        groups: as in `attribute_accuracy`.

    Raises:
        ValueError: as `attribute_accuracy`.

    Example:
        >>> found = confusion_matrices(
        ...     np.array([[1, 0], [1, 0], [0, 1]]),
        ...     np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]]),
        ...     {"sleeve": ("long", "short")},
        ... )
        >>> found["sleeve"].tolist()
        [[1, 1], [0, 1]]
    """
    targets, scores = np.asarray(targets), np.asarray(scores)
    columns = _columns(groups)
    count = sum(map(len, groups.values()))
    if targets.ndim != 2 or targets.shape != scores.shape or targets.shape[1] != count:
        raise ValueError(
            "`targets` and `scores` must be (N, L) with one column per label of "
            f"`groups`; got shapes {targets.shape} and {scores.shape} for {count} "
            "labels."
        )
    matrices = {}
    for group, own in columns.items():
        present = targets[:, own] == 1
        twice = np.flatnonzero(present.sum(axis=1) > 1)
        if len(twice):
            raise ValueError(
                "`targets` must have at most one label per group; got "
                f"{int(present[twice[0]].sum())} of {group!r} in row {twice[0]}."
            )
        known = present.any(axis=1)
        size = own.stop - own.start
        pairs = size * present[known].argmax(axis=1) + scores[known, own].argmax(axis=1)
        matrices[group] = np.bincount(pairs, minlength=size**2).reshape(size, size)
    return matrices


@keras.saving.register_keras_serializable(package="kmlic")
class AttributeAccuracy(keras.Metric):
    """Counts right and wrong labels of each group, batch by batch.

    It sums counts, so it works inside graphs and replicas.

    Paper: as `attribute_accuracy`, whose values it streams.

    Shapes: targets (B, L) and scores (B, L) to a number 0-1.

    Args:
        groups: group name to the names of its labels, in the order of the columns.
        value: "accuracy", "balanced_accuracy" or "macro_f1".
        group: the group whose value is the `result`; None for the mean of all groups
            that are known for some image.

    Raises:
        ValueError: if the value or group is unknown, a group has fewer than two
            labels, or scores have another number of labels.

    Example:
        >>> metric = AttributeAccuracy({"fit": ("tight", "loose")})
        >>> metric.update_state([[1, 0], [0, 1]], [[0.9, 0.1], [0.8, 0.2]])
        >>> metric.update_state([[-1, -1]], [[0.5, 0.5]])  # not counted
        >>> float(metric.result())
        0.5
    """

    def __init__(
        self,
        groups: Groups,
        *,
        value: str = "accuracy",
        group: str | None = None,
        name: str | None = None,
        **kwargs,
    ):
        check_choice("value", value, *_VALUES)
        columns = _columns(groups)
        check_choice("group", group, None, *columns)
        default = value if group is None else f"{value}_{group}"
        super().__init__(name=name or default, **kwargs)
        self.groups = {key: list(members) for key, members in groups.items()}
        self.value = value
        self.group = group
        # float32 stops counting at 2**24 = 16.8 million.
        self.matrices = [
            self.add_variable(
                (own.stop - own.start,) * 2, "zeros", dtype="float64", name=f"group_{i}"
            )
            for i, own in enumerate(columns.values())
        ]

    def update_state(self, y_true, y_pred, sample_weight=None):
        scores = ops.convert_to_tensor(y_pred)
        count = sum(map(len, self.groups.values()))
        if scores.shape[-1] != count:
            raise ValueError(
                f"`y_pred` must be (B, {count}), one score per label of `groups`; got "
                f"shape {tuple(scores.shape)}."
            )
        present = ops.cast(ops.equal(y_true, 1), "float64")
        present = present * image_weights(sample_weight)
        columns = _columns(self.groups).values()
        for matrix, own in zip(self.matrices, columns, strict=True):
            best = ops.argmax(scores[:, own], axis=1)
            predicted = ops.one_hot(best, own.stop - own.start, dtype="float64")
            matrix.assign_add(ops.matmul(ops.transpose(present[:, own]), predicted))

    def result(self):
        chosen = [
            _values(ops.convert_to_tensor(matrix), ops)[self.value]
            for group, matrix in zip(self.groups, self.matrices, strict=True)
            if self.group in (None, group)
        ]
        values = ops.stack(chosen)
        known = ops.logical_not(ops.isnan(values))
        total = ops.sum(ops.where(known, values, ops.zeros_like(values)))
        return ops.cast(total / ops.sum(ops.cast(known, values.dtype)), "float32")

    def get_config(self):
        return {
            **super().get_config(),
            "groups": self.groups,
            "value": self.value,
            "group": self.group,
        }


def _columns(groups: Groups) -> dict[str, slice]:
    columns, start = {}, 0
    for group, members in groups.items():
        if len(members) < 2 or isinstance(members, str):
            raise ValueError(
                "`groups` must hold at least two labels each; got "
                f"{members!r} in group {group!r}."
            )
        columns[group] = slice(start, start + len(members))
        start += len(members)
    if not columns:
        raise ValueError("`groups` must hold at least one group; got none.")
    return columns


def _exact(targets: np.ndarray, scores: np.ndarray, groups: Groups) -> float:
    right, known = [], []
    for own in _columns(groups).values():
        present = np.asarray(targets)[:, own] == 1
        chosen = np.asarray(scores)[:, own].argmax(axis=1)
        known.append(present.any(axis=1))
        right.append(~known[-1] | (present.argmax(axis=1) == chosen))
    any_known = np.any(known, axis=0)
    return float(np.all(right, axis=0)[any_known].mean()) if any_known.any() else np.nan


def _values(matrix, ops):
    """Computes the values of one group from its counts, in NumPy or keras.ops."""
    right = ops.diagonal(matrix)
    have, given = ops.sum(matrix, axis=1), ops.sum(matrix, axis=0)
    recalls = right / ops.maximum(have, 1e-12)
    f1 = 2 * right / ops.maximum(have + given, 1e-12)
    values = {
        "accuracy": ops.sum(right) / ops.maximum(ops.sum(have), 1e-12),
        "balanced_accuracy": ops.sum(recalls) / _count_positive(have, ops),
        "macro_f1": ops.sum(f1) / _count_positive(have + given, ops),
    }
    some = ops.sum(have) > 0
    return {name: ops.where(some, value, np.nan) for name, value in values.items()}


def _count_positive(counts, ops):
    ones = ops.where(counts > 0, ops.ones_like(counts), ops.zeros_like(counts))
    return ops.maximum(ops.sum(ones), 1.0)
