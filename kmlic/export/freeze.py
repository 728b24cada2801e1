"""The model as it is exported."""

from collections.abc import Callable

import keras

from kmlic.labels import Labels
from kmlic.layers import GroupSoftmax
from kmlic.models import ACTIVATION_MAPS, EXPORT_LAYER
from kmlic.require_tensorflow import require_tensorflow


def freeze(
    model: keras.Model,
    labels: Labels | None = None,
    *,
    maps: bool = False,
    float_logits: bool = False,
) -> keras.Model:
    """Rewrites a model from images to logits as one from images to probabilities.

    Layers are replaced as in `clone_for_export`; the graph that computes the embeddings
    of fixed labels becomes a constant this way.

    Shapes: (B, S, S, 3) to (B, L), and with `maps` to (B, H, W, L) float32 too.

    Args:
        model: a functional or sequential model with one image input and one output of
            logits.
        labels: of the model; with exclusive groups the probabilities are a softmax
            within each group.
        maps: whether to return the output of the layer "activation_maps" too.
        float_logits: whether dense layers with one unit per logit are computed by
            operators that no quantization changes.

    Raises:
        ValueError: if the model is not functional, has more inputs or outputs, or has
            no such layer.

    Example:
        >>> image = keras.Input((8, 8, 3))
        >>> pooled = keras.layers.GlobalAveragePooling2D()(image)
        >>> frozen = freeze(keras.Model(image, keras.layers.Dense(2)(pooled)))
        >>> frozen.layers[-1].name, frozen.output_shape
        ('probabilities', (None, 2))
    """
    cloned = clone_for_export(model, maps=maps, float_logits=float_logits)
    outputs = _probabilities(labels)(cloned.outputs[0])
    if maps:
        float32 = keras.layers.Identity(dtype="float32", name="maps")
        outputs = [outputs, float32(cloned.outputs[1])]
    return keras.Model(cloned.inputs[0], outputs, name=model.name)


def clone_for_export(
    model: keras.Model, *, maps: bool = False, float_logits: bool = False
) -> keras.Model:
    """Replaces every layer of a model that defines `export_layer()`, and shares others.

    Layers of nested models are replaced too. The model itself is not changed.

    Args:
        model: see `freeze`; the output may also be an embedding.
        maps: see `freeze`.
        float_logits: see `freeze`.

    Raises:
        ValueError: if Keras has another backend than TensorFlow; also see `freeze`.
    """
    require_tensorflow("exports")
    _require_one_image_to_logits(model)
    return keras.models.clone_model(
        _with_maps(model) if maps else model,
        clone_function=_replace_or_share(
            model.output_shape[-1] if float_logits else None
        ),
        recursive=True,
    )


def require_one_label_per_logit(model: keras.Model, labels: Labels) -> None:
    """Raises an error unless a model has one logit per label.

    Raises:
        ValueError: with both numbers.
    """
    if len(labels) != model.output_shape[-1]:
        raise ValueError(
            f"`labels` must name every logit; got {len(labels)} labels for "
            f"{model.output_shape[-1]} logits."
        )


def image_size_of(model: keras.Model, default: int | None = None) -> int:
    """Returns the side S in pixels of the images that a model takes.

    Args:
        model: takes images (B, S, S, 3).
        default: the side if the model takes any.

    Raises:
        ValueError: if neither has a side, or the images are not squares.
    """
    height, width = model.input_shape[1:3]
    if height is None and width is None:
        height = width = default
    if not height or height != width:
        raise ValueError(
            "`model` must take squares of one size; got input shape "
            f"{tuple(model.input_shape)}. Build it with `image_size`, or give the size "
            "in `labels`."
        )
    return int(height)


class _ProductsAndSums(keras.layers.Layer):
    """Computes a dense layer of vectors without the operator that is quantized."""

    def __init__(self, dense: keras.layers.Dense):
        super().__init__(dtype=dense.dtype_policy, name=dense.name)
        self.dense = dense

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        if len(inputs.shape) != 2:
            return self.dense(inputs)
        kernel = keras.ops.convert_to_tensor(self.dense.kernel)
        outputs = keras.ops.sum(inputs[:, :, None] * kernel, axis=1)
        if self.dense.use_bias:
            outputs = outputs + keras.ops.convert_to_tensor(self.dense.bias)
        return self.dense.activation(outputs)


def _probabilities(labels: Labels | None) -> keras.Layer:
    # float32 under every precision policy, like the logits.
    options = {"dtype": "float32", "name": "probabilities"}
    if labels is not None and labels.exclusive:
        groups = labels.exclusive_groups.values()
        return GroupSoftmax([own.stop - own.start for own in groups], **options)
    return keras.layers.Activation("sigmoid", **options)


def _require_one_image_to_logits(model: keras.Model) -> None:
    functional = isinstance(model, keras.Sequential) or (
        isinstance(model, keras.Model) and hasattr(model, "operations")
    )
    if not functional:
        raise ValueError(
            "`model` must be a functional or sequential keras.Model, so that its "
            f"layers can be replaced; got {type(model).__name__}."
        )
    shapes = [tuple(tensor.shape) for tensor in model.inputs]
    logits = [tuple(tensor.shape) for tensor in model.outputs]
    if len(shapes) != 1 or len(shapes[0]) != 4 or shapes[0][-1] != 3:
        raise ValueError(
            f"`model` must take one batch of images (B, S, S, 3); got inputs {shapes}."
        )
    if len(logits) != 1 or len(logits[0]) != 2:
        raise ValueError(
            f"`model` must give one batch of logits (B, L); got outputs {logits}."
        )


def _with_maps(model: keras.Model) -> keras.Model:
    layers = {layer.name: layer for layer in model.layers}
    if ACTIVATION_MAPS not in layers:
        raise ValueError(
            f"`maps` must be False for a model without a layer {ACTIVATION_MAPS!r}, "
            f"which gives one map per label; got {model.name!r}."
        )
    maps = layers[ACTIVATION_MAPS].output
    return keras.Model(model.inputs[0], [model.outputs[0], maps])


def _replace_or_share(
    float_units: int | None,
) -> Callable[[keras.Layer], keras.Layer]:
    # A layer called twice must stay one layer.
    replacements: dict[int, keras.Layer] = {}

    def clone(layer: keras.Layer) -> keras.Layer:
        if id(layer) in replacements:
            return replacements[id(layer)]
        if hasattr(layer, EXPORT_LAYER):
            replacements[id(layer)] = getattr(layer, EXPORT_LAYER)()
        elif isinstance(layer, keras.layers.Dense) and layer.units == float_units:
            replacements[id(layer)] = _ProductsAndSums(layer)
        return replacements.get(id(layer), layer)

    return clone
