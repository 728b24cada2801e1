"""Where in an image a model sees each label."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from kmlic.models import ACTIVATION_MAPS, ATTENTION, POOL

__all__ = [
    "Places",
    "activation_maps",
    "fill_places",
    "map_places",
    "middles",
    "overlay",
]

Places = tuple[np.ndarray, np.ndarray]
"""Where in an image, in shares of its sides, the rows and columns of a map look: (H,)
and (W,), or (H, L) and (W, L) where each label's map looks elsewhere."""

_GLOBAL_POOLS = (keras.layers.GlobalAveragePooling2D, keras.layers.GlobalMaxPooling2D)


def activation_maps(
    model: keras.Model,
    images: np.ndarray,
    *,
    score: Callable[[tf.Tensor], tf.Tensor] | None = None,
    batch_size: int = 32,
) -> np.ndarray:
    """Gives one map per image and label, high where the label is seen.

    A model says where its maps come from by what its own layers are called or can do.
    The first that applies counts:

    1. a layer named `activation_maps`: its output (B, H, W, L) is the maps. The CAM
       generator, WILDCAT and DecoupleNet have one.
    2. layers with a method `attention(*inputs) -> (B, H, W, E)`, such as MSRN's
       `SemanticGuidedAttention`: their attention to the first L of E embeddings, each
       resized to the finest and all averaged.
    3. a layer named `pool`: its input (B, H, W, C) is the feature map, which is
       weighted by each logit's gradient, summed over the regions. Where one linear
       layer follows the pool, average or maximum, these are class activation maps.
       Where a backbone ends in its own classifier, its global pooling counts as `pool`.

    Paper: Zhou et al., "Learning Deep Features for Discriminative Localization", CVPR
    2016, equation 2, https://arxiv.org/abs/1512.04150; for what is not linear Selvaraju
    et al., "Grad-CAM", ICCV 2017, equations 1 and 2, https://arxiv.org/abs/1610.02391.
    Differs from Grad-CAM: the gradients are summed where it averages, so that the maps
    of a linear layer are the first paper's, and negative values are kept.

    Shapes: (B, S, S, 3) to (B, H, W, L), float32, at the resolution of the model's
    feature map.

    Args:
        model: from images to logits, or to embeddings with `score`.
        images: pixels 0-255 of the size that the model takes.
        score: for maps by gradient, what to explain instead of the logits: from the
            model's outputs (B, K) to (B, L), in TensorFlow operations. For a model
            that gives embeddings, the similarity of the nearest word makes one map.
        batch_size: images gone through at once.

    Raises:
        ValueError: if the model has none of these layers, its maps are not one per
            label, or `score` comes with a model that has maps of its own.

    Example:
        >>> from kmlic.models import build_classifier
        >>> model = build_classifier(5, backbone="small_resnet", image_size=64)
        >>> activation_maps(model, np.zeros((2, 64, 64, 3))).shape
        (2, 2, 2, 5)
    """
    explain = _find_explanation(model, score)
    starts = range(0, len(images), batch_size)
    if not starts:
        raise ValueError("`images` must hold at least one image; got none.")
    maps = [
        explain(tf.convert_to_tensor(images[start : start + batch_size])).numpy()
        for start in starts
    ]
    return np.concatenate(maps).astype("float32")


