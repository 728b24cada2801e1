import dataclasses

import numpy as np
import pytest

from kmlic.classifier import discriminant as stage
from kmlic.classifier.budget import Budget
from kmlic.classifier.check import check
from kmlic.classifier.discriminant import discriminant
from kmlic.classifier.features import features
from kmlic.classifier.protocol import make_protocol
from kmlic.labels import Labels
from tests.classifier.photos import backbone, write_photos

SIZE = 320  # at which the smaller view is large enough


@pytest.fixture(scope="module")
def setting(tmp_path_factory):
    place = tmp_path_factory.mktemp("discriminant")
    images = check(write_photos(place / "photos", 40), place).images
    random = np.random.default_rng(0)
    channels = int(backbone(SIZE).outputs[-1].shape[-1])
    kernel = random.normal(size=(channels, 7)).astype("float32")
    classifier = (kernel, np.zeros(7, "float32"))
    found = features(
        images, backbone, place, Budget(5), classifier=classifier, image_size=SIZE
    )
    return images, found, make_protocol(images), classifier


def test_solves_for_the_discriminants_of_the_shrunk_covariance():
    random = np.random.default_rng(0)
    truth = (random.uniform(size=(30, 2)) < 0.4).astype("int8")
    features = random.normal(size=(30, 50)) + truth[:, :1]
    labels = Labels(("a", "b"))
    ((_, (dual, centre)),) = stage._solve(features @ features.T, truth, labels, (0.5,))
    kernel = features.T @ dual
    centred = features - features.mean(axis=0)
    scatter = centred.T @ centred
    shrunk = scatter + 0.5 * np.trace(scatter) / 30 * np.eye(50)
    share = (truth.sum(axis=0) + 0.5) / 31
    wanted = truth - truth.mean(axis=0)
    expected = np.linalg.solve(shrunk, centred.T @ wanted) / (share * (1 - share))
    np.testing.assert_allclose(kernel, expected, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(centre, features.mean(axis=0) @ kernel, rtol=1e-6)


def test_an_unknown_label_counts_for_neither_side():
    random = np.random.default_rng(0)
    features = random.normal(size=(12, 30))
    truth = np.array([[1], [0]] * 6, "int8")
    truth[-2:] = -1
    ((_, (dual, _)),) = stage._solve(
        features @ features.T, truth, Labels(("a",)), (1.0,)
    )
    fewer = features[:-2]
    ((_, (known, _)),) = stage._solve(
        fewer @ fewer.T, truth[:-2], Labels(("a",)), (1.0,)
    )
    one, other = features.T @ dual, fewer.T @ known
    cosine = one.ravel() @ other.ravel()
    assert cosine > 0.9 * np.linalg.norm(one) * np.linalg.norm(other)


def test_the_model_gives_the_logits_that_were_compared(setting, tmp_path, monkeypatch):
    images, found, protocol, classifier = setting
    assert [view.shape[-1] for view in found.views] == [found.pooled.shape[-1], 7]
    rows = images.training_rows
    # As if one fold had been fitted to all images.
    same = dataclasses.replace(protocol, folds=((rows, rows),), scored=rows)
    (candidate,) = discriminant(
        images, found, same, backbone, tmp_path, Budget(5), classifier=classifier
    )
    model = candidate.model()
    pixels, _ = next(iter(images.batches(rows[:4], image_size=SIZE, batch_size=4)))
    np.testing.assert_allclose(model(pixels), candidate.logits[0, :4], atol=2e-2)
    mirrored = (model(pixels) + model(pixels[:, :, ::-1])) / 2
    np.testing.assert_allclose(mirrored, candidate.logits[1, :4], atol=2e-2)


def test_scores_are_of_images_that_were_not_fitted_to(setting, tmp_path):
    images, found, protocol, classifier = setting
    random = np.random.default_rng(0)
    noise = random.permutation(images.targets[images.training_rows])
    targets = images.targets.copy()
    targets[images.training_rows] = noise
    shuffled = dataclasses.replace(images, targets=targets)
    (candidate,) = discriminant(
        shuffled, found, protocol, backbone, tmp_path, Budget(5), classifier=classifier
    )
    truth = targets[protocol.scored] == 1
    for label in range(truth.shape[1]):
        scores = candidate.logits[0][:, label]
        above = np.mean(
            scores[truth[:, label]][:, None] > scores[~truth[:, label]][None]
        )
        assert above < 0.8


def test_needs_no_other_view_but_few_images(setting, tmp_path, monkeypatch):
    images, _, protocol, _ = setting
    alone = features(images, backbone, tmp_path, Budget(5), image_size=64)
    assert not alone.views
    run = (images, alone, protocol, backbone, tmp_path, Budget(5))
    (candidate,) = discriminant(*run)
    assert candidate.model().output_shape == (None, 3)
    monkeypatch.setattr(stage, "FEW", 10)
    assert not discriminant(*run)


def test_is_fitted_to_a_handful_of_images(tmp_path):
    images = check(write_photos(tmp_path / "photos", 6), tmp_path).images
    found = features(images, backbone, tmp_path, Budget(5), image_size=64)
    protocol = make_protocol(images)
    assert min(len(scored) for _, scored in protocol.folds) == 1
    (own,) = discriminant(images, found, protocol, backbone, tmp_path, Budget(5))
    assert np.isfinite(own.logits).all()
