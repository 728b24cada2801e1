"""The mathematics of kmlic gives the same numbers on every backend of Keras."""

import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest


@pytest.mark.slow
def test_jax_computes_what_tensorflow_computes(tmp_path):
    if importlib.util.find_spec("jax") is None:
        pytest.skip("needs `pip install jax`")
    values = {}
    for backend in ("tensorflow", "jax"):
        path = tmp_path / f"{backend}.npz"
        command = [sys.executable, "-m", "tests.backend_values", str(path)]
        environment = {**os.environ, "KERAS_BACKEND": backend}
        subprocess.run(command, env=environment, check=True)
        values[backend] = dict(np.load(path))
    assert set(values["jax"]) == set(values["tensorflow"])
    for name, expected in values["tensorflow"].items():
        scale = max(np.abs(expected).max(), 1e-3)
        difference = np.abs(values["jax"][name] - expected).max() / scale
        assert difference < 1e-5, f"{name} differs by {difference:.1e}"
