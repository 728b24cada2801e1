import time

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from kmlic.classifier.logistic_regression import logistic_regression


def _problem(count=150, dim=200, labels=7, seed=0):
    random = np.random.default_rng(seed)
    # Correlated, as pooled features are.
    features = random.normal(size=(count, 12)) @ random.normal(size=(12, dim))
    features += random.normal(size=(count, dim))
    features = (features - features.mean(0)) / features.std(0)
    logits = features @ random.normal(size=(dim, labels)) / dim**0.5 - 1
    targets = (logits + random.logistic(size=logits.shape) > 0).astype("int8")
    return features, targets


def _sigmoid(logits):
    return 1 / (1 + np.exp(-logits))


@pytest.mark.parametrize("strength", [1e-4, 1e-2, 1.0])
@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_equals_scikit_learn(strength, kind):
    features, targets = _problem()
    found = logistic_regression(
        features.astype(kind), targets, np.full(targets.shape[1], strength)
    )
    for label in range(targets.shape[1]):
        reference = LogisticRegression(C=strength, max_iter=5000, tol=1e-8)
        reference.fit(features, targets[:, label])
        expected = reference.predict_proba(features)[:, 1]
        assert np.abs(_sigmoid(found(features)[:, label]) - expected).max() < 1e-3


def test_takes_a_strength_and_weights_for_each_label():
    features, targets = _problem(labels=2)
    weights = np.where(targets == 1, [3.0, 0.5], 1.0)
    strengths = np.array([1e-3, 0.1])
    found = logistic_regression(features, targets, strengths, weights=weights)
    for label in range(2):
        reference = LogisticRegression(C=strengths[label], max_iter=5000, tol=1e-8)
        reference.fit(features, targets[:, label], sample_weight=weights[:, label])
        expected = reference.predict_proba(features)[:, 1]
        assert np.abs(_sigmoid(found(features)[:, label]) - expected).max() < 1e-3


def test_leaves_unknown_entries_out():
    features, targets = _problem(labels=2)
    targets[:40, 0] = -1
    found = logistic_regression(features, targets, np.full(2, 0.01))
    known = logistic_regression(features[40:], targets[40:], np.full(2, 0.01))
    np.testing.assert_allclose(found.kernel[:, 0], known.kernel[:, 0], atol=1e-5)


def test_fits_a_softmax_to_an_exclusive_group():
    features, targets = _problem(labels=4)
    classes = np.random.default_rng(1).integers(0, 3, len(features))
    classes[features[:, 0] > 0.5] = 2
    targets = np.concatenate([targets[:, :1], np.eye(3, dtype="int8")[classes]], axis=1)
    found = logistic_regression(
        features, targets, np.full(4, 0.01), groups=[slice(1, 4)]
    )
    reference = LogisticRegression(C=0.01, max_iter=5000, tol=1e-8)
    expected = reference.fit(features, classes).predict_proba(features)
    powers = np.exp(found(features)[:, 1:])
    assert np.abs(powers / powers.sum(1, keepdims=True) - expected).max() < 1e-3
    alone = logistic_regression(features, targets[:, :1], np.full(1, 0.01))
    np.testing.assert_allclose(found.kernel[:, :1], alone.kernel, atol=1e-4)


def test_gives_a_label_that_never_varies_its_frequency():
    features, targets = _problem(labels=2)
    targets[:, 0], targets[:, 1] = 0, 1
    found = logistic_regression(features, targets, np.ones(2))
    assert not found.kernel.any()
    assert found.bias[0] < -5
    assert found.bias[1] > 5


def test_fits_many_labels_fast():
    features, _ = _problem(count=400, dim=2560)
    random = np.random.default_rng(2)
    targets = (random.uniform(size=(400, 80)) < 0.05).astype("int8")
    start = time.monotonic()
    logistic_regression(features.astype("float32"), targets, np.full(80, 1e-3))
    assert time.monotonic() - start < 10


def test_ends_when_its_time_is_over():
    features, targets = _problem()
    strengths = np.full(targets.shape[1], 1.0)
    early = logistic_regression(features, targets, strengths, seconds=0.0)
    complete = logistic_regression(features, targets, strengths)
    assert complete.converged
    assert not early.converged
    truth = targets == 1

    def loss(found):
        return np.logaddexp(0, np.where(truth, -1, 1) * found(features)).sum()

    frequencies = -np.log(1 / truth.mean(axis=0) - 1)
    nothing = np.logaddexp(0, np.where(truth, -1, 1) * frequencies).sum()
    assert loss(complete) < loss(early) < nothing


def test_takes_up_a_start():
    features, targets = _problem()
    low, high = (np.full(targets.shape[1], each) for each in (0.01, 0.1))
    begun = logistic_regression(
        features, targets, high, start=logistic_regression(features, targets, low)
    )
    cold = logistic_regression(features, targets, high)
    np.testing.assert_allclose(begun(features), cold(features), atol=2e-3)
