import keras
import numpy as np
import pytest
import tensorflow as tf

from kmlic.losses import PartialBinaryCrossentropy
from kmlic.training import AugmentedModel
from tests.data.files import picture

IMAGES = np.stack([np.asarray(picture(20, 20, seed=seed)) for seed in range(8)])
TARGETS = (np.arange(8)[:, None] % np.array([2, 3]) == 0).astype("float32")


def build(size=16):
    keras.utils.set_random_seed(0)
    images = keras.Input((size, size, 3))
    pooled = keras.layers.GlobalMaxPooling2D()(images / 255.0)
    return keras.Model(images, keras.layers.Dense(2)(pooled))


def train(augmentation, seed=0, epochs=2):
    model = build()
    augmented = AugmentedModel(model, augmentation, seed=seed)
    augmented.compile(keras.optimizers.SGD(0.1), PartialBinaryCrossentropy())
    augmented.fit(
        IMAGES, TARGETS, batch_size=4, epochs=epochs, shuffle=False, verbose=0
    )
    return model


def test_the_model_inside_is_trained_on_changed_images():
    weights = [
        train(name, seed).get_weights()[0]
        for name, seed in (("flip+cutout", 0), ("flip+cutout", 0), ("flip+cutout", 1))
    ]
    np.testing.assert_array_equal(weights[0], weights[1])
    assert not np.array_equal(weights[0], weights[2])
    assert not np.array_equal(weights[0], train("none").get_weights()[0])


def test_changes_follow_from_the_step_alone():
    augmented = AugmentedModel(build(), "multi_scale_crop+grid_mask")
    first, again, later = (
        augmented.change(IMAGES, TARGETS, step)[0].numpy() for step in (3, 3, 4)
    )
    assert first.shape == (8, 16, 16, 3)
    np.testing.assert_array_equal(first, again)
    assert (first != later).any(axis=(1, 2, 3)).all()
    same = AugmentedModel(build(), "multi_scale_crop").change(
        IMAGES[[0] * 8], TARGETS, 3
    )
    assert len(np.unique(same[0].numpy().reshape(8, -1), axis=0)) > 4


def test_targets_are_mixed_with_their_images():
    augmented = AugmentedModel(build(), "mixup")
    images, targets = augmented.change(IMAGES, TARGETS, 0)
    assert images.dtype == targets.dtype == tf.float32
    assert ((targets.numpy() > 0) & (targets.numpy() < 1)).any()


def test_nothing_is_changed_outside_training():
    model = build()
    augmented = AugmentedModel(model, "flip+cutout")
    resized = np.zeros((2, 16, 16, 3)) + np.arange(16)[:, None, None]
    np.testing.assert_array_equal(
        augmented.predict_on_batch(resized), model.predict_on_batch(resized)
    )


def test_survives_its_config():
    augmented = AugmentedModel(build(), "flip", seed=3)
    again = AugmentedModel.from_config(augmented.get_config())
    assert (again.augmentation, again.seed) == ("flip", 3)
    assert again.model.input_shape == (None, 16, 16, 3)


def test_says_what_does_not_fit():
    with pytest.raises(ValueError, match="augmentation='blur'"):
        AugmentedModel(build(), "blur")
    with pytest.raises(ValueError, match=r"one size; got .*None"):
        AugmentedModel(build(None), "flip")
