import contextlib
import resource
import signal

import keras
import numpy as np
import pytest
import tensorflow as tf

from kmlic.data.build_batches import build_batches
from kmlic.on_sigterm import STOPPED
from kmlic.training import LayerwiseAdamW, fit, make_strategy

RANDOM = np.random.default_rng(0)
IMAGES = tf.constant(RANDOM.integers(0, 256, (14, 8, 8, 3), np.uint8))
TARGETS = RANDOM.integers(0, 2, (14, 2)).astype("int8")
STEPS = 3


def batches(training):
    return build_batches(
        tf.data.Dataset.from_tensor_slices((np.arange(14), TARGETS)),
        lambda row: IMAGES[row],
        image_size=8,
        batch_size=4,
        training=training,
        augmentation="multi_scale_crop",
    )


def make_model(strategy="single", learning_rate=0.01):
    """Holds all that has a state: batch statistics, dropout, moments, a schedule."""
    keras.utils.set_random_seed(0)
    with make_strategy(strategy).scope() if strategy else contextlib.nullcontext():
        images = keras.Input((8, 8, 3))
        x = keras.layers.Conv2D(4, 3)(keras.layers.Rescaling(1 / 255)(images))
        x = keras.layers.BatchNormalization()(x)
        x = keras.layers.Dropout(0.5)(keras.layers.Flatten()(x))
        model = keras.Model(images, keras.layers.Dense(2, name="logits")(x))
        rate = keras.optimizers.schedules.CosineDecay(learning_rate, 12)
        loss = keras.losses.BinaryCrossentropy(from_logits=True)
        model.compile(LayerwiseAdamW(rate), loss, metrics=["mse"])
    return model


class At(keras.callbacks.Callback):
    """Does something after a step of the training."""

    def __init__(self, step, action):
        super().__init__()
        self.left, self.action = step, action

    def resume(self, epochs):
        self.left -= len(epochs) * STEPS

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if self.left == 0:
            self.action()


def train(folder, *actions, model=None, save_seconds=300.0, epochs=3):
    model = model or make_model()
    values = fit(
        model,
        batches(True),
        batches(False),
        epochs=epochs,
        folder=folder,
        callbacks=actions,
        save_seconds=save_seconds,
    )
    return values, [v.numpy() for v in (*model.variables, *model.optimizer.variables)]


def interrupt():
    raise KeyboardInterrupt


def terminate():
    signal.raise_signal(signal.SIGTERM)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return train(tmp_path_factory.mktemp("state"))


def require_same(trained, undisturbed):
    assert trained[0] == undisturbed[0]
    for one, other in zip(trained[1], undisturbed[1], strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("step", [2, 3])
def test_goes_on_within_an_epoch_as_if_nothing_had_happened(
    tmp_path, undisturbed, step
):
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, At(step + 1, interrupt), save_seconds=0)
    assert len(list(tmp_path.glob("step-*"))) == 2
    assert (tmp_path / f"step-{step:09d}.npz").exists()
    require_same(train(tmp_path), undisturbed)


def test_two_replicas_go_on_too(tmp_path):
    expected = train(tmp_path / "a", model=make_model("mirrored"))
    with pytest.raises(KeyboardInterrupt):
        model = make_model("mirrored")
        train(tmp_path / "b", At(6, interrupt), model=model, save_seconds=0)
    resumed = train(tmp_path / "b", model=make_model("mirrored"))
    for one, other in zip(resumed[1], expected[1], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    assert [e["loss"] for e in resumed[0]] == pytest.approx(
        [e["loss"] for e in expected[0]]
    )


@pytest.mark.parametrize("step", [4, 9])
def test_sigterm_ends_the_step_saves_and_has_a_code_of_its_own(
    tmp_path, undisturbed, step
):
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as stopped:
        train(tmp_path, At(step, terminate))
    assert stopped.value.code == STOPPED == 143
    assert signal.getsignal(signal.SIGTERM) is before
    assert (tmp_path / f"step-{step:09d}.npz").exists()
    require_same(train(tmp_path), undisturbed)


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_a_corrupt_checkpoint_gives_way_to_the_previous(
    tmp_path, undisturbed, damage, caplog
):
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, At(6, interrupt), save_seconds=0)
    newest = tmp_path / "step-000000005.npz"
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 255
    newest.write_bytes(content[: len(content) // 2] if damage == "cut" else content)
    require_same(train(tmp_path), undisturbed)
    assert "step-000000005.npz is corrupt" in caplog.text


def test_says_when_all_checkpoints_are_corrupt(tmp_path):
    train(tmp_path, epochs=1)
    for path in tmp_path.glob("step-*"):
        path.write_bytes(b"")
    with pytest.raises(ValueError, match="all 1 are corrupt"):
        train(tmp_path)


def test_a_full_disk_is_an_error_that_keeps_the_last_state(tmp_path, undisturbed):
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    def fill_disk():
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limit[1]))

    try:
        with pytest.raises(OSError, match=r"step-000000005\.npz could not be"):
            train(tmp_path, At(5, fill_disk), save_seconds=0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"best-000001.npz", "step-000000003.npz", "step-000000004.npz"}
    require_same(train(tmp_path), undisturbed)


