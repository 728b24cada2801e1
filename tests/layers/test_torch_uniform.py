import subprocess
import sys

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


@pytest.mark.parametrize("shape", [(400, 50), (2**12, 2**12)])
def test_draws_the_numbers_of_keras_and_can_be_saved(shape):
    initializer = torch_uniform()
    peer = keras.initializers.VarianceScaling(
        1 / 3, "fan_in", "uniform", initializer.seed
    )
    np.testing.assert_allclose(initializer(shape), peer(shape), rtol=1e-5, atol=1e-8)
    config = keras.saving.serialize_keras_object(initializer)
    again = keras.saving.deserialize_keras_object(config)
    assert type(again) is type(initializer)


def test_takes_little_more_memory_than_the_numbers():
    code = """
from kmlic.layers.torch_uniform import torch_uniform
from kmlic.run_folder import peak_memory_gb
torch_uniform()((8, 8))
before = peak_memory_gb()
torch_uniform()((2**13, 2**13))
print(peak_memory_gb() - before)
"""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert 0.25 < float(result.stdout) < 0.35  # the numbers are 0.27 GB


def test_each_one_draws_other_numbers():
    assert (torch_uniform()((5, 4)) != torch_uniform()((5, 4))).numpy().all()
