"""An export that is only kept if it computes what its model computes."""

import dataclasses
from pathlib import Path

import keras
import numpy as np

from kmlic.atomic_write import flush, move_to, recover, temporary_path
from kmlic.check_choice import check_choice
from kmlic.export.check_parity import check_parity
from kmlic.export.format import ExportOptions, Precision
from kmlic.export.formats import FORMATS


@dataclasses.dataclass(frozen=True)
class Export:
    """Holds how an export differs from its model and what it costs.

    Args:
        path: the file or folder.
        difference: largest difference of a probability from the model's.
        precision: what it computes in.
        megabytes: its size on disk, in 1e6 bytes; nan if not measured.
        milliseconds: median wall-clock time of one image alone; nan if not measured.
        mean_average_precision: on a split of a dataset, 0-1; nan if not measured.
    """

    path: Path
    difference: float
    precision: Precision = "float32"
    megabytes: float = np.nan
    milliseconds: float = np.nan
    mean_average_precision: float = np.nan

    def name_in(self, folder: str | Path) -> str:
        """Names the export by its path below a folder and by its precision."""
        name = str(self.path.relative_to(folder))
        return name if self.precision == "float32" else f"{name} ({self.precision})"


def export_checked(
    model: keras.Model, folder: str | Path, format: str, options: ExportOptions
) -> list[Export]:
    """Exports a model into a run folder, if the export passes `check_parity`.

    The export gets its name only after the comparison, so a server that watches the
    folder never loads one that exceeds the tolerance.

    Args:
        model: functional model from images (B, S, S, 3) to logits, or to embeddings.
        folder: the run folder.
        format: one of `kmlic.export.FORMATS`.
        options: labels, images to compare on, quantization, maps and so on.

    Returns:
        The export once for every precision that this machine can compute it in.

    Raises:
        ValueError: if an argument does not fit, or a score differs by more than the
            format's tolerance; nothing is written then.
        ImportError: naming the extra that is not installed.
    """
    check_choice("format", format, *FORMATS)
    chosen, quantize = FORMATS[format], options.quantize
    if quantize not in (None, *chosen.quantizations):
        allowed = [None, *chosen.quantizations]
        raise ValueError(
            f"`quantize` must be one of {allowed} for format={format!r}; got "
            f"quantize={quantize!r}."
        )
    path = chosen.new_path(Path(folder), quantize)
    exports = []
    # Formats read the name of what they write: it is the final one, elsewhere.
    with temporary_path(path.parent / path.stem) as staging:
        recover(path)
        chosen.require_replaceable(path)
        written = staging / path.name
        chosen.write(model, written, options)
        for precision in chosen.precisions():
            tolerance = chosen.tolerances[precision]
            if quantize is not None:
                tolerance = chosen.quantizations[quantize]
            difference = check_parity(
                model, written, options.images, tolerance=tolerance, precision=precision
            )
            exports.append(Export(path, difference, precision))
        flush(written)
        move_to(written, path)
    return exports
