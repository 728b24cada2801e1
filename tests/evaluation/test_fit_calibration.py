import numpy as np
import pytest

from kmlic.evaluation import fit_calibration
from kmlic.metrics import expected_calibration_error, mean_average_precision

RANDOM = np.random.default_rng(0)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def sample(count):
    """Targets, and probabilities that are three times too sure and shifted."""
    logits = RANDOM.normal(-1, 1.5, (count, 3))
    targets = (RANDOM.uniform(size=logits.shape) < sigmoid(logits)).astype("int8")
    return targets, sigmoid(3 * logits + [0, 1, -2])


VALIDATION, TEST = sample(1500), sample(3000)


@pytest.mark.parametrize("method", ["temperature", "platt", "isotonic"])
def test_halves_the_error_on_images_it_has_not_seen(method):
    calibration = fit_calibration(*VALIDATION, method=method)
    targets, scores = TEST
    calibrated = calibration(scores)
    assert ((calibrated >= 0) & (calibrated <= 1)).all()
    before = expected_calibration_error(targets, scores)
    after = expected_calibration_error(targets, calibrated)
    assert after < before / (2 if method == "temperature" else 4)


def test_platt_finds_the_scale_and_the_shift_of_each_label():
    calibration = fit_calibration(*VALIDATION, method="platt")
    for label, shift in enumerate([0, 1, -2]):
        row = np.full((1, 3), 0.5)
        row[0, label] = sigmoid(3 * 0.7 + shift)
        assert calibration(row)[0, label] == pytest.approx(sigmoid(0.7), abs=0.05)


def test_a_temperature_changes_no_order_between_labels_either():
    targets, scores = TEST
    calibrated = fit_calibration(*VALIDATION)(scores)
    for average in ("micro", "samples"):
        assert mean_average_precision(
            targets, calibrated, average=average
        ) == pytest.approx(mean_average_precision(targets, scores, average=average))


def test_labels_with_few_positives_share_what_all_entries_say():
    targets, scores = VALIDATION[0].copy(), VALIDATION[1]
    targets[5:, 2] = 0
    targets[:5, 2] = [1, 1, 0, 0, 1]
    calibration = fit_calibration(targets, scores, method="platt", min_positives=4)
    all_entries = fit_calibration(
        targets.reshape(-1, 1), scores.reshape(-1, 1), method="platt"
    )
    np.testing.assert_allclose(
        calibration(scores[:9])[:, 2], all_entries(scores[:9, 2:])[:, 0]
    )


def test_a_label_that_was_not_learned_keeps_its_order():
    targets, scores = VALIDATION[0], VALIDATION[1].copy()
    scores[:, 1] = 1 - scores[:, 1]
    calibrated = fit_calibration(targets, scores, method="platt")(scores)
    order = np.argsort(scores[:, 1])
    assert (np.diff(calibrated[order, 1]) >= 0).all()


def test_unknown_targets_do_not_count():
    targets, scores = VALIDATION[0].copy(), VALIDATION[1].copy()
    targets[::3] = -1
    expected = fit_calibration(targets[targets[:, 0] >= 0], scores[targets[:, 0] >= 0])
    scores[::3] = 1
    found = fit_calibration(targets, scores)
    np.testing.assert_allclose(found(TEST[1]), expected(TEST[1]), rtol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ({"method": "beta"}, "method='beta'"),
        ({"min_positives": 0}, "min_positives=0"),
        ({"targets": VALIDATION[0] * 0}, "got 0 and 4500"),
        ({"scores": 1 - VALIDATION[1]}, "got the opposite, a scale of -0"),
        ({"scores": VALIDATION[1] * 3}, "Apply a sigmoid to logits"),
        ({"scores": VALIDATION[1][:2]}, r"got shapes \(1500, 3\) and \(2, 3\)"),
    ],
)
def test_says_what_does_not_fit(arguments, rule):
    targets, scores = VALIDATION
    with pytest.raises(ValueError, match=rule):
        fit_calibration(**{"targets": targets, "scores": scores, **arguments})
    with pytest.raises(ValueError, match=r"shape \(1500, 2\) for 3 labels"):
        fit_calibration(*VALIDATION)(scores[:, :2])
