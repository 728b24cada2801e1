"""What every model of the table of papers must do."""

import keras
import numpy as np
import pytest

from kmlic.layers.keras_internals import flatten_layers
from tests.checks import check_model
from tests.models.papers import MODELS, SIZE

IMAGES = np.random.default_rng(0).uniform(0, 255, (2, SIZE, SIZE, 3)).astype("float32")


EVERY_MODEL = [
    pytest.param(name, marks=pytest.mark.slow if model.variant.slow else ())
    for name, model in MODELS.items()
]


@pytest.mark.parametrize("name", EVERY_MODEL)
def test_keeps_the_model_contract(name):
    model = MODELS[name]
    check_model(model.build(), IMAGES, model.outputs, promises=model.promises)


@pytest.mark.parametrize("name", EVERY_MODEL)
def test_returns_float32_near_the_exact_values_in_low_precision(name):
    model = MODELS[name].build()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        mixed = MODELS[name].build()
    finally:
        keras.config.set_dtype_policy("float32")
    assert "bfloat16" in {layer.compute_dtype for layer in flatten_layers(mixed)}
    mixed.set_weights(model.get_weights())
    outputs = mixed(IMAGES)
    assert outputs.dtype == "float32"
    np.testing.assert_allclose(outputs, model(IMAGES), atol=0.05)
