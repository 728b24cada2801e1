import json

import keras
import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    confusion_matrix,
    f1_score,
)

from kmlic.metrics import AttributeAccuracy, attribute_accuracy, confusion_matrices

GROUPS = {"sleeve": ("long", "short", "none"), "fit": ("tight", "loose")}
RANDOM = np.random.default_rng(0)


def _draw(count=60, never=()):
    """Draws targets (-1 for an unknown group) and scores; `never` are absent labels."""
    targets = np.zeros((count, 5), "int8")
    start = 0
    for members in GROUPS.values():
        allowed = [i for i, name in enumerate(members) if name not in never]
        chosen = RANDOM.choice(allowed, count)
        targets[np.arange(count), start + chosen] = 1
        unknown = RANDOM.random(count) < 0.2
        targets[unknown, start : start + len(members)] = -1
        start += len(members)
    return targets, RANDOM.normal(size=(count, 5)).astype("float32")


def _expected(targets, scores, columns):
    known = (targets[:, columns] == 1).any(axis=1)
    return (
        targets[known, columns].argmax(axis=1),
        scores[known, columns].argmax(axis=1),
    )


@pytest.mark.parametrize("never", [(), ("short",)])
def test_equals_scikit_learn_over_the_known_groups(never):
    targets, scores = _draw(never=never)
    if never:  # nor is it ever given: scikit-learn leaves it out of macro F1
        names = [name for members in GROUPS.values() for name in members]
        scores[:, names.index(never[0])] = -9
    found = attribute_accuracy(targets, scores, GROUPS)
    for name, score in (
        ("accuracy", accuracy_score),
        ("balanced_accuracy", balanced_accuracy_score),
        ("macro_f1", lambda a, b: f1_score(a, b, average="macro")),
    ):
        values = [
            score(*_expected(targets, scores, own)) for own in (slice(3), slice(3, 5))
        ]
        np.testing.assert_allclose(
            [found[f"{name}/sleeve"], found[f"{name}/fit"]], values, rtol=1e-12
        )
        assert found[name] == pytest.approx(np.mean(values))
    matrices = confusion_matrices(targets, scores, GROUPS)
    expected = confusion_matrix(*_expected(targets, scores, slice(3)), labels=[0, 1, 2])
    np.testing.assert_array_equal(matrices["sleeve"], expected)


@pytest.mark.parametrize("value", ["accuracy", "balanced_accuracy", "macro_f1"])
@pytest.mark.parametrize("group", [None, "fit"])
def test_streams_the_same_over_batches(value, group):
    targets, scores = _draw()
    metric = AttributeAccuracy(GROUPS, value=value, group=group)
    for start in range(0, 60, 17):
        metric.update_state(targets[start : start + 17], scores[start : start + 17])
    expected = attribute_accuracy(targets, scores, GROUPS)
    key = f"{value}/{group}" if group else value
    np.testing.assert_allclose(metric.result(), expected[key], rtol=1e-6)
    metric.reset_state()
    assert np.isnan(metric.result())


def test_exact_counts_images_right_in_every_known_group():
    targets = np.array([[1, 0, 0, 1, 0], [0, 1, 0, -1, -1], [-1, -1, -1, -1, -1]])
    scores = np.array([[2, 1, 0, 0, 1], [0, 2, 1, 0, 1], [1, 0, 0, 1, 0]])
    found = attribute_accuracy(targets, scores, GROUPS)
    assert found["exact"] == 0.5
    assert found["accuracy/sleeve"] == 1 and found["accuracy/fit"] == 0


def test_a_group_that_no_image_knows_is_left_out_of_the_means():
    targets, scores = _draw()
    targets[:, 3:] = -1
    found = attribute_accuracy(targets, scores, GROUPS)
    assert np.isnan(found["accuracy/fit"])
    assert found["accuracy"] == found["accuracy/sleeve"]
    metric = AttributeAccuracy(GROUPS)
    metric.update_state(targets, scores)
    np.testing.assert_allclose(metric.result(), found["accuracy"], rtol=1e-6)
    targets[:] = -1
    assert np.isnan(attribute_accuracy(targets, scores, GROUPS)["exact"])


def test_weights_of_images_multiply_their_counts():
    targets, scores = _draw(2)
    targets[:] = [[1, 0, 0, 1, 0]] * 2
    scores[:] = [[1, 0, 0, 1, 0], [0, 1, 0, 0, 1]]
    metric = AttributeAccuracy(GROUPS)
    metric.update_state(targets, scores, sample_weight=[3.0, 1.0])
    assert float(metric.result()) == 0.75


def test_survives_its_config():
    metric = AttributeAccuracy(GROUPS, value="macro_f1", group="fit")
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(metric)))
    copy = keras.saving.deserialize_keras_object(config)
    assert copy.get_config() == metric.get_config()


def test_says_what_does_not_fit():
    targets, scores = _draw()
    with pytest.raises(ValueError, match=r"\(60, 5\) and \(60, 4\) for 5 labels"):
        attribute_accuracy(targets, scores[:, :4], GROUPS)
    with pytest.raises(ValueError, match=r"\('tight',\) in group 'fit'"):
        attribute_accuracy(targets, scores, {"fit": ("tight",)})
    targets[7] = [1, 1, 0, 1, 0]
    with pytest.raises(ValueError, match="got 2 of 'sleeve' in row 7"):
        attribute_accuracy(targets, scores, GROUPS)
    with pytest.raises(ValueError, match="value='precision'"):
        AttributeAccuracy(GROUPS, value="precision")
    with pytest.raises(ValueError, match="group='collar'"):
        AttributeAccuracy(GROUPS, group="collar")
    with pytest.raises(ValueError, match=r"\(B, 5\).*shape \(60, 4\)"):
        AttributeAccuracy(GROUPS).update_state(targets, scores[:, :4])
