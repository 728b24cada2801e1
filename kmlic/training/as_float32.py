"""A copy in float32 of a model trained in mixed precision."""

import keras


def as_float32(model: keras.Model) -> keras.Model:
    """Returns a copy of a model that computes in float32 with the same weights.

    Mixed precision keeps weights in float32 and rounds in between. The rounding depends
    on how operators are fused, so an export in low precision would differ from its
    model; an export of the copy does not.

    Args:
        model: functional; nested models are converted too.

    Example:
        >>> image = keras.Input((4,))
        >>> dense = keras.layers.Dense(2, dtype="mixed_bfloat16")
        >>> as_float32(keras.Model(image, dense(image))).layers[-1].compute_dtype
        'float32'
    """
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        copy = keras.models.clone_model(
            model, clone_function=_in_float32, recursive=True
        )
    finally:
        keras.config.set_dtype_policy(policy)
    copy.set_weights(model.get_weights())
    return copy


def _in_float32(layer: keras.Layer) -> keras.Layer:
    config = layer.get_config()
    if "dtype" in config:
        config["dtype"] = "float32"
    return type(layer).from_config(config)
