"""The initializer of torch's layers."""

import keras


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
    return keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")
