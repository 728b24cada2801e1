"""Two replicas divide the work of one and change nothing else."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from kmlic.data.build_batches import build_batches
from kmlic.losses import PartialBinaryCrossentropy
from kmlic.training import CoupledSGD, fit, make_strategy
from tests.models.papers import LABELS, MODELS, PAPERS, SIZE
from tests.training import survivor

BATCH = 8
RANDOM = np.random.default_rng(0)
TRAINED = [name for name, paper in PAPERS.items() if paper.loss is not None]


def make_batches(count, training):
    images = tf.constant(RANDOM.integers(0, 256, (count, SIZE, SIZE, 3), np.uint8))
    random = np.random.default_rng(1)
    groups = [np.eye(n, dtype="int8")[random.integers(0, n, count)] for n in (3, 2)]
    targets = np.concatenate(groups, axis=1)
    return build_batches(
        tf.data.Dataset.from_tensor_slices((np.arange(count), targets)),
        lambda row: images[row],
        image_size=SIZE,
        batch_size=BATCH,
        training=training,
    )


def train(strategy, build, batches, folder, learning_rate, loss):
    keras.utils.set_random_seed(0)
    with make_strategy(strategy).scope():
        model = build()
        optimizer = CoupledSGD(learning_rate, l2=1e-4, global_clipnorm=1.0)
        model.compile(optimizer, loss())
    epochs = fit(model, *batches, epochs=2, folder=folder / strategy)
    return epochs, [keras.ops.convert_to_numpy(v) for v in model.variables]


def require_same(
    build, batches, folder, *, learning_rate, loss=PartialBinaryCrossentropy
):
    trained = []
    for strategy in ("single", "mirrored"):
        trained.append(train(strategy, build, batches, folder, learning_rate, loss))
    (values, weights), (both_values, both) = trained
    for one, two in zip(values, both_values, strict=True):
        assert two["loss"] == pytest.approx(one["loss"], abs=1e-5)
    for one, two in zip(weights, both, strict=True):
        np.testing.assert_allclose(two, one, atol=1e-5, rtol=1e-5)


def test_two_replicas_have_the_loss_and_the_weights_of_one(tmp_path):
    batches = survivor.make_batches(True), survivor.make_batches(False)
    # Images that fill neither the last batch nor the replicas evenly.
    assert survivor.COUNT % survivor.BATCH == 4 and batches[0].steps == 10
    build = functools.partial(survivor.build_model, dropout=0.0)
    require_same(build, batches, tmp_path, learning_rate=0.05)


class Additional(keras.layers.Layer):
    """Adds a loss before the replicas first wait for each other."""

    def build(self, shape):
        self.scale = self.add_weight(initializer="ones", name="scale")

    def call(self, inputs):
        self.add_loss(self.scale**2)
        return inputs * self.scale


def build_with_additional_loss():
    images = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.Rescaling(1 / 127.5, offset=-1)(images)
    x = keras.layers.Flatten()(keras.layers.AveragePooling2D(32)(x))
    x = keras.layers.BatchNormalization()(Additional()(x))
    return keras.Model(images, keras.layers.Dense(len(LABELS))(x))


def test_a_loss_that_a_layer_adds_counts_once_in_each_replica(tmp_path):
    batches = make_batches(16, training=True), make_batches(16, training=False)
    require_same(build_with_additional_loss, batches, tmp_path, learning_rate=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("name", TRAINED)
def test_every_paper_s_model_may_be_divided(tmp_path, name):
    batches = make_batches(43, training=True), make_batches(43, training=False)
    # A batch norm over few places makes much of what rounding leaves.
    build, loss = MODELS[name].build, PAPERS[name].loss
    require_same(build, batches, tmp_path, learning_rate=2e-4, loss=loss)


def test_a_batch_that_does_not_divide_is_refused(tmp_path):
    images = tf.zeros((6, SIZE, SIZE, 3))
    odd = tf.data.Dataset.from_tensor_slices((images, tf.zeros((6, len(LABELS)))))
    odd = odd.batch(3, drop_remainder=True)
    with pytest.raises(ValueError, match=r"2 replicas .* got batch_size=3"):
        train(
            "mirrored",
            MODELS["classifier"].build,
            (odd, odd),
            tmp_path,
            0.1,
            PartialBinaryCrossentropy,
        )
