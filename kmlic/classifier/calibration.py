"""The stage after the choice: probabilities that can be believed, and thresholds."""

import dataclasses
from collections.abc import Callable

import keras
import numpy as np
from scipy.optimize import minimize_scalar

from kmlic.classifier.protocol import Protocol
from kmlic.evaluation.choose_thresholds import choose_thresholds
from kmlic.evaluation.fit_calibration import fit_calibration
from kmlic.labels import Labels, to_probabilities

_FEWEST = 20  # images below which even one number would be luck
_MOST_SCALED = 20.0  # by which logits are divided or multiplied at most

Line = tuple[np.ndarray, np.ndarray]


@dataclasses.dataclass(frozen=True, eq=False)
class Calibration:
    """Holds what makes probabilities of the logits of a model, and thresholds.

    Args:
        labels: with thresholds of the calibrated probabilities.
        scale: (L,) factor of the logits, above 0; None to leave logits as they are.
        shift: (L,) added to them then.
        text: what was done and gained, for the log.
    """

    labels: Labels
    scale: np.ndarray | None
    shift: np.ndarray | None
    text: str

    def __call__(self, logits: np.ndarray) -> np.ndarray:
        """Returns the calibrated logits, (N, L) to (N, L)."""
        if self.scale is None or self.shift is None:
            return logits
        return logits * self.scale + self.shift

    def apply(self, model: keras.Model) -> keras.Model:
        """Returns a model whose logits are calibrated, in every export too."""
        if self.scale is None or self.shift is None:
            return model
        line = keras.layers.Rescaling(
            self.scale.tolist(),
            self.shift.tolist(),
            dtype="float32",
            name="calibration",
        )
        return keras.Model(model.input, line(model.output), name=model.name)


def calibration(
    logits: np.ndarray, targets: np.ndarray, labels: Labels, protocol: Protocol
) -> Calibration:
    """Fits a scale and a shift to the logits of images that a model did not see.

    Two calibrations are tried: one scale for all logits (temperature), and one scale
    and shift for each label that has 20 positives and negatives (Platt's). Exclusive
    groups try the first one only, fewer than 20 images none. Each is judged by the log
    loss of images that it was not fitted to; the best one is taken if its loss is
    lower than without calibration. The order of a label's scores stays. An isotonic
    calibration is not tried: its steps make ties, and no layer exports it.

    Thresholds are tuned on the calibrated probabilities, and taken if they are better
    in CF1 than 0.5 on images that they were not tuned on.

    Paper: see `fit_calibration`.

    Args:
        logits: (M, L) of the scored images, none of which the model saw.
        targets: (M, L), 1 present, 0 absent, -1 unknown.
        labels: names and groups.
        protocol: the folds that the scores come from, and their parts.
    """
    parts = protocol.parts
    fits: dict[str, Callable[[np.ndarray, np.ndarray], Line]] = {
        "temperature": lambda own, truth: _temperature(own, truth, labels)
    }
    if not labels.exclusive:
        fits["Platt's scaling"] = _platt
    before = log_loss(logits, targets, labels)
    after = {"none": before}
    for name, fit in fits.items() if len(targets) >= _FEWEST else ():
        try:
            lines = [fit(logits[parts != n], targets[parts != n]) for n in set(parts)]
        except ValueError:  # a part without a positive, or scores that tell nothing
            continue
        calibrated = np.empty(logits.shape)
        for n, (scale, shift) in zip(set(parts), lines, strict=True):
            calibrated[parts == n] = logits[parts == n] * scale + shift
        after[name] = log_loss(calibrated, targets, labels)
    best = min(after, key=lambda name: after[name])
    found = Calibration(labels, None, None, "")
    text = f"none, log loss {before:.4f}"
    if best != "none":
        scale, shift = fits[best](logits, targets)
        found = dataclasses.replace(found, scale=scale, shift=shift)
        text = f"{best}, log loss {before:.4f} to {after[best]:.4f}"
    own, thresholds = _with_thresholds(labels, targets, found(logits), parts)
    return dataclasses.replace(
        found, labels=own, text=f"{text} {protocol.name}{thresholds}"
    )


def log_loss(logits: np.ndarray, targets: np.ndarray, labels: Labels) -> float:
    """Returns the mean over known entries, or over groups with a known label."""
    if labels.exclusive:
        losses = []
        for columns in labels.exclusive_groups.values():
            truth = targets[:, columns] == 1
            known = truth.any(axis=1)
            own = logits[known, columns]
            whole = np.logaddexp.reduce(own, axis=1)
            losses.append(whole - own[truth[known]])
        return float(np.concatenate(losses).mean())
    signed = np.where(targets == 1, -logits, logits)[targets >= 0]
    return float(np.logaddexp(0, signed).mean())


def _temperature(logits: np.ndarray, targets: np.ndarray, labels: Labels) -> Line:
    highest = np.log(_MOST_SCALED)
    found = minimize_scalar(
        lambda power: log_loss(logits * np.exp(power), targets, labels),
        bounds=(-highest, highest),
        method="bounded",
    )
    count = logits.shape[1]
    return np.full(count, np.exp(found.x)), np.zeros(count)


def _platt(logits: np.ndarray, targets: np.ndarray) -> Line:
    lines = fit_calibration(targets, to_probabilities(logits), method="platt").lines
    if lines is None or not (lines[:, 0] > 1 / _MOST_SCALED).all():
        raise ValueError("`logits` must be higher for positives than for negatives.")
    return lines[:, 0], lines[:, 1]


def _with_thresholds(
    labels: Labels, targets: np.ndarray, logits: np.ndarray, parts: np.ndarray
) -> tuple[Labels, str]:
    if labels.exclusive or not (targets == 1).any():
        return labels, ""
    chosen = choose_thresholds(targets, to_probabilities(logits, labels), parts=parts)
    own = tuple(chosen.thresholds.tolist())
    return dataclasses.replace(labels, thresholds=own), f"; {chosen.describe()}"
