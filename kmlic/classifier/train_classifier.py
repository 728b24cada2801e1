"""From a file of labels to the best model that its images allow."""

import contextlib
import dataclasses
import shlex
import shutil
import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from rich.console import Console

from kmlic.backbones import build_backbone
from kmlic.backbones.packaged_weights import PACKAGES
from kmlic.classifier.budget import Budget
from kmlic.classifier.calibration import Calibration, calibration
from kmlic.classifier.candidate import Candidate
from kmlic.classifier.check import Checked, check
from kmlic.classifier.choice import Choice, build_chosen, choice
from kmlic.classifier.classifier_settings import ClassifierSettings
from kmlic.classifier.discriminant import discriminant
from kmlic.classifier.features import (
    Classifier,
    Features,
    features,
    images_per_batch,
)
from kmlic.classifier.fine_tuning import fine_tuning
from kmlic.classifier.floor import FLOOR, Floor, floor
from kmlic.classifier.heads import heads
from kmlic.classifier.images import Images
from kmlic.classifier.protocol import Protocol, make_protocol
from kmlic.classifier.report import report_sections
from kmlic.count_noun import count_noun
from kmlic.data.file_pixels import FilePixels
from kmlic.data.multi_label_data import SPLITS
from kmlic.data.reading_options import ReadingOptions
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
    describe_sizes,
    summarise_run,
    title_of,
)
from kmlic.experiments.unseen_scores import write_unseen_scores
from kmlic.export import ExportOptions, export_checked
from kmlic.html_report import Section, write_report
from kmlic.known_names import Metric
from kmlic.labels import Labels, to_probabilities
from kmlic.require_preset import PREFIXES
from kmlic.run_folder import MODEL, REPORT, Run, RunFolder, describe_command
from kmlic.training.as_float32 import as_float32
from kmlic.training.open_log import open_log
from kmlic.training.scoring import predict_logits

_EXPORT_IMAGES = 8
_EXPORT_SECONDS = 25.0
_RESAMPLES = 1000
_SIDE = 224
_THUMBNAIL = 96


def train_classifier(
    data: Any,
    settings: ClassifierSettings | None = None,
    *,
    test: Any = None,
    reading: ReadingOptions | None = None,
    groups: Mapping[str, Sequence[str]] | None = None,
    console: Console | None = None,
) -> Run:
    """Trains the best classifier that the images and the minutes allow.

    Everything that takes long is kept beside the run's folder, in the hidden folder
    `.<name>.stages`: the same call goes on where it was interrupted. It is removed at
    the end, unless more minutes would be used, for larger images or longer training:
    then the same call with more of them takes up what is there. The run's folder is
    written at the end, completely or not at all.

    Args:
        data: a path that `kmlic data check` reads, the name of a dataset, a pandas
            DataFrame with a column path, or a `MultiLabelData`. The columns x1, y1, x2
            and y2 of a CSV are cut out of each image.
        settings: see `ClassifierSettings`.
        test: images for the test alone, given like `data`. Without it, and without
            test images in `data`, a fifth of the images is kept for the test.
        reading: how paths are read, see `kmlic.data.read_listing`.
        groups: group name to labels of which an image has exactly one.
        console: where progress is shown; nowhere when None.

    Returns:
        What run.json holds.

    Raises:
        ValueError: if the data cannot be trained on; says why and what to do.
        MemoryError: if the memory does not suffice.

    Example:
        >>> train_classifier("gone/labels.csv")
        Traceback (most recent call last):
            ...
        ValueError: gone/labels.csv must be a file or folder; there is none.
    """
    settings = settings or ClassifierSettings()
    settings.require_files()
    budget = Budget(settings.minutes, console)
    start = time.monotonic()
    run_folder = RunFolder(settings.folder)
    run_folder.begin({})
    stages = run_folder.path.with_name(f".{run_folder.path.name}.stages")
    existed = stages.exists()
    with budget.reporting(), _explaining(settings, stages, budget):
        try:
            build = _backbone_builder(settings)
            checked = check(
                data, stages, settings, test=test, reading=reading, groups=groups
            )
            metric = _metric(settings, checked.images)
            protocol = make_protocol(checked.images, seed=settings.seed)
        except BaseException:
            if not existed:
                shutil.rmtree(stages, ignore_errors=True)
            raise
        trained = _train(
            checked, protocol, build, metric, settings, stages, budget, run_folder
        )
        run = _finish(trained, build, budget, start)
    _say_next(run_folder.path, stages, budget)
    return run


