"""The export formats."""

from pathlib import Path

from kmlic.export.format import Format
from kmlic.export.onnx import ONNX
from kmlic.export.openvino import OPENVINO
from kmlic.export.saved_model import SAVED_MODEL
from kmlic.export.tflite import TFLITE

# A new format is a file of this room and a name in this tuple.
FORMATS: dict[str, Format] = {
    format.name: format for format in (SAVED_MODEL, TFLITE, ONNX, OPENVINO)
}


def format_of(path: str | Path) -> Format:
    """Finds the format of an export.

    Raises:
        ValueError: if the path does not exist or is not an export.
    """
    for format in FORMATS.values():
        if format.recognizes(Path(path)):
            return format
    kinds = "; ".join(format.description for format in FORMATS.values())
    raise ValueError(f"{path} must be an export of kmlic ({kinds}); it is none.")
