"""Labels predicted for any number of image files."""

import dataclasses
import itertools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Literal, Unpack

import numpy as np

from kmlic.check_choice import check_choice
from kmlic.check_number import check_number
from kmlic.data.limits import Limits
from kmlic.data.progress import with_progress
from kmlic.data.read_resized import read_resized
from kmlic.labels import Labels
from kmlic.list_images import list_images
from kmlic.predict.load_scorer import load_scorer
from kmlic.predict.read_boxes import Box, find_box
from kmlic.predict.scorer import Scorer

_Decoded = tuple[Path, np.ndarray | None, str | None]


@dataclasses.dataclass(frozen=True, eq=False)
class Prediction:
    """Holds what a model predicts for one image, or why the image is broken.

    Args:
        path: the file.
        labels: names of the labels that count as present, most probable first; of
            exclusive groups the most probable one of each, in the groups' order.
        probabilities: (L,) in the order of the scorer's labels; None for a broken
            image.
        error: why the image is broken; None if it is not.
    """

    path: Path
    labels: tuple[str, ...]
    probabilities: np.ndarray | None
    error: str | None = None


def predict_paths(
    scorer: Scorer | str | Path,
    paths: Iterable[str | Path],
    *,
    threshold: float | None = None,
    top_k: int | None = None,
    boxes: Mapping[str, Box] | None = None,
    batch_size: int = 32,
    on_error: Literal["skip", "raise"] = "skip",
    show_progress: bool = False,
    **limits: Unpack[Limits],
) -> Iterator[Prediction]:
    """Predicts the labels of image files and folders, one row per path, in order.

    Threads decode a few batches ahead while the scorer works, so that any number of
    images needs little memory.

    Args:
        scorer: from `load_scorer` or `Scorer.of_model`, or a run folder.
        paths: image files, and folders that are searched with their subfolders; see
            `list_images`.
        threshold: probability from which a label counts as present; None uses each
            label's own. Of exclusive groups: from which the most probable one is
            returned; None is 0.
        top_k: the number of most probable labels to return: of those at the threshold
            if there is one, otherwise of all (of exclusive groups: of the winners).
        boxes: from `read_boxes`: what is cut out of each image first; None scores the
            complete images.
        batch_size: images per batch.
        on_error: "skip" returns a broken image as a row with its error; "raise" stops.
        show_progress: whether to show a bar on standard error if it takes longer.
        **limits: of the images, see `kmlic.data.limits.Limits`.

    Raises:
        ValueError: before any work, if an argument does not fit or a path does not
            exist; with on_error="raise", naming the first broken image.
    """
    if threshold is not None:
        check_number("threshold", threshold, at_least=0, at_most=1)
    if top_k is not None:
        check_number("top_k", top_k, at_least=1)
    check_number("batch_size", batch_size, at_least=1)
    check_choice("on_error", on_error, "skip", "raise")
    images = list_images(paths)
    if boxes is not None:
        lacking = [path for path in images if find_box(boxes, path) is None]
        if lacking:
            raise ValueError(
                f"`boxes` must hold a box for every image; {len(lacking)} have none, "
                f"the first is {lacking[0]}."
            )
    if not isinstance(scorer, Scorer):
        scorer = load_scorer(scorer)
    batch_size = min(batch_size, len(images))
    batches = _decoded_batches(images, boxes or {}, scorer, batch_size, limits)
    rows = _predict(scorer, batches, threshold, top_k, batch_size, on_error)
    return with_progress(rows, "Predicting", len(images)) if show_progress else rows


def _predict(
    scorer: Scorer,
    batches: Iterable[Sequence[_Decoded]],
    threshold: float | None,
    top_k: int | None,
    batch_size: int,
    on_error: str,
) -> Iterator[Prediction]:
    labels = scorer.labels
    for batch in batches:
        errors = [error for _, _, error in batch if error is not None]
        if errors and on_error == "raise":
            raise ValueError(errors[0])
        images = [pixels for _, pixels, _ in batch if pixels is not None]
        probabilities = iter(scorer.score(images, rows=batch_size))
        for path, pixels, error in batch:
            if pixels is None:
                yield Prediction(path, (), None, error)
            else:
                row = next(probabilities)
                names = present_labels(row, labels, threshold, top_k)
                yield Prediction(path, names, row)


def _decoded_batches(
    images: Sequence[Path],
    boxes: Mapping[str, Box],
    scorer: Scorer,
    batch_size: int,
    limits: Limits,
) -> Iterator[list[_Decoded]]:
    remaining = iter(images)
    # More threads than cores wait for Python's lock.
    pool = ThreadPoolExecutor(os.cpu_count())

    def submit() -> list[Future[_Decoded]]:
        return [
            pool.submit(_decode, path, scorer, find_box(boxes, path), limits)
            for path in itertools.islice(remaining, batch_size)
        ]

    try:
        batch, ahead = submit(), submit()
        while batch:
            decoded = [future.result() for future in batch]
            batch, ahead = ahead, submit()
            yield decoded
    finally:
        pool.shutdown(cancel_futures=True)


def _decode(path: Path, scorer: Scorer, box: Box | None, limits: Limits) -> _Decoded:
    size, resize = scorer.image_size, scorer.resize
    try:
        return path, read_resized(path, size, box=box, resize=resize, **limits), None
    except ValueError as error:
        return path, None, str(error)


def present_labels(
    probabilities: np.ndarray,
    labels: Labels,
    threshold: float | None,
    top_k: int | None,
) -> tuple[str, ...]:
    """Names the labels that count as present, see `predict_paths`.

    Shapes: (L,) to names, most probable first.
    """
    if labels.exclusive:
        order = np.array(
            [
                columns.start + int(probabilities[columns].argmax())
                for columns in labels.exclusive_groups.values()
            ]
        )
        order = order[probabilities[order] >= (threshold or 0.0)]
        if top_k is not None:
            order = order[np.argsort(-probabilities[order], kind="stable")]
    else:
        order = np.argsort(-probabilities, kind="stable")
        if top_k is None or threshold is not None:
            least = labels.thresholds if threshold is None else threshold
            present = probabilities >= np.asarray(least, probabilities.dtype)
            order = order[present[order]]
    return tuple(labels.names[index] for index in order[:top_k])
