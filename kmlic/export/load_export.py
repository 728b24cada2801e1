"""Exported files run as a program without kmlic would run them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tensorflow as tf

from kmlic.export.extras import import_extra

Predict = Callable[[np.ndarray], np.ndarray]
Precision = Literal["float32", "bfloat16", "auto"]


def load_export(path: str | Path, *, precision: Precision = "float32") -> Predict:
    """Loads an export as a function of images, run by its own runtime.

    The function is for one thread at a time.

    Shapes: the function takes (B, S, S, 3) float32 pixels 0-255 and gives
    probabilities (B, L), or embeddings (B, D) where the export gives those.

    Args:
        path: a .tflite or .onnx file, or the folder of a SavedModel's version or of an
            OpenVINO model.
        precision: what an OpenVINO model computes in: "auto" is bfloat16 where the CPU
            has it, several times faster, and float32 elsewhere. All other exports
            compute in what they were written in.

    Raises:
        ValueError: if there is no such export, or the precision does not fit.
        ImportError: naming the extra, if its runtime is not installed.
    """
    path = Path(path)
    if precision not in ("float32", "bfloat16", "auto"):
        raise ValueError(
            "`precision` must be 'float32', 'bfloat16' or 'auto'; got "
            f"precision={precision!r}."
        )
    if (path / "model.xml").is_file():
        return _load_openvino(path / "model.xml", precision)
    if precision == "bfloat16":
        raise ValueError(
            "`precision` must be 'float32' for what is no OpenVINO model; got "
            f"precision='bfloat16' for {path}."
        )
    if path.suffix == ".tflite" and path.is_file():
        return _load_tflite(path)
    if path.suffix == ".onnx" and path.is_file():
        return _load_onnx(path)
    if (path / "saved_model.pb").is_file():
        return _load_saved_model(path)
    raise ValueError(
        "`path` must be a .tflite or .onnx file, or the folder of a SavedModel's "
        f"version or of an OpenVINO model; got path={str(path)!r}."
    )


def load_signature(path: str | Path, name: str) -> Callable[..., dict[str, tf.Tensor]]:
    """Loads one signature of a SavedModel."""
    loaded = tf.saved_model.load(str(path))
    signature = loaded.signatures[name]

    def run(**inputs: Any) -> dict[str, tf.Tensor]:
        # A signature does not keep alive the object that holds its weights.
        return signature(**inputs) if loaded else {}

    return run


def has_bfloat16() -> bool:
    """Tells whether OpenVINO can compute in bfloat16 on this CPU.

    Raises:
        ImportError: if the extra openvino is not installed.
    """
    core = import_extra("openvino", "openvino").Core()
    return "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _load_saved_model(path: Path) -> Predict:
    loaded = tf.saved_model.load(str(path))
    of_embeddings = "embed" in loaded.signatures
    name, key = (
        ("embed", "embeddings")
        if of_embeddings
        else (
            "serving_default",
            "probabilities",
        )
    )

    def predict(images: np.ndarray) -> np.ndarray:
        images = tf.constant(images, tf.float32)
        return loaded.signatures[name](images=images)[key].numpy()

    return predict


def _load_tflite(path: Path) -> Predict:
    from ai_edge_litert.interpreter import Interpreter

    signature = Interpreter(str(path)).get_signature_runner("serving_default")

    def predict(images: np.ndarray) -> np.ndarray:
        images = np.asarray(images, "float32")
        return np.concatenate([_scores(signature(images=row[None])) for row in images])

    return predict


def _load_onnx(path: Path) -> Predict:
    runtime = import_extra("onnxruntime", "onnx")
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def predict(images: np.ndarray) -> np.ndarray:
        inputs = {"images": np.asarray(images, "float32")}
        return _scores(dict(zip(names, session.run(names, inputs), strict=True)))

    return predict


def _load_openvino(path: Path, precision: Precision) -> Predict:
    openvino = import_extra("openvino", "openvino")
    bfloat16 = precision == "bfloat16" or (precision == "auto" and has_bfloat16())
    if bfloat16 and not has_bfloat16():
        raise ValueError(
            "`precision` must be 'float32' on a CPU without bfloat16; got "
            "precision='bfloat16'."
        )
    compiled = openvino.Core().compile_model(
        path, "CPU", {"INFERENCE_PRECISION_HINT": "bf16" if bfloat16 else "f32"}
    )

    def predict(images: np.ndarray) -> np.ndarray:
        results = compiled({"images": np.asarray(images, "float32")})
        return _scores({key.get_any_name(): value for key, value in results.items()})

    return predict


def _scores(outputs: Mapping[str, np.ndarray]) -> np.ndarray:
    key = "probabilities" if "probabilities" in outputs else "embeddings"
    return outputs[key]
