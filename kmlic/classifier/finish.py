"""The last stage: exports, scores of the test images, run.json and the report."""

import dataclasses
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from kmlic.classifier.budget import Budget
from kmlic.classifier.calibration import Calibration
from kmlic.classifier.check import Checked
from kmlic.classifier.choice import Choice, build_chosen
from kmlic.classifier.classifier_settings import ClassifierSettings
from kmlic.classifier.features import Features, images_per_batch
from kmlic.classifier.floor import FLOOR, Floor
from kmlic.classifier.protocol import Protocol
from kmlic.classifier.report import report_sections
from kmlic.count_noun import count_noun
from kmlic.data.file_pixels import FilePixels
from kmlic.evaluation.bootstrap import Bootstrap, Interval
from kmlic.evaluation.label_errors import find_label_errors
from kmlic.evaluation.report import Report, report_scores
from kmlic.experiments.describe_data import (
    TRAIN_IMAGES,
    TRAIN_RECIPE,
    describe_data,
)
from kmlic.experiments.map_examples import map_examples
from kmlic.experiments.report_values import report_values
from kmlic.experiments.run_images import load_run_images, write_run_images
from kmlic.experiments.scored_images import ScoredImages
from kmlic.experiments.summarise_run import (
    Standing,
    describe_caution,
    summarise_run,
    title_of,
)
from kmlic.experiments.unseen_scores import write_unseen_scores
from kmlic.export import ExportOptions, export_checked
from kmlic.html_report import Section, write_report
from kmlic.known_names import Metric
from kmlic.labels import Labels, to_probabilities
from kmlic.run_folder import (
    MODEL,
    RECORD,
    REPORT,
    Run,
    RunFolder,
    describe_command,
)
from kmlic.training.as_float32 import as_float32
from kmlic.training.open_log import open_log
from kmlic.training.scoring import predict_logits

EXPORT_SECONDS = 35.0  # that exports, choice and report take
_EXPORT_IMAGES = 8
_RESAMPLES = 1000
_THUMBNAIL = 96


@dataclasses.dataclass(frozen=True, eq=False)
class FittedModels:
    """Holds what the stages before have found.

    Args:
        settings: of the training.
        checked: the images, and what is wrong with the data.
        features: of all images.
        protocol: which images all candidates were scored on.
        metric: by which they were compared.
        floor: the logistic regression.
        choice: what is exported, and what it was chosen from.
        calibrations: of the floor and of the chosen model, by name.
        folder: of the run.
        floor_rows: the images that the floor alone has scores of.
    """

    settings: ClassifierSettings
    checked: Checked
    features: Features
    protocol: Protocol
    metric: Metric
    floor: Floor
    choice: Choice
    calibrations: Mapping[str, Calibration]
    folder: RunFolder
    floor_rows: np.ndarray

    @property
    def calibration(self) -> Calibration:
        """Returns that of the chosen model."""
        return self.calibrations[self.choice.chosen.name]

    @property
    def labels(self) -> Labels:
        """Returns the labels with the thresholds of the chosen model."""
        return self.calibration.labels


def finish(
    trained: FittedModels,
    build: Callable[[int | None], keras.Model],
    budget: Budget,
    start: float,
) -> Run:
    """Exports the chosen model, tests it, and writes the run's folder.

    Args:
        trained: what the stages before have found.
        build: image size to the backbone.
        budget: prints what is done.
        start: of the training, by `time.monotonic`.

    Returns:
        What run.json holds.
    """
    images, chosen = trained.checked.images, trained.choice.chosen
    labels, size = trained.labels, trained.features.image_size
    budget.do("export", "building the model")
    model = trained.calibration.apply(build_chosen(chosen, lambda: build(size)))
    if trained.settings.dtype_policy != "float32":
        model = as_float32(model)
    working = trained.folder.draft
    labels.write(working / "labels.json")
    model.save(working / MODEL)
    rows = images.test_rows if len(images.test_rows) else images.training_rows
    few = images.batches(rows[:_EXPORT_IMAGES], image_size=size, batch_size=8)
    pixels = next(iter(few))[0].numpy()
    options = ExportOptions(labels=labels, images=pixels)
    exports = []
    for format in ("saved_model", "tflite"):
        budget.do("export", f"converting the model to {format}")
        exports += export_checked(model, working, format, options)
    budget.say("export", ", ".join(each.name_in(working) for each in exports))
    budget.do("test", count_noun(len(images.test_rows), "image"))
    judged = _judge(trained, model)
    verdict = judged.verdict
    _write_unseen(trained, judged)
    run = _record(trained, judged.reports, model, start)
    differences = {each.name_in(working): each.difference for each in exports}
    run = dataclasses.replace(run, exports=differences)
    run.write(working / "run.json")
    if images.digests is not None:
        np.save(working / TRAIN_IMAGES, images.digests[images.training_rows])
    replaced = _compare_replaced(trained, run)
    _write_page(trained, judged, run, model, budget.wishes, replaced)
    trained.folder.finish()
    if replaced:
        budget.say("replaced", replaced)
    budget.say("verdict", verdict)
    _log_stages(trained, judged.reports)
    return run


