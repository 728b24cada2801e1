import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import log_softmax

from kmlic.layers import GroupUncertainty
from kmlic.losses import GroupFocalLoss
from tests.shared import shared_path

SIZES = (3, 2)
RANDOM = np.random.default_rng(0)
LOGITS = RANDOM.normal(scale=2, size=(6, 5)).astype("float32")
CLASSES = np.array([[0, 1], [2, 0], [1, -1], [-1, -1], [0, 0], [2, 1]])


def one_hot(classes):
    """Returns targets (N, 5), -1 for a group whose class is -1."""
    parts = []
    for classes_of_group, size in zip(classes.T, SIZES, strict=True):
        own = (classes_of_group[:, None] == np.arange(size)).astype("float32")
        own[classes_of_group == -1] = -1
        parts.append(own)
    return np.concatenate(parts, axis=1)


TARGETS = one_hot(CLASSES)


def reference(gamma=0.0, smoothing=0.0, label_weights=(1,) * 5, priors=(0,) * 5):
    """Returns the cost of each image in each group, 0 where it is unknown."""
    costs = np.zeros(CLASSES.shape)
    for image, row in enumerate(CLASSES):
        start = 0
        for group, (label, size) in enumerate(zip(row, SIZES, strict=True)):
            own = slice(start, start + size)
            start += size
            if label == -1:
                continue
            logits = LOGITS[image, own].astype("float64") + np.array(priors[own])
            log_p = log_softmax(logits)
            shares = np.full(size, smoothing / size)
            shares[label] += 1 - smoothing
            cost = -(shares * log_p).sum() * (1 - np.exp(log_p[label])) ** gamma
            costs[image, group] = cost * label_weights[own][label]
    return costs


