"""Centers of what the cells of a map see of the image."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from kmlic.data.progress import with_progress
from kmlic.explain.activation_maps import activation_maps, find_explanation
from kmlic.layers.keras_internals import graph_nodes

Centers = tuple[np.ndarray, np.ndarray]
"""Centers of a map's rows and columns in shares of the image's height and width: (H,)
and (W,), or (H, L) and (W, L) if they differ between labels."""

# In tests 64 images measured the same offsets.
_IMAGES_PER_LABEL = 16
# Below this labels share one offset, for its median would be chance.
_FEWEST_PER_LABEL = 4
# Of 320 x 320 pixels, as many gradients, and images that maps are computed of, take
# less than half a minute on two cores (57 s of CPU time for MSRN with 80 labels), in
# batches that need less than 1 GB.
_PIXELS = 36 * 320**2
_PIXELS_PER_BATCH = 320**2


def receptive_field_centers(
    model: keras.Model,
    images: np.ndarray | None = None,
    *,
    show_progress: bool = False,
) -> Centers:
    """Computes where in the image each row and column of the maps looks.

    The center of a cell's receptive field is not always the center of the cell's share
    of the image. If windows are padded more on one side than on the other, or by
    torch's rule (a window of 3 with stride 2 is centered on every second pixel), it is
    up to half a cell away: the first of eight columns of a ResNet looks at the left
    edge.

    In addition, kernels can learn to look to one side: if a map is pooled over all its
    cells, a hat's map may always be highest to the left of the hat. With `images` this
    offset is measured for each label, without boxes or targets. In the images where the
    label's map is highest, the gradient of the highest cell with respect to the pixels,
    squared and summed over the channels, says which pixels matter. Their center,
    weighted by the square of that map, minus the cell's center is the offset; its
    median over the images counts. The time is bounded: at 320 pixels 36 gradients are
    computed. Where that is fewer than four per label, all labels share the median of
    all offsets.

    Paper: Luo et al., "Understanding the Effective Receptive Field in Deep
    Convolutional Neural Networks", NIPS 2016, https://arxiv.org/abs/1701.04128, which
    uses gradients to measure what a cell depends on. Differs from the paper: only cells
    where the maps of images are highest are measured, and only their centers.

    Shapes: (H,) and (W,), in shares of the image's height and width; (H, L) and (W, L)
    with images.

    Args:
        model: as for `activation_maps`, of known image size.
        images: (N, S, S, 3) of pixels 0-255 to measure offsets with, about a hundred,
            showing all labels; of more, as many as the time allows are taken evenly.
            Use other images than those evaluated with the centers.
        show_progress: whether to show a bar on standard error while gradients are
            computed.

    Raises:
        ValueError: if a layer before the maps changes their size by other means than
            windows and padding.

    Example:
        >>> from kmlic.models import build_classifier
        >>> model = build_classifier(5, backbone="small_resnet", image_size=64)
        >>> rows, columns = receptive_field_centers(model)
        >>> columns.round(3).tolist()
        [0.008, 0.508]
        >>> receptive_field_centers(model, np.zeros((2, 64, 64, 3)))[1].shape
        (2, 5)
    """
    rows, columns = _centers_of_windows(model)
    if images is None:
        return rows, columns
    below, right = _measure_offsets(model, images, rows, columns, show_progress).T
    return (
        np.clip(rows[:, None] + below, 0.0, 1.0),
        np.clip(columns[:, None] + right, 0.0, 1.0),
    )


def find_centers(model: keras.Model, image_size: int) -> Centers | None:
    """Returns the centers that windows give, None for maps of equal cells.

    Maps of transformers, whose tokens are equal parts of the image, have no windows.

    Args:
        model: as for `activation_maps`; without known image size equal cells are
            assumed.
        image_size: side of its images in pixels.

    Raises:
        NoMapsError: if the model has no maps.

    Example:
        >>> from kmlic.models import build_classifier
        >>> model = build_classifier(5, backbone="small_resnet", image_size=64)
        >>> [len(side) for side in find_centers(model, 64)]
        [2, 2]
    """
    images = np.zeros((1, image_size, image_size, 3), "float32")
    shape = activation_maps(model, images).shape[1:3]
    try:
        centers = receptive_field_centers(model)
    except ValueError:
        return None
    return centers if tuple(map(len, centers)) == shape else None


def cell_centers(count: int) -> np.ndarray:
    """Computes the centers of equal cells along a side, in shares of the side."""
    return (np.arange(count) + 0.5) / count


def check_centers(centers: Centers | None, shape: tuple[int, ...]) -> Centers:
    """Checks the centers of maps; returns those of equal cells if there are none.

    Args:
        centers: as `receptive_field_centers` returns them, or None.
        shape: of a map, (H, W).

    Raises:
        ValueError: if there is not one center for each row and each column.
    """
    height, width = shape
    if centers is None:
        return cell_centers(height), cell_centers(width)
    if tuple(map(len, centers)) != shape:
        raise ValueError(
            "`centers` must be one for each row and each column of the maps; got "
            f"{len(centers[0])} and {len(centers[1])} for maps of {height} x {width}."
        )
    return centers


def _centers_of_windows(model: keras.Model) -> Centers:
    explanation = find_explanation(model)
    (image, *_) = explanation.inputs
    maps = max(
        explanation.features,
        key=lambda each: np.prod([side or 0 for side in each.shape[1:3]]),
    )
    probe = keras.Model(explanation.inputs, maps)
    start = _Grid(np.ones(2), np.zeros(2))
    (grid,) = _trace(probe, [start] * len(explanation.inputs))
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


class _Grid(NamedTuple):
    """Centers of receptive fields in pixels: (rows, columns)."""

    step: np.ndarray
    first: np.ndarray


def _trace(model: keras.Model, grids: Sequence[_Grid | None]) -> Sequence[_Grid | None]:
    """Follows the grids of a model's inputs to those of its outputs."""
    known = {id(x): grid for x, grid in zip(model.inputs, grids, strict=True)}
    for node in graph_nodes(model):
        if node.is_input:
            continue
        before = [known[id(x)] for x in node.input_tensors]
        if isinstance(node.operation, keras.Model):
            after = _trace(node.operation, before)
        else:
            after = [
                _step(node.operation, node.input_tensors, before, y)
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
    """Computes the grid of an operation's output, None if it is unknown."""
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
    # A strided pool in a shortcut looks half a pixel beside the main path.
    return _Grid(same[0].step, np.mean([grid.first for grid in same], axis=0))


def _slide(
    operation: keras.Operation,
    window: Any,
    sides: tuple[int | None, ...],
    grid: _Grid | None,
) -> _Grid | None:
    strides = np.broadcast_to(operation.strides, 2)
    dilation = np.broadcast_to(getattr(operation, "dilation_rate", 1), 2)
    reach = dilation * (np.broadcast_to(window, 2) - 1)  # from first to last input
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


def count_measured(image_size: int) -> int:
    """Returns how many images of a size `receptive_field_centers` measures at most."""
    return max(_PIXELS // image_size**2, 1)


def _measure_offsets(
    model: keras.Model,
    images: np.ndarray,
    rows: np.ndarray,
    columns: np.ndarray,
    show_progress: bool,
) -> np.ndarray:
    """Measures how far below and right of its centers each map looks: (L, 2)."""
    compute = find_explanation(model).compute
    budget = count_measured(images.shape[1])
    batch_size = int(np.clip(_PIXELS_PER_BATCH // images.shape[1] ** 2, 1, 32))
    chosen = np.linspace(0, len(images) - 1, min(len(images), budget)).astype(int)
    images = images[chosen]
    maps = activation_maps(model, images, batch_size=batch_size)
    highest = maps.max(axis=(1, 2))  # (N, L)
    num_labels = maps.shape[-1]
    each = min(max(budget // num_labels, 1), _IMAGES_PER_LABEL, len(images))

    @tf.function(reduce_retracing=True)
    def differentiate(pixels: tf.Tensor, chosen: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(pixels)
            value = tf.reduce_sum(compute(pixels) * chosen)
        return tape.gradient(value, pixels)

    def measure(pairs: np.ndarray) -> np.ndarray:
        image, label = pairs.T
        own = maps[image, :, :, label]
        top = own == own.max(axis=(1, 2), keepdims=True)
        shares = top / top.sum(axis=(1, 2), keepdims=True)
        marks = np.zeros((*own.shape, num_labels), "float32")
        marks[np.arange(len(pairs)), :, :, label] = shares
        pixels = tf.constant(images[image], "float32")
        gradients = differentiate(pixels, tf.constant(marks)).numpy()
        weights = np.square(gradients, dtype="float64").sum(axis=-1) ** 2
        seen = _center_of_mass(weights, *map(cell_centers, weights.shape[1:]))
        return seen - _center_of_mass(shares, rows, columns)

    best = np.argsort(-highest, axis=0, kind="stable")[:each]  # (each, L)
    # More labels than the time allows: evenly over them, for the offset they share.
    labels = np.linspace(0, num_labels - 1, min(num_labels, budget)).astype(int)
    pairs = np.array([(image, i) for i in labels for image in best[:, i]])
    batches: Iterable[np.ndarray] = (
        measure(pairs[start : start + batch_size])
        for start in range(0, len(pairs), batch_size)
    )
    if show_progress:
        count = -(-len(pairs) // batch_size)
        batches = with_progress(batches, "Measuring where maps look", count)
    shifts = np.concatenate(list(batches))
    if each < min(_FEWEST_PER_LABEL, len(images)):
        return np.tile(_median(shifts), (num_labels, 1))
    return np.array([_median(shifts[pairs[:, 1] == label]) for label in labels])


def _median(shifts: np.ndarray) -> np.ndarray:
    # Without a gradient there is no center, and no offset.
    known = np.isfinite(shifts).all(axis=1)
    return np.median(shifts[known], axis=0) if known.any() else np.zeros(2)


def _center_of_mass(
    weights: np.ndarray, rows: np.ndarray, columns: np.ndarray
) -> np.ndarray:
    """Computes the center of mass of each image's weights (N, H, W): (N, 2)."""
    with np.errstate(invalid="ignore"):
        shares = weights / weights.sum(axis=(1, 2), keepdims=True)
    return np.stack([shares.sum(axis=2) @ rows, shares.sum(axis=1) @ columns], axis=1)
