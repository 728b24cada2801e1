import numpy as np
import pytest
from sklearn import metrics

from kmlic.metrics import hamming_loss, subset_accuracy

RANDOM = np.random.default_rng(0)
TARGETS = RANDOM.integers(0, 2, size=(90, 4))
CHANCES = (0.6 * TARGETS + RANDOM.uniform(0, 0.4, (90, 4))).astype("float32")
CHANCES[::5] = 1 - CHANCES[::5]
UNKNOWN = np.where(RANDOM.random((90, 4)) < 0.3, -1, TARGETS)


@pytest.mark.parametrize("threshold", [0.5, 0.3, [0.2, 0.4, 0.6, 0.8]])
def test_both_equal_scikit_learn(threshold):
    called = np.asarray(threshold, "float32") <= CHANCES
    expected = metrics.hamming_loss(TARGETS, called)
    found = hamming_loss(TARGETS, CHANCES, threshold=threshold)
    assert found == pytest.approx(expected)
    found = subset_accuracy(TARGETS, CHANCES, threshold=threshold)
    assert found == pytest.approx(metrics.accuracy_score(TARGETS, called))
    assert 0 < found < 1


def test_unknown_entries_do_not_count():
    known = UNKNOWN >= 0
    wrong = (CHANCES >= 0.5) != (UNKNOWN == 1)
    assert hamming_loss(UNKNOWN, CHANCES) == pytest.approx(wrong[known].mean())
    expected = (~(wrong & known)).all(axis=1).mean()
    assert subset_accuracy(UNKNOWN, CHANCES) == pytest.approx(expected)
    assert hamming_loss(np.full((2, 4), -1), CHANCES[:2]) == 0
    assert np.isnan(subset_accuracy(TARGETS[:0], CHANCES[:0]))


@pytest.mark.parametrize("function", [hamming_loss, subset_accuracy])
def test_say_what_does_not_fit(function):
    with pytest.raises(ValueError, match=r"got shape \(3,\) for 4 labels"):
        function(TARGETS, CHANCES, threshold=[0.1, 0.2, 0.3])
    with pytest.raises(ValueError, match=r"threshold=1\.5"):
        function(TARGETS, CHANCES, threshold=1.5)
    with pytest.raises(ValueError, match="Give sigmoids of logits"):
        function(TARGETS, CHANCES * 5)
