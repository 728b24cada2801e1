"""A run folder's model exported again, in other forms."""

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import keras
import numpy as np

from kmlic.data import load_dataset, read_resized
from kmlic.export import (
    Form,
    check_parity,
    compare_forms,
    export_saved_model,
    export_tflite,
)
from kmlic.export.freeze import image_size_of
from kmlic.labels import Labels
from kmlic.predict import list_images, load_run
from kmlic.run_folder import Run

Format = Literal["saved_model", "tflite"]
Quantization = Literal["float16", "dynamic", "int8"]

# How far a probability may stray; float32 forms only round otherwise.
TOLERANCES: dict[Quantization | None, float] = {
    None: 1e-4,
    "float16": 1e-2,
    "dynamic": 0.1,
    "int8": 0.2,
}

_NUM_IMAGES = 64


def export_run(
    run: str | Path,
    *,
    formats: Sequence[Format] = ("saved_model", "tflite"),
    quantize: Sequence[Quantization] = (),
    images: Iterable[str | Path] = (),
    maps: bool = False,
    compare: bool = False,
) -> list[Form]:
    """Exports a run's model into its folder and checks each form on real images.

    A SavedModel becomes the next version below `export`, the LiteRT forms become
    model.tflite and model.<quantization>.tflite. run.json records the differences.

    Args:
        run: the run folder.
        formats: forms in float32.
        quantize: further LiteRT forms, see `kmlic.export.export_tflite`.
        images: image files or folders to check with; the validation split of the run's
            dataset when empty. "int8" learns its ranges from them.
        maps: whether the forms give the model's maps as a second output.
        compare: whether size and latency are measured too; both are nan when not.

    Raises:
        ValueError: if an argument does not fit, or a probability strays farther than
            `TOLERANCES` lets it; the form is left for a look at it.
    """
    run = Path(run)
    if not formats and not quantize:
        raise ValueError("`formats` and `quantize` must name at least one form.")
    paths = list_images(images) if (images := list(images)) else []
    model, labels = load_run(run)
    pixels = _pixels(run, paths, model, labels)
    forms = []
    wanted: list[tuple[Format, Quantization | None]] = [
        *((form, None) for form in formats),
        *(("tflite", quantization) for quantization in quantize),
    ]
    for form, quantization in wanted:
        path = _export(model, run, labels, form, quantization, pixels, maps)
        difference = check_parity(
            model, path, pixels, tolerance=TOLERANCES[quantization]
        )
        _record(run, path, difference)
        forms.append(Form(path, np.nan, np.nan, difference))
    if compare:
        return compare_forms(model, [form.path for form in forms], pixels)
    return forms


def _pixels(
    run: Path, paths: list[Path], model: keras.Model, labels: Labels
) -> np.ndarray:
    size = image_size_of(model, labels.image_size)
    if paths:
        return np.stack([read_resized(path, size) for path in paths[:_NUM_IMAGES]])
    settings = Run.read(run / "run.json").settings
    data = load_dataset(
        settings["dataset"],
        data_dir=settings["data_dir"],
        image_size=size,
        batch_size=_NUM_IMAGES,
        seed=settings["seeds"][0],
        augmentation="none",
    )
    return next(iter(data.validation))[0].numpy()


def _export(
    model: keras.Model,
    run: Path,
    labels: Labels,
    form: Format,
    quantization: Quantization | None,
    pixels: np.ndarray,
    maps: bool,
) -> Path:
    if form == "saved_model":
        return export_saved_model(model, run / "export", labels=labels, maps=maps)
    name = f"model.{quantization}.tflite" if quantization else "model.tflite"
    return export_tflite(
        model,
        run / name,
        labels=labels,
        quantize=quantization,
        samples=pixels if quantization == "int8" else None,
        maps=maps,
    )


def _record(run: Path, path: Path, difference: float) -> None:
    record = run / "run.json"
    if record.exists():
        content = Run.read(record)
        exports = {**content.exports, str(path.relative_to(run)): difference}
        dataclasses.replace(content, exports=exports).write(record)
