"""A layer that holds an array."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="kmlic")
class Constant(keras.layers.Layer):
    """Returns a stored array, whatever its inputs.

    The array is a weight, saved with the model's weights; the configuration holds only
    its shape. It is zeros until `assign` is called.

    Shapes: any tensors to `shape`.

    Args:
        shape: the array's shape, without a batch axis.
        learned: whether training updates the array. `layer.trainable = True` does not
            unfreeze an array that is not learned.

    Raises:
        ValueError: if `assign` is given an array of another shape.

    Example:
        >>> layer = Constant((2, 3))
        >>> layer.assign([[1, 2, 3], [4, 5, 6]])
        >>> layer(keras.ops.zeros((8, 64, 64, 3))).numpy().tolist()
        [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
    """

    def __init__(self, shape: tuple[int, ...], learned: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.shape = tuple(shape)
        self.learned = learned
        self.value = self.add_weight(
            self.shape, initializer="zeros", trainable=learned, name="value"
        )

    def assign(self, value):
        """Replaces the array."""
        shape = tuple(ops.shape(value))
        if shape != self.shape:
            raise ValueError(
                f"`value` must have the layer's shape {self.shape}; got shape {shape}."
            )
        self.value.assign(value)

    def call(self, *inputs):
        return ops.cast(self.value, self.compute_dtype)

    def compute_output_spec(self, *inputs):
        return keras.KerasTensor(self.shape, dtype=self.compute_dtype)

    def get_config(self):
        return {**super().get_config(), "shape": self.shape, "learned": self.learned}
