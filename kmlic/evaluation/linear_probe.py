"""The baseline that any fine-tuned model has to beat."""

from collections.abc import Callable
from typing import Literal

import keras
import numpy as np
import tensorflow as tf
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from kmlic.data import MultiLabelData
from kmlic.metrics import average_precision


def linear_probe(
    backbone: keras.Model,
    data: MultiLabelData,
    strengths: tuple[float, ...] = (1e-4, 1e-3, 1e-2, 1e-1),
    *,
    pooling: Literal["avg", "max", "avg+max"] = "avg",
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Fits one logistic regression per label on a frozen backbone's pooled features.

    The last feature map is pooled over its regions and standardised; the inverse
    regularisation is the one with the best mean average precision on the validation
    split. A label that the training images have always, or never, gets that share.

    Args:
        backbone: gives feature maps, the last of which is used.
        data: the splits; needs `train_in_order`.
        strengths: values of scikit-learn's C to choose from.
        pooling: "avg", "max", or both beside each other.

    Returns:
        "validation" and "test" to targets and probabilities, each (N, L).

    Raises:
        ValueError: if the training images cannot be gone through in order, or `pooling`
            is unknown.
    """
    if pooling not in ("avg", "max", "avg+max"):
        raise ValueError(
            f'`pooling` must be "avg", "max" or "avg+max"; got pooling={pooling!r}.'
        )
    if data.train_in_order is None:
        raise ValueError("`data.train_in_order` must be a dataset; got None.")
    pools = {
        "avg": keras.layers.GlobalAveragePooling2D,
        "max": keras.layers.GlobalMaxPooling2D,
    }
    pooled = [pools[name]()(backbone.outputs[-1]) for name in pooling.split("+")]
    extractor = keras.Model(backbone.inputs, keras.ops.concatenate(pooled, axis=-1))
    train, train_targets = _features(extractor, data.train_in_order)
    standardise = _standardiser(train)
    splits = {
        split: (standardise(features), targets)
        for split, (features, targets) in (
            ("validation", _features(extractor, data.validation)),
            ("test", _features(extractor, data.test)),
        )
    }
    train = standardise(train)
    best: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    best_value = -np.inf
    for strength in strengths:
        classifiers = [
            _fit(train, train_targets[:, label], strength)
            for label in range(train_targets.shape[1])
        ]
        scores = {
            split: (
                targets,
                np.stack([_predict(c, features) for c in classifiers], axis=1),
            )
            for split, (features, targets) in splits.items()
        }
        value = np.nanmean(average_precision(*scores["validation"]))
        if value > best_value:
            best, best_value = scores, value
    return best


def _features(
    extractor: keras.Model, dataset: tf.data.Dataset
) -> tuple[np.ndarray, np.ndarray]:
    batches = [(extractor.predict_on_batch(x), y.numpy()) for x, y in dataset]
    features, targets = zip(*batches, strict=True)
    return np.concatenate(features), np.concatenate(targets)


def _standardiser(train: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    scaler = StandardScaler().fit(train.astype("float64"))
    # Of fewer images than features the fit lies in the images' span. Turned into it,
    # the features give the same fit in less time: the penalty knows no direction.
    basis = np.linalg.svd(scaler.transform(train), full_matrices=False)[2].T
    return lambda features: scaler.transform(features) @ basis


def _fit(
    features: np.ndarray, targets: np.ndarray, strength: float
) -> LogisticRegression | float:
    known = targets >= 0
    present = targets[known] == 1
    if present.all() or not present.any():
        return float(present.mean()) if len(present) else 0.0
    model = LogisticRegression(C=strength, max_iter=500)
    return model.fit(features[known], present)


def _predict(
    classifier: LogisticRegression | float, features: np.ndarray
) -> np.ndarray:
    if isinstance(classifier, float):
        return np.full(len(features), classifier)
    return classifier.predict_proba(features)[:, 1]
