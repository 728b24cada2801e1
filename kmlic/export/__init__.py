"""Models as files that other programs run."""

from kmlic.export.freeze import freeze
from kmlic.export.tflite import export_tflite
from kmlic.export.tflite_file import read_labels

__all__ = ["export_tflite", "freeze", "read_labels"]
