"""Augmentation on the device, inside the training step."""

import keras
import tensorflow as tf

from kmlic.data import Augmentation, resize_images


@keras.saving.register_keras_serializable(package="kmlic")
class AugmentedModel(keras.Model):
    """Changes each training batch at random before a model sees it.

    Where the CPU is what a training waits for, the changes move to the device: load the
    images with `augmentation="none"`, in uint8 and a little larger than the model's
    where they are to be cropped, and train this in the model's place. The changes
    follow from the seed and the optimizer's step, so that a training that was resumed
    sees what an undisturbed one does. Nothing is changed outside training, and only
    the model itself is worth saving and exporting.

    Shapes: those of the model, from images (B, H, W, 3) of pixels 0-255 of any one
    size, which are resized to the model's.

    Args:
        model: functional, from images (B, S, S, 3); trained in place.
        augmentation: see `kmlic.data.Augmentation`.
        seed: of the changes.

    Raises:
        ValueError: if there is no such augmentation or the model's image size is not
            fixed.

    Example:
        >>> images = keras.Input((8, 8, 3))
        >>> pooled = keras.layers.GlobalAveragePooling2D()(images)
        >>> model = keras.Model(images, keras.layers.Dense(2)(pooled))
        >>> augmented = AugmentedModel(model, "multi_scale_crop+cutout")
        >>> augmented.compile("sgd", "mse")
        >>> _ = augmented.fit(tf.ones((4, 12, 10, 3)), tf.ones((4, 2)), verbose=0)
        >>> int(augmented.optimizer.iterations)
        1
    """

    def __init__(
        self, model: keras.Model, augmentation: str, *, seed: int = 0, **kwargs
    ):
        super().__init__(**kwargs)
        size = model.input_shape[1]
        if size is None or model.input_shape[2] != size:
            raise ValueError(
                "`model` must take square images of one size; got input shape "
                f"{model.input_shape}."
            )
        self.model = model
        self.augmentation = augmentation
        self.seed = seed
        self._changes = Augmentation(augmentation)

    def call(self, inputs, training=None):
        if inputs.shape[1:3] != self.model.input_shape[1:3]:
            inputs = resize_images(inputs, self.model.input_shape[1])
        return self.model(inputs, training=training)

    def train_step(self, data):
        images, targets, weights = keras.utils.unpack_x_y_sample_weight(data)
        images, targets = self.change(images, targets, self.optimizer.iterations)
        return super().train_step(
            keras.utils.pack_x_y_sample_weight(images, targets, weights)
        )

    def change(self, images, targets, step):
        """Gives a batch as a training step sees it.

        Shapes: (B, H, W, 3) and (B, L) to (B, S, S, 3) float32 and (B, L) float32.

        Args:
            images: pixels 0-255.
            targets: 1, 0 or -1.
            step: number of the training step.
        """
        replica = tf.distribute.get_replica_context()
        place = replica.replica_id_in_sync_group if replica else 0
        seed = tf.random.experimental.stateless_fold_in(
            (self.seed, 0), tf.cast(step, tf.int32)
        )
        seed = tf.random.experimental.stateless_fold_in(seed, place)
        size = self.model.input_shape[1]

        def change_one(element):
            image, number = element
            own = tf.random.experimental.stateless_fold_in(seed, number)
            image = self._changes.before_resizing(image, own)
            return self._changes.after_resizing(resize_images(image, size), own)

        images = tf.map_fn(
            change_one,
            (images, tf.range(tf.shape(images)[0])),
            fn_output_signature=tf.TensorSpec((size, size, 3), tf.float32),
        )
        own = tf.random.experimental.stateless_fold_in(seed, -1)
        return self._changes.on_batch(images, tf.cast(targets, tf.float32), own)

    def get_config(self):
        return {
            **super().get_config(),
            "model": keras.saving.serialize_keras_object(self.model),
            "augmentation": self.augmentation,
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config):
        model = keras.saving.deserialize_keras_object(config.pop("model"))
        return cls(model, **config)
