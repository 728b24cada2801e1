import keras
import numpy as np
import pytest

from kmlic.training import PlateauDecay

RANDOM = np.random.default_rng(0)


def build():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.5), "mse")
    return model


def run(callback, values, model):
    callback.set_model(model)
    rates = []
    for epoch, value in enumerate(values):
        callback.on_epoch_end(epoch, {callback.monitor: value})
        rates.append(float(model.optimizer.learning_rate))
    return rates


def test_decays_as_keras_does():
    values = [*np.linspace(3, 2, 5), *RANDOM.uniform(1.9, 2.1, 30)]
    ours = run(PlateauDecay(factor=0.5, patience=3), values, build())
    keras_callback = keras.callbacks.ReduceLROnPlateau(
        monitor="loss", factor=0.5, patience=3, min_delta=1e-4
    )
    keras_callback.set_model(model := build())
    keras_callback.on_train_begin()
    expected = []
    for epoch, value in enumerate(values):
        keras_callback.on_epoch_end(epoch, {"loss": value})
        expected.append(float(model.optimizer.learning_rate))
    assert ours == pytest.approx(expected)
    assert ours[-1] < 0.1


def test_goes_on_where_it_was_interrupted():
    values = list(RANDOM.uniform(1, 2, 20))
    whole = run(PlateauDecay(patience=2), values, build())
    model = build()
    first = run(PlateauDecay(patience=2), values[:9], model)
    again = PlateauDecay(patience=2)
    again.resume([{"loss": value} for value in values[:9]])
    assert first + run(again, values[9:], model) == pytest.approx(whole)


def test_writes_the_rate_of_the_epoch_into_the_logs():
    callback = PlateauDecay(patience=1)
    callback.set_model(build())
    logs = [{"loss": 1.0}, {"loss": 1.0}, {"loss": 1.0}]
    for epoch, values in enumerate(logs):
        callback.on_epoch_end(epoch, values)
    assert [each["learning_rate"] for each in logs] == pytest.approx([0.5, 0.5, 0.05])


def test_says_which_number_is_wrong():
    with pytest.raises(ValueError, match="factor=1"):
        PlateauDecay(factor=1)
    with pytest.raises(ValueError, match="patience=0"):
        PlateauDecay(patience=0)
