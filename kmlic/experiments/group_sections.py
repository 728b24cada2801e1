"""Report sections on exclusive groups of labels."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from kmlic.evaluation import format_mean
from kmlic.experiments.experiment import Experiment
from kmlic.experiments.trained import Trained
from kmlic.html_report import Section
from kmlic.labels import Labels
from kmlic.metrics import confusion_matrices

_VALUES = ("accuracy", "balanced_accuracy", "macro_f1")


def group_sections(experiment: Experiment, exported: str) -> list[Section]:
    """Shows each group's metrics, its accuracy per epoch and its confusion matrix.

    Args:
        experiment: whose trainings are done, of exclusive groups.
        exported: the row whose groups are shown in detail.

    Raises:
        ValueError: if the groups are not exclusive.
    """
    trained = experiment.best_of(exported)
    labels = experiment.data[trained.seed].labels
    labels.require_exclusive()
    return [_metrics(experiment, labels, split) for split in ("validation", "test")] + [
        Section(
            "Accuracy of groups per epoch",
            f"{trained.name} with seed {trained.seed} on the validation split.",
            figures=[_accuracy_over_epochs(trained, labels)],
        ),
        Section(
            "Confusion matrices",
            "Validation images by their label (rows) and the label predicted by "
            f"{trained.name} with seed {trained.seed} (columns); colours are shares of "
            "a row.",
            figures=_confusion(trained, labels),
        ),
    ]


def _metrics(experiment: Experiment, labels: Labels, split: str) -> Section:
    rows = []
    for name, (mean, spread) in experiment.compare(split).items():
        for value in _VALUES:
            keys = (value, *(f"{value}/{group}" for group in labels.exclusive_groups))
            cells = (
                format_mean(mean.metrics[key], spread.metrics[key], digits=1)
                for key in keys
            )
            rows.append((name, value.replace("_", " "), *cells))
    return Section(
        f"Groups, {split} split",
        "In percent. Balanced accuracy and macro F1 weight all labels of a group "
        "equally.",
        header=("model", "metric", "mean", *labels.exclusive_groups),
        rows=rows,
    )


def _accuracy_over_epochs(trained: Trained, labels: Labels) -> Figure:
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for group in labels.exclusive_groups:
        key = f"val_accuracy/{group}"
        values = [epoch[key] for epoch in trained.epochs if key in epoch]
        axes.plot(range(1, len(values) + 1), values, marker="o", label=group)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("epoch")
    axes.set_ylabel("accuracy")
    # Beside the lines, which may end in any corner.
    figure.legend(loc="outside right upper", frameon=False, fontsize=8)
    return figure


def _confusion(trained: Trained, labels: Labels) -> list[Figure]:
    groups = labels.groups or {}
    matrices = confusion_matrices(*trained.scores["validation"], groups)
    return [
        _draw_matrix(group, matrix, groups[group]) for group, matrix in matrices.items()
    ]


def _draw_matrix(group: str, matrix: np.ndarray, names: Sequence[str]) -> Figure:
    side = 1.6 + 0.5 * len(names)
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.subplots()
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(matrix.shape):
        colour = "white" if shares[row, column] > 0.5 else "black"
        text = str(matrix[row, column])
        axes.text(column, row, text, ha="center", va="center", color=colour)
    axes.set_xticks(range(len(names)), names, rotation=60, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title(group)
    return figure
