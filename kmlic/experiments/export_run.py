"""Exports of a run's model."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Unpack

import keras
import numpy as np
import tensorflow as tf
from rich.progress import track

from kmlic.atomic_write import require_writable
from kmlic.data import read_resized
from kmlic.data.limits import Limits
from kmlic.embedding_index import EmbeddingIndex
from kmlic.evaluation.report import report_scores
from kmlic.experiments.load_split import Split, load_split, unseen_split
from kmlic.experiments.update_run import update_run
from kmlic.export import (
    Export,
    ExportOptions,
    export_checked,
    load_export,
    measure_exports,
)
from kmlic.export.freeze import image_size_of
from kmlic.export.measure_exports import latency, size_of
from kmlic.labels import Labels
from kmlic.list_images import list_images
from kmlic.make_console import make_console
from kmlic.models import has_embedding
from kmlic.predict import (
    OpenVocabulary,
    Scorer,
    load_run,
    load_run_words,
)
from kmlic.run_folder import MODEL, RECORD, Measurement, Run, claim_run, require_run

_NUM_IMAGES = 64


def export_run(
    run: str | Path,
    *,
    formats: Sequence[str] = ("saved_model", "tflite"),
    quantize: Sequence[str] = (),
    images: Sequence[str | Path] = (),
    maps: bool = False,
    embeddings: bool = False,
    warm_up: bool | None = None,
    compare: bool = False,
    dataset: str | None = None,
    data_dir: str | Path | None = None,
    split: Split | None = None,
    show_progress: bool = False,
    **limits: Unpack[Limits],
) -> list[Export]:
    """Exports a run's model into its folder and checks each export on real images.

    A SavedModel becomes the next version below `export`, LiteRT exports become
    model.tflite and model.<quantization>.tflite, ONNX becomes model.onnx and OpenVINO
    the folder openvino. run.json and report.html record the differences, and what
    `compare` measured.

    Args:
        run: the run folder.
        formats: names of `kmlic.export.FORMATS`, exported in float32.
        quantize: further LiteRT exports, see `kmlic.export.export_tflite`.
        images: image files or folders to check with, also used to calibrate int8; the
            first images of the split when empty.
        maps: whether the exports return the model's maps as a second output.
        embeddings: whether the exports of a model trained on word vectors return its
            embeddings instead of probabilities; they are written below the folder
            embedding. The SavedModel also finds the nearest of the run's labels.
        warm_up: see `kmlic.export.ExportOptions`.
        compare: whether to measure the size and latency of the exports and the model,
            and, without `images`, their mean average precision on the split.
        dataset: name of a dataset; the run's own when None.
        data_dir: folder of the dataset; the run's own when None.
        split: "train", "validation" or "test"; None for `unseen_split`.
        show_progress: whether to show a progress bar on standard error.
        **limits: of the images that a SavedModel decodes.

    Returns:
        The exports, after the model itself if `compare`.

    Raises:
        ValueError: if an argument does not fit, or an output differs from the model's
            by more than the format's tolerance; that export is not kept.
            Also if the folder cannot be written, or another process is writing to it.
        ImportError: if a format needs an extra that is not installed, naming it.
    """
    run = Path(run)
    if not formats and not quantize:
        raise ValueError("`formats` and `quantize` must name at least one format.")
    paths = list_images(images)[:_NUM_IMAGES] if images else []
    require_run(run, MODEL, "labels.json")
    require_writable(run / RECORD)
    with claim_run(run):
        model, labels = load_run(run)
        folder, index = run, None
        if embeddings:
            model, index, folder = *_embedding(run, model, labels), run / "embedding"
        size = image_size_of(model, labels.image_size)
        data = None
        if not paths:
            split = split or unseen_split(run)
            data = load_split(run, split, dataset=dataset, data_dir=data_dir).images
        pixels = None
        if data is not None:
            pixels = next(iter(data.unbatch().batch(_NUM_IMAGES)))[0].numpy()
        options = ExportOptions(
            labels=None if embeddings else labels,
            index=index,
            images=paths if pixels is None else pixels,
            maps=maps,
            warm_up=warm_up,
            limits=limits,
        )
        wanted: list[tuple[str, str | None]] = [
            *((format, None) for format in formats),
            *(("tflite", quantization) for quantization in quantize),
        ]
        exports: list[Export] = []
        for format, quantization in wanted:
            own = dataclasses.replace(options, quantize=quantization)
            exports += export_checked(model, folder, format, own)
            _record(run, exports)
        if not compare:
            return exports
        if pixels is None:
            pixels = read_resized(paths[0], size)[None]
        exports = [
            _measure_model(run / MODEL, model, pixels[:1]),
            *measure_exports(exports, pixels[:1]),
        ]
        if data is not None and not embeddings:
            exports = [
                _judge(each, model, labels, size, data, show_progress)
                for each in exports
            ]
        # The embedding is only a part of the run's model, whose values stay.
        _record(run, exports[1:] if embeddings else exports, split)
    return exports


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


def _measure_model(path: Path, model: keras.Model, image: np.ndarray) -> Export:
    return Export(
        path,
        difference=0.0,
        megabytes=size_of(path) / 1e6,
        milliseconds=latency(model.predict_on_batch, image, 10),
    )


def _judge(
    export: Export,
    model: keras.Model,
    labels: Labels,
    size: int,
    data: tf.data.Dataset,
    show_progress: bool,
) -> Export:
    if export.path.suffix == ".keras":
        scorer = Scorer.of_model(model, labels)
    else:
        predict = load_export(export.path, precision=export.precision)
        scorer = Scorer(labels, size, predict)
    batches = track(
        data,
        f"Scoring with {export.path.name}",
        total=max(int(data.cardinality()), 0) or None,
        console=make_console(stderr=True, quiet=not show_progress),
        transient=True,
    )
    report = report_scores(*scorer.score_dataset(batches), labels)
    return dataclasses.replace(export, mean_average_precision=report.metrics["mAP"])


def _record(
    folder: Path, exports: Sequence[Export], split: Split | None = None
) -> None:
    """Writes the differences of exports to run.json, and what was measured of them."""
    if not (folder / RECORD).exists():
        return

    def add(run: Run) -> Run:
        differences, measured = dict(run.exports), dict(run.measured)
        for each in exports:
            name = each.name_in(folder)
            if name != MODEL:
                differences[name] = each.difference
            measured.pop(name, None)  # of an earlier export
            if np.isnan(each.milliseconds):
                continue
            scored = not np.isnan(each.mean_average_precision)
            measured[name] = Measurement(
                milliseconds=each.milliseconds,
                mAP=each.mean_average_precision if scored else None,
                split=split if scored else None,
            )
        return dataclasses.replace(run, exports=differences, measured=measured)

    update_run(folder, add)
