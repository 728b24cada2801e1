import numpy as np
import pytest
from sklearn import metrics

from kmlic.metrics import hamming_loss, subset_accuracy

RANDOM = np.random.default_rng(0)
TARGETS = RANDOM.integers(0, 2, size=(90, 4))
PROBABILITIES = (0.6 * TARGETS + RANDOM.uniform(0, 0.4, (90, 4))).astype("float32")
PROBABILITIES[::5] = 1 - PROBABILITIES[::5]
UNKNOWN = np.where(RANDOM.random((90, 4)) < 0.3, -1, TARGETS)


@pytest.mark.parametrize("threshold", [0.5, 0.3, [0.2, 0.4, 0.6, 0.8]])
def test_both_equal_scikit_learn(threshold):
    called = np.asarray(threshold, "float32") <= PROBABILITIES
    expected = metrics.hamming_loss(TARGETS, called)
    found = hamming_loss(TARGETS, PROBABILITIES, threshold=threshold)
    assert found == pytest.approx(expected)
    found = subset_accuracy(TARGETS, PROBABILITIES, threshold=threshold)
    assert found == pytest.approx(metrics.accuracy_score(TARGETS, called))
    assert 0 < found < 1


def test_unknown_entries_do_not_count():
    known = UNKNOWN >= 0
    wrong = (PROBABILITIES >= 0.5) != (UNKNOWN == 1)
    assert hamming_loss(UNKNOWN, PROBABILITIES) == pytest.approx(wrong[known].mean())
    expected = (~(wrong & known)).all(axis=1).mean()
    assert subset_accuracy(UNKNOWN, PROBABILITIES) == pytest.approx(expected)
    assert hamming_loss(np.full((2, 4), -1), PROBABILITIES[:2]) == 0
    assert np.isnan(subset_accuracy(TARGETS[:0], PROBABILITIES[:0]))


@pytest.mark.parametrize("function", [hamming_loss, subset_accuracy])
def test_say_what_does_not_fit(function):
    with pytest.raises(ValueError, match=r"got shape \(3,\) for 4 labels"):
        function(TARGETS, PROBABILITIES, threshold=[0.1, 0.2, 0.3])
    with pytest.raises(ValueError, match=r"threshold=1\.5"):
        function(TARGETS, PROBABILITIES, threshold=1.5)
    with pytest.raises(ValueError, match="Apply a sigmoid to logits"):
        function(TARGETS, PROBABILITIES * 5)
