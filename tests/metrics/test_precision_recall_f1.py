import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import precision_recall_fscore_support

from kmlic.metrics import PrecisionRecallF1, precision_recall_f1
from tests.shared import shared_path

RANDOM = np.random.default_rng(0)
TARGETS = RANDOM.integers(0, 2, size=(90, 6))
UNKNOWN = np.where(RANDOM.random((90, 6)) < 0.3, -1, TARGETS)
LOGITS = RANDOM.normal(size=(90, 6)).astype("float32")
PROBABILITIES = 1 / (1 + np.exp(-LOGITS))
VALUES = ["CP", "CR", "CF1", "OP", "OR", "OF1"]
CHOICES = [
    {"threshold": 0.5},
    {"threshold": [0.3, 0.4, 0.5, 0.6, 0.7, 0.2]},
    {"threshold": 0.5, "top_k": 2},
    {"threshold": None, "top_k": 3},
]


def scikit_learn(targets, called):
    found = {}
    for average, letter in (("macro", "C"), ("micro", "O")):
        precision, recall, _, _ = precision_recall_fscore_support(
            targets, called, average=average, zero_division=0
        )
        found[f"{letter}P"], found[f"{letter}R"] = precision, recall
        found[f"{letter}F1"] = 2 * precision * recall / (precision + recall)
    return found


def call_present(probabilities, threshold, top_k=None):
    called = np.ones(probabilities.shape, bool)
    if threshold is not None:
        called &= probabilities >= np.array(threshold)
    if top_k is not None:
        called &= np.argsort(np.argsort(-probabilities, axis=1), axis=1) < top_k
    return called


def assert_same(actual, expected, **tolerance):
    assert list(actual) == VALUES
    for value in VALUES:
        np.testing.assert_allclose(actual[value], expected[value], **tolerance)


@pytest.mark.parametrize("choice", CHOICES)
def test_equals_scikit_learn(choice):
    expected = scikit_learn(TARGETS, call_present(PROBABILITIES, **choice))
    actual = precision_recall_f1(TARGETS, PROBABILITIES, **choice)
    assert_same(actual, expected, rtol=1e-9)


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("targets", [TARGETS, UNKNOWN])
def test_batches_give_what_the_whole_gives(choice, targets):
    expected = precision_recall_f1(targets, PROBABILITIES, **choice)
    metric = PrecisionRecallF1(6, **choice)
    update = tf.function(metric.update_state, reduce_retracing=True)
    for rows in np.split(np.arange(90), [17, 18, 71]):
        update(tf.constant(targets[rows], "float32"), tf.constant(LOGITS[rows]))
    assert_same(metric.results(), expected, rtol=1e-9)
    np.testing.assert_allclose(metric.result(), expected["CF1"], rtol=1e-6)


def test_equals_the_reference_at_a_threshold_and_at_the_top_three():
    reference = np.load(shared_path("parity/metrics.npz"))
    targets = (reference["targets"] == 1).astype(int)
    names = ["OP", "OR", "OF1", "CP", "CR", "CF1"]
    for key, top_k in (("mlgcn_thr0_OP_OR_OF1_CP_CR_CF1", None), ("mlgcn_top3", 3)):
        metric = PrecisionRecallF1(7, top_k=top_k)  # a logit of 0 is 0.5
        metric.update_state(targets, reference["scores"])
        found = metric.results()
        np.testing.assert_allclose([found[n] for n in names], reference[key])


def test_leaves_unknown_entries_out():
    called = call_present(PROBABILITIES, 0.5) & (UNKNOWN != -1)
    expected = scikit_learn((UNKNOWN == 1).astype(int), called)
    assert_same(precision_recall_f1(UNKNOWN, PROBABILITIES), expected, rtol=1e-9)


def test_labels_without_positives_are_listed_and_left_out_of_the_means():
    targets = TARGETS.copy()
    targets[:, 2] = 0
    metric = PrecisionRecallF1(6)
    metric.update_state(targets, LOGITS)
    assert metric.labels_without_positives() == [2]
    others = [0, 1, 3, 4, 5]
    expected = precision_recall_f1(targets[:, others], PROBABILITIES[:, others])
    for value in ("CP", "CR", "CF1"):
        np.testing.assert_allclose(metric.results()[value], expected[value])
    micro = scikit_learn(targets, call_present(PROBABILITIES, 0.5))
    np.testing.assert_allclose(metric.results()["OP"], micro["OP"])


def test_nothing_over_nothing_is_zero():
    unknown = precision_recall_f1(np.full((3, 2), -1), np.ones((3, 2)))
    assert_same(unknown, dict.fromkeys(VALUES, 0))
    never_called = precision_recall_f1(np.ones((3, 2)), np.zeros((3, 2)))
    assert_same(never_called, dict.fromkeys(VALUES, 0))
    assert PrecisionRecallF1(2).results() == dict.fromkeys(VALUES, 0)


def test_padding_is_left_out():
    metric = PrecisionRecallF1(6)
    metric.update_state(TARGETS, LOGITS, sample_weight=np.r_[np.ones(80), np.zeros(10)])
    expected = precision_recall_f1(TARGETS[:80], PROBABILITIES[:80])
    assert_same(metric.results(), expected, rtol=1e-9)


def test_two_replicas_count_every_row_once():
    targets, logits = UNKNOWN.copy(), LOGITS
    targets[:, 0] = 1  # so that the positives of the first label are the rows
    with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
        model = keras.Sequential([keras.Input((6,)), keras.layers.Activation("linear")])
        metrics = [PrecisionRecallF1(6, value=v, name=v) for v in VALUES]
        top_2 = PrecisionRecallF1(6, top_k=2)
        model.compile(loss="mse", metrics=[*metrics, top_2])
    rows = tf.data.Dataset.from_tensor_slices((logits, targets.astype("float32")))
    found = model.evaluate(rows.batch(16), return_dict=True, verbose=0)  # 5 x 16 + 10
    assert metrics[0].positives.numpy()[0] == 90
    expected = precision_recall_f1(targets, PROBABILITIES)
    assert_same({v: found[v] for v in VALUES}, expected, rtol=1e-6)
    top = precision_recall_f1(targets, PROBABILITIES, top_k=2)
    np.testing.assert_allclose(found["CF1_top2"], top["CF1"], rtol=1e-6)


def test_survives_its_config():
    metric = PrecisionRecallF1(2, value="OR", threshold=np.array([0.2, 0.5]), top_k=1)
    config = json.loads(json.dumps(metric.get_config()))
    assert PrecisionRecallF1.from_config(config).get_config() == config


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"threshold": 1.5}, "threshold=1.5"),
        ({"threshold": [0.5, 0.5]}, r"shape \(2,\) for 6 labels"),
        ({"top_k": 7}, "at most 6; got top_k=7"),
        ({"threshold": None}, "must not both be None"),
    ],
)
def test_says_which_argument_is_out_of_its_limits(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        precision_recall_f1(TARGETS, PROBABILITIES, **arguments)
    with pytest.raises(ValueError, match=sentence):
        PrecisionRecallF1(6, **arguments)


def test_says_that_logits_are_no_probabilities():
    with pytest.raises(ValueError, match="Apply a sigmoid to logits"):
        precision_recall_f1(TARGETS, LOGITS)
    with pytest.raises(ValueError, match="value='F1'"):
        PrecisionRecallF1(6, value="F1")
