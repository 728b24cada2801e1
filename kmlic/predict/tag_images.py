"""Any number of images tagged on Apache Beam, on this machine or on many."""

import collections
import json
import os
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from kmlic.data.decoding import decode_image, read_resized, resize_images
from kmlic.labels import Labels
from kmlic.predict.list_images import SUFFIXES, list_images
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
) -> tuple[int, int]:
    """Scores images and writes a record each, broken ones to files of their own.

    The records are those of `write_predictions`: path, labels, and probabilities by
    label. Every worker loads the model once and gathers batches of its own, so that the
    order of the records is not that of the images. Nothing depends on how many workers
    there are, or on which machine they run.

    Args:
        run: run folder with the export that `runtime` names, on a path that every
            worker has, or in a store that TensorFlow reaches.
        inputs: images, folders that are searched to the bottom, patterns with * in a
            store such as gs://, and TFRecord files of tf.train.Example with
            "image/encoded" and, for the path, "image/filename".
        output: where the records go; its suffix, .parquet or .jsonl, says in what form.
            "tags.parquet" becomes tags-00000-of-00002.parquet and so on, and what is
            broken tags-broken-00000-of-00001.jsonl, with its path and error.
        runtime: what computes, see `load_scorer`.
        threshold: see `predict_paths`.
        top_k: see `predict_paths`.
        batch_size: images that are scored at once.
        runner: "DirectRunner" for this machine, or the name of another one of Beam's.
        options: of Beam, as on its command lines, for instance
            "--direct_num_workers=2" and "--direct_running_mode=multi_processing".

    Returns:
        The number of records and how many of the images were broken; zeros where the
        runner does not tell.

    Raises:
        ValueError: before any image is read, if an argument does not fit, a path is not
            there, or there is output of that name already.
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
            "Remove them: those of a run with more workers would stay between the new."
        )
    paths, patterns, records = _sort_inputs(inputs)
    scorer = _load(run, runtime)  # what is wrong with it is said before workers start
    labels, size = scorer.labels, scorer.image_size
    # Beam's own choice for DirectRunner looks for a program on the network first.
    direct = FnApiRunner() if runner == "DirectRunner" else runner
    pipeline = beam.Pipeline(runner=direct, options=PipelineOptions(list(options)))
    decoded, torn = [], []
    if paths or patterns:
        listed = [pipeline | "Paths" >> beam.Create(paths)]
        if patterns:
            listed.append(
                pipeline
                | "Patterns" >> beam.Create(patterns)
                | "Match" >> fileio.MatchAll()
                | "Image paths" >> beam.Map(lambda match: match.path)
                | "Images only" >> beam.Filter(_is_image)
            )
        decoded.append(
            listed
            | "All paths" >> beam.Flatten()
            | "Spread" >> beam.Reshuffle()
            | "Read images"
            >> beam.ParDo(_ReadImage(size)).with_outputs("broken", main="whole")
        )
    if records:
        read = (
            pipeline
            | "Record files" >> beam.Create(records)
            | "Spread files" >> beam.Reshuffle()
            | "Read records"
            >> beam.ParDo(_ReadRecords()).with_outputs("broken", main="whole")
        )
        torn.append(read.broken)
        decoded.append(
            read.whole
            | "Spread records" >> beam.Reshuffle()
            | "Decode records"
            >> beam.ParDo(_ReadRecord(size)).with_outputs("broken", main="whole")
        )
    tagged = (
        [each.whole for each in decoded]
        | "Whole images" >> beam.Flatten()
        | "Score"
        >> RunInference(
            KeyedModelHandler(_ScorerHandler(os.fspath(run), runtime, batch_size))
        )
        | "Tag" >> beam.ParDo(_Tag(labels, threshold, top_k))
    )
    if suffix == ".parquet":
        _ = tagged | "Write" >> beam.io.WriteToParquet(
            prefix, _schema(labels), file_name_suffix=suffix
        )
    else:
        _ = (
            tagged
            | "As JSON" >> beam.Map(_as_json)
            | "Write" >> beam.io.WriteToText(prefix, file_name_suffix=suffix)
        )
    _ = (
        [*torn, *(each.broken for each in decoded)]
        | "Broken images" >> beam.Flatten()
        | "Broken as JSON" >> beam.Map(_as_json)
        | "Write broken"
        >> beam.io.WriteToText(f"{prefix}-broken", file_name_suffix=".jsonl")
    )
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
    """Gives the paths of images, patterns of them, and files of records."""
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
            paths += map(os.fspath, list_images([given]))
    if not (paths or patterns or records):
        raise ValueError("`inputs` must name at least one image or folder; got none.")
    return paths, patterns, records


def _match(patterns: Sequence[str]) -> bool:
    return any(match.metadata_list for match in FileSystems.match(list(patterns)))


def _is_image(path: str) -> bool:
    return path.lower().endswith(SUFFIXES)


def _schema(labels: Labels) -> pyarrow.Schema:
    chances = pyarrow.struct([(name, pyarrow.float32()) for name in labels.names])
    return pyarrow.schema(
        [
            ("path", pyarrow.string()),
            ("labels", pyarrow.list_(pyarrow.string())),
            ("probabilities", chances),
        ]
    )


def _as_json(record: dict[str, Any]) -> str:
    return json.dumps(record, ensure_ascii=False)


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


class _ReadImage(beam.DoFn):
    """Reads and resizes an image, or says what is wrong with it."""

    def __init__(self, image_size: int) -> None:
        self._image_size = image_size
        self._broken = beam.metrics.Metrics.counter(_NAMESPACE, "broken")

    def process(self, path: str) -> Iterator[Any]:
        """Gives path and pixels (S, S, 3) float32, or a record of the error."""
        try:
            yield path, read_resized(path, self._image_size)
        except ValueError as error:
            self._broken.inc()
            yield beam.pvalue.TaggedOutput(
                "broken", {"path": path, "error": str(error)}
            )


class _ReadRecords(beam.DoFn):
    """Gives the records of a TFRecord file, or says where it is torn."""

    def __init__(self) -> None:
        self._broken = beam.metrics.Metrics.counter(_NAMESPACE, "broken")

    def process(self, file: str) -> Iterator[Any]:
        """Gives the file's path with each record, or a record of the error."""
        count = 0
        try:
            for content in tf.data.TFRecordDataset(file).as_numpy_iterator():
                yield file, content
                count += 1
        except tf.errors.OpError as error:
            self._broken.inc()
            problem = (
                f"{file} must be a whole TFRecord file; after {count} records "
                f"TensorFlow says: {error.message}"
            )
            yield beam.pvalue.TaggedOutput("broken", {"path": file, "error": problem})


