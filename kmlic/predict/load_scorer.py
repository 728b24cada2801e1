"""The scorer of a run folder, in any runtime."""

from pathlib import Path

from kmlic.check_choice import check_choice
from kmlic.export import FORMATS, Format, load_export, read_labels
from kmlic.labels import Labels
from kmlic.predict.scorer import Scorer
from kmlic.run_folder import require_run
from kmlic.start_tensorflow import start_tensorflow

# The format that each runtime runs, and the precision it computes in.
_EXPORTS = {
    runtime: (format, precision)
    for format in FORMATS.values()
    for runtime, precision in format.runtimes.items()
}
RUNTIMES = ("keras", *_EXPORTS)


def load_scorer(run: str | Path, *, runtime: str = "keras") -> Scorer:
    """Loads the scorer of a run folder.

    The runtime "keras" loads the model; all others load what `kmlic export` wrote,
    whose label names must be the run's. Thresholds are those of labels.json.

    Args:
        run: a run folder, for instance saved_models/msrn.
        runtime: "keras" for model.keras; "saved_model" for the newest version below
            export/; "tflite"; "onnx"; "openvino" in the precision that
            is faster on this CPU; "openvino_float32".

    Raises:
        ValueError: naming what is missing, or if the export has other labels.
        ImportError: naming the extra that is not installed.
    """
    check_choice("runtime", runtime, *RUNTIMES)
    run = Path(run)
    if runtime == "keras":
        require_run(run, "model.keras", "labels.json")
        start_tensorflow()
        from kmlic.predict.load_run import load_run

        return Scorer.of_model(*load_run(run))
    format, precision = _EXPORTS[runtime]
    path = _find_export(run, format)
    labels = Labels.read(run / "labels.json")
    labels.require_same_names(read_labels(path))
    if not labels.image_size:
        raise ValueError(f"{run / 'labels.json'} must say the image size; got None.")
    return Scorer(labels, labels.image_size, load_export(path, precision=precision))


def _find_export(run: Path, format: Format) -> Path:
    require_run(run)
    path = format.newest_path(run)
    if path is None:
        extra = f" (needs kmlic[{format.extra}])" if format.extra else ""
        raise ValueError(
            f"{run} must hold an export in the format {format.name}; it has none. "
            f"Write it with: kmlic export {run} --formats {format.name}{extra}"
        )
    return path
