import numpy as np
import pytest

from kmlic.evaluation.count_confusions import count_confusions


def test_counts_like_a_loop_over_images_and_pairs():
    random = np.random.default_rng(0)
    targets = random.integers(-1, 2, (40, 5))
    predicted = random.integers(0, 2, (40, 5)).astype(bool)
    expected = np.zeros((5, 5), int)
    for truth, called in zip(targets, predicted, strict=True):
        for one in range(5):
            for other in range(5):
                wrong = called[one] and truth[one] == 0
                missed = truth[other] == 1 and not called[other]
                expected[one, other] += wrong and missed
    assert np.array_equal(count_confusions(targets, predicted), expected)
    assert not np.diag(expected).any() and expected.any()


def test_refuses_shapes_that_differ():
    with pytest.raises(ValueError, match=r"\(2, 3\) and \(2, 4\)"):
        count_confusions(np.zeros((2, 3)), np.zeros((2, 4), bool))
