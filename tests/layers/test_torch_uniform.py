import keras
import numpy as np
import pytest

from kmlic.layers.torch_uniform import torch_uniform


@pytest.mark.parametrize("shape", [(400, 50), (3, 3, 50, 40)])
def test_draws_uniformly_between_the_inverse_roots_of_the_inputs(shape):
    keras.utils.set_random_seed(0)
    limit = 1 / np.sqrt(np.prod(shape[:-1]))
    kernel = np.asarray(torch_uniform()(shape))
    assert 0.99 * limit < np.abs(kernel).max() <= limit
    np.testing.assert_allclose(kernel.std(), limit / np.sqrt(3), rtol=0.02)


def test_each_one_draws_other_numbers():
    assert (torch_uniform()((5, 4)) != torch_uniform()((5, 4))).numpy().all()
