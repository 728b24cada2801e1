"""The labels inside an export."""

from pathlib import Path

from kmlic.export.extras import import_extra
from kmlic.export.openvino import LABELS
from kmlic.export.tflite_file import labels_in
from kmlic.labels import Labels


def read_labels(path: str | Path) -> Labels:
    """Reads the labels that an export carries.

    Args:
        path: a .tflite or .onnx file, or the folder of a SavedModel's version or of an
            OpenVINO model.

    Raises:
        ValueError: naming the path, if it is no export or holds no labels.
    """
    labels = find_labels(path)
    if labels is None:
        raise ValueError(f"{path} must be an export of kmlic; it holds no {LABELS}.")
    return labels


def find_labels(path: str | Path) -> Labels | None:
    """Reads the labels that an export carries; None if it carries none.

    Raises:
        ValueError: if the labels or their file are damaged.
    """
    text = _text(Path(path))
    if text is None:
        return None
    return Labels.from_json(text, source=f"{LABELS} in {path}")


def _text(path: Path) -> str | None:
    asset = path / "assets" / LABELS
    if asset.is_file():
        return asset.read_text(encoding="utf-8")
    if (path / "model.xml").is_file():
        core = import_extra("openvino", "openvino").Core()
        model = core.read_model(path / "model.xml")
        known = model.has_rt_info(LABELS)
        return model.get_rt_info(LABELS).astype(str) if known else None
    if path.suffix == ".onnx" and path.is_file():
        content = import_extra("onnx", "onnx").load(path, load_external_data=False)
        found = {entry.key: entry.value for entry in content.metadata_props}
        return found.get(LABELS)
    if path.is_file():
        return labels_in(path.read_bytes(), name=str(path))
    return None
