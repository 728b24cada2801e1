"""Each test fails when Keras changes the private name that one function uses."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.src.backend.tensorflow import trainer

from kmlic.training import keras_internals as internals
from kmlic.training import make_strategy

X, Y = np.ones((8, 2), "float32"), np.zeros((8, 1), "float32")
SPEC = tf.TensorSpec((4, 2)), tf.TensorSpec((4, 1))


def compiled(optimizer="sgd", strategy="single"):
    with make_strategy(strategy).scope():
        inputs = keras.Input((2,))
        model = keras.Model(inputs, keras.layers.Dense(1, name="d")(inputs))
        model.compile(optimizer, "mse", metrics=["mae"])
    return model


def test_build_all_creates_every_variable_without_a_batch():
    model = compiled("adam")
    created = len(model.metrics_variables), len(model.optimizer.variables)
    internals.build_all(model, SPEC)
    built = len(model.metrics_variables), len(model.optimizer.variables)
    assert built > created
    model.fit(X, Y, verbose=0)
    assert built == (len(model.metrics_variables), len(model.optimizer.variables))


def test_keras_builds_from_a_first_batch_unless_it_is_stopped(monkeypatch):
    model = compiled()
    internals.build_all(model, SPEC)
    calls = []
    original = type(model)._symbolic_build

    def watch(self, *arguments, **named):
        calls.append(arguments)
        return original(self, *arguments, **named)

    monkeypatch.setattr(type(model), "_symbolic_build", watch)
    with internals.without_first_batch(model):
        model.fit(X, Y, verbose=0)
    assert not calls
    model.fit(X, Y, verbose=0)
    assert calls, "Keras needs not be stopped"


def test_averages_are_those_of_the_steps():
    optimizer = keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5)
    weight = keras.Variable([[1.0]])
    seen = []
    for _ in range(2):
        optimizer.apply([keras.ops.ones((1, 1))], [weight])
        seen.append(weight.numpy())
    ((kept, average),) = internals.averages(optimizer)
    assert kept is weight
    np.testing.assert_allclose(average.numpy(), (seen[0] + seen[1]) / 2, rtol=1e-6)


def test_update_loss_changes_the_loss_that_is_reported():
    model = compiled()
    internals.build_all(model, SPEC)
    internals.update_loss(model, tf.constant(1.0), tf.constant(1))
    internals.update_loss(model, tf.constant(4.0), tf.constant(2))
    assert float(model.get_metrics_result()["loss"]) == 3.0


def test_update_step_can_find_the_index_and_path_of_a_weight():
    found = []

    class Watch(keras.optimizers.SGD):
        def update_step(self, gradient, variable, learning_rate):
            path = internals.variable_path(self, variable)
            found.append((internals.variable_index(self, variable), path))

    compiled(Watch()).fit(X, Y, verbose=0)
    assert found == [(0, "d/kernel"), (1, "d/bias")]


@pytest.mark.parametrize("limit", ["clipnorm", "global_clipnorm"])
def test_gradients_are_clipped_after_they_are_summed(limit):
    class Clipped(internals.SummedClipping, keras.optimizers.SGD):
        pass

    steps = {}
    for optimizer in (keras.optimizers.SGD, Clipped):
        strategy = make_strategy("mirrored")
        with strategy.scope():
            weight = keras.Variable([[0.0]])
            rule = optimizer(1.0, **{limit: 1.0})
            rule.build([weight])

        @tf.function
        def step(rule=rule, weight=weight):
            rule.apply([tf.constant([[3.0]])], [weight])

        strategy.run(step)
        steps[optimizer] = -float(weight.numpy()[0, 0])
    assert steps[Clipped] == pytest.approx(1.0)
    assert steps[keras.optimizers.SGD] == pytest.approx(2.0), "Keras needs no help"


def test_weight_decay_is_left_to_the_step():
    class Decayed(internals.KernelDecay, keras.optimizers.AdamW):
        pass

    weights = {}
    for optimizer in (keras.optimizers.AdamW, Decayed):
        weight, excluded, bias = (
            keras.Variable(np.ones(shape)) for shape in ((1, 1), (1, 1), 1)
        )
        rule = optimizer(0.1, weight_decay=0.5)
        rule.exclude_from_weight_decay([excluded])
        rule.apply([keras.ops.zeros((1, 1))], [weight])
        weights[optimizer] = float(weight.numpy()[0, 0])
    assert weights == {keras.optimizers.AdamW: pytest.approx(0.95), Decayed: 1.0}
    assert [rule.decays(each) for each in (weight, excluded, bias)] == [
        True,
        False,
        False,
    ]


def test_layers_keep_their_losses_in_what_replaces_the_list():
    class Losses:  # no list, which Keras would wrap
        def __init__(self):
            self.found = []

        def extend(self, losses):
            self.found.extend(losses)

        def clear(self):
            self.found.clear()

        def __getitem__(self, index):
            return self.found[index]

    layer = keras.layers.ActivityRegularization(1.0)
    model = keras.Sequential([keras.Input((2,)), layer])
    made = []

    def make():
        made.append(Losses())
        return made[-1]

    internals.replace_losses(model, make)
    model(X)
    assert [float(loss) for each in made for loss in each[:]] == [2.0]
    assert [float(loss) for loss in model.losses] == [2.0]


def test_keras_reduces_what_a_step_returns_by_the_function_that_is_patched(monkeypatch):
    calls = []
    original = trainer.reduce_per_replica

    def watch(values, strategy, reduction):
        calls.append(reduction)
        return original(values, strategy, reduction)

    monkeypatch.setattr(trainer, "reduce_per_replica", watch)
    model = compiled(strategy="mirrored")
    model.fit(X, Y, verbose=0)
    expected = model.predict(X, verbose=0)
    assert {"auto", "concat"} <= set(calls)
    internals.patch_reduce_per_replica()
    patched = compiled(strategy="mirrored")
    patched.set_weights(model.get_weights())
    np.testing.assert_array_equal(patched.predict(X, verbose=0), expected)
    assert np.isfinite(patched.fit(X, Y, verbose=0).history["loss"][0])
