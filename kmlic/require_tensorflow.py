"""Refuses what only Keras' TensorFlow backend can do."""


def require_tensorflow(what: str) -> None:
    """Raises an error unless Keras computes with TensorFlow.

    Layers, losses, metrics, backbones and models compute under any backend of Keras,
    and its `fit` takes the datasets of kmlic.data there; kmlic's own training, maps and
    exports do not.

    Args:
        what: the name of what needs it.

    Raises:
        ValueError: naming the backend and what to do.

    Example:
        >>> require_tensorflow("export_tflite")
    """
    import keras

    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise ValueError(
            f"KERAS_BACKEND must be tensorflow for {what}; got {backend}. A model "
            "saved as .keras can be loaded under any backend."
        )
