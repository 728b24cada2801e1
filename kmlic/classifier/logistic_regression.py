"""Logistic regressions of all labels at once."""

import dataclasses
import time
from collections.abc import Sequence

import numpy as np

_MOST_NEWTON_STEPS = 30
_MOST_INNER_STEPS = 60
_MOST_HALVINGS = 12
# Of the gradient of a label's frequency alone; probabilities then agree with
# scikit-learn's to 1e-4.
_TOLERANCE = 1e-4


@dataclasses.dataclass(frozen=True, eq=False)
class LinearWeights:
    """Holds one linear function of the features per label.

    Args:
        kernel: (D, L).
        bias: (L,).
        converged: whether a fit was given the time that it needs.
    """

    kernel: np.ndarray
    bias: np.ndarray
    converged: bool = True

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """Computes the logits (N, L) of features (N, D)."""
        return features @ self.kernel + self.bias


def logistic_regression(
    features: np.ndarray,
    targets: np.ndarray,
    strengths: np.ndarray,
    *,
    groups: Sequence[slice] = (),
    weights: np.ndarray | None = None,
    start: LinearWeights | None = None,
    seconds: float = np.inf,
) -> LinearWeights:
    """Fits one logistic regression per label, or a softmax per exclusive group.

    Minimises, for each label, half the squared norm of its kernel plus its strength
    times the cross-entropy of its known entries, as scikit-learn's
    `LogisticRegression(C=strength)` does; the bias is not penalised. All labels take
    Newton's steps together, each step solved by conjugate gradients, so that the work
    is a few matrix products. A label that is present in all known entries, or in none,
    gets a kernel of zeros and its smoothed frequency.

    Shapes: (N, D) and (N, L) to (D, L) and (L,).

    Args:
        features: standardised, float32 or float64; computed in their precision.
        targets: 1 present, 0 absent, -1 unknown.
        strengths: (L,) above 0, scikit-learn's C; equal within an exclusive group.
        groups: columns of each exclusive group; a softmax over each replaces its
            labels' own cross-entropies.
        weights: (N,) or (N, L), how much each entry counts; 1 when None.
        start: where to begin, for instance the result for a lower strength.
        seconds: after which no further step is taken; the result has then not
            converged.

    Example:
        >>> random = np.random.default_rng(0)
        >>> features = random.normal(size=(200, 4))
        >>> targets = (features[:, :2] > 0).astype("int8")
        >>> found = logistic_regression(features, targets, np.ones(2))
        >>> bool((((found(features) > 0) == targets).mean(axis=0) > 0.95).all())
        True
    """
    kind = features.dtype
    count, num_labels = targets.shape
    entry_weights = np.ones((count, num_labels), kind)
    if weights is not None:
        entry_weights *= weights if weights.ndim == 2 else weights[:, None]
    entry_weights *= targets >= 0
    truth = (targets == 1).astype(kind)
    for columns in groups:  # a group without a present label is unknown
        entry_weights[:, columns] *= truth[:, columns].any(axis=1, keepdims=True)
    positives = (entry_weights * truth).sum(axis=0)
    totals = entry_weights.sum(axis=0)
    grouped = np.zeros(num_labels, bool)
    for columns in groups:
        grouped[columns] = True
    fitted = np.flatnonzero(grouped | ((positives > 0) & (positives < totals)))
    share = (positives + 0.5) / (totals + 1)
    bias = np.log(share / (1 - share)).astype(kind)
    kernel = np.zeros((features.shape[1], num_labels), kind)
    converged = True
    if len(fitted):
        place = {column: index for index, column in enumerate(fitted)}
        problem = _Problem(
            features,
            truth[:, fitted],
            entry_weights[:, fitted] * strengths[fitted].astype(kind),
            [slice(place[g.start], place[g.stop - 1] + 1) for g in groups],
        )
        begin = LinearWeights(kernel, bias) if start is None else start
        found = problem.solve(
            np.vstack([begin.kernel[:, fitted], begin.bias[fitted]]),
            problem.gradient_size(np.vstack([kernel[:, fitted], bias[fitted]])),
            seconds,
        )
        kernel[:, fitted], bias[fitted] = found[:-1], found[-1]
        converged = problem.converged
    return LinearWeights(kernel, bias, converged)


