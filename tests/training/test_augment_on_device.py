import keras
import numpy as np
import pytest
import tensorflow as tf

from kmlic.losses import PartialBinaryCrossentropy
from kmlic.training import augment_on_device, fit, make_strategy
from tests.data.files import picture

IMAGES = np.stack([np.asarray(picture(16, 16, seed=seed)) for seed in range(8)])
TARGETS = (np.arange(8)[:, None] % np.array([2, 3]) == 0).astype("float32")


class Spy(keras.layers.Layer):
    """Keeps the last batch that it was trained on."""

    def build(self, shape):
        self.seen = self.add_weight(shape=(4, 16, 16, 3), trainable=False)

    def call(self, images, training=None):
        if training:
            self.seen.assign(images)
        return images


def build(strategy="single"):
    keras.utils.set_random_seed(0)
    with make_strategy(strategy).scope():
        images = keras.Input((16, 16, 3))
        pooled = keras.layers.GlobalMaxPooling2D()(Spy(name="spy")(images) / 255.0)
        model = keras.Model(images, keras.layers.Dense(2)(pooled))
        model.compile(keras.optimizers.SGD(0.1), PartialBinaryCrossentropy())
    return model


def see(augmentation, *, seed=0, steps=1, images=IMAGES[:4]):
    """Returns the batch of a step as the model was trained on it."""
    model = build()
    augment_on_device(model, augmentation, seed=seed)
    for _ in range(steps):
        model.train_on_batch(images, TARGETS[:4])
    return model.get_layer("spy").seen.numpy()


def test_flips_about_half_of_a_batch_and_leaves_the_rest():
    seen = np.concatenate([see("flip", seed=seed) for seed in range(4)])
    originals = np.tile(IMAGES[:4], (4, 1, 1, 1)).astype("float32")
    same = (seen == originals).all(axis=(1, 2, 3))
    flipped = (seen == originals[:, :, ::-1]).all(axis=(1, 2, 3))
    assert (same ^ flipped).all()
    assert 2 <= flipped.sum() <= 14
    np.testing.assert_array_equal(see("none"), IMAGES[:4])


def test_changes_follow_from_seed_and_step_alone():
    name = "multi_scale_crop+grid_mask"
    first, again = see(name), see(name)
    np.testing.assert_array_equal(first, again)
    assert (first != see(name, steps=2)).any(axis=(1, 2, 3)).all()
    assert (first != see(name, seed=1)).any(axis=(1, 2, 3)).all()
    copies = see("multi_scale_crop", images=IMAGES[[0] * 4])
    assert len(np.unique(copies.reshape(4, -1), axis=0)) > 2


def test_targets_are_mixed_with_their_images():
    def between(targets, logits):
        return keras.ops.cast((targets > 0) & (targets < 1), "float32")

    model = build()
    model.compile("sgd", PartialBinaryCrossentropy(), metrics=[between])
    augment_on_device(model, "mixup")
    results = model.train_on_batch(IMAGES[:4], TARGETS[:4], return_dict=True)
    assert results["between"] > 0


def test_nothing_is_changed_outside_training():
    model = build()
    before = model.predict_on_batch(IMAGES)
    augment_on_device(model, "flip+cutout")
    np.testing.assert_array_equal(model.predict_on_batch(IMAGES), before)


def test_a_second_call_takes_the_place_of_the_first():
    model = build()
    augment_on_device(model, "cutout")
    augment_on_device(model, "flip", seed=3)
    model.train_on_batch(IMAGES[:4], TARGETS[:4])
    np.testing.assert_array_equal(
        model.get_layer("spy").seen.numpy(), see("flip", seed=3)
    )
    augment_on_device(model, "none")
    model.train_on_batch(IMAGES[:4], TARGETS[:4])
    np.testing.assert_array_equal(model.get_layer("spy").seen.numpy(), IMAGES[:4])


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("strategy", ["single", "mirrored"])
def test_fit_augments_and_resumes_as_if_undisturbed(tmp_path, accumulate, strategy):
    dataset = tf.data.Dataset.from_tensor_slices((IMAGES, TARGETS)).batch(4)

    def train(folder, augmentation, epochs=3):
        keras.backend.clear_session()
        keras.utils.set_random_seed(0)
        with make_strategy(strategy).scope():
            images = keras.Input((16, 16, 3))
            pooled = keras.layers.GlobalMaxPooling2D()(images / 255.0)
            model = keras.Model(images, keras.layers.Dense(2)(pooled))
            model.compile(keras.optimizers.SGD(0.1), PartialBinaryCrossentropy())
        options = {"folder": tmp_path / folder, "accumulate": accumulate, "seed": 5}
        options |= {"augmentation": augmentation, "epochs": epochs}
        return fit(model, dataset, dataset, **options)

    undisturbed = train("whole", "flip+cutout")
    train("parts", "flip+cutout", epochs=1)
    assert train("parts", "flip+cutout") == undisturbed
    assert train("plain", "none") != undisturbed
    with pytest.raises(ValueError, match="augmentation on the device"):
        train("parts", "flip", epochs=4)


def test_says_what_there_is():
    with pytest.raises(ValueError, match="augmentation='blur'"):
        augment_on_device(build(), "blur")
