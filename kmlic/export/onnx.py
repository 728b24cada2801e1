"""Models for ONNX Runtime and other programs that read ONNX."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from kmlic.atomic_write import atomic_write
from kmlic.export.format import (
    LABELS_FILE,
    Format,
    Precision,
    Predict,
    scores_in,
)
from kmlic.labels import Labels
from kmlic.require_extra import require_extra

if TYPE_CHECKING:
    import keras


# The newest that tf2onnx writes; all runtimes of recent years read it.
_OPSET = 18


def export_onnx(
    model: keras.Model,
    path: str | Path,
    *,
    labels: Labels | None,
    maps: bool = False,
) -> Path:
    """Writes a model as an ONNX file with the outputs of `PlainGraph`.

    The batch may have any size; its axis is named batch. The file only holds standard
    operators and, in its metadata, the labels.

    Args:
        model: functional model from images (B, S, S, 3) of a fixed size to logits, or
            to embeddings.
        path: the file to write; its name must end with .onnx.
        labels: names and thresholds of the model's outputs; None for embeddings.
        maps: whether to return the output of the layer "activation_maps" too.

    Raises:
        ValueError: if an argument does not fit, or the model needs an operator that
            ONNX lacks, naming it.
        ImportError: if the extra onnx is not installed.
    """
    from kmlic.export.plain_graph import PlainGraph

    path = Path(path)
    if path.suffix != ".onnx":
        raise ValueError(f"`path` must end with .onnx; got path={str(path)!r}.")
    for package in ("onnx", "tf2onnx"):
        require_extra("onnx", package, "Exporting to ONNX")
    import onnx
    import tf2onnx

    predict = PlainGraph(model, labels, maps=maps).predict
    with _quiet():
        content, _ = tf2onnx.convert.from_function(
            predict,
            input_signature=predict.input_signature,
            opset=_OPSET,
            custom_op_handlers={"Erfc": (_write_erfc, [])},
        )
    _write_constants(content, predict.get_concrete_function(), onnx)
    foreign = sorted({node.op_type for node in content.graph.node if node.domain})
    if foreign:
        raise ValueError(
            f"`model` must only need ONNX's standard operators; got {foreign}. "
            "Replace the layer in exports by defining its `export_layer()`."
        )
    _name_batch(content.graph)
    if labels is not None:
        content.metadata_props.add(key=LABELS_FILE, value=labels.to_json())
    with atomic_write(path) as temporary:
        onnx.save(content, temporary)
    return path


def _name_batch(graph: Any) -> None:
    """Names the first axis of images and outputs, which tf2onnx numbers."""
    for value in (*graph.input, *graph.output):
        axes = value.type.tensor_type.shape.dim
        if axes and not axes[0].dim_value:
            axes[0].dim_param = "batch"


def _write_constants(content: Any, function: Any, onnx: ModuleType) -> None:
    """Writes the arrays of layers as constants; TensorFlow makes them inputs."""
    for array, placeholder in function.graph.captures:
        if array.dtype.name == "resource":  # a variable, which tf2onnx has written
            continue
        names = [each.name for each in content.graph.input]
        if placeholder.name in names:
            del content.graph.input[names.index(placeholder.name)]
            constant = onnx.numpy_helper.from_array(array.numpy(), placeholder.name)
            if any(placeholder.name in node.input for node in content.graph.node):
                content.graph.initializer.append(constant)


def _write_erfc(graph: Any, node: Any, name: str, _arguments: Any) -> None:
    """Writes erfc(x), of the exact GELU, as 1 - erf(x); ONNX has only the latter."""
    dtype = graph.get_dtype(node.output[0])
    one = graph.make_const(f"{name}/one", np.ones((), "float32"))
    outputs, shapes = node.output, node.output_shapes
    graph.remove_node(node.name)
    erf = graph.make_node("Erf", node.input, dtypes=[dtype], shapes=shapes)
    inputs = [one.output[0], erf.output[0]]
    graph.make_node("Sub", inputs, outputs=outputs, dtypes=[dtype], shapes=shapes)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    # tf2onnx logs every step, and warns of problems that it then solves.
    logger = logging.getLogger("tf2onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _load(path: Path, precision: Precision) -> Predict:
    require_extra("onnx", "onnxruntime", "The runtime of ONNX")
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def predict(images: np.ndarray) -> np.ndarray:
        inputs = {"images": np.asarray(images, "float32")}
        return scores_in(dict(zip(names, session.run(names, inputs), strict=True)))

    return predict


def _read_labels(path: Path) -> str | None:
    require_extra("onnx", "onnx", "Reading an ONNX file")
    import onnx

    content = onnx.load(path, load_external_data=False)
    found = {entry.key: entry.value for entry in content.metadata_props}
    return found.get(LABELS_FILE)


ONNX = Format(
    name="onnx",
    file="model.onnx",
    description="a .onnx file",
    runtimes={"onnx": "float32"},
    write=lambda model, path, options: export_onnx(
        model, path, labels=options.labels, maps=options.maps
    ),
    recognizes=lambda path: path.suffix == ".onnx" and path.is_file(),
    load=_load,
    read_labels=_read_labels,
    extra="onnx",
)
