"""Precision-recall curves of several models, one plot per label."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import precision_recall_curve

from kmlic.html_report import COLOURS
from kmlic.metrics import precision_recall_auc

_COLUMNS = 4


def compare_curves(
    names: Sequence[str], targets: np.ndarray, scores: Mapping[str, np.ndarray]
) -> Figure:
    """Draws a plot per label with the curve of each model and the area under it.

    Labels without positives are left out.

    Args:
        names: names of the labels.
        targets: (N, L) of 1 present, 0 absent, -1 unknown.
        scores: model to logits or probabilities (N, L).

    Raises:
        ValueError: if no label has positives, or shapes differ.
    """
    areas = {
        model: precision_recall_auc(targets, values) for model, values in scores.items()
    }
    drawn = [i for i, _ in enumerate(names) if (targets[:, i] == 1).any()]
    if not drawn:
        raise ValueError("`targets` must have a positive of at least one label.")
    rows = -(-len(drawn) // _COLUMNS)
    figure = Figure(figsize=(2.6 * _COLUMNS, 2.4 * rows), layout="constrained")
    plots = figure.subplots(rows, _COLUMNS, squeeze=False, sharex=True, sharey=True)
    for axes in plots.flat[len(drawn) :]:
        axes.remove()
    for axes, label in zip(plots.flat, drawn, strict=False):
        known = targets[:, label] >= 0
        truth = targets[known, label] == 1
        for number, (model, values) in enumerate(scores.items()):
            precision, recall, _ = precision_recall_curve(truth, values[known, label])
            axes.plot(
                recall,
                precision,
                color=COLOURS[number % len(COLOURS)],
                linewidth=1.2,
                label=f"{model} {areas[model][label]:.2f}",
            )
        axes.set_title(names[label], fontsize=9)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set(xlim=(0, 1.02), ylim=(0, 1.02))
        axes.tick_params(labelsize=7)
        axes.legend(frameon=False, fontsize=6.5, loc="lower left")
    figure.supxlabel("recall", fontsize=9)
    figure.supylabel("precision", fontsize=9)
    return figure