class _Problem:
    """One convex problem per label; the last row of the unknowns is the bias."""

    def __init__(
        self,
        features: np.ndarray,
        truth: np.ndarray,
        weights: np.ndarray,
        groups: Sequence[slice],
    ):
        self._features = features
        self._truth = truth
        self._weights = weights
        self._groups = groups
        self._squares = np.square(features).mean(axis=0)
        # Labels of one group are one problem.
        self._problem = np.arange(truth.shape[1])
        for columns in groups:
            self._problem[columns] = columns.start
        self._end = np.inf
        self.converged = True

    def gradient_size(self, unknowns: np.ndarray) -> np.ndarray:
        """Returns the length of the gradient of each problem."""
        probabilities = self._probabilities(self._logits(unknowns))
        return self._size(self._gradient(unknowns, probabilities))

    def solve(
        self, unknowns: np.ndarray, largest: np.ndarray, seconds: float
    ) -> np.ndarray:
        """Takes Newton's steps until every problem is solved, or time is over."""
        self._end = time.monotonic() + seconds
        logits = self._logits(unknowns)
        loss = self._loss(unknowns, logits)
        for _ in range(_MOST_NEWTON_STEPS):
            probabilities = self._probabilities(logits)
            gradient = self._gradient(unknowns, probabilities)
            if (self._size(gradient) <= _TOLERANCE * largest).all():
                break
            step = self._newton_step(probabilities, gradient)
            scale = np.ones(len(loss), unknowns.dtype)
            moved = self._logits(step)
            for _ in range(_MOST_HALVINGS):
                trial = unknowns - scale * step
                trial_logits = logits - scale * moved
                trial_loss = self._loss(trial, trial_logits)
                worse = trial_loss > loss + 1e-6 * np.abs(loss)
                if not worse.any():
                    break
                scale[worse] /= 2
            better = trial_loss <= loss + 1e-6 * np.abs(loss)
            gained = loss - trial_loss
            unknowns = np.where(better, trial, unknowns)
            logits = np.where(better, trial_logits, logits)
            loss = np.where(better, trial_loss, loss)
            if not (gained > 1e-7 * np.abs(loss)).any():
                break
            if self._is_late():
                self.converged = False
                break
        return unknowns

    def _gradient(self, unknowns: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
        gradient = self._transposed(self._weights * (probabilities - self._truth))
        gradient[:-1] += unknowns[:-1]
        return gradient

    def _size(self, gradient: np.ndarray) -> np.ndarray:
        size: np.ndarray = self._sum(np.square(gradient).sum(axis=0)) ** 0.5
        return size

    def _is_late(self) -> bool:
        return time.monotonic() > self._end

    def _newton_step(
        self, probabilities: np.ndarray, gradient: np.ndarray
    ) -> np.ndarray:
        """Returns the gradient over the Hessian, by conjugate gradients."""
        curvature = self._weights * probabilities * (1 - probabilities)
        total = curvature.sum(axis=0)
        diagonal = np.vstack([1 + np.outer(self._squares, total), total + 1e-8])
        step = np.zeros_like(gradient)
        rest = gradient.copy()
        scaled = rest / diagonal
        direction = scaled
        product = self._sum((rest * scaled).sum(axis=0))
        goal = 1e-2 * product
        for _ in range(_MOST_INNER_STEPS):
            curved = self._hessian(probabilities, direction)
            along = self._sum((direction * curved).sum(axis=0))
            # What is solved stands still: its last digits are noise.
            moves = (product > goal) & (along > 0)
            rate = np.where(moves, product / np.where(moves, along, 1), 0)
            step += rate * direction
            rest -= rate * curved
            scaled = rest / diagonal
            following = self._sum((rest * scaled).sum(axis=0))
            if (following <= goal).all() or self._is_late():
                break
            kept = np.where(moves, following / np.where(moves, product, 1), 0)
            direction = scaled + kept * direction
            product = following
        return step

    def _hessian(self, probabilities: np.ndarray, vector: np.ndarray) -> np.ndarray:
        moved = self._logits(vector)
        changed = probabilities * (1 - probabilities) * moved
        for columns in self._groups:
            own, by = probabilities[:, columns], moved[:, columns]
            changed[:, columns] = own * (by - (own * by).sum(axis=1, keepdims=True))
        result = self._transposed(self._weights * changed)
        result[:-1] += vector[:-1]
        return result

    def _logits(self, unknowns: np.ndarray) -> np.ndarray:
        return self._features @ unknowns[:-1] + unknowns[-1]

    def _transposed(self, entries: np.ndarray) -> np.ndarray:
        return np.vstack([self._features.T @ entries, entries.sum(axis=0)])

    def _probabilities(self, logits: np.ndarray) -> np.ndarray:
        probabilities = 0.5 * (1 + np.tanh(0.5 * logits))
        for columns in self._groups:
            own = logits[:, columns] - logits[:, columns].max(axis=1, keepdims=True)
            powers = np.exp(own)
            probabilities[:, columns] = powers / powers.sum(axis=1, keepdims=True)
        return probabilities

    def _loss(self, unknowns: np.ndarray, logits: np.ndarray) -> np.ndarray:
        entries = np.logaddexp(0, logits) - self._truth * logits
        for columns in self._groups:
            own = logits[:, columns]
            highest = own.max(axis=1, keepdims=True)
            total = np.log(np.exp(own - highest).sum(axis=1, keepdims=True)) + highest
            entries[:, columns] = self._truth[:, columns] * (total - own)
        losses = (self._weights * entries).sum(axis=0)
        return self._sum(losses + 0.5 * np.square(unknowns[:-1]).sum(axis=0))

    def _sum(self, per_label: np.ndarray) -> np.ndarray:
        """Adds up what belongs to one problem, and gives each of its labels the sum."""
        if not self._groups:
            return per_label
        sums = np.zeros_like(per_label)
        np.add.at(sums, self._problem, per_label)
        return sums[self._problem]
