"""The scorer of a run folder, in the runtime of choice."""

from pathlib import Path
from typing import Literal

from kmlic.export import load_export, newest_version, read_labels
from kmlic.export.load_export import Precision
from kmlic.labels import Labels
from kmlic.predict.load_run import load_run
from kmlic.predict.scorer import Scorer

Runtime = Literal[
    "keras", "saved_model", "tflite", "onnx", "openvino", "openvino_float32"
]
RUNTIMES: tuple[Runtime, ...] = (
    "keras",
    "saved_model",
    "tflite",
    "onnx",
    "openvino",
    "openvino_float32",
)


def load_scorer(run: str | Path, *, runtime: Runtime = "keras") -> Scorer:
    """Loads what scores images out of a run folder.

    Only "keras" loads the model itself; all others load what `kmlic export` wrote, and
    label names must be the run's. Thresholds are those of labels.json.

    Args:
        run: what a recipe left, for instance saved_models/msrn.
        runtime: "keras" for model.keras; "saved_model" for the newest version below
            export/; "tflite", "onnx"; "openvino" for bfloat16 where the CPU has it,
            "openvino_float32".

    Raises:
        ValueError: naming what is missing, or if the export's labels are others.
        ImportError: naming the extra that is not installed.
    """
    if runtime not in RUNTIMES:
        raise ValueError(
            f"`runtime` must be one of {', '.join(RUNTIMES)}; got runtime={runtime!r}."
        )
    run = Path(run)
    if runtime == "keras":
        return Scorer.of_model(*load_run(run))
    path = _artefact(run, runtime)
    labels = Labels.read(run / "labels.json")
    labels.require_same_names(read_labels(path))
    if not labels.image_size:
        raise ValueError(f"{run / 'labels.json'} must say the image size; got None.")
    precision: Precision = "auto" if runtime == "openvino" else "float32"
    return Scorer(labels, labels.image_size, load_export(path, precision=precision))


def _artefact(run: Path, runtime: Runtime) -> Path:
    if not run.is_dir():
        raise ValueError(f"{run} must be a run folder; there is no such folder.")
    form = runtime.removesuffix("_float32")
    paths = {
        "saved_model": newest_version(run / "export"),
        "tflite": run / "model.tflite",
        "onnx": run / "model.onnx",
        "openvino": run / "openvino",
    }
    path = paths[form]
    if path is None or not path.exists():
        raise ValueError(
            f"{run} must hold an export for runtime={runtime!r}; it has none. Write it "
            f"with: kmlic export {run} --formats {form}"
        )
    return path
