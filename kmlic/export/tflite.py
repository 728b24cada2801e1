"""Models for phones and small machines: LiteRT, formerly TFLite."""

from __future__ import annotations

import io
import os
import tempfile
import warnings
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from kmlic.atomic_write import atomic_write
from kmlic.check_choice import check_choice
from kmlic.data.read_resized import read_resized
from kmlic.data.resize_pixels import resize_pixels
from kmlic.escape_text import escape_lines
from kmlic.export.format import (
    LABELS_FILE,
    ExportOptions,
    Format,
    Precision,
    Predict,
    scores_in,
)
from kmlic.labels import Labels
from kmlic.start_tensorflow import hide_known_messages

if TYPE_CHECKING:
    import keras

# Where task libraries and `unzip` look for the names, one per line.
_NAMES_FILE = "labels.txt"

# Largest difference of a score that each may cause, see `Format`.
_QUANTIZATIONS = {"float16": 5e-2, "dynamic": 0.1, "int8": 0.2}

# "int8" computes these in float32, because they make and apply attention weights.
_FLOAT_OPERATORS = ["BATCH_MATMUL", "DIV", "EXP", "LOGISTIC", "MUL", "SOFTMAX", "SUM"]


def export_tflite(
    model: keras.Model,
    path: str | Path,
    *,
    labels: Labels | None,
    quantize: str | None = None,
    samples: np.ndarray | None = None,
    maps: bool = False,
) -> Path:
    """Writes a model as a LiteRT file with the outputs of `PlainGraph`.

    The file takes one image at a time. It only holds built-in operators and, in its
    metadata, the labels; their names, one per line, are its associated file labels.txt.

    Args:
        model: functional model from images (B, S, S, 3) of a fixed size to logits, or
            to embeddings.
        path: the file to write; its name must end with .tflite.
        labels: names and thresholds of the model's outputs; None for embeddings.
        quantize: None keeps float32; "float16" stores weights in 16 bits, "dynamic" in
            8, and "int8" also computes in 8 bits, except for the operators of attention
            weights: in 8 bits a softmax over hundreds of regions is all zeros. The last
            dense layer stays in float32 in both.
        samples: (N, S, S, 3) pixels 0-255 of real images, from which "int8" takes the
            range of every activation.
        maps: whether to return the output of the layer "activation_maps" too.

    Raises:
        ValueError: if an argument does not fit, or the model needs an operator that
            LiteRT lacks, naming it.
    """
    import tensorflow as tf

    from kmlic.export.freeze import image_size_of
    from kmlic.export.plain_graph import PlainGraph

    path = Path(path)
    if path.suffix != ".tflite":
        raise ValueError(f"`path` must end with .tflite; got path={str(path)!r}.")
    size = image_size_of(model, labels.image_size if labels else None)
    check_choice("quantize", quantize, None, *_QUANTIZATIONS)
    samples = _require_samples(samples, size, quantize)

    # One unit's weights can be of very different sizes, where features are: 8 bits of
    # the largest would leave nothing of most of them.
    exact = quantize in ("dynamic", "int8")
    graph = PlainGraph(model, labels, maps=maps, batch=1, float_logits=exact)
    with tempfile.TemporaryDirectory() as folder:
        graph.save(folder)
        # Not `from_concrete_functions`: with Keras 3 it silently emits reads of
        # variables that were never written.
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        content = _convert(converter, quantize, samples)
    with atomic_write(path) as temporary:
        temporary.write_bytes(_with_labels(content, labels) if labels else content)
    return path


def _require_samples(
    samples: np.ndarray | None, size: int, quantize: str | None
) -> np.ndarray | None:
    if quantize != "int8" and samples is not None:
        raise ValueError(
            f"`samples` must come with quantize='int8' only; got quantize={quantize!r}."
        )
    if quantize != "int8":
        return None
    shape = None if samples is None else np.shape(samples)
    if not shape or len(shape) != 4 or shape[1:] != (size, size, 3) or not shape[0]:
        raise ValueError(
            f"`samples` must be images (N, {size}, {size}, 3) for "
            f"quantize='int8'; got {shape}."
        )
    return np.asarray(samples, "float32")


