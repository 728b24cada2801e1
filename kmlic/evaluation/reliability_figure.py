"""A reliability diagram of predicted probabilities."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from kmlic.html_report import COLOURS
from kmlic.metrics import expected_calibration_error


def reliability_figure(
    targets: np.ndarray, scores: Mapping[str, np.ndarray], *, bins: int = 10
) -> Figure:
    """Draws the share of positives against the predicted probability.

    All known entries count equally. Each line joins the mean probabilities and the
    shares of positives of the bins; on the diagonal both are equal. A second plot shows
    the number of entries in each bin on a logarithmic scale.

    Paper: Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks",
    ICML 2017, figure 1, https://arxiv.org/abs/1706.04599.

    Args:
        targets: (N, L) of 1 present, 0 absent, -1 unknown.
        scores: name to probabilities (N, L).
        bins: number of bins of equal width, at least 1.

    Raises:
        ValueError: if shapes differ or a number is out of its limits.
    """
    errors = {
        name: expected_calibration_error(targets, probabilities, bins=bins)
        for name, probabilities in scores.items()
    }
    figure = Figure(figsize=(4.2, 4.6), layout="constrained")
    curve, counts = figure.subplots(
        2, sharex=True, gridspec_kw={"height_ratios": [3, 1]}
    )
    curve.plot([0, 1], [0, 1], color="#999999", linewidth=1)
    known = targets >= 0
    truth = targets[known] == 1
    edges = np.linspace(0, 1, bins + 1)
    for number, (name, probabilities) in enumerate(scores.items()):
        index = np.minimum((probabilities[known] * bins).astype(int), bins - 1)
        sizes = np.bincount(index, minlength=bins)
        filled = sizes > 0
        means, shares = (
            np.bincount(index, weights, bins)[filled] / sizes[filled]
            for weights in (probabilities[known], truth)
        )
        colour = COLOURS[number % len(COLOURS)]
        curve.plot(
            means,
            shares,
            "o-",
            color=colour,
            label=f"{name}, ECE {100 * errors[name]:.2f} %",
        )
        counts.stairs(np.maximum(sizes, 0.5), edges, color=colour, baseline=0.5)
    curve.set(title="Reliability", ylabel="share present", xlim=(0, 1), ylim=(0, 1))
    curve.legend(frameon=False, fontsize=8, loc="upper left")
    counts.set(xlabel="probability", ylabel="entries", yscale="log")
    for axes in (curve, counts):
        axes.spines[["top", "right"]].set_visible(False)
    return figure
