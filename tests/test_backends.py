"""The mathematics of kmlic gives the same numbers on every backend of Keras."""

import importlib.util
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from kmlic import layers, losses, metrics
from tests import backend_cases

# Of the largest number of an array; and of all arrays of the case: gradients that are
# zero but for rounding, as that of a bias before a normalisation, have no scale.
TOLERANCE, ROUNDING = 1e-5, 1e-6


@pytest.fixture(scope="module")
def computed(tmp_path_factory):
    weights = {}
    values = backend_cases.compute(weights)
    path = tmp_path_factory.mktemp("backends") / "weights.npz"
    np.savez(path, **weights)
    return path, values


def compute_with(backend, weights):
    path = weights.with_name(f"{backend}.npz")
    command = [sys.executable, "-m", "tests.backend_cases", str(weights), str(path)]
    # Most of JAX's time is compilation.
    options = {"KERAS_BACKEND": backend, "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
    subprocess.run(command, env={**os.environ, **options}, check=True)
    with np.load(path) as values:
        return dict(values)


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_another_backend_computes_what_tensorflow_computes(backend, computed):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"needs `pip install {backend}`")
    weights, expected = computed
    found = compute_with(backend, weights)
    assert set(found) == set(expected)
    largest = {}
    for name, value in expected.items():
        kind = name.rsplit(" ", 1)[0]
        largest[kind] = max(largest.get(kind, 0), np.abs(value).max())
    wrong = {}
    for name, value in expected.items():
        allowed = TOLERANCE * np.abs(value).max()
        allowed += ROUNDING * largest[name.rsplit(" ", 1)[0]]
        difference = np.abs(found[name] - value).max()
        if not difference <= allowed:
            wrong[name] = f"{difference} where {allowed} is allowed"
    assert not wrong


def test_every_layer_loss_and_metric_is_compared():
    for room, kind, cases in (
        (layers, keras.Layer, backend_cases.LAYERS),
        (losses, keras.Loss, map(type, backend_cases.LOSSES)),
        (metrics, keras.Metric, (type(make()) for make in backend_cases.METRICS)),
    ):
        public = {getattr(room, name) for name in room.__all__}
        wanted = {
            each.__name__
            for each in public
            if isinstance(each, type) and issubclass(each, kind)
        } - {"EntryLoss"}  # what the losses share
        names = {each if isinstance(each, str) else each.__name__ for each in cases}
        assert wanted <= names