def _convert(converter: Any, quantize: str | None, samples: np.ndarray | None) -> bytes:
    import tensorflow as tf
    from tensorflow.lite.python.convert_phase import ConverterError

    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if quantize is not None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantize == "float16":
        converter.target_spec.supported_types = [tf.float16]
    try:
        if samples is not None:
            return _convert_to_int8(converter, samples)
        return converter.convert()
    except ConverterError as error:
        foreign = sorted({each.operator.name for each in error.errors})
        if not foreign:
            raise
        raise ValueError(
            f"`model` must only need LiteRT's built-in operators; got {foreign}. "
            "Replace the layer in exports by defining its `export_layer()`."
        ) from error


def _convert_to_int8(converter: Any, samples: np.ndarray) -> bytes:
    import tensorflow as tf

    converter.representative_dataset = lambda: ([image[None]] for image in samples)
    options = tf.lite.experimental.QuantizationDebugOptions(
        denylisted_ops=_FLOAT_OPERATORS
    )
    with warnings.catch_warnings():
        # TensorFlow's quantizer opens the interpreter that TensorFlow advises against.
        warnings.filterwarnings("ignore", r"\s*Warning: tf\.lite\.Interpreter is dep")
        quantizer = tf.lite.experimental.QuantizationDebugger(
            converter=converter, debug_options=options
        )
    return quantizer.get_nondebug_quantized_model()


def _with_labels(content: bytes, labels: Labels) -> bytes:
    from tensorflow.lite.tools import flatbuffer_utils

    parsed = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(labels.to_json().encode(), np.uint8)
    entry = schema.MetadataT()
    entry.name = LABELS_FILE
    entry.buffer = len(parsed.buffers)
    parsed.buffers.append(buffer)
    parsed.metadata = [*(parsed.metadata or ()), entry]
    return _with_file(
        bytes(flatbuffer_utils.convert_object_to_bytearray(parsed)),
        _NAMES_FILE,
        "".join(f"{escape_lines(name)}\n" for name in labels.names),
    )


def _with_file(content: bytes, name: str, text: str) -> bytes:
    """Appends an associated file: the archive behind a model, which LiteRT ignores."""
    file = io.BytesIO(content)
    with zipfile.ZipFile(file, "a") as archive:
        # Without the time of writing, so that equal models make equal files.
        archive.writestr(zipfile.ZipInfo(name), text)
    return file.getvalue()


def _write(model: keras.Model, path: Path, options: ExportOptions) -> Path:
    labels, images, samples = options.labels, options.images, None
    if options.quantize == "int8":
        from kmlic.export.freeze import image_size_of

        size = image_size_of(model, labels.image_size if labels else None)
        samples = (
            np.stack([resize_pixels(image, size) for image in images])
            if isinstance(images, np.ndarray)
            else np.stack([read_resized(image, size) for image in images])
        )
    return export_tflite(
        model,
        path,
        labels=labels,
        quantize=options.quantize,
        samples=samples,
        maps=options.maps,
    )


def _load(path: Path, precision: Precision) -> Predict:
    from ai_edge_litert.interpreter import Interpreter

    with hide_known_messages():
        interpreter = Interpreter(str(path), num_threads=os.cpu_count())
        interpreter.allocate_tensors()
    signature = interpreter.get_signature_runner("serving_default")

    def predict(images: np.ndarray) -> np.ndarray:
        images = np.asarray(images, "float32")
        rows = [scores_in(signature(images=image[None])) for image in images]
        return np.concatenate(rows)

    return predict


def _read_labels(path: Path) -> str | None:
    content = path.read_bytes()
    if content[4:8] != b"TFL3":
        raise ValueError(f"{path} must be a LiteRT file; it does not begin like one.")
    parsed = schema.Model.GetRootAs(content, 0)
    for index in range(parsed.MetadataLength()):
        entry = parsed.Metadata(index)
        if entry.Name() == LABELS_FILE.encode():
            return parsed.Buffers(entry.Buffer()).DataAsNumpy().tobytes().decode()
    return None


TFLITE = Format(
    name="tflite",
    file="model.tflite",
    description="a .tflite file",
    runtimes={"tflite": "float32"},
    write=_write,
    recognizes=lambda path: path.suffix == ".tflite" and path.is_file(),
    load=_load,
    read_labels=_read_labels,
    quantizations=_QUANTIZATIONS,
)
