import numpy as np
import pytest

from kmlic.losses import PartialBinaryCrossentropy, positive_weights

RANDOM = np.random.default_rng(0)
TARGETS = (RANDOM.random((400, 4)) < [0.5, 0.2, 0.1, 0.02]).astype("int8")


def test_positives_and_negatives_of_each_label_pull_alike():
    weights = positive_weights(TARGETS)
    losses = PartialBinaryCrossentropy(positive_weight=weights, reduction=None)
    costs = losses(TARGETS, np.zeros(TARGETS.shape)).numpy()
    present = (costs * (TARGETS == 1)).sum(axis=0)
    np.testing.assert_allclose(present, (costs * (TARGETS == 0)).sum(axis=0), rtol=1e-5)


def test_effective_numbers_follow_the_equation():
    beta = 0.99
    effective = [
        (1 - beta ** (value == TARGETS).sum(axis=0)) / (1 - beta) for value in (0, 1)
    ]
    found = positive_weights(TARGETS, beta=beta)
    np.testing.assert_allclose(found, effective[0] / effective[1])
    assert (np.abs(np.log(found)) <= np.abs(np.log(positive_weights(TARGETS)))).all()
    np.testing.assert_allclose(positive_weights(TARGETS, beta=0), 1)


def test_unknown_targets_do_not_count_and_weights_stay_within_the_limit():
    targets = np.array([[1, 0, -1, 1]] * 2 + [[0, 0, -1, 1]] * 6 + [[-1, 0, -1, 1]] * 9)
    weights = positive_weights(targets, limit=10)
    np.testing.assert_allclose(weights, [3, 10, 10, 0.1])


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ({"beta": 1}, "beta=1"),
        ({"limit": 0.5}, r"limit=0\.5"),
        ({"targets": TARGETS[0]}, r"got shape \(4,\)"),
    ],
)
def test_says_what_does_not_fit(arguments, rule):
    with pytest.raises(ValueError, match=rule):
        positive_weights(**{"targets": TARGETS, **arguments})
