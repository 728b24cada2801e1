"""Labels for any number of images on Apache Beam, on one machine or many."""

import collections
import dataclasses
import json
import os
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import tensorflow as tf

from kmlic.data.decoding import decode_image, resize_images
from kmlic.data.limits import Limits
from kmlic.data.read_resized import read_resized
from kmlic.labels import Labels
from kmlic.list_images import SUFFIXES, list_images
from kmlic.predict.load_scorer import load_scorer
from kmlic.predict.predict_paths import Prediction, present_labels
from kmlic.predict.scorer import Scorer
from kmlic.predict.write_predictions import as_record

try:
    import apache_beam as beam
    import pyarrow
    from apache_beam.io import fileio
    from apache_beam.io.filesystems import FileSystems
    from apache_beam.ml.inference.base import (
        KeyedModelHandler,
        ModelHandler,
        RunInference,
    )
    from apache_beam.options.pipeline_options import PipelineOptions
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner
except ImportError as missing:
    raise ImportError(
        "This needs apache-beam. Install it with: pip install 'kmlic[beam]'"
    ) from missing

_RECORDS = (".tfrecord", ".tfrecords")
_NAMESPACE = "kmlic"


def tag_images(
    run: str | Path,
    inputs: Iterable[str | Path],
    output: str | Path,
    *,
    runtime: str = "saved_model",
    threshold: float | None = None,
    top_k: int | None = None,
    batch_size: int = 32,
    runner: str = "DirectRunner",
    options: Sequence[str] = (),
    **limits: Unpack[Limits],
) -> tuple[int, int]:
    """Writes a record with the labels of each image, and broken images separately.

    The records are those of `write_predictions`: path, labels, and probabilities by
    label. Every worker loads the model once and gathers its own batches, so records are
    not in the order of the images. Nothing depends on the number of workers or on the
    machines they run on.

    Args:
        run: run folder with the export that `runtime` needs, on a path that every
            worker has, or in a store that TensorFlow can read.
        inputs: images, folders that are searched with their subfolders, patterns with *
            in a store such as gs://, and TFRecord files of tf.train.Example with
            "image/encoded" and, for the path, "image/filename".
        output: the file, .parquet or .jsonl. "tags.parquet" becomes
            tags-00000-of-00002.parquet and so on; paths and errors of broken images are
            written to tags-broken-00000-of-00001.jsonl.
        runtime: see `load_scorer`.
        threshold: see `predict_paths`.
        top_k: see `predict_paths`.
        batch_size: images per batch.
        runner: "DirectRunner" for this machine, or the name of another Beam runner.
        options: Beam's command-line options, for instance "--direct_num_workers=2" and
            "--direct_running_mode=multi_processing".
        **limits: of the images, see `kmlic.data.limits.Limits`.

    Returns:
        The number of images and how many of them were broken; zeros if the runner does
        not count.

    Raises:
        ValueError: before any image is read, if an argument does not fit, a path does
            not exist, or the output exists.
    """
    prefix, suffix = os.path.splitext(os.fspath(output))  # noqa: PTH122 - keeps gs://
    if suffix not in (".parquet", ".jsonl"):
        raise ValueError(
            f"`output` must end with .parquet or .jsonl; got output={str(output)!r}."
        )
    if batch_size < 1:
        raise ValueError(f"`batch_size` must be at least 1; got {batch_size}.")
    if _match([f"{prefix}-*"]):
        raise ValueError(
            f"`output` must be new; there are files whose names begin with {prefix}-. "
            "Remove them: those of a run with more workers would not be overwritten."
        )
    paths, patterns, records = _sort_inputs(inputs)
    scorer = _load(run, runtime)  # reports errors before workers start
    labels, size = scorer.labels, scorer.image_size
    # Beam's own choice for DirectRunner looks for a program on the network first.
    direct = FnApiRunner() if runner == "DirectRunner" else runner
    pipeline = beam.Pipeline(runner=direct, options=PipelineOptions(list(options)))
    matched = (
        pipeline
        | "Patterns" >> beam.Create(patterns)
        | "Match" >> fileio.MatchAll()
        | "Paths of matches" >> beam.Map(lambda match: (match.path, None))
        | "Images only" >> beam.Filter(lambda item: item[0].lower().endswith(SUFFIXES))
    )
    read = (
        pipeline
        | "Record files" >> beam.Create(records)
        | "Spread files" >> beam.Reshuffle()
        | "Read records" >> beam.ParDo(_ReadRecords()).with_outputs("broken", main="ok")
    )
    decoded = (
        [pipeline | beam.Create([(path, None) for path in paths]), matched, read.ok]
        | "All images" >> beam.Flatten()
        | "Spread" >> beam.Reshuffle()
        | "Decode"
        >> beam.ParDo(_Decode(size, limits)).with_outputs("broken", main="ok")
    )
    handler = KeyedModelHandler(_ScorerHandler(os.fspath(run), runtime, batch_size))
    tagged = (
        decoded.ok
        | "Score" >> RunInference(handler)
        | "Tag" >> beam.ParDo(_Tag(labels, threshold, top_k))
    )
    if suffix == ".parquet":
        _ = tagged | "Write" >> beam.io.WriteToParquet(
            prefix, _schema(labels), file_name_suffix=suffix
        )
    else:
        _write_json(tagged, prefix)
    broken = [read.broken, decoded.broken] | "Broken" >> beam.Flatten()
    _write_json(broken, f"{prefix}-broken")
    result = pipeline.run()
    result.wait_until_finish()
    counts: collections.Counter[str] = collections.Counter()
    for counter in result.metrics().query()["counters"]:  # one for each step
        if counter.key.metric.namespace == _NAMESPACE:
            counts[counter.key.metric.name] += counter.committed
    return counts["tagged"] + counts["broken"], counts["broken"]


