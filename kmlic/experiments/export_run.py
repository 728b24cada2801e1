"""A run folder's model exported again, in other forms."""

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from rich.console import Console
from rich.progress import track

from kmlic.data import read_resized
from kmlic.embedding_index import EmbeddingIndex
from kmlic.evaluation.report import report_scores
from kmlic.experiments.load_split import Split, load_split
from kmlic.export import (
    Form,
    compare_forms,
    export_checked,
    load_export,
)
from kmlic.export.compare import latency, size_of
from kmlic.export.export_checked import Format, Quantization
from kmlic.export.freeze import image_size_of
from kmlic.labels import Labels
from kmlic.models import has_embedding
from kmlic.predict import (
    OpenVocabulary,
    Scorer,
    list_images,
    load_run,
    load_run_words,
)
from kmlic.run_folder import Run

_NUM_IMAGES = 64


def export_run(
    run: str | Path,
    *,
    formats: Sequence[Format] = ("saved_model", "tflite"),
    quantize: Sequence[Quantization] = (),
    images: Iterable[str | Path] = (),
    maps: bool = False,
    embeddings: bool = False,
    warm_up: bool | None = None,
    compare: bool = False,
    dataset: str | None = None,
    data_dir: str | Path | None = None,
    split: Split = "validation",
    show_progress: bool = False,
) -> list[Form]:
    """Exports a run's model into its folder and checks each form on real images.

    A SavedModel becomes the next version below `export`, the LiteRT forms become
    model.tflite and model.<quantization>.tflite, ONNX becomes model.onnx and OpenVINO
    the folder openvino. run.json records the differences.

    Args:
        run: the run folder.
        formats: forms in float32: "saved_model", "tflite", "onnx", "openvino".
        quantize: further LiteRT forms, see `kmlic.export.export_tflite`.
        images: image files or folders to check with; the first images of the split of
            the dataset when empty. "int8" learns its ranges from them.
        maps: whether the forms give the model's maps as a second output.
        embeddings: whether the forms give the embeddings of a model trained on word
            vectors, below the folder embedding, instead of probabilities. The
            SavedModel finds the nearest of the run's labels too.
        warm_up: see `kmlic.export.export_checked`.
        compare: whether size and latency are measured too, of the model itself as
            well, and, unless there are `images`, mean average precision on the split.
        dataset: name of a dataset; the run's own when None.
        data_dir: where the dataset lies; the run's own when None.
        split: "train", "validation" or "test".
        show_progress: whether bars on standard error tell how long scoring takes.

    Returns:
        Every form; the model itself first if `compare`.

    Raises:
        ValueError: if an argument does not fit, or a probability strays farther than
            `kmlic.export.TOLERANCES` lets it; that form is not left.
        ImportError: naming the extra that is not installed.
    """
    run = Path(run)
    if not formats and not quantize:
        raise ValueError("`formats` and `quantize` must name at least one form.")
    paths = list_images(images)[:_NUM_IMAGES] if (images := list(images)) else []
    model, labels = load_run(run)
    folder, index = run, None
    if embeddings:
        model, index, folder = *_embedding(run, model, labels), run / "embedding"
    size = image_size_of(model, labels.image_size)
    data = None
    if not paths:
        data = load_split(run, split, dataset=dataset, data_dir=data_dir)
    pixels = None
    if data is not None:
        pixels = next(iter(data.unbatch().batch(_NUM_IMAGES)))[0].numpy()
    wanted: list[tuple[Format, Quantization | None]] = [
        *((form, None) for form in formats),
        *(("tflite", quantization) for quantization in quantize),
    ]
    forms = []
    for form, quantization in wanted:
        forms += export_checked(
            model,
            folder,
            form,
            labels=None if embeddings else labels,
            index=index,
            images=paths if pixels is None else pixels,
            quantize=quantization,
            maps=maps,
            warm_up=warm_up,
        )
        _record(run, forms)
    if not compare:
        return forms
    if pixels is None:
        pixels = read_resized(paths[0], size)[None]
    forms = [
        _measure_model(run / "model.keras", model, pixels[:1]),
        *compare_forms(forms, pixels[:1]),
    ]
    if data is None or embeddings:
        return forms
    return [_judge(form, model, labels, size, data, show_progress) for form in forms]


def _embedding(
    run: Path, model: keras.Model, labels: Labels
) -> tuple[keras.Model, EmbeddingIndex]:
    if not has_embedding(model):
        raise ValueError(
            "`embeddings` must be False for a model that was not trained on word "
            f"vectors; got {run}."
        )
    words = load_run_words(run)
    vocabulary = OpenVocabulary(model, labels, labels.names, words)
    return vocabulary.model, vocabulary.index


def _measure_model(path: Path, model: keras.Model, image: np.ndarray) -> Form:
    return Form(
        path,
        difference=0.0,
        megabytes=size_of(path) / 1e6,
        milliseconds=latency(model.predict_on_batch, image, 10),
    )


def _judge(
    form: Form,
    model: keras.Model,
    labels: Labels,
    size: int,
    data: tf.data.Dataset,
    show_progress: bool,
) -> Form:
    if form.path.suffix == ".keras":
        scorer = Scorer.of_model(model, labels)
    else:
        predict = load_export(form.path, precision=form.precision)
        scorer = Scorer(labels, size, predict)
    batches = track(
        data,
        f"Scoring with {form.path.name}",
        total=max(int(data.cardinality()), 0) or None,
        console=Console(stderr=True, quiet=not show_progress),
        transient=True,
    )
    report = report_scores(*scorer.score_dataset(batches), labels)
    return dataclasses.replace(form, mean_average_precision=report.metrics["mAP"])


def _record(run: Path, forms: Sequence[Form]) -> None:
    record = run / "run.json"
    if record.exists():
        content = Run.read(record)
        differences = {form.name_in(run): form.difference for form in forms}
        exports = {**content.exports, **differences}
        dataclasses.replace(content, exports=exports).write(record)
