import keras
import numpy as np
import pytest

from kmlic.layers import Constant
from tests.checks import check_layer

ARRAY = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")


def test_keeps_the_layer_contract():
    check_layer(Constant, {"shape": (4, 3)}, [ARRAY], output_shape=(4, 3))


def test_gives_its_array_whatever_it_is_called_on():
    layer = Constant((4, 3))
    layer.assign(ARRAY)
    np.testing.assert_array_equal(layer(np.ones((2, 8, 8, 3))), ARRAY)
    np.testing.assert_array_equal(layer(np.ones(2), np.ones(3)), ARRAY)


def test_saves_the_array_as_a_weight_and_its_shape_as_config(tmp_path):
    layer = Constant((4, 3))
    layer.assign(ARRAY)
    symbol = keras.Input((5,))
    model = keras.Model(symbol, keras.layers.Dense(3)(symbol) + layer(symbol)[0])
    model.save(tmp_path / "model.keras")
    (copy,) = (
        each
        for each in keras.saving.load_model(tmp_path / "model.keras").layers
        if isinstance(each, Constant)
    )
    np.testing.assert_array_equal(copy.value, ARRAY)
    assert "value" not in layer.get_config()


def test_stays_fixed_when_a_model_is_unfrozen():
    layer = Constant((4, 3))
    layer.trainable = False
    layer.trainable = True
    assert not layer.trainable_weights
    assert len(Constant((4, 3), learned=True).trainable_weights) == 1


def test_says_which_shape_does_not_fit():
    with pytest.raises(ValueError, match=r"shape \(4, 3\); got shape \(3, 4\)"):
        Constant((4, 3)).assign(ARRAY.T)
