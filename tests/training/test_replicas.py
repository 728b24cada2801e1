"""Two replicas divide the work of one and change nothing else."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from kmlic.data.build_batches import build_batches
from kmlic.losses import GroupFocalLoss, HingeRank, PartialBinaryCrossentropy
from kmlic.models import (
    build_attribute_classifier,
    build_cam_generator,
    build_classifier,
    build_decouplenet,
    build_devise,
    build_msrn,
    build_semantic_resnest,
    score_labels,
)
from kmlic.training import CoupledSGD, fit, make_strategy
from tests.training import survivor

SIZE, LABELS, BATCH = 64, 4, 8
GROUPS = {"pattern": ("check", "dot"), "colour": ("red", "blue")}
BACKBONE = {"backbone": "small_resnet", "image_size": SIZE}
RANDOM = np.random.default_rng(0)
WORDS = RANDOM.normal(size=(LABELS, 8)).astype("float32")
GRAPH = np.full((LABELS, LABELS), 1 / LABELS, "float32")


def build_guided():
    generator = build_cam_generator(LABELS, **BACKBONE)
    return build_semantic_resnest(LABELS, cam_generator=generator, **BACKBONE)


def build_attributes():
    return build_attribute_classifier(GROUPS, feature="pooled", **BACKBONE)


def build_scoring_devise():
    return score_labels(build_devise(8, dropout=0.0, **BACKBONE), WORDS)


MODELS = {
    "attribute_classifier": build_attributes,
    "classifier": lambda: build_classifier(LABELS, **BACKBONE),
    "msrn": lambda: build_msrn(
        WORDS, GRAPH, num_groups=2, embedding_size=8, hidden_units=16, **BACKBONE
    ),
    "decouplenet": lambda: build_decouplenet(LABELS, **BACKBONE),
    "devise": build_scoring_devise,
    "semantic_resnest": build_guided,
}
# Of the recipes; of the models left out PartialBinaryCrossentropy.
LOSSES = {
    "attribute_classifier": lambda: GroupFocalLoss((2, 2)),
    "devise": HingeRank,
}


def make_batches(count, training):
    images = tf.constant(RANDOM.integers(0, 256, (count, SIZE, SIZE, 3), np.uint8))
    pairs = np.random.default_rng(1).integers(0, 2, (count, 2))
    targets = np.eye(2, dtype="int8")[pairs].reshape(count, LABELS)
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
    return keras.Model(images, keras.layers.Dense(LABELS)(x))


def test_a_loss_that_a_layer_adds_counts_once_in_each_replica(tmp_path):
    batches = make_batches(16, training=True), make_batches(16, training=False)
    require_same(build_with_additional_loss, batches, tmp_path, learning_rate=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_every_paper_s_model_may_be_divided(tmp_path, name):
    batches = make_batches(43, training=True), make_batches(43, training=False)
    # A batch norm over few places makes much of what rounding leaves.
    loss = LOSSES.get(name, PartialBinaryCrossentropy)
    require_same(MODELS[name], batches, tmp_path, learning_rate=2e-4, loss=loss)


def test_a_batch_that_does_not_divide_is_refused(tmp_path):
    images = tf.zeros((6, SIZE, SIZE, 3))
    odd = tf.data.Dataset.from_tensor_slices((images, tf.zeros((6, LABELS))))
    odd = odd.batch(3, drop_remainder=True)
    with pytest.raises(ValueError, match=r"2 replicas .* got batch_size=3"):
        train(
            "mirrored",
            MODELS["classifier"],
            (odd, odd),
            tmp_path,
            0.1,
            PartialBinaryCrossentropy,
        )