def _sort_inputs(
    inputs: Iterable[str | Path],
) -> tuple[list[str], list[str], list[str]]:
    """Sorts inputs into the paths of images, patterns of them, and TFRecord files."""
    paths: list[str] = []
    patterns: list[str] = []
    records: list[str] = []
    for given in (os.fspath(each) for each in inputs):
        if given.endswith(_RECORDS):
            if not _match([given]):
                raise ValueError(f"{given} must exist; there is no such file.")
            records.append(given)
        elif "://" in given:
            patterns.append(f"{given}**" if given.endswith("/") else given)
        else:
            paths.append(given)
    if paths:
        paths = [os.fspath(path) for path in list_images(paths)]
    if not (paths or patterns or records):
        raise ValueError("`inputs` must name at least one image or folder; got none.")
    return paths, patterns, records


def _match(patterns: Sequence[str]) -> bool:
    return any(match.metadata_list for match in FileSystems.match(list(patterns)))


def _schema(labels: Labels) -> pyarrow.Schema:
    probabilities = pyarrow.struct([(name, pyarrow.float32()) for name in labels.names])
    return pyarrow.schema(
        [
            ("path", pyarrow.string()),
            ("labels", pyarrow.list_(pyarrow.string())),
            ("probabilities", probabilities),
        ]
    )


def _write_json(records: beam.PCollection, prefix: str) -> None:
    _ = (
        records
        | f"{prefix} as JSON"
        >> beam.Map(lambda record: json.dumps(record, ensure_ascii=False))
        | f"Write {prefix}" >> beam.io.WriteToText(prefix, file_name_suffix=".jsonl")
    )


def _load(run: str | Path, runtime: str) -> Scorer:
    if "://" not in os.fspath(run):
        return load_scorer(run, runtime=runtime)
    with tempfile.TemporaryDirectory() as folder:
        for parent, _, names in tf.io.gfile.walk(os.fspath(run)):
            below = Path(folder, os.path.relpath(parent, os.fspath(run)))
            below.mkdir(parents=True, exist_ok=True)
            for name in names:
                tf.io.gfile.copy(os.path.join(parent, name), str(below / name))  # noqa: PTH118 - keeps gs://
        return load_scorer(folder, runtime=runtime)


