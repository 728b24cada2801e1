"""Models as files that other programs run."""

from kmlic.export.compare import compare_forms
from kmlic.export.embedding_saved_model import (
    check_embedding_parity,
    export_embedding_model,
)
from kmlic.export.export_checked import (
    TOLERANCES,
    Form,
    export_checked,
)
from kmlic.export.freeze import freeze
from kmlic.export.load_export import has_bfloat16, load_export
from kmlic.export.onnx import export_onnx
from kmlic.export.openvino import export_openvino
from kmlic.export.parity import check_parity
from kmlic.export.read_labels import read_labels
from kmlic.export.saved_model import export_saved_model, newest_version
from kmlic.export.tflite import export_tflite

__all__ = [
    "TOLERANCES",
    "Form",
    "check_embedding_parity",
    "check_parity",
    "compare_forms",
    "export_checked",
    "export_embedding_model",
    "export_onnx",
    "export_openvino",
    "export_saved_model",
    "export_tflite",
    "freeze",
    "has_bfloat16",
    "load_export",
    "newest_version",
    "read_labels",
]