def test_a_loss_that_is_not_finite_names_its_images_and_keeps_the_last_state(tmp_path):
    model = make_model()

    def spoil():
        bias = model.get_layer("logits").bias
        bias.assign([np.nan, 0.0])

    with pytest.raises(RuntimeError, match=r"got loss=nan after batch 2 of 3 of") as e:
        train(tmp_path, At(4, spoil), model=model)
    rows = batches(True).rows(4).tolist()
    last = f"the last good checkpoint is {tmp_path}/step-000000003"
    assert f"epoch 2, training images {rows}; {last}" in str(e.value)
    assert [path.name for path in tmp_path.glob("step-*")] == ["step-000000003.npz"]


def test_weights_that_are_not_finite_are_not_saved(tmp_path):
    model = make_model()

    def spoil():
        model.get_layer("logits").bias.assign([np.inf, 0.0])

    with pytest.raises(RuntimeError, match=r"got a value of logits/bias that is not"):
        train(tmp_path, At(2, spoil), model=model, save_seconds=0)
    assert [path.name for path in tmp_path.iterdir()] == ["step-000000001.npz"]


def test_refuses_and_lists_changed_settings(tmp_path):
    train(tmp_path, epochs=1)
    rate = r"learning_rate\.config\.initial_learning_rate: 0\.01 there, 0\.5 here"
    with pytest.raises(ValueError, match=rate):
        train(tmp_path, model=make_model(learning_rate=0.5))


def test_what_a_killed_process_had_begun_is_removed(tmp_path):
    (tmp_path / ".step-000000001.123.partial.npz").write_bytes(b"half")
    train(tmp_path, epochs=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "best-000001.npz",
        "step-000000003.npz",
    ]


def test_the_first_of_the_best_epochs_is_kept(tmp_path):
    values, weights = iter([0.2, 0.7, 0.7, 0.5]), []
    model = make_model()

    class Remember(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            weights.append(self.model.get_weights())

    fit(
        model,
        batches(True),
        batches(False),
        epochs=4,
        folder=tmp_path,
        metrics=lambda model, dataset: {"mAP": next(values)},
        callbacks=[Remember()],
    )
    for one, other in zip(model.get_weights(), weights[1], strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("values", "losses", "best"),
    [
        ([np.nan] * 4, [3.0, 1.0, 2.0, 1.0], 1),
        ([np.nan] * 3 + [0.1], [3.0, 1.0, 2.0, 9.0], 3),
        ([0.1, np.nan, 0.2, np.nan], [1.0, 0.1, 2.0, 0.1], 2),
        ([np.nan] * 4, [np.nan, np.inf, 2.0, 3.0], 2),
    ],
)
def test_the_loss_decides_where_the_metric_is_undefined(
    tmp_path, caplog, values, losses, best
):
    weights, scores = [], iter(zip(values, losses, strict=True))

    class Remember(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            weights.append(self.model.get_weights())

    def train(epochs):
        model = make_model()
        logs = fit(
            model,
            batches(True),
            batches(False),
            epochs=epochs,
            folder=tmp_path,
            metrics=lambda *_: dict(zip(("mAP", "loss"), next(scores), strict=True)),
            callbacks=[Remember()],
        )
        return model, logs

    train(2)  # interrupted here: null in the checkpoint is NaN again
    assert sum("val_mAP is undefined" in text for text in caplog.messages) == 1
    model, logs = train(4)
    np.testing.assert_array_equal([each["val_mAP"] for each in logs], values)
    for one, other in zip(model.get_weights(), weights[best], strict=True):
        np.testing.assert_array_equal(one, other)
    for path in tmp_path.glob("step-*.npz"):
        with np.load(path) as arrays:
            assert b"NaN" not in arrays["arr_0"].tobytes()
