"""The initializer of torch's layers."""

import functools
import math

import keras
import tensorflow as tf

_LARGE = 2**24  # numbers; the hidden layer of MSRN has up to 2**28


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
    """Draws the numbers of Keras' initializer with a third of the memory."""

    def __init__(self, seed=None):
        super().__init__(1 / 3, "fan_in", "uniform", seed)

    def __call__(self, shape, dtype=None):
        if math.prod(shape) < _LARGE or keras.backend.backend() != "tensorflow":
            return super().__call__(shape, dtype)
        limit = math.prod(shape[:-1]) ** -0.5

        # Captured, as a graph of constants alone would be computed twice.
        key, counter = tf.raw_ops.StatelessRandomGetKeyCounter(seed=[self.seed, 0])

        @functools.partial(tf.function, autograph=False)
        def draw():
            numbers = tf.raw_ops.StatelessRandomUniformV2(
                shape=shape, key=key, counter=counter, alg=1
            )
            # Both reuse the buffer, which eager operators would copy.
            numbers = numbers * (2 * limit) - limit
            return tf.cast(numbers, dtype or keras.config.floatx())

        return draw.get_concrete_function()()

    def get_config(self):
        return {"seed": super().get_config()["seed"]}
