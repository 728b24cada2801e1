"""A linear probe: logistic regression on the features of a frozen backbone."""

from collections.abc import Callable
from typing import Literal

import keras
import numpy as np
import tensorflow as tf
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from kmlic.check_choice import check_choice
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

    The last feature map is pooled over its regions and standardised. The inverse
    regularisation is the one with the best mean average precision on the validation
    split. A label that all training images have, or none, is predicted as 1 or 0.

    Args:
        backbone: returns feature maps, the last of which is used.
        data: the splits; needs `train_in_order`.
        strengths: values of scikit-learn's C to choose from.
        pooling: "avg", "max", or "avg+max" for both concatenated.

    Returns:
        "validation" and "test" to targets and probabilities, each (N, L).

    Raises:
        ValueError: if `train_in_order` is None or `pooling` is unknown.
    """
    check_choice("pooling", pooling, "avg", "max", "avg+max")
    if data.train_in_order is None:
        raise ValueError("`data.train_in_order` must be a dataset; got None.")
    pools = {
        "avg": keras.layers.GlobalAveragePooling2D,
        "max": keras.layers.GlobalMaxPooling2D,
    }
    pooled = [pools[name]()(backbone.outputs[-1]) for name in pooling.split("+")]
    extractor = keras.Model(backbone.inputs, keras.ops.concatenate(pooled, axis=-1))
    train_targets, train = _features(extractor, data.train_in_order)
    standardise = _standardiser(train)
    splits = {}
    for split in ("validation", "test"):
        targets, features = _features(extractor, getattr(data, split))
        splits[split] = targets, standardise(features)
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
            for split, (targets, features) in splits.items()
        }
        value = np.nanmean(average_precision(*scores["validation"]))
        if value > best_value:
            best, best_value = scores, value
    return best


def _features(
    extractor: keras.Model, dataset: tf.data.Dataset
) -> tuple[np.ndarray, np.ndarray]:
    batches = [(y.numpy(), extractor.predict_on_batch(x)) for x, y in dataset]
    targets, features = zip(*batches, strict=True)
    return np.concatenate(targets), np.concatenate(features)


def _standardiser(train: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    scaler = StandardScaler().fit(train.astype("float64"))
    # With fewer images than features the fit lies in the span of the images. Rotating
    # the features into it gives the same fit faster: the penalty is invariant.
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
