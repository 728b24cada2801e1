"""Tuned thresholds, kept only where they help images they were not tuned on."""

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np

from kmlic.evaluation.bootstrap import number_groups
from kmlic.evaluation.tune_thresholds import tune_thresholds
from kmlic.metrics import precision_recall_f1

_NUM_PARTS = 5


class ThresholdChoice(NamedTuple):
    """Holds the thresholds of labels, and what they gained.

    Args:
        thresholds: (L,) 0-1.
        tuned: CF1 of images at thresholds that were tuned on other images.
        half: CF1 of the same images at 0.5.
    """

    thresholds: np.ndarray
    tuned: float
    half: float

    def describe(self) -> str:
        """Returns a phrase for a log, in percent."""
        kept = "tuned" if self.tuned > self.half else "0.5"
        return (
            f"thresholds {kept}: CF1 {100 * self.tuned:.1f} when tuned on other "
            f"images, {100 * self.half:.1f} at 0.5"
        )


def choose_thresholds(
    targets: np.ndarray,
    scores: np.ndarray,
    *,
    parts: np.ndarray | None = None,
    groups: Sequence[Hashable] | None = None,
) -> ThresholdChoice:
    """Tunes the thresholds of labels, or returns 0.5 where tuning does not help.

    The thresholds of `tune_thresholds` are the best for the images that they are tuned
    on, so that they always look better there. Here each part of the images is scored at
    thresholds that were tuned on the other parts; if its CF1 over all parts is not
    above that at 0.5, every label keeps 0.5.

    Shapes: (N, L) and (N, L).

    Args:
        targets: 1 present, 0 absent, -1 unknown; at least one positive.
        scores: probabilities 0-1 of images that the model was not trained on.
        parts: (N,) number of the part of each image; None for five parts at random.
        groups: one key per image, see `Bootstrap`; images of one group are in one of
            these five parts.

    Raises:
        ValueError: as `tune_thresholds` does.

    Example:
        >>> random = np.random.default_rng(0)
        >>> targets = random.integers(0, 2, (200, 2))
        >>> scores = 0.3 + 0.1 * targets + random.uniform(0, 0.1, targets.shape)
        >>> choose_thresholds(targets, scores).thresholds.round(1)
        array([0.4, 0.4])
    """
    if parts is None:
        members = number_groups(groups or [None] * len(targets))
        order = np.random.default_rng(0).permutation(members.max() + 1)
        parts = order[members] % _NUM_PARTS
    final = tune_thresholds(targets, scores)
    half = np.full(targets.shape[1], 0.5)
    held_out = np.tile(half, (len(targets), 1))
    for part in np.unique(parts):
        others = parts != part
        if (targets[others] == 1).any():
            held_out[~others] = tune_thresholds(targets[others], scores[others])
    # Scores become 1 at their threshold or above, which differs between parts.
    called = (scores >= held_out.astype(scores.dtype)).astype(float)
    tuned = precision_recall_f1(targets, called)["CF1"]
    plain = precision_recall_f1(targets, scores)["CF1"]
    return ThresholdChoice(final if tuned > plain else half, tuned, plain)
