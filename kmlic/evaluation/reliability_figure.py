"""Whether probabilities mean what they say, as a picture."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from kmlic.metrics import expected_calibration_error


def reliability_figure(
    targets: np.ndarray, scores: Mapping[str, np.ndarray], *, bins: int = 10
) -> Figure:
    """Draws how often labels are present against how likely the model called them.

    All known entries count alike. Each name's line joins the bins' mean probability and
    share of positives; on the diagonal the two are the same. Below, on a scale of
    logarithms, stands how many entries each bin has.

    Paper: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, figure 1,
    https://arxiv.org/abs/1706.04599.

    Args:
        targets: (N, L) of 1 present, 0 absent, -1 unknown.
        scores: name to probabilities (N, L).
        bins: of equal width, at least 1.

    Raises:
        ValueError: if shapes differ or a number is out of its limits.
    """
    errors = {
        name: expected_calibration_error(targets, chances, bins=bins)
        for name, chances in scores.items()
    }
    figure = Figure(figsize=(4.2, 4.6), layout="constrained")
    curve, counts = figure.subplots(
        2, sharex=True, gridspec_kw={"height_ratios": [3, 1]}
    )
    curve.plot([0, 1], [0, 1], color="#999999", linewidth=1)
    known = targets >= 0
    truth = targets[known] == 1
    edges = np.linspace(0, 1, bins + 1)
    for number, (name, chances) in enumerate(scores.items()):
        place = np.minimum((chances[known] * bins).astype(int), bins - 1)
        sizes = np.bincount(place, minlength=bins)
        filled = sizes > 0
        means, shares = (
            np.bincount(place, weights, bins)[filled] / sizes[filled]
            for weights in (chances[known], truth)
        )
        colour = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")[number % 4]
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
