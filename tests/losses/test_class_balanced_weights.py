import numpy as np
import pytest

from kmlic.losses import class_balanced_weights

COUNTS = np.array([500, 20, 3, 40, 40])


def test_matches_the_equation_up_to_the_scale_of_each_group():
    weights = class_balanced_weights(COUNTS, (3, 2), beta=0.99)
    effective = (1 - 0.99**COUNTS) / (1 - 0.99)
    ratios = weights * effective
    np.testing.assert_allclose(ratios[:3], ratios[0])
    np.testing.assert_allclose(ratios[3:], ratios[3])


def test_the_mean_over_the_images_of_a_group_is_one():
    weights = class_balanced_weights(COUNTS, (3, 2))
    assert (weights * COUNTS)[:3].sum() == pytest.approx(COUNTS[:3].sum())
    np.testing.assert_allclose(weights[3:], 1)


def test_a_beta_of_zero_weighs_all_alike_and_towards_one_by_the_inverse():
    np.testing.assert_allclose(class_balanced_weights(COUNTS, (5,), beta=0), 1)
    inverse = class_balanced_weights(COUNTS, (5,), beta=1 - 1e-9) * COUNTS
    np.testing.assert_allclose(inverse, inverse[0], rtol=1e-5)


def test_a_label_without_images_counts_as_one():
    weights = class_balanced_weights([10, 0], (2,))
    np.testing.assert_allclose(weights[1], class_balanced_weights([10, 1], (2,))[1])


def test_says_what_does_not_fit():
    with pytest.raises(ValueError, match="beta=1"):
        class_balanced_weights(COUNTS, (3, 2), beta=1)
    with pytest.raises(ValueError, match=r"\(3, 3\) for shape \(5,\)"):
        class_balanced_weights(COUNTS, (3, 3))