@contextlib.contextmanager
def _explaining(
    settings: ClassifierSettings, stages: Path, budget: Budget
) -> Iterator[None]:
    """Says what to do after an interruption, and without enough memory."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        if stages.exists():
            budget.say("interrupted", "the same command goes on where it was")
        raise
    except (MemoryError, tf.errors.ResourceExhaustedError) as error:
        smaller = max(32, (settings.image_size or _SIDE) // 2)
        size = settings.image_size or "chosen by the minutes"
        text = (
            "the training must fit into memory; it did not with "
            f"backbone={settings.network} and image_size={size}. Close other programs, "
            f"or choose a smaller --image_size, such as {smaller}, or --backbone."
        )
        if stages.exists():
            text += f" What was computed is in {stages}, which can be removed."
        raise MemoryError(text) from error


def _train(
    checked: Checked,
    protocol: Protocol,
    build: Callable[[int | None], keras.Model],
    metric: Metric,
    settings: ClassifierSettings,
    stages: Path,
    budget: Budget,
    run_folder: RunFolder,
) -> "_Trained":
    _say_data(checked, budget)
    found, base, candidates = _fit(
        checked.images, protocol, build, metric, settings, stages, budget
    )
    images, everything = checked.images, protocol.scored
    protocol = protocol.first(min(each.logits.shape[1] for each in candidates))
    targets = images.targets[protocol.scored]
    labels = dataclasses.replace(images.labels, image_size=found.image_size)
    budget.do("choice", f"{count_noun(len(candidates), 'model')} and their averages")
    chosen = choice(
        candidates,
        targets,
        labels,
        budget,
        metric=metric,
        groups=images.groups_of(protocol.scored),
    )
    calibrations = {
        row.name: calibration(row.logits, targets, labels, protocol)
        for row in (chosen.rows[0], chosen.chosen)
    }
    budget.say("calibration", calibrations[chosen.chosen.name].text)
    return _Trained(
        settings,
        checked,
        found,
        protocol,
        metric,
        base,
        chosen,
        calibrations,
        run_folder,
        everything[len(protocol.scored) :],
    )


def _fit(
    images: Images,
    protocol: Protocol,
    build: Callable[[int | None], keras.Model],
    metric: Metric,
    settings: ClassifierSettings,
    stages: Path,
    budget: Budget,
) -> tuple[Features, Floor, list[Candidate]]:
    """Runs the stages that fit models, from simple to complex."""
    classifier = _classifier(settings)
    budget.do("features", "measuring how long an image takes")
    found = features(
        images,
        build,
        stages,
        budget,
        classifier=classifier,
        image_size=settings.image_size,
    )
    budget.do("floor", f"{FLOOR} with several penalties")
    base = floor(images, found, protocol, stages, budget, metric=metric)
    candidates = [base.candidate]
    if settings.tries("peaks"):
        budget.do("heads", "peaks of the feature map")
        candidates += heads(
            images, found, base, protocol, stages, budget, metric=metric
        )
    found = dataclasses.replace(found, maps=None)  # so that their memory is freed
    if settings.tries("discriminant"):
        budget.do("discriminant", "discriminant analysis on several views")
        candidates += discriminant(
            images,
            found,
            protocol,
            build,
            stages,
            budget,
            classifier=classifier,
            metric=metric,
        )
    if settings.tries("fine_tuned"):
        budget.do("fine-tuning", "measuring its speed")
        candidates += fine_tuning(
            images,
            found,
            base,
            protocol,
            build,
            stages,
            budget,
            settings=settings,
            reserve=_reserve(images, found),
            metric=metric,
        )
    return found, base, candidates


def _say_next(folder: Path, stages: Path, budget: Budget) -> None:
    """Says which command is next, and removes what no longer training would use."""
    text = f"kmlic predict {shlex.quote(str(folder))} IMAGES; {folder / REPORT}"
    if budget.wishes:
        text += (
            f". More --minutes allow {' and '.join(budget.wishes)}: the same command "
            f"goes on from {stages}, which can be removed"
        )
    else:
        shutil.rmtree(stages, ignore_errors=True)
    budget.say("next", text)


@dataclasses.dataclass(frozen=True, eq=False)
class _Trained:
    settings: ClassifierSettings
    checked: Checked
    features: Features
    protocol: Protocol
    metric: Metric
    floor: Floor
    choice: Choice
    calibrations: Mapping[str, Calibration]
    folder: RunFolder
    floor_rows: np.ndarray  # which the floor alone has scores of

    @property
    def calibration(self) -> Calibration:
        """Returns that of the chosen model."""
        return self.calibrations[self.choice.chosen.name]

    @property
    def labels(self) -> Labels:
        """Returns the labels with the thresholds of the chosen model."""
        return self.calibration.labels


def _reserve(images: Images, found: Features) -> float:
    """Returns the seconds that exports and scores of the test images take."""
    return _EXPORT_SECONDS + found.seconds * len(images.test_rows)


def _metric(settings: ClassifierSettings, images: Images) -> Metric:
    if images.labels.exclusive:
        settings.check_groups()
    if settings.metric == "accuracy" and not images.labels.exclusive:
        raise ValueError(
            "`metric` must be mAP for labels without exclusive groups; got accuracy."
        )
    return settings.metric or ("accuracy" if images.labels.exclusive else "mAP")


def _classifier(settings: ClassifierSettings) -> Classifier | None:
    """Returns the classifier of a backbone whose ImageNet weights come with kmlic."""
    if settings.weights != "imagenet" or settings.network not in PACKAGES:
        return None
    complete = build_backbone(settings.network, weights="imagenet", include_top=True)
    kernel, bias = complete.layers[-1].get_weights()
    return kernel, bias


def _backbone_builder(
    settings: ClassifierSettings,
) -> Callable[[int | None], keras.Model]:
    """Returns what builds the backbone, once it has been seen to build it."""
    # A preset of keras-hub has weights of its own.
    preset = settings.network.startswith(PREFIXES)
    weights = None if preset else settings.weights

    def build(image_size: int | None) -> keras.Model:
        # So that weights that are not loaded are the same in every stage.
        keras.utils.set_random_seed(settings.seed)
        kept = keras.config.dtype_policy()
        keras.config.set_dtype_policy(settings.dtype_policy)
        try:
            return build_backbone(
                settings.network, image_size=image_size, weights=weights
            )
        finally:
            keras.config.set_dtype_policy(kept)

    build(settings.image_size or _SIDE)  # weights are missing before anything is read
    return build


def _say_data(checked: Checked, budget: Budget) -> None:
    images = checked.images
    text = (
        f"{describe_sizes(_sizes(images))}; {count_noun(len(images.labels), 'label')}"
    )
    if images.labels.exclusive:
        text += f" in {count_noun(len(images.labels.groups or {}), 'exclusive group')}"
    if checked.findings:
        titles = [f"{f.title.lower()}: {f.count:,}" for f in checked.findings]
        text += f"; {'; '.join(titles)}"
    if checked.summary:
        budget.say("read", checked.summary)
    budget.say("check", text)


def _sizes(images: Images) -> dict[str, int]:
    return {
        name: int((images.split == number).sum()) for number, name in enumerate(SPLITS)
    }


def _finish(
    trained: _Trained,
    build: Callable[[int | None], keras.Model],
    budget: Budget,
    start: float,
) -> Run:
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
    _write_page(trained, judged, run, model, budget.wishes)
    trained.folder.finish()
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


def _judge(trained: _Trained, model: keras.Model) -> _Judged:
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
        standing = _standing(trained, chosen.interval, chosen.above_floor)
        return _Judged(
            reports,
            _verdict(standing, where),
            standing,
            examined,
            out_of_fold,
            0,
        )
    batches = images.batches(rows, image_size=size, batch_size=images_per_batch(size))
    targets, own = predict_logits(model, batches)
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
        trained, bootstrap.interval(values), bootstrap.difference(values, floor_values)
    )
    return _Judged(
        reports,
        _verdict(standing, count_noun(len(rows), "test image")),
        standing,
        np.concatenate([examined, rows]),
        np.concatenate([out_of_fold, own]),
        len(rows),
    )


def _log_stages(trained: _Trained, reports: Mapping[str, Mapping[str, Report]]) -> None:
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


def _write_unseen(trained: _Trained, judged: _Judged) -> None:
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


def _draw_maps(trained: _Trained, judged: _Judged, model: keras.Model) -> Section:
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


def _standing(trained: _Trained, value: Interval, above: Interval) -> Standing:
    name = trained.choice.chosen.name
    network = trained.settings.network
    return Standing(
        f"{name} on {network}",
        trained.metric,
        value,
        f"{FLOOR} on {network}",
        None if name == FLOOR else above,
    )


def _verdict(standing: Standing, where: str) -> str:
    text = f"{standing.model}: {standing.metric} {standing.value} on {where}"
    if standing.above is None:
        return f"{text}. No other model is clearly better."
    return f"{text}; against {FLOOR}: {standing.above.describe_difference()}."


def _write_page(
    trained: _Trained,
    judged: _Judged,
    run: Run,
    model: keras.Model,
    wishes: Sequence[str],
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
    )
    write_report(
        trained.folder.draft / REPORT,
        f"Classifier for {title_of(run)}",
        sections,
        summary,
    )


def _scored(
    trained: _Trained, name: str, rows: np.ndarray, probabilities: np.ndarray
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
    trained: _Trained,
    reports: Mapping[str, Mapping[str, Report]],
    model: keras.Model,
    start: float,
) -> Run:
    images, chosen = trained.checked.images, trained.choice.chosen
    settings = dataclasses.asdict(trained.settings)
    seed = trained.settings.seed
    return Run(
        recipe=TRAIN_RECIPE,
        command=describe_command(),
        settings={
            **settings,
            "dataset": images.source,
            "image_size": trained.features.image_size,
            "batch_size": images_per_batch(trained.features.image_size),
            "metric": trained.metric,
        },
        data={
            "name": images.source,
            "fingerprints": {str(seed): images.fingerprint},
            "sizes": _sizes(images),
            "skipped": trained.checked.skipped,
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
        weights="fitted to all training and validation images",
    )


def _describe(trained: _Trained) -> dict[str, Any]:
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