@pytest.mark.parametrize(
    ("options", "arguments"),
    [
        ({"gamma": 0}, {}),
        ({"gamma": 2}, {"gamma": 2}),
        ({"gamma": 0.5}, {"gamma": 0.5}),
        ({"gamma": 0, "label_smoothing": 0.1}, {"smoothing": 0.1}),
        (
            {"gamma": 1, "label_weights": (1, 2, 3, 4, 5)},
            {"gamma": 1, "label_weights": (1, 2, 3, 4, 5)},
        ),
        (
            {"gamma": 0, "log_priors": (-1, -2, -3, 0, -0.5)},
            {"priors": (-1, -2, -3, 0, -0.5)},
        ),
    ],
)
def test_matches_the_equations_over_the_known_groups(options, arguments):
    loss = GroupFocalLoss(SIZES, **options)
    costs = reference(**arguments)
    known = CLASSES != -1
    expected = (costs.sum(axis=0) / known.sum(axis=0)).sum()
    np.testing.assert_allclose(loss(TARGETS, LOGITS), expected, rtol=1e-5)
    each = GroupFocalLoss(SIZES, reduction=None, **options)(TARGETS, LOGITS)
    np.testing.assert_allclose(each, costs, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("gamma", [0, 2])
def test_matches_the_reference_arrays(gamma):
    arrays = np.load(shared_path("parity/losses.npz"))
    loss = GroupFocalLoss((4,), gamma=gamma, reduction=None)
    found = loss(np.eye(4)[arrays["focal/y"]], arrays["focal/logits"])
    np.testing.assert_allclose(found[:, 0], arrays[f"focal/g{gamma}"], rtol=1e-4)


def test_weights_of_groups_multiply_their_means():
    weighted = GroupFocalLoss(SIZES, group_weights=(0.95, 0.5))(TARGETS, LOGITS)
    costs = reference(gamma=2).sum(axis=0) / (CLASSES != -1).sum(axis=0)
    np.testing.assert_allclose(weighted, costs @ [0.95, 0.5], rtol=1e-5)


def test_learned_weights_follow_the_uncertainty_of_each_group():
    layer = GroupUncertainty(2)
    layer.log_variances.assign([0.5, -1.0])
    loss = GroupFocalLoss(SIZES, gamma=0, log_variances=layer.log_variances)
    costs = reference().sum(axis=0) / (CLASSES != -1).sum(axis=0)
    with tf.GradientTape() as tape:
        value = loss(TARGETS, LOGITS)
    logs = np.array([0.5, -1.0])
    np.testing.assert_allclose(value, (np.exp(-logs) * costs + logs / 2).sum(), 1e-5)
    gradient = tape.gradient(value, layer.log_variances.value)
    np.testing.assert_allclose(gradient, 0.5 - np.exp(-logs) * costs, rtol=1e-5)


def test_learned_weights_are_trained_by_fit():
    inputs = keras.Input((5,))
    layer = GroupUncertainty(2)
    model = keras.Model(inputs, layer(inputs))
    loss = GroupFocalLoss(SIZES, gamma=0, log_variances=layer.log_variances)
    model.compile(keras.optimizers.SGD(0.1), loss)
    model.fit(LOGITS, TARGETS, verbose=0, shuffle=False, batch_size=6)
    costs = reference().sum(axis=0) / (CLASSES != -1).sum(axis=0)
    np.testing.assert_allclose(layer.log_variances, -0.1 * (0.5 - costs), rtol=1e-4)


def test_mixed_images_cost_the_mean_under_their_shares():
    shares = np.array([[0.3, 0, 0.7, 1, 0]])
    log_p = np.concatenate([log_softmax(LOGITS[0, :3]), log_softmax(LOGITS[0, 3:])])
    for gamma in (0, 2):
        loss = GroupFocalLoss(SIZES, gamma=gamma, reduction=None)
        p = (shares * np.exp(log_p))[0]
        fade = (1 - np.array([p[:3].sum(), p[3:].sum()])) ** gamma
        costs = -(shares * log_p)[0]
        expected = fade * [costs[:3].sum(), costs[3:].sum()]
        np.testing.assert_allclose(loss(shares, LOGITS[:1])[0], expected, rtol=1e-4)


def test_a_batch_of_unknowns_costs_nothing():
    layer = GroupUncertainty(2)
    layer.log_variances.assign([0.5, -1.0])
    for options in ({}, {"log_variances": layer.log_variances}):
        assert (
            float(GroupFocalLoss(SIZES, **options)(np.full((6, 5), -1.0), LOGITS)) == 0
        )


def test_weights_of_images_multiply_their_costs():
    loss = GroupFocalLoss(SIZES, reduction="sum")
    found = loss(TARGETS, LOGITS, sample_weight=[1.0, 0, 0, 0, 0, 2.0])
    costs = reference(gamma=2)
    np.testing.assert_allclose(found, costs[0].sum() + 2 * costs[5].sum(), rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("gamma", [0, 0.5, 2])
def test_stays_finite_for_logits_of_any_size(dtype, gamma):
    logits = tf.Variable(tf.constant([[1e4, -1e4, 0, 1e4, -1e4]] * 3, dtype))
    targets = one_hot(np.array([[0, 0], [1, 1], [2, -1]]))
    with tf.GradientTape() as tape:
        loss = GroupFocalLoss(SIZES, gamma=gamma, label_smoothing=0.1)(targets, logits)
    assert loss.dtype == "float32" and np.isfinite(loss)
    assert np.isfinite(np.asarray(tape.gradient(loss, logits), "float32")).all()


def test_survives_its_config():
    loss = GroupFocalLoss(
        SIZES,
        gamma=1,
        group_weights=(1, 2),
        label_weights=range(1, 6),
        log_priors=(0,) * 5,
    )
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(loss)))
    copy = keras.saving.deserialize_keras_object(config)
    assert copy.get_config() == loss.get_config()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"group_sizes": (3, 1)}, r"group_sizes=\(3, 1\)"),
        ({"gamma": -1}, "gamma=-1"),
        ({"label_smoothing": 2}, "label_smoothing=2"),
        ({"group_weights": (1, 2, 3)}, "2 numbers of at least 0"),
        ({"label_weights": (1, 2, 3, 4, -1)}, "5 numbers of at least 0"),
        ({"log_priors": (0, 0, 0, 0, -np.inf)}, "5 numbers that are finite"),
    ],
)
def test_says_which_argument_is_out_of_its_limits(options, message):
    with pytest.raises(ValueError, match=message):
        GroupFocalLoss(**{"group_sizes": SIZES, **options})


def test_says_that_logits_do_not_fit():
    with pytest.raises(ValueError, match=r"\(3, 2\) for scores \(6, 4\)"):
        GroupFocalLoss(SIZES)(TARGETS[:, :4], LOGITS[:, :4])
