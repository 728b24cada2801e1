"""Models as files that other programs run."""

from kmlic.export.compare import Form, compare_forms
from kmlic.export.embedding_saved_model import (
    check_embedding_parity,
    export_embedding_model,
)
from kmlic.export.freeze import freeze
from kmlic.export.load_export import load_export
from kmlic.export.parity import check_parity
from kmlic.export.saved_model import export_saved_model
from kmlic.export.tflite import export_tflite
from kmlic.export.tflite_file import read_labels

__all__ = [
    "Form",
    "check_embedding_parity",
    "check_parity",
    "compare_forms",
    "export_embedding_model",
    "export_saved_model",
    "export_tflite",
    "freeze",
    "load_export",
    "read_labels",
]
