import keras
import numpy as np
import pytest

from kmlic.classifier.calibration import calibration
from kmlic.classifier.protocol import Protocol
from kmlic.labels import Labels, to_probabilities
from kmlic.metrics import brier_score, precision_recall_f1

LABELS = Labels(("a", "b", "c"))
GROUPED = Labels(("a", "b", "c"), {"one": ("a", "b", "c")}, exclusive=True)


def _folds(count):
    rows = np.arange(count)
    folds = tuple((rows[rows % 5 != n], rows[rows % 5 == n]) for n in range(5))
    scored = np.concatenate([scored for _, scored in folds])
    return Protocol(folds, scored, scored % 5, True)


def _sample(factor=1.0, shift=0.0, count=600):
    """Logits whose sigmoids are true probabilities, before they are changed."""
    random = np.random.default_rng(0)
    logits = random.normal(-0.5, 2, (count, 3))
    targets = (random.uniform(size=(count, 3)) < to_probabilities(logits)).astype(int)
    return factor * logits + shift, targets.astype("int8"), logits


@pytest.mark.parametrize(("factor", "shift"), [(3.0, 0.0), (0.3, 0.0), (1.0, 2.0)])
def test_recovers_the_true_probabilities(factor, shift):
    logits, targets, true = _sample(factor, shift)
    found = calibration(logits, targets, LABELS, _folds(600))
    expected = to_probabilities(true)
    before = np.abs(to_probabilities(logits) - expected).mean()
    after = np.abs(to_probabilities(found(logits)) - expected).mean()
    assert after < before / 3
    assert (found.scale > 0).all()
    own, raw = (to_probabilities(x) for x in (found(logits), logits))
    assert brier_score(targets, own).mean() < brier_score(targets, raw).mean()
    assert "out of fold" in found.text


def test_a_temperature_keeps_the_labels_of_exclusive_groups():
    random = np.random.default_rng(1)
    logits = random.normal(0, 1.5, (400, 3))
    powers = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truth = np.array([random.choice(3, p=own) for own in powers])
    targets = np.eye(3, dtype="int8")[truth]
    targets[:20] = -1
    found = calibration(4 * logits, targets, GROUPED, _folds(400))
    np.testing.assert_allclose(found.scale, 0.25, rtol=0.2)
    assert (found(4 * logits).argmax(axis=1) == logits.argmax(axis=1)).all()
    assert found.labels == GROUPED


def test_leaves_logits_as_they_are_where_nothing_is_gained():
    logits, targets, _ = _sample(count=18)  # too few to know
    found = calibration(3 * logits, targets, LABELS, _folds(18))
    assert found.scale is None
    assert found(logits) is logits
    random = np.random.default_rng(0)
    targets = (random.uniform(size=(100, 3)) < 0.5).astype("int8")
    targets[:, 1] = 0
    targets[:, 2] = -1
    backwards = calibration(1.0 - targets, targets, LABELS, _folds(100))
    assert backwards.scale is None or (backwards.scale > 0).all()


def test_one_validation_split_is_scored_in_parts():
    logits, targets, _ = _sample(3.0)
    rows = np.arange(600)
    protocol = Protocol(((rows + 600, rows),), rows, rows % 5, False)
    found = calibration(logits, targets, LABELS, protocol)
    np.testing.assert_allclose(found.scale, 1 / 3, rtol=0.3)


def test_a_calibrated_model_is_saved_and_gives_the_calibrated_logits(tmp_path):
    logits, targets, _ = _sample(3.0, 1.0)
    found = calibration(logits, targets, LABELS, _folds(600))
    inputs = keras.Input((3,))
    plain = keras.Model(inputs, keras.layers.Identity(name="logits")(inputs))
    model = found.apply(plain)
    np.testing.assert_allclose(model(logits), found(logits), rtol=1e-4, atol=1e-4)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded(logits), model(logits), rtol=1e-6)


@pytest.mark.parametrize("shift", [-2.0, 0.0, 2.0])
@pytest.mark.parametrize("count", [30, 600])
def test_thresholds_are_at_least_as_good_as_one_half(shift, count):
    logits, targets, _ = _sample(1.0, shift, count)
    found = calibration(logits, targets, LABELS, _folds(count))
    probabilities = to_probabilities(found(logits))
    tuned, half = (
        precision_recall_f1(targets, probabilities, threshold=each)["CF1"]
        for each in (np.array(found.labels.thresholds), np.full(3, 0.5))
    )
    assert tuned >= half