@dataclasses.dataclass(frozen=True, eq=False)
class _Judged:
    """Scores of images by models that were not fitted to them.

    First those that the metrics before the test are of, then those that the floor alone
    scored, then the test images.
    """

    reports: dict[str, dict[str, Report]]
    verdict: str
    standing: Standing
    rows: np.ndarray
    logits: np.ndarray
    num_tested: int  # of the rows, at their end


def _judge(trained: FittedModels, model: keras.Model) -> _Judged:
    """Scores the test images with the exported model and with the floor."""
    images, chosen = trained.checked.images, trained.choice.chosen
    labels, size = trained.labels, trained.features.image_size
    scored = images.targets[trained.protocol.scored]
    logits = {
        row.name: trained.calibrations[row.name](row.logits)
        for row in (chosen, trained.choice.rows[0])
    }
    reports = {
        "validation": _reports(
            scored,
            logits,
            trained.calibrations,
            images.groups_of(trained.protocol.scored),
        )
    }
    rows = images.test_rows
    base = trained.floor
    rest = base.candidate.logits[0, len(scored) :]
    out_of_fold = np.concatenate(
        [logits[chosen.name], trained.calibrations[FLOOR](rest)]
    )
    examined = np.concatenate([trained.protocol.scored, trained.floor_rows])
    if not len(rows):
        where = (
            f"{count_noun(len(scored), 'training image')}, each scored by a model that "
            "did not see it; there are no test images"
        )
        caution = describe_caution(scored, trained.metric, images="images")
        standing = _standing(trained, chosen.interval, chosen.above_floor, caution)
        return _Judged(
            reports,
            _verdict(standing, where),
            standing,
            examined,
            out_of_fold,
            0,
        )
    batches = images.batches(rows, image_size=size, batch_size=images_per_batch(size))
    _, own = predict_logits(model, batches)
    targets = images.targets[rows]
    plain = base.weights(trained.features.pooled[0, rows, base.columns])
    plain = trained.calibrations[FLOOR](plain)
    # In this order, the exported model's own scores stay where it is the floor.
    logits = {FLOOR: plain, chosen.name: own}
    reports["test"] = _reports(
        targets, logits, trained.calibrations, images.groups_of(rows)
    )
    bootstrap = Bootstrap(
        targets, labels, metric=trained.metric, groups=images.groups_of(rows)
    )
    values, floor_values = bootstrap.values(own), bootstrap.values(plain)
    standing = _standing(
        trained,
        bootstrap.interval(values),
        bootstrap.difference(values, floor_values),
        describe_caution(targets, trained.metric, copies=len(images.copied_test_rows)),
    )
    return _Judged(
        reports,
        _verdict(standing, count_noun(len(rows), "test image")),
        standing,
        np.concatenate([examined, rows]),
        np.concatenate([out_of_fold, own]),
        len(rows),
    )


def _log_stages(
    trained: FittedModels, reports: Mapping[str, Mapping[str, Report]]
) -> None:
    """Writes the metric of every candidate and those of the splits to the log."""
    settings, metric = trained.settings, trained.metric
    values = {
        f"candidates/{metric} {row.name}": row.interval.value
        for row in trained.choice.rows
    } | {
        f"{split}/{name} {model}": value
        for split, models in reports.items()
        for model, report in models.items()
        for name, value in report.metrics.items()
        if "/" not in name and not np.isnan(value)
    }
    with open_log(
        settings.log,
        title="stages",
        folder=settings.folder,
        settings=dataclasses.asdict(settings),
    ) as log:
        log.write(values)


