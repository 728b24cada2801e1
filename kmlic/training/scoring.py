"""Every score of a dataset, gathered on the host."""

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
    """Gives the targets and the probabilities of every image of a dataset.

    Shapes: batches of (B, S, S, 3) and (B, L) to (N, L) and (N, L).

    Args:
        model: gives logits (B, L).
        dataset: batches of images and targets 1, 0 or -1.
        labels: of the model; with exclusive groups the probabilities are a softmax
            within each group.

    Raises:
        ValueError: if the dataset is empty.
    """
    targets, logits = predict_logits(model, dataset)
    return targets, to_probabilities(logits, labels)


def predict_logits(
    model: keras.Model, dataset: Iterable[tuple[np.ndarray, np.ndarray]]
) -> tuple[np.ndarray, np.ndarray]:
    """Gives the targets and the logits of every image of a dataset.

    The last batch is filled up with copies of its first image, so that every replica of
    a `MirroredStrategy` gets whole rows, and the copies' scores are dropped: as many
    rows come back as the dataset holds, in its order.

    Shapes: batches of (B, S, S, 3) and (B, L) to (N, L) and (N, L).

    Args:
        model: gives logits (B, L).
        dataset: batches of images, or of whatever else the model takes, and targets 1,
            0 or -1.

    Raises:
        ValueError: if the dataset is empty.
    """
    targets, logits = [], []
    rows = 0
    for images, batch_targets in dataset:
        count = len(batch_targets)
        rows = max(rows, count + -count % _num_replicas(model))
        logits.append(np.asarray(model.predict_on_batch(_fill(images, rows)))[:count])
        targets.append(np.asarray(batch_targets))
    if not targets:
        raise ValueError("`dataset` must hold at least one batch; got none.")
    return np.concatenate(targets), np.concatenate(logits).astype("float32")


def _num_replicas(model: keras.Model) -> int:
    strategy = model.distribute_strategy
    return strategy.num_replicas_in_sync if strategy else 1


def _fill(inputs, rows: int):
    def fill(each: np.ndarray) -> tf.Tensor:
        each = tf.convert_to_tensor(each)
        missing = rows - len(each)
        if not missing:
            return each
        return tf.concat([each, tf.repeat(each[:1], missing, axis=0)], axis=0)

    return keras.tree.map_structure(fill, inputs)