def map_places(
    model: keras.Model, images: np.ndarray | None = None, *, batch_size: int = 32
) -> Places:
    """Says where in the image the rows and columns of `activation_maps` look.

    A place of a map sees the image through all windows before it. Where these are
    padded on one side more than on the other, or by torch's rule (a window of 3 that
    steps by 2 lies around each second pixel), the middle of what it sees is not the
    middle of its share of the image, but up to half a place beside it: the first of
    eight columns of a ResNet looks at the left edge.

    Inside these windows kernels can learn to look to one side, and where a map is
    pooled over all places nothing keeps them from it: a hat's map may be highest
    always to the left of the hat. With `images` it is measured for each label how far
    beside the middle its map looks: the gradient of its highest place in the images
    where that is highest, squared over the colours, is a map of the pixels that
    matter; its centre, weighted by its square, less the place's, has a median over
    those images. No box or label is needed.

    Paper: Luo et al., "Understanding the Effective Receptive Field in Deep
    Convolutional Neural Networks", NIPS 2016, https://arxiv.org/abs/1701.04128, which
    measures by gradients what a place depends on. Differs from the paper: the places
    are where the maps are highest, in images, and only the centre is wanted.

    Shapes: (H,) and (W,), in shares of the image's height and width; (H, L) and (W, L)
    with images.

    Args:
        model: as for `activation_maps`, of known image size.
        images: (N, S, S, 3) of pixels 0-255 to measure with, of all labels; a hundred
            do. Not those that the places are then judged by.
        batch_size: images gone through at once, and measured for each label.

    Raises:
        ValueError: if a layer on the way changes the size of the maps by other means
            than windows and padding.

    Example:
        >>> from kmlic.models import build_classifier
        >>> model = build_classifier(5, backbone="small_resnet", image_size=64)
        >>> rows, columns = map_places(model)
        >>> columns.round(3).tolist()
        [0.008, 0.508]
        >>> map_places(model, np.zeros((2, 64, 64, 3)))[1].shape
        (2, 5)
    """
    places = _places_of_windows(model)
    if images is None:
        return places
    beside = _look_beside(model, images, *places, batch_size)  # (L, 2)
    rows, columns = (
        np.clip(each[:, None] + shift, 0.0, 1.0)
        for each, shift in zip(places, beside.T, strict=True)
    )
    return rows, columns


