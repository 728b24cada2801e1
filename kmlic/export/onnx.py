"""Models for ONNX Runtime and whatever else reads ONNX."""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

import keras

from kmlic.atomic_write import atomic_write
from kmlic.export.extras import import_extra
from kmlic.export.plain_graph import PlainGraph
from kmlic.labels import Labels

# Every runtime of the last years reads it, and it is the newest that tf2onnx writes.
_OPSET = 18


def export_onnx(
    model: keras.Model,
    path: str | Path,
    *,
    labels: Labels | None,
    maps: bool = False,
) -> Path:
    """Writes a model as an ONNX file: images in, their probabilities out.

    The batch may have any size. The file holds standard operators only and, in its
    metadata, the labels. Exclusive groups have outputs of their own,
    `<group>_probabilities` (B, K), beside the joined `probabilities`.

    Shapes: images (B, S, S, 3) float32 pixels 0-255 to probabilities (B, L), and with
    `maps` to maps (B, H, W, L) too.

    Args:
        model: functional model from images (B, S, S, 3) of a fixed size to logits.
        path: the file to write; its name must end with .onnx.
        labels: names and thresholds of the model's outputs; None for a model that gives
            embeddings, whose output is `embeddings` (B, D).
        maps: whether to give the maps too, which are the output of the model's layer
            "activation_maps".

    Raises:
        ValueError: if an argument does not fit, or an operator is not of ONNX, naming
            it.
        ImportError: if the extra onnx is not installed.
    """
    path = Path(path)
    if path.suffix != ".onnx":
        raise ValueError(f"`path` must end with .onnx; got path={str(path)!r}.")
    onnx = import_extra("onnx", "onnx")
    tf2onnx = import_extra("tf2onnx", "onnx")
    predict = PlainGraph(model, labels, maps=maps).predict
    with _quiet():
        content, _ = tf2onnx.convert.from_function(
            predict, input_signature=predict.input_signature, opset=_OPSET
        )
    foreign = sorted({node.op_type for node in content.graph.node if node.domain})
    if foreign:
        raise ValueError(
            f"`model` must need ONNX's standard operators only; got {foreign}. A layer "
            "gives a form without them by `export_layer()`."
        )
    if labels is not None:
        content.metadata_props.add(key="labels.json", value=labels.to_json())
    with atomic_write(path) as temporary:
        onnx.save(content, temporary)
    return path


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    # It logs every step of every export, and warns of what it then does right.
    logger = logging.getLogger("tf2onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
