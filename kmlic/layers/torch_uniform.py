"""The initializer of torch's layers."""

import keras
import tensorflow as tf


def torch_uniform() -> keras.initializers.Initializer:
    """Makes torch's default initializer for linear layers and convolutions.

    Call it once per layer: an initializer draws its seed when it is made, so one that
    is shared repeats itself, and one that is made at import would not follow
    `keras.utils.set_random_seed`.

    Example:
        >>> kernel = torch_uniform()((100, 7))  # from -1 / sqrt(100) to 1 / sqrt(100)
        >>> bool(abs(kernel).numpy().max() <= 0.1)
        True
    """
    return _TorchUniform()


@keras.saving.register_keras_serializable(package="kmlic")
class _TorchUniform(keras.initializers.VarianceScaling):
    """Draws the numbers of Keras' initializer with two thirds of its memory."""

    def __init__(self, seed=None):
        super().__init__(1 / 3, "fan_in", "uniform", seed)

    def __call__(self, shape, dtype=None):
        draw = super().__call__
        if keras.backend.backend() == "tensorflow":
            # A graph reuses a buffer that each of two eager operators would copy, of a
            # gigabyte for the hidden layer of MSRN.
            draw = tf.function(draw, autograph=False, jit_compile=False)
        return draw(shape, dtype)

    def get_config(self):
        return {"seed": super().get_config()["seed"]}
