"""The runtime that scores a run's images soonest."""

import importlib.util
from pathlib import Path

from kmlic.export import FORMATS
from kmlic.export.format import FLOAT32_TOLERANCE
from kmlic.run_folder import RECORD, Run

# In the order they are tried, with the package that each needs.
_RUNTIMES = (
    ("onnx", "onnxruntime", "onnx"),
    ("tflite", "ai_edge_litert", "tflite"),
    ("openvino", "openvino", "openvino_float32"),
)


def choose_runtime(run: str | Path) -> str:
    """Returns a runtime that needs no TensorFlow, if a run has an equal export.

    run.json must record that the probabilities of the float32 export differ by at most
    1e-4 from the model's, the export must not be older than the model, and its runtime
    must be installed.

    Args:
        run: a run folder.

    Returns:
        "onnx", "tflite" or "openvino_float32", else "keras".

    Example:
        >>> choose_runtime("saved_models/absent")
        'keras'
    """
    run = Path(run)
    model = run / "model.keras"
    try:
        differences = Run.read(run / RECORD).exports
    except (OSError, ValueError):
        return "keras"
    for format, package, runtime in _RUNTIMES:
        path = FORMATS[format].newest_path(run)
        if (
            path is not None
            and differences.get(path.name, 1.0) <= FLOAT32_TOLERANCE
            and importlib.util.find_spec(package) is not None
            and (not model.exists() or _written(path) >= _written(model))
        ):
            return runtime
    return "keras"


def _written(path: Path) -> float:
    return path.stat().st_mtime
