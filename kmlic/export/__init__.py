"""Models as files that other programs run."""

from typing import TYPE_CHECKING

from kmlic.lazy_package import lazy_package

if TYPE_CHECKING:
    from kmlic.export.check_embedding_parity import check_embedding_parity
    from kmlic.export.check_parity import check_parity
    from kmlic.export.embedding_saved_model import export_embedding_model
    from kmlic.export.export_checked import Export, export_checked
    from kmlic.export.format import ExportOptions, Format
    from kmlic.export.formats import FORMATS
    from kmlic.export.freeze import freeze
    from kmlic.export.load_export import load_export
    from kmlic.export.measure_exports import measure_exports
    from kmlic.export.onnx import export_onnx
    from kmlic.export.openvino import export_openvino, has_bfloat16
    from kmlic.export.read_labels import read_labels
    from kmlic.export.saved_model import export_saved_model
    from kmlic.export.servable import ServingOptions
    from kmlic.export.tflite import export_tflite

__all__ = [
    "FORMATS",
    "Export",
    "ExportOptions",
    "Format",
    "ServingOptions",
    "check_embedding_parity",
    "check_parity",
    "export_checked",
    "export_embedding_model",
    "export_onnx",
    "export_openvino",
    "export_saved_model",
    "export_tflite",
    "freeze",
    "has_bfloat16",
    "load_export",
    "measure_exports",
    "read_labels",
]

lazy_package(__name__)