def _look_beside(
    model: keras.Model,
    images: np.ndarray,
    rows: np.ndarray,
    columns: np.ndarray,
    batch_size: int,
) -> np.ndarray:
    """Gives how far below and right of its places each label's map looks: (L, 2)."""
    explain = _find_explanation(model, None)
    maps = activation_maps(model, images, batch_size=batch_size)
    highest = maps.max(axis=(1, 2))  # (N, L)

    @tf.function(reduce_retracing=True)
    def differentiate(pixels: tf.Tensor, chosen: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(pixels)
            value = tf.reduce_sum(explain(pixels) * chosen)
        return tape.gradient(value, pixels)

    beside = []
    for label in range(maps.shape[-1]):
        # 16 images point as well as 64 where both were tried.
        best = np.argsort(-highest[:, label], kind="stable")[: min(batch_size, 16)]
        own = maps[best, :, :, label]
        top = own == own.max(axis=(1, 2), keepdims=True)
        chosen = np.zeros((*own.shape, maps.shape[-1]), "float32")
        chosen[..., label] = top / top.sum(axis=(1, 2), keepdims=True)
        pixels = tf.constant(images[best], "float32")
        gradients = differentiate(pixels, tf.constant(chosen)).numpy()
        weights = np.square(gradients, dtype="float64").sum(axis=-1) ** 2
        looks = _centre(weights, *map(middles, weights.shape[1:]))
        shifts = looks - _centre(chosen[..., label], rows, columns)
        # Without a gradient there is no centre, and nothing to be said.
        known = np.isfinite(shifts).all(axis=1)
        beside.append(np.median(shifts[known], axis=0) if known.any() else (0.0, 0.0))
    return np.array(beside)


def _centre(weights: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Gives the centre of mass of each image's weights (N, H, W), as (N, 2)."""
    with np.errstate(invalid="ignore"):
        shares = weights / weights.sum(axis=(1, 2), keepdims=True)
    return np.stack([shares.sum(axis=2) @ rows, shares.sum(axis=1) @ columns], axis=1)


def middles(count: int) -> np.ndarray:
    """Gives the middles of equal parts of a side, in shares of it."""
    return (np.arange(count) + 0.5) / count


def _places_of_windows(model: keras.Model) -> Places:
    named = {layer.name: layer for layer in model.layers}
    attending = [layer for layer in model.layers if hasattr(layer, ATTENTION)]
    if ACTIVATION_MAPS in named:
        maps = named[ACTIVATION_MAPS].output
    elif attending:
        feature_maps = [keras.tree.flatten(layer.input)[0] for layer in attending]
        maps = max(feature_maps, key=lambda each: np.prod(each.shape[1:3]))
    else:
        parts = _split_at_pool(model)
        if parts is None:
            raise ValueError(
                f"`model` must have maps; got {model.name!r} without a layer named "
                f"{ACTIVATION_MAPS!r} or {POOL!r}."
            )
        model, maps = parts[0], parts[0].outputs[0]
    (image, *_) = model.inputs
    probe = keras.Model(model.inputs, maps)
    start = _Grid(np.ones(2), np.zeros(2))
    (grid,) = _trace(probe, [start] * len(model.inputs))
    sides = np.array(image.shape[1:3], object)
    if grid is None or None in sides:
        raise ValueError(
            f"Each step to the maps of {model.name!r} must be a window or a padding of "
            f"known size; images are {tuple(sides)} and maps {tuple(maps.shape[1:3])}."
        )
    rows, columns = (
        np.clip((first + step * np.arange(count) + 0.5) / side, 0.0, 1.0)
        for first, step, count, side in zip(
            grid.first, grid.step, maps.shape[1:3], sides.astype(int), strict=True
        )
    )
    return rows, columns


def overlay(
    image: np.ndarray,
    map: np.ndarray,
    *,
    places: Places | None = None,
    lowest: float | None = 0.0,
    highest: float | None = None,
    strength: float = 0.6,
) -> np.ndarray:
    """Lays a map over its image, from red over yellow to white.

    Where the map is at its lowest value or below the image stays as it is. Between the
    map's places it is interpolated, beyond the outermost it goes on as it is there.

    Shapes: (H, W, 3), (h, w) to (H, W, 3) uint8.

    Args:
        image: pixels 0-255.
        map: of any size.
        places: where in the image its rows (H,) and columns (W,) look, as `map_places`
            gives them; None for the centres of equal regions.
        lowest: the value up to which nothing is shown; the map's own lowest when None,
            which says where most of it is however weak it is.
        highest: the value that gets the brightest colour; the map's own highest when
            None. Give the same to compare maps of one model.
        strength: opacity of the highest value, 0 to 1.

    Raises:
        ValueError: if a shape, the places, the strength or a value of the map is not as
            it must.

    Example:
        >>> image = np.full((4, 4, 3), 100.0)
        >>> overlay(image, np.array([[0.0, 0.0], [0.0, 9.0]]))[[0, 3], [0, 3]].tolist()
        [[100, 100, 100], [193, 193, 193]]
    """
    if np.ndim(image) != 3 or np.shape(image)[-1] != 3:
        raise ValueError(
            f"`image` must have shape (H, W, 3); got shape {np.shape(image)}."
        )
    if np.ndim(map) != 2 or not np.isfinite(map).all():
        raise ValueError(
            f"`map` must be finite and of shape (H, W); got shape {np.shape(map)}."
        )
    if not 0 <= strength <= 1:
        raise ValueError(f"`strength` must be from 0 to 1; got strength={strength}.")
    image = np.asarray(image, "float32")
    rows, columns = fill_places(places, np.shape(map))
    values = _between(rows, image.shape[0]).T @ map @ _between(columns, image.shape[1])
    low = float(np.min(map)) if lowest is None else lowest
    scale = (float(np.max(map)) if highest is None else highest) - low
    heat = np.maximum(values[..., None] - low, 0.0).astype("float32")  # (H, W, 1)
    heat = np.minimum(heat / scale, 1.0) if scale > 0 else np.zeros_like(heat)
    colours = 255 * np.clip(3 * heat - np.arange(3), 0, 1)  # red, then green, then blue
    opacity = strength * heat
    blended = image * (1 - opacity) + colours * opacity
    return np.clip(np.rint(blended), 0, 255).astype("uint8")


def fill_places(places: Places | None, shape: tuple[int, ...]) -> Places:
    """Gives the places of maps: those that came, or the centres of equal regions.

    Args:
        places: as `map_places` gives them, or None.
        shape: of a map, (H, W).

    Raises:
        ValueError: if there is not a place for each row and each column.
    """
    height, width = shape
    if places is None:
        return middles(height), middles(width)
    if tuple(map(len, places)) != shape:
        raise ValueError(
            "`places` must be one for each row and each column of the maps; got "
            f"{len(places[0])} and {len(places[1])} for maps of {height} x {width}."
        )
    return places


def _between(places: np.ndarray, pixels: int) -> np.ndarray:
    """Gives the share that each place has in each pixel's value: (places, pixels)."""
    return np.stack(
        [np.interp(middles(pixels), places, own) for own in np.eye(len(places))]
    )


def _find_explanation(
    model: keras.Model, score: Callable[[tf.Tensor], tf.Tensor] | None
) -> Callable[[tf.Tensor], tf.Tensor]:
    named = {layer.name: layer for layer in model.layers}
    attending = [
        layer for layer in model.layers if callable(getattr(layer, ATTENTION, None))
    ]
    if score is not None and (ACTIVATION_MAPS in named or attending):
        raise ValueError(
            f"`score` must be None for {model.name!r}, which has maps of its own."
        )
    if ACTIVATION_MAPS in named:
        return _maps_of_layer(model, named[ACTIVATION_MAPS])
    if attending:
        return _maps_of_attention(model, attending)
    parts = _split_at_pool(model)
    if parts is not None:
        return _maps_of_gradients(*parts, score)
    raise ValueError(
        f"`model` must have a layer named {ACTIVATION_MAPS!r} or {POOL!r}, or one "
        f"with a method `{ATTENTION}`; got {model.name!r} with the layers "
        f"{list(named)}."
    )


def _maps_of_layer(
    model: keras.Model, layer: keras.Layer
) -> Callable[[tf.Tensor], tf.Tensor]:
    _require_one_map_per_label(model, layer.name, layer.output.shape[-1])
    probe = keras.Model(model.inputs, layer.output)
    return lambda images: tf.cast(probe(images, training=False), "float32")


def _maps_of_attention(
    model: keras.Model, layers: list[keras.Layer]
) -> Callable[[tf.Tensor], tf.Tensor]:
    num_labels = model.output_shape[-1]
    for layer in layers:
        embeddings = layer.output.shape[1]
        if embeddings < num_labels:
            raise ValueError(
                f"{layer.name!r} of {model.name!r} must attend to one embedding per "
                f"label; it has {embeddings} for {num_labels} labels."
            )
    probe = keras.Model(model.inputs, [layer.input for layer in layers])

    def explain(images: tf.Tensor) -> tf.Tensor:
        maps = [
            getattr(layer, ATTENTION)(*inputs)[..., :num_labels]
            for layer, inputs in zip(layers, probe(images, training=False), strict=True)
        ]
        finest = max((tuple(each.shape[1:3]) for each in maps), key=np.prod)
        # Each map sums to 1 over its regions, and still does when it has more of them.
        resized = [
            _resize(each, finest) * (np.prod(each.shape[1:3]) / np.prod(finest))
            for each in maps
        ]
        return tf.add_n(resized) / len(resized)

    return explain


def _split_at_pool(
    model: keras.Model, inside: bool = False
) -> tuple[keras.Model, keras.Model] | None:
    """Gives what comes before the global pooling and what comes from there on."""
    for layer in reversed(model.layers):
        if layer.name == POOL or (inside and isinstance(layer, _GLOBAL_POOLS)):
            return (
                keras.Model(model.inputs, layer.input),
                keras.Model(layer.input, model.outputs[0]),
            )
    for layer in model.layers:
        parts = _split_at_pool(layer, True) if isinstance(layer, keras.Model) else None
        if parts is None:
            continue
        extract, classify = parts
        nodes = [node for same in model._nodes_by_depth.values() for node in same]
        (node,) = [node for node in nodes if node.operation is layer]
        before = keras.Model(model.inputs, node.input_tensors)
        after = keras.Model(node.output_tensors, model.outputs[0])
        features = keras.Input(extract.output.shape[1:])
        return (
            keras.Model(model.inputs, extract(before(model.inputs))),
            keras.Model(features, after(classify(features))),
        )
    return None


def _maps_of_gradients(
    extract: keras.Model,
    classify: keras.Model,
    score: Callable[[tf.Tensor], tf.Tensor] | None,
) -> Callable[[tf.Tensor], tf.Tensor]:
    def explain(images: tf.Tensor) -> tf.Tensor:
        features = extract(images, training=False)
        with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
            tape.watch(features)
            outputs = classify(features, training=False)
            scores = outputs if score is None else score(outputs)
            columns = tf.unstack(scores, axis=-1)
        gradients = [tape.gradient(column, features) for column in columns]
        weights = tf.stack([tf.reduce_sum(g, axis=(1, 2)) for g in gradients], axis=-1)
        return tf.einsum(
            "bhwc,bcl->bhwl", tf.cast(features, "float32"), tf.cast(weights, "float32")
        )

    return explain


class _Grid(NamedTuple):
    """Where places look, in pixels from the first one: rows, then columns."""

    step: np.ndarray
    first: np.ndarray


def _trace(model: keras.Model, grids: Sequence[_Grid | None]) -> Sequence[_Grid | None]:
    """Follows the grids of a model's inputs to those of its outputs."""
    # A Sequential keeps its graph in a functional model inside.
    model = getattr(model, "_functional", model)
    known = {id(x): grid for x, grid in zip(model.inputs, grids, strict=True)}
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            if node.is_input:
                continue
            operation = node.operation
            before = [known[id(x)] for x in node.input_tensors]
            if isinstance(operation, keras.Model):
                after = _trace(operation, before)
            else:
                after = [
                    _step(operation, node.input_tensors, before, y)
                    for y in node.output_tensors
                ]
            for y, grid in zip(node.output_tensors, after, strict=True):
                known[id(y)] = grid
    return [known[id(y)] for y in model.outputs]


def _step(
    operation: keras.Operation,
    inputs: Sequence[keras.KerasTensor],
    grids: Sequence[_Grid | None],
    output: keras.KerasTensor,
) -> _Grid | None:
    """Gives the grid of what one operation makes of its inputs, None where unknown."""
    if len(output.shape) < 4:
        return None
    if isinstance(operation, keras.layers.ZeroPadding2D) and grids[0] is not None:
        padding = np.array([pair[0] for pair in operation.padding])
        return _Grid(grids[0].step, grids[0].first - padding * grids[0].step)
    window = getattr(operation, "kernel_size", getattr(operation, "pool_size", None))
    # Split attention has a window that neither strides nor pads unevenly.
    slides = window is not None and hasattr(operation, "padding")
    if slides and not isinstance(operation, keras.layers.Conv2DTranspose):
        return _slide(operation, window, inputs[0].shape[1:3], grids[0])
    same = [
        grid
        for x, grid in zip(inputs, grids, strict=True)
        if grid is not None and x.shape[1:3] == output.shape[1:3]
    ]
    if not same:
        return None
    # A shortcut that strides by a pool looks half a pixel beside the way around it.
    return _Grid(same[0].step, np.mean([grid.first for grid in same], axis=0))


def _slide(
    operation: keras.Operation,
    window: Any,
    sides: tuple[int | None, ...],
    grid: _Grid | None,
) -> _Grid | None:
    strides = np.broadcast_to(operation.strides, 2)
    dilation = np.broadcast_to(getattr(operation, "dilation_rate", 1), 2)
    reach = dilation * (np.broadcast_to(window, 2) - 1)  # to the last of the window
    padding = np.zeros(2)
    if operation.padding == "same" and (strides == 1).all():
        padding = reach // 2
    elif operation.padding == "same":
        if None in sides:
            return None
        known = np.array(sides)
        total = (-(-known // strides) - 1) * strides + reach + 1 - known
        padding = np.maximum(total, 0) // 2
    if grid is None:
        return None
    return _Grid(grid.step * strides, grid.first + grid.step * (reach / 2 - padding))


def _require_one_map_per_label(model: keras.Model, layer: str, maps: int) -> None:
    if maps != model.output_shape[-1]:
        raise ValueError(
            f"{layer!r} of {model.name!r} must give one map per label; it gives {maps} "
            f"for {model.output_shape[-1]} labels."
        )


def _resize(maps: tf.Tensor, size: tuple[int, ...]) -> tf.Tensor:
    return tf.image.resize(maps, size, method="bilinear")
