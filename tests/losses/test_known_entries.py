import keras
import numpy as np
import pytest
import tensorflow as tf

from kmlic import losses

LOSSES = [
    losses.PartialBinaryCrossentropy(),
    losses.FocalLoss(),
    losses.AsymmetricLoss(),
    losses.GroupFocalLoss([2, 2]),
    losses.HingeRank(),
    losses.SoftmaxRank(),
    losses.CosineMargin(),
    losses.HillLoss(),
    losses.SelfPacedLossCorrection(),
    losses.TwoWayLoss(),
    losses.LabelDistributionAwareMarginLoss([2, 1, 4, 1], [5, 6, 1, 6]),
]
LOGITS = np.random.default_rng(0).uniform(-1, 1, (2, 4)).astype("float32")
TARGETS = np.array([[1, 0, 1, 0], [0, 1, -1, -1]], "float32")


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
@pytest.mark.parametrize("wrong", [2.0, -2.0, 1.5, -0.5, np.nan, np.inf])
def test_wrong_targets_are_refused_and_are_nan_in_a_graph(loss, wrong):
    targets = TARGETS.copy()
    targets[0, 2] = wrong
    with pytest.raises(ValueError, match=f"`y_true` must be 1 .* got {wrong}"):
        loss(targets, LOGITS)
    assert np.isnan(tf.function(loss)(tf.constant(targets), LOGITS))


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_right_and_mixed_targets_are_the_same_in_a_graph(loss):
    mixed = keras.ops.convert_to_tensor(np.where(TARGETS == 1, 0.7, TARGETS), "float32")
    for targets in (tf.constant(TARGETS), tf.cast(TARGETS, tf.int8), mixed):
        eager = float(loss(targets, LOGITS))
        assert np.isfinite(eager)
        np.testing.assert_allclose(tf.function(loss)(targets, LOGITS), eager, 1e-6)
