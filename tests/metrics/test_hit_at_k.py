import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import top_k_accuracy_score

from kmlic.metrics import HitAtK, hit_at_k

RANDOM = np.random.default_rng(0)
SCORES = RANDOM.normal(size=(40, 7)).astype("float32")
CLASSES = RANDOM.integers(0, 7, 40)
ONE_LABEL = np.eye(7, dtype="int8")[CLASSES]
TARGETS = RANDOM.integers(-1, 2, size=(40, 7)).astype("int8")
TARGETS[0], TARGETS[1] = 0, -1


def by_all_orders(targets, scores, k):
    """Averages over every order of equal scores."""
    known = np.flatnonzero(targets != -1)
    present = np.flatnonzero(targets == 1)
    shares = []
    for order in itertools.permutations(known):
        best = sorted(order, key=lambda label: -scores[label])[:k]
        shares.append(np.isin(present, best).mean())
    return np.mean(shares)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_equals_scikit_learn_where_images_have_one_label(k):
    expected = top_k_accuracy_score(CLASSES, SCORES, k=k, labels=range(7))
    assert hit_at_k(ONE_LABEL, SCORES, k) == pytest.approx(expected)


@pytest.mark.parametrize("k", [1, 2, 4])
def test_counts_the_share_of_labels_over_all_orders_of_ties(k):
    scores = RANDOM.integers(0, 3, size=(8, 5)).astype("float32")
    targets = RANDOM.integers(-1, 2, size=(8, 5))
    targets[:, 0] = 1
    expected = np.mean(
        [by_all_orders(*row, k) for row in zip(targets, scores, strict=True)]
    )
    assert hit_at_k(targets, scores, k) == pytest.approx(expected)


@pytest.mark.parametrize("k", [1, 3, 9])
@pytest.mark.parametrize("inside", [False, True])
def test_streams_to_what_the_function_gives(k, inside):
    metric = HitAtK(k)
    update = tf.function(metric.update_state) if inside else metric.update_state
    scores = SCORES.round(0)
    for start in range(0, 40, 16):
        rows = slice(start, start + 16)
        update(tf.constant(TARGETS[rows]), tf.constant(scores[rows]))
    assert float(metric.result()) == pytest.approx(hit_at_k(TARGETS, scores, k))
    metric.reset_state()
    assert float(metric.result()) == 0


def test_weights_count_images_more_or_not_at_all():
    metric = HitAtK(1)
    weights = RANDOM.integers(0, 2, 40)
    metric.update_state(ONE_LABEL, SCORES, sample_weight=weights)
    kept = weights == 1
    expected = hit_at_k(ONE_LABEL[kept], SCORES[kept], 1)
    assert float(metric.result()) == pytest.approx(expected)


def test_counts_whole_batches_in_low_precision():
    metric = HitAtK(2, dtype="bfloat16")
    metric.update_state(ONE_LABEL, tf.cast(SCORES, "float32"))
    expected = hit_at_k(ONE_LABEL, SCORES, 2)
    assert float(metric.result()) == pytest.approx(expected, abs=1e-6)


def test_without_labels_there_is_nothing_to_hit():
    assert np.isnan(hit_at_k(np.full((2, 3), -1), np.zeros((2, 3)), 1))


def test_survives_its_config():
    metric = HitAtK(3)
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(metric)
    )
    assert copy.get_config() == metric.get_config()
    assert metric.name == "hit_at_3"


def test_says_what_does_not_fit():
    with pytest.raises(ValueError, match="k=0"):
        HitAtK(0)
    with pytest.raises(ValueError, match="k=-1"):
        hit_at_k(ONE_LABEL, SCORES, -1)
    with pytest.raises(ValueError, match=r"\(40, 6\) and \(40, 7\)"):
        hit_at_k(ONE_LABEL[:, :6], SCORES)
    with pytest.raises(ValueError, match="got 2"):
        hit_at_k(ONE_LABEL * 2, SCORES)
    with pytest.raises(ValueError, match="NaN in row 0, label 3"):
        hit_at_k(np.eye(1, 4), np.array([[0, 1, 2, np.nan]]))
