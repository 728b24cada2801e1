import dataclasses

import keras
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from kmlic.classifier import floor as stage
from kmlic.classifier.budget import Budget
from kmlic.classifier.check import check
from kmlic.classifier.features import features
from kmlic.classifier.floor import floor, prior_logits
from kmlic.classifier.protocol import Protocol, make_protocol
from tests.classifier.photos import backbone, write_photos

SIZE = 64


@pytest.fixture(scope="module")
def setting(tmp_path_factory):
    place = tmp_path_factory.mktemp("floor")
    images = check(write_photos(place / "photos", 60), place).images
    found = features(images, backbone, place, Budget(5), image_size=SIZE)
    return images, found, make_protocol(images), place


def test_is_scikit_learns_logistic_regression(setting, monkeypatch, tmp_path):
    images, found, protocol, _ = setting
    monkeypatch.setattr(stage, "_STRENGTHS", (0.01,))
    monkeypatch.setattr(stage, "_SCALES", (0.0,))
    base = floor(images, found, protocol, tmp_path, Budget(5))
    own = found.pooled[:, :, found.columns(False)]
    flat = own[:, images.training_rows].reshape(-1, own.shape[-1])
    mean, deviation = flat.mean(axis=0), np.maximum(flat.std(axis=0), 1e-6)
    fitted, scored = protocol.folds[0]
    train, score = ((own[:, rows] - mean) / deviation for rows in (fitted, scored))
    shift = prior_logits(images.targets[images.training_rows]) - prior_logits(
        images.targets[fitted]
    )
    for label in range(3):
        reference = LogisticRegression(C=0.01, max_iter=5000, tol=1e-8).fit(
            train.reshape(-1, train.shape[-1]),
            np.tile(images.targets[fitted, label], 2),
            sample_weight=np.full(2 * len(fitted), 0.5),
        )
        expected = reference.decision_function(score[0]) + shift[label]
        logits = base.candidate.logits[0, : len(scored), label]
        np.testing.assert_allclose(logits, expected, atol=5e-3)


def test_is_a_keras_model_with_one_dense_layer(setting):
    images, found, protocol, place = setting
    base = floor(images, found, protocol, place, Budget(5))
    own = backbone(SIZE)
    model = keras.Model(own.input, base.candidate.attach(own, ""))
    pixels, _ = next(iter(images.batches(np.arange(4), image_size=SIZE, batch_size=4)))
    expected = base.weights(found.pooled[0, :4, base.columns])
    np.testing.assert_allclose(model(pixels), expected, atol=1e-3)
    assert model.layers[-1].name == "logits"


def test_finds_what_it_computed(setting):
    images, found, protocol, place = setting
    first = floor(images, found, protocol, place, Budget(5))
    files = list(place.glob("floor-*.npz"))
    second = floor(images, found, protocol, place, Budget(5))
    assert list(place.glob("floor-*.npz")) == files
    np.testing.assert_array_equal(first.candidate.logits, second.candidate.logits)


def test_tries_less_where_time_is_over_and_more_with_more_minutes(
    setting, monkeypatch, tmp_path
):
    images, found, protocol, _ = setting
    tried = []
    choose = stage._Problem.choose

    def count(self, bootstrap, near):
        choose(self, bootstrap, near)
        tried.append(len(self._tried))

    monkeypatch.setattr(stage._Problem, "choose", count)
    short = Budget(1)
    short.take_over(61.0)
    base = floor(images, found, protocol, tmp_path, short)
    assert tried == [1]
    assert short.wishes == ["more penalties of logistic regression"]
    again = Budget(1)
    floor(images, found, protocol, tmp_path, again)
    assert tried == [1]  # the same minutes find what there is
    longer = Budget(5)
    more = floor(images, found, protocol, tmp_path, longer)
    assert len(tried) == 3
    assert min(tried[1:]) > 1
    assert not longer.wishes
    assert more.candidate.logits.shape == base.candidate.logits.shape


def test_a_fit_that_time_ended_is_the_mean_of_the_folds(setting, monkeypatch, tmp_path):
    images, found, protocol, _ = setting
    fit = stage.logistic_regression

    def stopped(*arguments, **options):
        return dataclasses.replace(fit(*arguments, **options), converged=False)

    monkeypatch.setattr(stage, "logistic_regression", stopped)
    (first, scored), *_ = protocol.folds
    one = Protocol(((first, scored),), scored, scored % 5, False)
    everything = prior_logits(images.targets[images.training_rows])
    for own in (protocol, one):
        base = floor(images, found, own, tmp_path, Budget(5))
        assert not base.refitted
        kernels = [each.kernel for each in base.fold_weights]
        np.testing.assert_allclose(
            base.weights.kernel, np.mean(kernels, axis=0), rtol=1e-4, atol=1e-6
        )
        # As the scores that thresholds are tuned on.
        biases = [
            each.bias + everything - prior_logits(images.targets[rows])
            for each, (rows, _) in zip(base.fold_weights, own.folds, strict=True)
        ]
        np.testing.assert_allclose(
            base.weights.bias, np.mean(biases, axis=0), rtol=1e-3, atol=1e-4
        )


def test_prior_logits_are_smoothed_log_odds():
    targets = np.array([[1, 0], [1, 0], [0, -1]])
    expected = np.log([2.5 / 1.5, 0.5 / 2.5])
    np.testing.assert_allclose(prior_logits(targets), expected, rtol=1e-6)
