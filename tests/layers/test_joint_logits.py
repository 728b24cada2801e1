import numpy as np
import pytest

from kmlic.layers.joint_logits import JointLogits
from tests.checks import check_layer

FIRST, SECOND = np.random.default_rng(0).normal(size=(2, 3, 5)).astype("float32")


def test_keeps_the_layer_contract():
    check_layer(JointLogits, {"weight": 0.3}, [FIRST, SECOND], output_shape=(3, 5))


def test_shows_the_second_logits_in_training_only():
    layer = JointLogits()
    np.testing.assert_array_equal(layer(FIRST, SECOND), FIRST)
    both = layer(FIRST, SECOND, training=True)
    np.testing.assert_array_equal(both, np.concatenate([FIRST, SECOND], axis=-1))


def test_says_what_does_not_fit():
    with pytest.raises(ValueError, match="weight=-1"):
        JointLogits(weight=-1)
    with pytest.raises(ValueError, match=r"\(3, 5\) and \(3, 4\)"):
        JointLogits()(FIRST, SECOND[:, :4])
