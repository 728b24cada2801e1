"""Augmentation on the device, inside the training step."""

import functools
import inspect

import keras
import tensorflow as tf

from kmlic.data import Augmentation, resize_images


def augment_on_device(model: keras.Model, augmentation: str, *, seed: int = 0) -> None:
    """Augments each training batch of a model inside its training step.

    Useful when training waits for the CPU. The random changes follow from the seed and
    the optimizer's step, so that a resumed training sees the same images as one without
    interruption. Inference, saving and export are not affected. Called again, it
    replaces the earlier augmentation.

    Differs from augmentation in tf.data: crops are taken from resized images, not from
    the originals.

    Args:
        model: compiled; takes batches of images (B, H, W, 3), pixels 0-255, and
            targets (B, L).
        augmentation: see `kmlic.data.Augmentation`.
        seed: seed of the random changes.

    Raises:
        ValueError: if the augmentation is unknown.

    Example:
        >>> images = keras.Input((8, 8, 3))
        >>> pooled = keras.layers.GlobalAveragePooling2D()(images)
        >>> model = keras.Model(images, keras.layers.Dense(2)(pooled))
        >>> model.compile("sgd", "mse")
        >>> augment_on_device(model, "multi_scale_crop+cutout")
        >>> _ = model.fit(tf.ones((4, 8, 8, 3)), tf.ones((4, 2)), verbose=0)
        >>> int(model.optimizer.iterations)
        1
    """
    changes = Augmentation(augmentation)
    train_step = inspect.unwrap(model.train_step)
    if augmentation == "none":
        if train_step != model.train_step:
            model.train_step = train_step
            model.make_train_function(force=True)
        return

    @functools.wraps(train_step)
    def augmented_train_step(data):
        images, targets, weights = keras.utils.unpack_x_y_sample_weight(data)
        own = _fold_in(_fold_in((seed, 0), model.optimizer.iterations), _replica())
        images, targets = _change(changes, images, targets, own)
        return train_step(keras.utils.pack_x_y_sample_weight(images, targets, weights))

    model.train_step = augmented_train_step
    model.make_train_function(force=True)


def _change(changes, images, targets, seed):
    size = images.shape[1]

    def change_one(element):
        image, number = element
        own = _fold_in(seed, number)
        image = changes.before_resizing(image, own)
        return changes.after_resizing(resize_images(image, size), own)

    images = tf.map_fn(
        change_one,
        (images, tf.range(tf.shape(images)[0])),
        fn_output_signature=tf.TensorSpec(images.shape[1:], tf.float32),
    )
    return changes.on_batch(images, tf.cast(targets, tf.float32), _fold_in(seed, -1))


def _replica():
    context = tf.distribute.get_replica_context()
    return context.replica_id_in_sync_group if context else 0


def _fold_in(seed, number):
    return tf.random.experimental.stateless_fold_in(seed, tf.cast(number, tf.int32))
