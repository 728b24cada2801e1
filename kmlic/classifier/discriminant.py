"""The stage for few images: discriminant analysis on several views of an image."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize_scalar

from kmlic.classifier.budget import Budget
from kmlic.classifier.calibration import log_loss
from kmlic.classifier.candidate import Candidate, keep, key
from kmlic.classifier.features import (
    Classifier,
    Features,
    pooled_features,
    views_features,
)
from kmlic.classifier.images import Images
from kmlic.classifier.protocol import FEW, Protocol
from kmlic.evaluation.bootstrap import Bootstrap
from kmlic.known_names import Metric
from kmlic.labels import Labels

DISCRIMINANT = "discriminant analysis"

# Of the mean variance of a direction, added to the variance of each.
_SHRINKAGES = (0.1, 0.3, 1.0, 3.0, 10.0)
# How much the earlier feature map counts, and the classes of the backbone.
_EARLIER = 0.3
_CLASSES = 1.5
_MOST_SCALED = 20.0


def discriminant(
    images: Images,
    features: Features,
    protocol: Protocol,
    build: Callable[[int | None], keras.Model],
    folder: Path,
    budget: Budget,
    *,
    classifier: Classifier | None = None,
    metric: Metric = "mAP",
) -> list[Candidate]:
    """Fits linear discriminants to all views of few images.

    Every label has one covariance in common, that of all images, so that a label with
    three positives needs no more than their mean. The covariance is shrunk towards a
    multiple of the identity; how far is chosen by scores of images that were not
    fitted to. All labels are solved together, in the span of the images.

    Paper: Friedman, "Regularized Discriminant Analysis", Journal of the American
    Statistical Association 84, 1989, equation 18 with one covariance for all classes.
    Differs from it: labels need not exclude one another, and their logits are
    multiplied by one number for all, fitted to the same scores.

    Args:
        images: of all splits.
        features: of all images, with their views.
        protocol: what is fitted and what is scored.
        build: side in pixels, None for any, to the backbone.
        folder: where the result is kept.
        budget: pays for it.
        classifier: that the features were computed with.
        metric: by which the shrinkage is chosen.

    Returns:
        One candidate; none where there are many images.
    """
    if len(images.training_rows) >= FEW:
        budget.say("discriminant", f"left out: for fewer than {FEW:,} images")
        return []
    folds = [np.concatenate(each) for each in protocol.folds]
    name = key("discriminant", features.fingerprint, metric, *folds)
    known = keep(
        folder / f"discriminant-{name}.npz",
        lambda: _fit(images, features, protocol, metric),
        budget,
    )
    size = features.image_size

    def model() -> keras.Model:
        backbone = build(None)
        pixels = keras.Input((size, size, 3), name="images")
        maps = backbone(pixels)
        views = views_features(pixels, maps, backbone, classifier)
        join = keras.layers.Concatenate(dtype="float32", name="views")
        views.insert(0, pooled_features(maps))
        dense = keras.layers.Dense(len(images.labels), dtype="float32", name="logits")
        logits = dense(join(views) if len(views) > 1 else views[0])
        dense.set_weights([known["kernel"], known["bias"]])
        return keras.Model(pixels, logits, name="classifier")

    seconds = float(known["seconds"])
    candidate = Candidate(DISCRIMINANT, known["logits"], seconds, model=model)
    value = protocol.describe(images, metric, candidate.logits[0])
    budget.say(
        "discriminant",
        f"{DISCRIMINANT}, shrinkage {float(known['shrinkage']):g}: {value}, in "
        f"{seconds:.0f} s",
    )
    return [candidate]


def _fit(
    images: Images, features: Features, protocol: Protocol, metric: Metric
) -> dict[str, np.ndarray]:
    rows = images.training_rows
    targets, labels = images.targets, images.labels
    joined = [features.pooled, *features.views]
    flat = np.concatenate([view[:, rows] for view in joined], axis=-1)
    flat = flat.reshape(2 * len(rows), -1)
    mean = flat.mean(axis=0)
    scale = _scales(features) / np.maximum(flat.std(axis=0), 1e-6)
    flat = (flat - mean) * scale
    products = flat @ flat.T
    place = np.full(len(targets), -1)
    place[rows] = np.arange(len(rows))

    def both(own: np.ndarray) -> np.ndarray:
        return np.concatenate([place[own], len(rows) + place[own]])

    scores: dict[float, list[np.ndarray]] = {each: [] for each in _SHRINKAGES}
    for fitted, scored in protocol.folds:
        truth = np.concatenate([targets[fitted]] * 2)
        inside = products[np.ix_(both(fitted), both(fitted))]
        outside = products[np.ix_(both(scored), both(fitted))]
        for shrinkage, (dual, centre) in _solve(inside, truth, labels, _SHRINKAGES):
            own = (outside @ dual - centre).reshape(2, len(scored), -1)
            scores[shrinkage].append(own)
    # Within each fold: scores of several models together would also be judged by how
    # far their scales agree, which favours too little shrinkage. One image ranks none.
    judges = {
        fold: Bootstrap(targets[scored], labels, metric=metric, resamples=1)
        for fold, (_, scored) in enumerate(protocol.folds)
        if len(scored) > 1
    }

    def total(shrinkage: float) -> float:
        own = scores[shrinkage]
        # A fold without any positive has no mAP.
        return sum(np.nan_to_num(each.value(own[n][0])) for n, each in judges.items())

    best = max(_SHRINKAGES, key=total)
    chosen = np.concatenate(scores[best], axis=1)
    truth = targets[protocol.scored]
    prior = _prior(targets[rows], labels)
    highest = np.log(_MOST_SCALED)
    factor = np.exp(
        minimize_scalar(
            lambda power: log_loss(np.exp(power) * chosen[0] + prior, truth, labels),
            bounds=(-2 * highest, highest),
            method="bounded",
        ).x
    )
    plain, mirrored = factor * chosen + prior
    truth = np.concatenate([targets[rows]] * 2)
    ((_, (dual, centre)),) = _solve(products, truth, labels, (best,))
    kernel = factor * (flat.T @ dual) * scale[:, None]
    return {
        "logits": np.array([plain, (plain + mirrored) / 2], "float32"),
        "kernel": kernel.astype("float32"),
        "bias": (prior - factor * centre - mean @ kernel).astype("float32"),
        "shrinkage": np.asarray(best),
    }


def _scales(features: Features) -> np.ndarray:
    """Returns how much each of the joined features counts."""
    pooled = np.full(features.pooled.shape[-1], _EARLIER, "float32")
    pooled[features.columns(False)] = 1
    scales = [pooled]
    for view in features.views:
        same = view.shape[-1] == len(pooled)
        scales.append(pooled if same else np.full(view.shape[-1], _CLASSES, "float32"))
    return np.concatenate(scales)


def _solve(
    products: np.ndarray,
    truth: np.ndarray,
    labels: Labels,
    shrinkages: tuple[float, ...],
) -> list[tuple[float, tuple[np.ndarray, np.ndarray]]]:
    """Solves for weights of the images, for each shrinkage.

    Shapes: products (N, N) and truth (N, L) to (N, L) and, of the mean image, (L,).
    """
    share = _share(truth)
    wanted = np.where(truth >= 0, (truth == 1) - share, 0).astype(products.dtype)
    wanted -= wanted.mean(axis=0)
    means = products.mean(axis=0)
    centred = products - means - means[:, None] + means.mean()
    trace = np.trace(centred) / len(centred)
    # As the inverse covariance times the difference of the means.
    spread = share if labels.exclusive else share * (1 - share)
    solutions = []
    for shrinkage in shrinkages:
        shrunk = centred.copy()
        shrunk[np.diag_indices(len(shrunk))] += shrinkage * max(trace, 1e-6)
        dual = cho_solve(cho_factor(shrunk, overwrite_a=True), wanted) / spread
        dual -= dual.mean(axis=0)
        solutions.append((shrinkage, (dual, means @ dual)))
    return solutions


def _share(truth: np.ndarray) -> np.ndarray:
    """Returns the smoothed share of positives of each label."""
    share: np.ndarray = ((truth == 1).sum(axis=0) + 0.5) / (
        (truth >= 0).sum(axis=0) + 1.0
    )
    return share


def _prior(truth: np.ndarray, labels: Labels) -> np.ndarray:
    share = _share(truth)
    return np.log(share) if labels.exclusive else np.log(share / (1 - share))