def _write_unseen(trained: FittedModels, judged: _Judged) -> None:
    images = trained.checked.images
    if images.digests is None:
        return
    digests = images.digests[judged.rows]
    # The exported model was fitted to a test image that is a copy of a training image.
    fitted = np.isin(digests, images.digests[images.training_rows])
    unseen = ~(fitted & np.isin(judged.rows, images.test_rows))
    write_unseen_scores(
        trained.folder.draft,
        trained.labels,
        digests=digests[unseen],
        probabilities=to_probabilities(judged.logits[unseen], trained.labels),
    )


def _draw_maps(trained: FittedModels, judged: _Judged, model: keras.Model) -> Section:
    """Draws where the exported model looks on test images."""
    images, size = trained.checked.images, trained.features.image_size
    count = len(images.test_rows)
    if not count:
        return Section("Maps")

    def load(rows: np.ndarray) -> np.ndarray:
        chosen = images.test_rows[rows]
        batches = images.batches(
            chosen, image_size=size, batch_size=images_per_batch(size)
        )
        return np.concatenate([pixels for pixels, _ in batches.as_numpy_iterator()])

    return map_examples(
        model,
        trained.labels,
        images.targets[images.test_rows],
        to_probabilities(judged.logits[-count:], trained.labels),
        load,
        shown="test images",
    )


def _standing(
    trained: FittedModels, value: Interval, above: Interval, caution: str
) -> Standing:
    name = trained.choice.chosen.name
    network = trained.settings.network
    return Standing(
        f"{name} on {network}",
        trained.metric,
        value,
        f"{FLOOR} on {network}",
        None if name == FLOOR else above,
        caution,
    )


def _verdict(standing: Standing, where: str) -> str:
    scored = f"{standing.metric} {standing.value} on {where}{standing.caution}"
    text = f"{standing.model}: {scored}"
    if standing.above is None:
        return f"{text}. No other model is clearly better."
    return f"{text}; against {FLOOR}: {standing.above.describe_difference()}."


def _compare_replaced(trained: FittedModels, run: Run) -> str:
    """Says that the run to be replaced was better before the test, if it was."""
    record, seed = trained.folder.path / RECORD, str(trained.settings.seed)
    if not record.exists():
        return ""
    try:
        theirs = Run.read(record)
    except ValueError:  # of another version
        return ""

    def scored(run: Run) -> tuple[Any, Any]:
        on = run.data.get("seeds", {}).get(seed, {})
        return run.data.get("scored"), on.get("splits")

    def value(run: Run) -> float:
        model = (run.data.get("exported") or {}).get("model", "")
        values = run.results.get("validation", {}).get(model, {})
        return round(100 * (values.get(trained.metric) or 0.0), 1)

    if scored(theirs) != scored(run) or not value(theirs) > value(run):
        return ""
    return (
        f"the run that this one replaces had {trained.metric} {value(theirs):.1f} "
        f"{trained.protocol.name}, this one {value(run):.1f}"
    )


def _write_page(
    trained: FittedModels,
    judged: _Judged,
    run: Run,
    model: keras.Model,
    wishes: Sequence[str],
    replaced: str,
) -> None:
    images, labels = trained.checked.images, trained.labels
    probabilities = to_probabilities(judged.logits, labels)
    count = len(trained.protocol.scored)
    before = len(judged.rows) - judged.num_tested

    def scored(name: str, start: int, end: int) -> ScoredImages:
        return _scored(trained, name, judged.rows[start:end], probabilities[start:end])

    unseen = "scored by models that did not see them"
    examined = scored(f"{count_noun(count, 'training image')}, {unseen}", 0, count)
    doubted = examined
    if before > count:
        by = f"{before - count:,} of them by {FLOOR}"
        name = f"{count_noun(before, 'training image')}, {unseen}, {by}"
        doubted = scored(name, 0, before)
    tested = examined
    if judged.num_tested:
        name = count_noun(judged.num_tested, "test image")
        tested = scored(name, before, len(judged.rows))
    try:
        errors = find_label_errors(doubted.targets, doubted.probabilities)
    except ImportError:  # without the extra label_errors
        errors = None
    training = (images.targets[images.training_rows] == 1).sum(axis=0)
    findings = trained.checked.findings
    sections = report_sections(
        run=run,
        folder=trained.folder.draft,
        tested=tested,
        examined=examined,
        doubted=doubted,
        training=training,
        rows=trained.choice.rows,
        chosen=trained.choice.chosen,
        metric=trained.metric,
        scored=trained.protocol.name,
        findings=findings,
        galleries=trained.checked.galleries,
        errors=errors,
        maps=_draw_maps(trained, judged, model),
    )
    summary = summarise_run(
        run,
        judged.standing,
        tested,
        folder=trained.folder.path,
        training=training,
        reading=trained.checked.reading,
        findings=findings,
        errors=errors,
        wishes=wishes,
        replaced=replaced,
    )
    write_report(
        trained.folder.draft / REPORT,
        f"Classifier for {title_of(run)}",
        sections,
        summary,
    )