class _ReadRecord(beam.DoFn):
    """Decodes and resizes the image of a TFRecord, or says what is wrong with it."""

    def __init__(self, image_size: int) -> None:
        self._image_size = image_size
        self._broken = beam.metrics.Metrics.counter(_NAMESPACE, "broken")

    def process(self, record: tuple[str, bytes]) -> Iterator[Any]:
        """Gives path and pixels (S, S, 3) float32, or a record of the error."""
        path, content = record
        try:
            path, data = _parse(path, content)
            pixels = decode_image(data, name=path, image_size=self._image_size)
            yield path, resize_images(pixels, self._image_size).numpy()
        except ValueError as error:
            self._broken.inc()
            yield beam.pvalue.TaggedOutput(
                "broken", {"path": path, "error": str(error)}
            )


def _parse(file: str, content: bytes) -> tuple[str, bytes]:
    from google.protobuf.message import DecodeError

    try:
        features = tf.train.Example.FromString(content).features.feature
    except DecodeError as error:
        raise ValueError(f"{file} must hold tf.train.Example; got {error}.") from error
    values = {
        name: features[name].bytes_list.value[:1] if name in features else ()
        for name in ("image/encoded", "image/filename")
    }
    if not values["image/encoded"]:
        raise ValueError(
            f"{file}: a record must have image/encoded; got {sorted(features)}."
        )
    name = values["image/filename"]
    path = name[0].decode("utf-8", "replace") if name else file
    return path, values["image/encoded"][0]


class _OneAtATime:
    """Keeps the threads of a worker apart, which share its scorer."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer
        self._lock = threading.Lock()

    def score(self, images: Sequence[np.ndarray], rows: int) -> np.ndarray:
        """Scores a batch, see `Scorer.score`."""
        with self._lock:
            return self._scorer.score(list(images), rows=rows)


class _ScorerHandler(ModelHandler):
    """Loads a run's scorer once a worker and hands it batches."""

    def __init__(self, run: str, runtime: str, batch_size: int) -> None:
        super().__init__()
        self._run = run
        self._runtime = runtime
        self._batch_size = batch_size

    def load_model(self) -> _OneAtATime:
        """Gives the scorer of a worker."""
        return _OneAtATime(_load(self._run, self._runtime))

    def run_inference(
        self,
        batch: Sequence[np.ndarray],
        model: _OneAtATime,
        inference_args: dict[str, Any] | None = None,
    ) -> list[np.ndarray]:
        """Gives the scores of each image, (L,)."""
        return list(model.score(batch, self._batch_size))

    def batch_elements_kwargs(self) -> dict[str, int]:
        """Fixes the size of the batches."""
        return dict.fromkeys(("min_batch_size", "max_batch_size"), self._batch_size)


class _Tag(beam.DoFn):
    """Turns scores into records."""

    def __init__(
        self, labels: Labels, threshold: float | None, top_k: int | None
    ) -> None:
        self._labels, self._threshold, self._top_k = labels, threshold, top_k
        self._tagged = beam.metrics.Metrics.counter(_NAMESPACE, "tagged")

    def process(self, scored: tuple[str, np.ndarray]) -> Iterator[dict[str, Any]]:
        """Gives path, labels and probabilities by label."""
        path, scores = scored
        names = present_labels(scores, self._labels, self._threshold, self._top_k)
        self._tagged.inc()
        record = as_record(Prediction(Path(path), names, scores), self._labels)
        yield {**record, "path": path}
