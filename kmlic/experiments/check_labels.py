"""A check of a dataset's labels by the probabilities of a run."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Unpack

import numpy as np

from kmlic.data.finding import Finding
from kmlic.data.inspect_rows import InspectedRows
from kmlic.data.label_fixes import LabelFix
from kmlic.data.limits import Limits
from kmlic.data.storage import join
from kmlic.data.summarise_image import ImageSummary
from kmlic.evaluation.label_errors import LabelErrors, find_label_errors
from kmlic.experiments.describe_data import TRAIN_IMAGES
from kmlic.experiments.unseen_scores import read_unseen_scores
from kmlic.html_report import Gallery, Picture
from kmlic.labels import Labels
from kmlic.predict import load_scorer, predict_paths

_SHOWN = 48  # thumbnails of a finding
_UNSURE = 100
_STATES = {1: "present", 0: "absent"}


@dataclasses.dataclass(frozen=True)
class LabelCheck:
    """Holds what a run says about the labels of a dataset.

    Args:
        findings: missing and wrong labels, images to look at, labels by their health.
        galleries: title of a finding to its thumbnails.
        fixes: the probable errors as corrections, the most probable first.
    """

    findings: list[Finding]
    galleries: dict[str, list[Gallery]]
    fixes: list[LabelFix]


def check_labels(
    run: str | Path, rows: InspectedRows, **limits: Unpack[Limits]
) -> LabelCheck:
    """Finds missing and wrong labels by a run's probabilities.

    Images of a `kmlic train` run have scores of models that were not fitted to them,
    out of fold; all others are scored by the run's model. Images that it was fitted to
    and that have no such score are left out: it would repeat their errors.

    Args:
        run: the run folder.
        rows: the dataset, whose files were read.
        **limits: of the image files, see `Limits`.

    Raises:
        ValueError: if files were not read, no label is known to the run, or no image
            can be scored.
    """
    run = Path(run)
    labels = Labels.read(run / "labels.json")
    names = [name for name in labels.names if name in rows.names]
    if not names:
        raise ValueError(
            f"{run} must have a label of {rows.listing.source}; it has none of them."
        )
    if None in rows.digests:
        raise ValueError(
            "`images` must be decode to compare labels with a run: its training images "
            "are recognised by the content of their files."
        )
    probabilities = _score(run, labels, rows, limits)
    scored = np.flatnonzero(~np.isnan(probabilities).any(axis=1))
    if not len(scored):
        raise ValueError(
            f"{run} must have scores of {rows.listing.source} that its model was not "
            "fitted to; it was fitted to all images. `kmlic train` keeps such scores."
        )
    columns = [labels.names.index(name) for name in names]
    own = [rows.names.index(name) for name in names]
    targets = rows.dense_targets(scored)[:, own]
    probabilities = probabilities[scored][:, columns]
    found = find_label_errors(targets, probabilities)
    return _LabelReport(rows, scored, names, targets, probabilities, found).check(
        unknown_names=[name for name in rows.names if name not in names]
    )


def _score(
    run: Path, labels: Labels, rows: InspectedRows, limits: Limits
) -> np.ndarray:
    """Returns (N, L) probabilities, NaN for images that the model was fitted to."""
    digests = rows.short_digests(np.arange(len(rows.images)))
    probabilities = np.full((len(digests), len(labels)), np.nan, np.float32)
    waiting = np.ones(len(digests), bool)
    stored = read_unseen_scores(run, labels)
    if stored is not None:
        known = {digest: row for row, digest in enumerate(stored[0].tolist())}
        for index, digest in enumerate(digests.tolist()):
            if digest in known:
                probabilities[index] = stored[1][known[digest]]
                waiting[index] = False
    if (run / TRAIN_IMAGES).is_file():
        trained_on = np.load(run / TRAIN_IMAGES, allow_pickle=False)
        waiting &= ~np.isin(digests, trained_on)
    others = np.flatnonzero(waiting)
    if len(others):
        paths = [join(rows.listing.root, rows.images[i].path) for i in others]
        predictions = predict_paths(
            load_scorer(run), paths, show_progress=True, **limits
        )
        for index, prediction in zip(others.tolist(), predictions, strict=True):
            if prediction.probabilities is not None:
                probabilities[index] = prediction.probabilities
    return probabilities


@dataclasses.dataclass(frozen=True, eq=False)
class _LabelReport:
    rows: InspectedRows
    scored: np.ndarray
    names: Sequence[str]
    targets: np.ndarray
    probabilities: np.ndarray
    found: LabelErrors

    def check(self, unknown_names: Sequence[str]) -> LabelCheck:
        likely, targets = self.found.likely, self.targets
        missing = self.found.ranked(likely & (targets == 0))
        wrong = self.found.ranked(likely & (targets == 1))
        unsure = np.argsort(-self.found.uncertainty, kind="stable")[:_UNSURE]
        findings = [
            self._errors(
                "Labels that are probably missing",
                "The model finds them probable, but the images lack them. Look at each "
                "one before changing it.",
                missing,
            ),
            self._errors(
                "Labels that are probably wrong",
                "The images have them, but the model finds them improbable. A label "
                "that it has not learned, see the health of labels, is often right "
                "nevertheless.",
                wrong,
            ),
            Finding(
                "note",
                "Images that the model is least sure of",
                "By the mean entropy of their labels, in bits. Labelling such images "
                "teaches a model more than others.",
                ("image", "entropy", "probabilities nearest to one half"),
                [
                    [
                        self._path(image),
                        f"{self.found.uncertainty[image]:.3f}",
                        self._nearest(image),
                    ]
                    for image in unsure
                ],
            ),
            self._health(),
            Finding(
                "note",
                "Images without a score",
                "The model was fitted to them, and has no score of them out of fold.",
                count=len(self.rows.images) - len(self.scored),
            ),
            Finding(
                "note",
                "Labels that the model does not know",
                "They were not compared.",
                ("label",),
                unknown_names,
            ),
        ]
        galleries = {
            findings[0].title: self._gallery(missing, self._caption),
            findings[1].title: self._gallery(wrong, self._caption),
            findings[2].title: self._gallery(
                [(int(image), 0) for image in unsure],
                lambda image, _: self._nearest(image),
            ),
        }
        return LabelCheck(
            [finding for finding in findings if finding.count],
            {title: own for title, own in galleries.items() if own[0].pictures},
            [self._fix(*entry) for entry in self.found.ranked(likely)],
        )

    def _errors(
        self, title: str, text: str, entries: Sequence[tuple[int, int]]
    ) -> Finding:
        return Finding(
            "warning",
            title,
            text,
            ("image", "label", "probability"),
            [
                [
                    self._path(image),
                    self.names[label],
                    f"{self.probabilities[image, label]:.3f}",
                ]
                for image, label in entries
            ],
        )

    def _health(self) -> Finding:
        likely, targets = self.found.likely, self.targets
        missing = (likely & (targets == 0)).sum(axis=0)
        wrong = (likely & (targets == 1)).sum(axis=0)
        present = (targets == 1).sum(axis=0)
        doubtful = (missing + wrong) / np.maximum(present, 1)
        return Finding(
            "note",
            "Health of labels",
            "Those with the largest share of doubtful entries first: probably missing "
            "and wrong ones against the images that have the label. Average precision "
            "in percent says how well the model knows the label.",
            (
                "label",
                "images",
                "average precision",
                "probably missing",
                "probably wrong",
                "doubtful, %",
            ),
            [
                [
                    self.names[i],
                    f"{present[i]:,}",
                    "-"
                    if np.isnan(self.found.precisions[i])
                    else f"{100 * self.found.precisions[i]:.1f}",
                    f"{missing[i]:,}",
                    f"{wrong[i]:,}",
                    f"{100 * doubtful[i]:.1f}",
                ]
                for i in np.argsort(-doubtful, kind="stable")
            ],
        )

    def _gallery(
        self,
        entries: Sequence[tuple[int, int]],
        caption: Callable[[int, int], str],
    ) -> list[Gallery]:
        pictures = []
        for image, label in entries:
            summary = self.rows.checks[self.scored[image]].description
            if isinstance(summary, ImageSummary) and summary.thumbnail:
                name = f"{self._path(image)}: {self._given(image)}"
                pictures.append(Picture(summary.thumbnail, caption(image, label), name))
            if len(pictures) == _SHOWN:
                break
        return [Gallery("", pictures)]

    def _caption(self, image: int, label: int) -> str:
        return f"{self.names[label]} {self.probabilities[image, label]:.2f}"

    def _nearest(self, image: int) -> str:
        order = np.argsort(np.abs(self.probabilities[image] - 0.5), kind="stable")
        return ", ".join(self._caption(image, label) for label in order[:3])

    def _given(self, image: int) -> str:
        present = np.flatnonzero(self.targets[image] == 1)
        return ", ".join(self.names[int(i)] for i in present) or "no label"

    def _path(self, image: int) -> str:
        return self.rows.images[self.scored[image]].path

    def _fix(self, image: int, label: int) -> LabelFix:
        given = int(self.targets[image, label])
        return LabelFix(
            self._path(image),
            self.names[label],
            _STATES[given],
            _STATES[1 - given],
            float(self.probabilities[image, label]),
        )
