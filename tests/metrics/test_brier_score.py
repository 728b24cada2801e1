import numpy as np
import pytest
from sklearn.metrics import brier_score_loss

from kmlic.metrics import brier_score


def test_equals_scikit_learn_where_a_label_is_known():
    random = np.random.default_rng(0)
    targets = random.integers(-1, 2, (40, 3))
    probabilities = random.random((40, 3)).astype("float32")
    for label, value in enumerate(brier_score(targets, probabilities)):
        known = targets[:, label] != -1
        expected = brier_score_loss(targets[known, label], probabilities[known, label])
        assert value == pytest.approx(expected, abs=1e-7)


def test_a_label_of_which_nothing_is_known_is_nan():
    targets = np.array([[-1, 1], [-1, 0]])
    found = brier_score(targets, np.array([[0.2, 1.0], [0.3, 0.0]]))
    assert np.isnan(found[0]) and found[1] == 0


def test_says_that_logits_are_no_probabilities():
    with pytest.raises(ValueError, match="must lie in 0-1; got 3 to 3"):
        brier_score([[1]], [[3.0]])