def _broken(path: str, error: str) -> Any:
    beam.metrics.Metrics.counter(_NAMESPACE, "broken").inc()
    return beam.pvalue.TaggedOutput("broken", {"path": path, "error": error})


class _ReadRecords(beam.DoFn):
    """Reads the encoded images in a TFRecord file."""

    def process(self, file: str) -> Iterator[Any]:
        """Yields path and content of each image, or a record of an error."""
        count = 0
        try:
            for example in tf.data.TFRecordDataset(file).as_numpy_iterator():
                count += 1
                try:
                    yield _parse(file, example)
                except ValueError as error:
                    yield _broken(file, str(error))
        except tf.errors.OpError as error:
            yield _broken(
                file,
                f"{file} must be a complete TFRecord file; after {count} records "
                f"TensorFlow says: {error.message}",
            )


def _parse(file: str, content: bytes) -> tuple[str, bytes]:
    from google.protobuf.message import DecodeError

    try:
        features = tf.train.Example.FromString(content).features.feature
    except DecodeError as error:
        raise ValueError(f"{file} must hold tf.train.Example; got {error}.") from error
    encoded, name = (
        features[key].bytes_list.value[:1] if key in features else ()
        for key in ("image/encoded", "image/filename")
    )
    if not encoded:
        raise ValueError(
            f"{file}: a record must have image/encoded; got {sorted(features)}."
        )
    return name[0].decode("utf-8", "replace") if name else file, encoded[0]


class _Decode(beam.DoFn):
    """Decodes and resizes images."""

    def __init__(self, image_size: int, limits: Limits) -> None:
        self._size, self._limits = image_size, limits

    def process(self, item: tuple[str, bytes | None]) -> Iterator[Any]:
        """Yields path and pixels (S, S, 3) float32, or a record of the error."""
        path, content = item
        try:
            if content is None:
                yield path, read_resized(path, self._size, **self._limits)
            else:
                pixels = decode_image(
                    content, name=path, image_size=self._size, **self._limits
                )
                yield path, resize_images(pixels, self._size).numpy()
        except ValueError as error:
            yield _broken(path, str(error))


class _ScorerHandler(ModelHandler):
    """Loads a run's scorer once per worker and scores batches with it."""

    def __init__(self, run: str, runtime: str, batch_size: int) -> None:
        super().__init__()
        self._run, self._runtime, self._batch_size = run, runtime, batch_size

    def load_model(self) -> Scorer:
        """Loads the scorer, which the threads of a worker share."""
        scorer, lock = _load(self._run, self._runtime), threading.Lock()

        def score(images: np.ndarray) -> np.ndarray:
            with lock:
                return scorer.function(images)

        return dataclasses.replace(scorer, function=score)

    def run_inference(
        self,
        batch: Sequence[np.ndarray],
        model: Scorer,
        inference_args: dict[str, Any] | None = None,
    ) -> list[np.ndarray]:
        """Returns the scores of each image, (L,)."""
        return list(model.score(list(batch), rows=self._batch_size))

    def batch_elements_kwargs(self) -> dict[str, int]:
        """Fixes the size of the batches."""
        return dict.fromkeys(("min_batch_size", "max_batch_size"), self._batch_size)


class _Tag(beam.DoFn):
    """Turns scores into records."""

    def __init__(
        self, labels: Labels, threshold: float | None, top_k: int | None
    ) -> None:
        self._labels, self._threshold, self._top_k = labels, threshold, top_k

    def process(self, scored: tuple[str, np.ndarray]) -> Iterator[dict[str, Any]]:
        """Yields path, labels and probabilities by label."""
        path, scores = scored
        names = present_labels(scores, self._labels, self._threshold, self._top_k)
        beam.metrics.Metrics.counter(_NAMESPACE, "tagged").inc()
        record = as_record(Prediction(Path(path), names, scores), self._labels)
        yield {**record, "path": path}
