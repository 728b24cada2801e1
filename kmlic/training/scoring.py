"""The scores of all images of a dataset, gathered on the host."""

from collections.abc import Iterable

import keras
import numpy as np
import tensorflow as tf

from kmlic.labels import Labels, to_probabilities


def predict_scores(
    model: keras.Model,
    dataset: Iterable[tuple[np.ndarray, np.ndarray]],
    labels: Labels | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the targets and the probabilities of all images of a dataset.

    Shapes: batches of (B, S, S, 3) and (B, L) to (N, L) and (N, L).

    Args:
        model: returns logits (B, L).
        dataset: batches of images and targets 1, 0 or -1.
        labels: labels of the model; with exclusive groups the probabilities are a
            softmax within each group.

    Raises:
        ValueError: if the dataset is empty.
    """
    targets, logits = predict_logits(model, dataset)
    return targets, to_probabilities(logits, labels)


def predict_logits(
    model: keras.Model, dataset: Iterable[tuple[np.ndarray, np.ndarray]]
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the targets and the logits of all images of a dataset.

    The last batch is padded with copies of its first image, so that it can be split
    evenly over the replicas of a `MirroredStrategy`; the scores of the copies are
    dropped. The rows are those of the dataset, in its order.

    Shapes: batches of (B, S, S, 3) and (B, L) to (N, L) and (N, L).

    Args:
        model: returns logits (B, L).
        dataset: batches of inputs of the model and targets 1, 0 or -1.

    Raises:
        ValueError: if the dataset is empty.
    """
    targets, logits = [], []
    rows = 0
    for images, batch_targets in dataset:
        count = len(batch_targets)
        rows = max(rows, count + -count % _num_replicas(model))
        logits.append(np.asarray(model.predict_on_batch(_pad(images, rows)))[:count])
        targets.append(np.asarray(batch_targets))
    if not targets:
        raise ValueError("`dataset` must hold at least one batch; got none.")
    return np.concatenate(targets), np.concatenate(logits).astype("float32")


def _num_replicas(model: keras.Model) -> int:
    strategy = model.distribute_strategy
    return strategy.num_replicas_in_sync if strategy else 1


def _pad(inputs, rows: int):
    def pad(each: np.ndarray) -> tf.Tensor:
        each = tf.convert_to_tensor(each)
        missing = rows - len(each)
        if not missing:
            return each
        return tf.concat([each, tf.repeat(each[:1], missing, axis=0)], axis=0)

    return keras.tree.map_structure(pad, inputs)
