import contextlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from kmlic.training import CoupledSGD, fit, make_strategy

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.normal(size=(32, 2, 2, 1)).astype("float32")
TARGETS = (IMAGES.reshape(32, 4)[:, :2] > 0).astype("float32")
DATASET = tf.data.Dataset.from_tensor_slices((IMAGES, TARGETS)).batch(8)


def _model(learning_rate=0.1, strategy=None):
    keras.utils.set_random_seed(0)
    with make_strategy(strategy).scope() if strategy else contextlib.nullcontext():
        images = keras.Input((2, 2, 1))
        x = keras.layers.Flatten()(images)
        model = keras.Model(images, keras.layers.Dense(2, name="logits")(x))
        loss = keras.losses.BinaryCrossentropy(from_logits=True)
        model.compile(CoupledSGD(learning_rate), loss)
    return model


def test_gives_the_exact_values_of_each_epoch(tmp_path, capsys):
    epochs = fit(_model(), DATASET, DATASET, epochs=3, folder=tmp_path / "a", title="m")
    assert [sorted(values) for values in epochs] == [
        ["loss", "val_loss", "val_mAP"]
    ] * 3
    assert epochs[-1]["val_mAP"] > epochs[0]["val_mAP"]
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" loss")[0] for line in lines] == [
        f"m: epoch {epoch}/3" for epoch in (1, 2, 3)
    ]


@pytest.mark.parametrize("strategy", [None, "single"])
def test_an_interrupted_training_ends_as_an_undisturbed_one(tmp_path, strategy):
    undisturbed = _model(strategy=strategy)
    expected = fit(undisturbed, DATASET, DATASET, epochs=4, folder=tmp_path / "a")

    class Kill(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if self.model.optimizer.iterations == 10:
                raise KeyboardInterrupt

    interrupted = _model(strategy=strategy)
    original = interrupted.fit

    def fit_with_kill(*args, callbacks, **kwargs):
        return original(*args, callbacks=[*callbacks, Kill()], **kwargs)

    interrupted.fit = fit_with_kill
    with pytest.raises(KeyboardInterrupt):
        fit(interrupted, DATASET, DATASET, epochs=4, folder=tmp_path / "b")
    resumed = _model(strategy=strategy)
    epochs = fit(resumed, DATASET, DATASET, epochs=4, folder=tmp_path / "b")
    assert epochs == expected
    for one, other in zip(
        resumed.get_weights(), undisturbed.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_a_finished_training_gives_its_best_weights_again(tmp_path):
    trained = _model()
    fit(trained, DATASET, DATASET, epochs=2, folder=tmp_path / "a")
    again = _model()
    assert len(fit(again, DATASET, DATASET, epochs=2, folder=tmp_path / "a")) == 2
    for one, other in zip(again.get_weights(), trained.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_without_a_validation_split_the_last_epoch_is_kept(tmp_path, capsys):
    trained = _model()
    epochs = fit(trained, DATASET, None, epochs=3, folder=tmp_path / "a", ema=0.5)
    assert [sorted(values) for values in epochs] == [["loss"]] * 3
    assert "val" not in capsys.readouterr().out
    assert (tmp_path / "a" / "best-000003.npz").exists()
    # The average of the weights, as with a validation split whose last epoch is best.
    scored = _model()
    fit(
        scored,
        DATASET,
        DATASET,
        epochs=3,
        folder=tmp_path / "b",
        ema=0.5,
        metrics=lambda model, _: {"step": float(model.optimizer.iterations)},
        monitor="step",
    )
    for one, other in zip(trained.get_weights(), scored.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_callback_is_told_of_the_epochs_before_an_interruption(tmp_path):
    class Counts(keras.callbacks.Callback):
        def resume(self, epochs):
            self.losses = [values["loss"] for values in epochs]

        def on_epoch_end(self, epoch, logs=None):
            self.losses.append(logs["loss"])

    for epochs in (2, 4):
        counts = Counts()
        values = fit(
            _model(),
            DATASET,
            DATASET,
            epochs=epochs,
            folder=tmp_path / "a",
            callbacks=[counts],
        )
        assert counts.losses == [each["loss"] for each in values]


def test_refuses_batches_of_an_unknown_number(tmp_path):
    unknown = DATASET.filter(lambda images, targets: True)
    with pytest.raises(ValueError, match="`train` must have a known number of batches"):
        fit(_model(), unknown, DATASET, epochs=1, folder=tmp_path)


def test_reshuffles_every_epoch(tmp_path):
    seen = []

    class Watch(keras.layers.Layer):
        def call(self, images):
            tf.numpy_function(
                lambda x: seen.append(x[:, 0, 0, 0].tolist()) or np.int64(0),
                [images],
                tf.int64,
            )
            return images

    images = keras.Input((2, 2, 1))
    x = keras.layers.Flatten()(Watch()(images))
    model = keras.Model(images, keras.layers.Dense(2)(x))
    model.compile("sgd", keras.losses.BinaryCrossentropy(from_logits=True))
    shuffled = DATASET.unbatch().shuffle(32, seed=0).batch(8)
    shuffled = shuffled.apply(tf.data.experimental.assert_cardinality(4))
    fit(model, shuffled, DATASET, epochs=2, folder=tmp_path)
    epochs = [np.concatenate(part).tolist() for part in (seen[:4], seen[8:12])]
    assert sorted(epochs[0]) == sorted(epochs[1]) == sorted(IMAGES[:, 0, 0, 0].tolist())
    assert epochs[0] != epochs[1]


def test_the_best_epoch_is_that_of_the_metric_asked_for(tmp_path, capsys):
    values = iter([0.3, 0.9, 0.1])

    def metrics(model, dataset):
        return {"hit": next(values), "hit/group": 0.5}

    model = _model()
    epochs = fit(
        model,
        DATASET,
        DATASET,
        epochs=3,
        folder=tmp_path / "a",
        metrics=metrics,
        monitor="hit",
    )
    assert [epoch["val_hit"] for epoch in epochs] == [0.3, 0.9, 0.1]
    assert epochs[0]["val_hit/group"] == 0.5
    assert "val_hit 0.9" in (line := capsys.readouterr().out)
    assert "hit/group" not in line
    second = _model()
    second.fit(DATASET, epochs=2, verbose=0, shuffle=False)
    for one, other in zip(model.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
