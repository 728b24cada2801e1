"""One form of a model, written only if it gives what the model gives."""

import dataclasses
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np

from kmlic.atomic_write import replace
from kmlic.data.decoding import read_resized, resize_images
from kmlic.embedding_index import EmbeddingIndex
from kmlic.export.embedding_saved_model import export_embedding_model
from kmlic.export.freeze import image_size_of
from kmlic.export.load_export import Precision, has_bfloat16
from kmlic.export.onnx import export_onnx
from kmlic.export.openvino import export_openvino
from kmlic.export.parity import check_parity, encode_png
from kmlic.export.saved_model import export_saved_model, next_version
from kmlic.export.tflite import export_tflite
from kmlic.export.warm_up import can_warm_up
from kmlic.labels import Labels

Format = Literal["saved_model", "tflite", "onnx", "openvino"]
Quantization = Literal["float16", "dynamic", "int8"]

# How far a probability may stray. float32 forms only round otherwise; the others must
# not be garbage: a trained MobileNetV2 of 224 pixels strays by 0.012 with its weights
# in float16 and by 0.15 in bfloat16. What a form costs in precision, `compare` tells.
TOLERANCES: dict[str, float] = {
    "float32": 1e-4,
    "float16": 5e-2,
    "bfloat16": 0.2,
    "dynamic": 0.1,
    "int8": 0.2,
}

_WARM_UP_IMAGES = 8
_TOP_WORDS = 5


@dataclasses.dataclass(frozen=True)
class Form:
    """Holds what one exported form of a model gives and costs.

    Args:
        path: the file or folder.
        difference: largest difference of a probability from the model's.
        precision: what it computes in.
        megabytes: its size on the disk, in 1e6 bytes; nan if not measured.
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
        """Names the form by its path below a folder, and by its precision."""
        name = str(self.path.relative_to(folder))
        return name if self.precision == "float32" else f"{name} ({self.precision})"


def export_checked(
    model: keras.Model,
    folder: str | Path,
    form: Format,
    *,
    labels: Labels | None,
    images: np.ndarray | Sequence[str | Path],
    quantize: Quantization | None = None,
    maps: bool = False,
    warm_up: bool | None = None,
    index: EmbeddingIndex | None = None,
) -> list[Form]:
    """Writes one form of a model into a run folder, if it passes `check_parity`.

    It gets its name only after it was compared: a server that watches the folder never
    sees a form that strays.

    Args:
        model: functional model from images (B, S, S, 3) to logits, or to embeddings.
        folder: gets the next version below export/, model.tflite,
            model.<quantize>.tflite, model.onnx or openvino/.
        form: "saved_model", "tflite", "onnx" or "openvino".
        labels: names and thresholds of the model's outputs; None for embeddings.
        images: (N, H, W, 3) pixels 0-255, or paths of image files, to compare with;
            "int8" learns its ranges from them.
        quantize: of "tflite", see `export_tflite`.
        maps: whether to give the model's maps too.
        warm_up: whether a SavedModel gets requests that TF Serving answers before it
            takes others, made of the images; None if the extra serving is installed.
        index: of a SavedModel of embeddings, the words it finds.

    Returns:
        The form, and that of OpenVINO in bfloat16 too where the CPU has it.

    Raises:
        ValueError: if an argument does not fit, or a probability strays farther than
            `TOLERANCES` lets it; nothing is left then.
        ImportError: naming the extra that is not installed.
    """
    folder = Path(folder)
    if quantize is not None and form != "tflite":
        raise ValueError(f"`quantize` must come with form='tflite'; got form={form!r}.")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".export.") as staging:
        place = Path(staging)
        if form == "saved_model":
            version = next_version(folder / "export", None)
            warm_up = can_warm_up() if warm_up is None else warm_up
            files = _files(images) if warm_up else []
            options: dict[str, Any] = {"version": version, "warm_up": files}
            if labels is not None:
                written = export_saved_model(
                    model, place / "export", labels=labels, maps=maps, **options
                )
            elif index is not None:
                options["top_k"] = min(_TOP_WORDS, len(index))
                written = export_embedding_model(
                    model, place / "export", index=index, **options
                )
            else:
                raise ValueError(
                    "`index` must come with a SavedModel of embeddings; got None."
                )
        elif form == "tflite":
            name = f"model.{quantize}.tflite" if quantize else "model.tflite"
            samples = _samples(model, labels, images) if quantize == "int8" else None
            written = export_tflite(
                model,
                place / name,
                labels=labels,
                quantize=quantize,
                samples=samples,
                maps=maps,
            )
        elif form == "onnx":
            written = export_onnx(model, place / "model.onnx", labels=labels, maps=maps)
        elif form == "openvino":
            written = export_openvino(
                model, place / "openvino", labels=labels, maps=maps
            )
        else:
            raise ValueError(
                "`form` must be 'saved_model', 'tflite', 'onnx' or 'openvino'; got "
                f"form={form!r}."
            )
        path = folder / written.relative_to(place)
        precisions: list[Precision] = ["float32"]
        if form == "openvino" and has_bfloat16():
            precisions.append("bfloat16")
        forms = []
        for precision in precisions:
            tolerance = TOLERANCES[quantize or precision]
            difference = check_parity(
                model, written, images, tolerance=tolerance, precision=precision
            )
            forms.append(Form(path, difference, precision))
        path.parent.mkdir(exist_ok=True)
        replace(written, path)
    return forms


def _files(images: np.ndarray | Sequence[str | Path]) -> list[bytes]:
    few = images[:_WARM_UP_IMAGES]
    if isinstance(few, np.ndarray):
        return [encode_png(image) for image in few]
    return [Path(path).read_bytes() for path in few]


def _samples(
    model: keras.Model,
    labels: Labels | None,
    images: np.ndarray | Sequence[str | Path],
) -> np.ndarray:
    size = image_size_of(model, labels.image_size if labels else None)
    if isinstance(images, np.ndarray):
        return np.asarray(resize_images(images, size))
    return np.stack([read_resized(path, size) for path in images])
