"""Labels for any number of image files."""

import collections
import dataclasses
import itertools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import numpy as np
from rich.console import Console
from rich.progress import track

from kmlic.data.decoding import read_resized
from kmlic.labels import Labels
from kmlic.predict.list_images import list_images
from kmlic.predict.load_scorer import load_scorer
from kmlic.predict.read_boxes import Box
from kmlic.predict.scorer import Scorer

_Decoded = tuple[Path, np.ndarray | None, str | None]


@dataclasses.dataclass(frozen=True, eq=False)
class Prediction:
    """Holds what a model says of one image, or why it says nothing.

    Args:
        path: the file.
        labels: names of the labels that count as present, likeliest first; of exclusive
            groups the likeliest one of each, in the groups' order.
        probabilities: (L,) of every label in the scorer's order, whatever it gives;
            None for a broken image.
        error: why the image is broken; None for a whole one.
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
) -> Iterator[Prediction]:
    """Predicts the labels of image files and folders, one row per image, in order.

    Images are decoded by threads while the scorer works, a few batches ahead, so that
    any number of them needs little memory.

    Args:
        scorer: from `load_scorer` or `Scorer.of_model`; of a run folder its model's.
        paths: image files, and folders that are searched to the bottom.
        threshold: probability from which a label counts as present; each label's own
            when None. Of exclusive groups: from which the likeliest one is given; 0
            when None.
        top_k: gives the k likeliest labels: of those at the threshold when there is
            one, else of all (of exclusive groups: of the likeliest ones).
        boxes: what is cut out of each image first, from `read_boxes`; None scores the
            whole images.
        batch_size: images that are scored at once.
        on_error: "skip" gives a broken image as a row with its error; "raise" stops.
        show_progress: whether a bar on standard error tells how long it will take.

    Raises:
        ValueError: before any work, if an argument does not fit or a path is not
            there; with on_error="raise", naming the first broken image.
    """
    if threshold is not None and not 0 <= threshold <= 1:
        raise ValueError(
            f"`threshold` must be a probability 0-1; got threshold={threshold}."
        )
    if top_k is not None and top_k < 1:
        raise ValueError(f"`top_k` must be at least 1; got top_k={top_k}.")
    if batch_size < 1:
        raise ValueError(f"`batch_size` must be at least 1; got {batch_size}.")
    if on_error not in ("skip", "raise"):
        raise ValueError(
            f'`on_error` must be "skip" or "raise"; got on_error={on_error!r}.'
        )
    images = list_images(paths)
    if boxes is not None:
        lacking = [path for path in images if _key(path) not in boxes]
        if lacking:
            raise ValueError(
                f"`boxes` must hold a box for every image; {len(lacking)} have none, "
                f"the first is {lacking[0]}."
            )
    if not isinstance(scorer, Scorer):
        scorer = load_scorer(scorer)
    batches = _decoded_batches(images, boxes or {}, scorer.image_size, batch_size)
    rows = _predict(scorer, batches, threshold, top_k, batch_size, on_error)
    if not show_progress:
        return rows
    return iter(
        track(
            rows,
            "Predicting",
            total=len(images),
            console=Console(stderr=True),
            transient=True,
        )
    )


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
        for _, _, error in batch:
            if error is not None and on_error == "raise":
                raise ValueError(error)
        whole = [pixels for _, pixels, _ in batch if pixels is not None]
        probabilities = iter(scorer.score(whole, rows=batch_size))
        for path, pixels, error in batch:
            if pixels is None:
                yield Prediction(path, (), None, error)
            else:
                row = next(probabilities)
                yield Prediction(
                    path, present_labels(row, labels, threshold, top_k), row
                )


def _decoded_batches(
    images: Sequence[Path], boxes: Mapping[str, Box], size: int, batch_size: int
) -> Iterator[list[_Decoded]]:
    remaining = iter(images)
    pending: collections.deque[list[Future[_Decoded]]] = collections.deque()
    # More threads than cores hold one another up at Python's lock.
    with ThreadPoolExecutor(os.cpu_count()) as pool:

        def submit() -> None:
            batch = list(itertools.islice(remaining, batch_size))
            if batch:
                pending.append(
                    [
                        pool.submit(_decode, path, size, boxes.get(_key(path)))
                        for path in batch
                    ]
                )

        try:
            submit()
            submit()
            while pending:
                batch = [future.result() for future in pending.popleft()]
                submit()
                yield batch
        finally:
            for futures in pending:
                for future in futures:
                    future.cancel()


def _key(path: Path) -> str:
    return os.path.abspath(path)  # noqa: PTH100


def _decode(path: Path, size: int, box: Box | None) -> _Decoded:
    try:
        return path, read_resized(path, size, box=box), None
    except ValueError as error:
        return path, None, str(error)


def present_labels(
    probabilities: np.ndarray,
    labels: Labels,
    threshold: float | None,
    top_k: int | None,
) -> tuple[str, ...]:
    """Names the labels that count as present, see `predict_paths`.

    Shapes: (L,) to names, likeliest first.
    """
    if labels.exclusive:
        return _winners(probabilities, labels, threshold or 0.0, top_k)
    order = np.argsort(-probabilities, kind="stable")
    if top_k is None or threshold is not None:
        lowest = labels.thresholds if threshold is None else [threshold] * len(labels)
        present = probabilities >= np.asarray(lowest, probabilities.dtype)
        order = order[present[order]]
    return tuple(labels.names[index] for index in order[:top_k])


def _winners(
    probabilities: np.ndarray, labels: Labels, threshold: float, top_k: int | None
) -> tuple[str, ...]:
    """Names the likeliest label of each exclusive group."""
    winners = [
        columns.start + int(probabilities[columns].argmax())
        for columns in labels.exclusive_groups.values()
    ]
    winners = [index for index in winners if probabilities[index] >= threshold]
    if top_k is not None:
        winners.sort(key=lambda index: -probabilities[index])
    return tuple(labels.names[index] for index in winners[:top_k])
