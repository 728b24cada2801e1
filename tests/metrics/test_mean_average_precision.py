import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import average_precision_score

from kmlic.metrics import (
    MeanAveragePrecision,
    average_precision,
    mean_average_precision,
)
from tests.shared import shared_path

RANDOM = np.random.default_rng(0)
TARGETS = RANDOM.integers(0, 2, size=(90, 6))
SCORES = RANDOM.normal(size=(90, 6)).astype("float32")
UNKNOWN = np.where(RANDOM.random((90, 6)) < 0.3, -1, TARGETS)


@pytest.mark.parametrize("decimals", [0, 1, 7])
def test_equals_scikit_learn_however_many_scores_are_tied(decimals):
    scores = SCORES.round(decimals)
    expected = average_precision_score(TARGETS, scores, average=None)
    np.testing.assert_allclose(average_precision(TARGETS, scores), expected, atol=1e-12)


def test_leaves_unknown_entries_out_as_scikit_learn_would():
    for label, precision in enumerate(average_precision(UNKNOWN, SCORES)):
        known = UNKNOWN[:, label] != -1
        expected = average_precision_score(UNKNOWN[known, label], SCORES[known, label])
        np.testing.assert_allclose(precision, expected, atol=1e-12)


def test_equals_the_reference_with_difficult_objects_left_out_or_absent():
    reference = np.load(shared_path("parity/metrics.npz"))
    # As in VOC's files: 1 present, 0 difficult, -1 absent.
    voc, scores = reference["targets"], reference["scores"]
    left_out = np.select([voc == 1, voc == 0], [1, -1], 0)
    np.testing.assert_allclose(
        average_precision(left_out, scores), reference["ap_difficult_True"]
    )
    np.testing.assert_allclose(
        average_precision((voc == 1).astype(int), scores),
        reference["ap_difficult_False"],
    )


def test_only_the_order_of_scores_counts_and_no_order_of_images():
    order = RANDOM.permutation(90)
    tied = SCORES.round(1).astype("float64")
    expected = average_precision(TARGETS, tied)
    np.testing.assert_array_equal(
        average_precision(TARGETS[order], np.exp(tied[order])), expected
    )


def test_a_label_without_positives_is_nan_and_all_unknown_too():
    targets = np.array([[0, -1, 1], [0, -1, 0]])
    precisions = average_precision(targets, np.array([[1, 2, 3], [3, 2, 1]]))
    np.testing.assert_array_equal(precisions, [np.nan, np.nan, 1])


@pytest.mark.parametrize("dtype", ["float16", "int32", "float64"])
def test_takes_scores_of_any_type(dtype):
    scores = (SCORES * 4).astype(dtype)
    expected = average_precision_score(TARGETS, scores, average=None)
    np.testing.assert_allclose(average_precision(TARGETS, scores), expected)


def test_says_which_score_or_target_is_none():
    scores = SCORES.copy()
    scores[3, 2] = np.nan
    with pytest.raises(ValueError, match="NaN in row 3, label 2"):
        average_precision(TARGETS, scores)
    with pytest.raises(ValueError, match="got 7 in row 0, label 0"):
        average_precision(np.full((1, 1), 7), np.ones((1, 1)))
    with pytest.raises(ValueError, match=r"\(90, 6\) and \(90, 5\)"):
        average_precision(TARGETS, SCORES[:, :5])


@pytest.mark.parametrize("average", ["macro", "weighted", "micro", "samples"])
def test_its_means_are_those_of_scikit_learn(average):
    rows = TARGETS.any(axis=1)  # scikit-learn counts the others as 0
    targets, scores = TARGETS[rows], SCORES[rows].round(1)
    expected = average_precision_score(targets, scores, average=average)
    found = mean_average_precision(targets, scores, average=average)
    assert found == pytest.approx(expected, abs=1e-12)


def test_its_means_leave_out_what_has_no_positive():
    targets = np.array([[1, 0, -1], [0, 0, -1]])
    scores = np.array([[0.1, 0.2, 0.3], [0.3, 0.2, 0.1]])
    for average, expected in (("macro", 0.5), ("weighted", 0.5), ("samples", 0.5)):
        assert mean_average_precision(targets, scores, average=average) == expected
    assert np.isnan(mean_average_precision(targets * 0, scores))
    with pytest.raises(ValueError, match="average='mean'"):
        mean_average_precision(targets, scores, average="mean")


def test_chunks_give_what_the_whole_gives_and_no_row_is_lost():
    metric = MeanAveragePrecision(6)
    for rows in np.split(np.arange(90), [17, 18, 71]):
        metric.update_state(tf.constant(UNKNOWN[rows]), tf.constant(SCORES[rows]))
    assert sum(len(targets) for targets, _ in metric._chunks) == 90
    expected = average_precision(UNKNOWN, SCORES)
    np.testing.assert_array_equal(metric.per_label(), expected)
    assert metric.result() == expected.mean()
    metric.reset_state()
    assert metric.result() == 0 and metric.labels_without_positives() == [*range(6)]


def test_labels_without_positives_are_listed_and_left_out_of_the_mean():
    targets = TARGETS.copy()
    targets[:, 2] = 0
    targets[:, 4] = -1
    metric = MeanAveragePrecision(6)
    metric.update_state(targets, SCORES)
    assert metric.labels_without_positives() == [2, 4]
    others = [0, 1, 3, 5]
    expected = average_precision_score(targets[:, others], SCORES[:, others])
    np.testing.assert_allclose(metric.result(), expected)


def test_padding_is_left_out():
    metric = MeanAveragePrecision(6)
    padding = np.r_[np.ones(80), np.zeros(10)]
    metric.update_state(TARGETS, SCORES, sample_weight=padding)
    expected = average_precision(TARGETS[:80], SCORES[:80]).mean()
    assert metric.result() == expected
    with pytest.raises(ValueError, match=r"0 for padding.*90 weights for 90 rows"):
        metric.update_state(TARGETS, SCORES, sample_weight=np.full(90, 0.5))


def test_refuses_a_graph_with_the_way_out():
    metric = MeanAveragePrecision(6)
    sentence = "inside a graph or a replica.* complete validation set on the host"
    with pytest.raises(ValueError, match=sentence):
        tf.function(metric.update_state)(tf.constant(TARGETS), tf.constant(SCORES))
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(6)])
    model.compile("sgd", "mse", metrics=[metric])
    with pytest.raises(ValueError, match=sentence):
        model.fit(np.ones((8, 4)), np.ones((8, 6)), verbose=0)


def test_refuses_a_replica_with_the_way_out():
    metric = MeanAveragePrecision(6)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    with pytest.raises(ValueError, match="inside a graph or a replica"):
        strategy.run(metric.update_state, args=(TARGETS, SCORES))
    with strategy.scope():  # outside of its replicas
        metric.update_state(TARGETS, SCORES)
    assert metric.result() > 0


def test_survives_its_config_and_says_what_does_not_fit():
    metric = MeanAveragePrecision(6, from_logits=False, name="mAP")
    copy = MeanAveragePrecision.from_config(metric.get_config())
    assert copy.get_config() == metric.get_config()
    with pytest.raises(ValueError, match="from_logits=True for logits"):
        metric.update_state(TARGETS, SCORES)
    with pytest.raises(ValueError, match="num_labels=6"):
        metric.update_state(TARGETS[:, :5], SCORES[:, :5])
    with pytest.raises(ValueError, match="num_labels=0"):
        MeanAveragePrecision(0)