def _scored(
    trained: FittedModels, name: str, rows: np.ndarray, probabilities: np.ndarray
) -> ScoredImages:
    images = trained.checked.images

    def load(chosen: np.ndarray) -> dict[int, np.ndarray]:
        batches = images.batches(rows[chosen], image_size=_THUMBNAIL, batch_size=32)
        pixels = (image for batch, _ in batches.as_numpy_iterator() for image in batch)
        return dict(zip(chosen.tolist(), pixels, strict=True))

    return ScoredImages(
        name,
        trained.labels,
        images.targets[rows],
        probabilities,
        load,
        [images.paths[row] for row in rows],
    )


def _reports(
    targets: np.ndarray,
    logits: Mapping[str, np.ndarray],
    calibrations: Mapping[str, Calibration],
    groups: Sequence[Hashable] | None,
) -> dict[str, Report]:
    reports = {}
    for name, own in logits.items():
        labels = calibrations[name].labels
        reports[name] = report_scores(
            targets,
            to_probabilities(own, labels),
            labels,
            resamples=_RESAMPLES,
            image_groups=groups,
        )
    return reports


def _record(
    trained: FittedModels,
    reports: Mapping[str, Mapping[str, Report]],
    model: keras.Model,
    start: float,
) -> Run:
    images, chosen = trained.checked.images, trained.choice.chosen
    seed = trained.settings.seed
    return Run(
        recipe=TRAIN_RECIPE,
        command=describe_command(),
        settings={
            **dataclasses.asdict(trained.settings),
            **trained.folder.settings,
            "dataset": images.source,
            "image_size": trained.features.image_size,
            "batch_size": images_per_batch(trained.features.image_size),
            "metric": trained.metric,
        },
        data={
            "name": images.source,
            "fingerprints": {str(seed): images.fingerprint},
            "sizes": images.sizes,
            "skipped": trained.checked.skipped,
            "scored": len(trained.protocol.scored),
            "exported": {"model": chosen.name, "seed": seed},
            "seeds": {str(seed): _describe(trained)},
            "labels": trained.labels.hash,
        },
        results=report_values(reports, "metrics"),
        deviations={},
        seeds={},
        per_label=report_values(reports, "per_label"),
        intervals=_intervals(reports, "intervals"),
        label_intervals=_intervals(reports, "label_intervals"),
        parameters={chosen.name: model.count_params()},
        exports={},
        seconds={
            **{row.name: round(row.seconds, 1) for row in trained.choice.rows[:1]},
            "features": round(trained.features.seconds * len(images.targets), 1),
            "all": round(time.monotonic() - start, 1),
        },
        weights=_fitted_to(trained),
    )


def _fitted_to(trained: FittedModels) -> str:
    """Returns which images the exported model was fitted to."""
    members = trained.choice.chosen.members
    fine_tuned = any(each.model for each in members)
    if trained.protocol.cross_validated:
        return "fitted to all training and validation images"
    if fine_tuned or not trained.floor.refitted:
        return "fitted to the training images without the validation images"
    return "fitted to all training and validation images"


def _describe(trained: FittedModels) -> dict[str, Any]:
    """Writes which images these were, and returns what loads them again."""
    images, data = trained.checked.images, trained.checked.dataset
    if data is not None:
        return describe_data(data)
    labels, folder = trained.labels, trained.folder.draft
    if isinstance(images.pixels, FilePixels) and images.digests is not None:
        write_run_images(
            folder,
            labels,
            images.pixels,
            paths=images.paths,
            targets=images.targets,
            split=images.split,
            digests=images.digests,
            groups=images.groups_of(np.arange(len(images.split))),
        )
    return describe_data(
        load_run_images(
            folder,
            labels,
            check=(),
            image_size=trained.features.image_size,
            batch_size=images_per_batch(trained.features.image_size),
            seed=trained.settings.seed,
        )
    )


def _intervals(
    reports: Mapping[str, Mapping[str, Report]], field: str
) -> dict[str, dict[str, dict[str, dict[str, float]]]]:
    return {
        split: {
            name: report.describe_intervals()[field] for name, report in models.items()
        }
        for split, models in reports.items()
    }
