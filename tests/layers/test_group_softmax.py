import numpy as np
import pytest
from scipy.special import softmax

from kmlic.layers import GroupSoftmax
from tests.checks import check_layer

LOGITS = np.random.default_rng(0).normal(size=(4, 6)).astype("float32")


def test_layer_contract():
    check_layer(GroupSoftmax, {"group_sizes": (2, 4)}, [LOGITS], (4, 6))


def test_matches_a_softmax_per_group():
    expected = [softmax(LOGITS[:, :2], axis=1), softmax(LOGITS[:, 2:], axis=1)]
    found = GroupSoftmax((2, 4))(LOGITS)
    np.testing.assert_allclose(found, np.concatenate(expected, axis=1), rtol=1e-5)


def test_logits_of_one_group_do_not_touch_another():
    layer = GroupSoftmax((2, 4))
    other = LOGITS + np.array([9, -9, 0, 0, 0, 0], "float32")
    np.testing.assert_array_equal(layer(LOGITS)[:, 2:], layer(other)[:, 2:])


def test_says_which_sizes_do_not_fit():
    with pytest.raises(ValueError, match=r"group_sizes=\(5, 1\)"):
        GroupSoftmax((5, 1))
    with pytest.raises(ValueError, match=r"group_sizes=\(2, 3\) for inputs \(4, 6\)"):
        GroupSoftmax((2, 3))(LOGITS)
