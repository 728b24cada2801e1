"""Exports, run as a program without kmlic would run them."""

from pathlib import Path

from kmlic.check_choice import check_choice
from kmlic.export.format import Precision, Predict
from kmlic.export.formats import format_of


def load_export(path: str | Path, *, precision: Precision = "float32") -> Predict:
    """Loads an export as a function of images, run by its own runtime.

    The function may be used by one thread at a time.

    Shapes: the function maps (B, S, S, 3) float32 pixels 0-255 to probabilities
    (B, L), or to embeddings (B, D) if the export computes those.

    Args:
        path: a file or folder in one of `kmlic.export.FORMATS`.
        precision: what an OpenVINO model computes in: "auto" measures float32 and, if
            the CPU has it, bfloat16 on an image, takes the faster and says which on
            standard error. All other exports compute in what they were written in.

    Raises:
        ValueError: if the path is not an export, or the precision does not fit.
        ImportError: naming the extra, if the runtime is not installed.
    """
    path = Path(path)
    check_choice("precision", precision, "float32", "bfloat16", "auto")
    format = format_of(path)
    if precision not in ("auto", *format.tolerances):
        raise ValueError(
            f"`precision` must be 'auto' or {', '.join(map(repr, format.tolerances))} "
            f"for the format {format.name}; got precision={precision!r} for {path}."
        )
    return format.load(path, precision)
