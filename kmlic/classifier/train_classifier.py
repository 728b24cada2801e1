"""From a file of labels to the best model that its images allow."""

import contextlib
import dataclasses
import shlex
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from rich.console import Console

from kmlic.backbones import build_backbone
from kmlic.classifier.budget import Budget
from kmlic.classifier.calibration import calibration
from kmlic.classifier.candidate import Candidate
from kmlic.classifier.check import Checked, check
from kmlic.classifier.choice import choice
from kmlic.classifier.classifier_settings import SMALLEST_SIDE, ClassifierSettings
from kmlic.classifier.describe_training import describe_training
from kmlic.classifier.discriminant import discriminant
from kmlic.classifier.features import Classifier, Features, features, largest_size
from kmlic.classifier.fine_tuning import (
    MORE_EPOCHS,
    fine_tuning,
    has_enough_images,
    remove_crops,
)
from kmlic.classifier.finish import EXPORT_SECONDS, FittedModels, finish
from kmlic.classifier.floor import FLOOR, Floor, floor
from kmlic.classifier.heads import heads
from kmlic.classifier.images import Images
from kmlic.classifier.protocol import Protocol, make_protocol
from kmlic.count_noun import count_noun
from kmlic.data import MultiLabelData
from kmlic.data.reading_options import ReadingOptions
from kmlic.experiments.summarise_run import describe_sizes
from kmlic.known_names import Metric
from kmlic.packaged_weights import PACKAGES
from kmlic.require_preset import PREFIXES
from kmlic.run_folder import REPORT, Run, RunFolder
from kmlic.training.open_log import retry_logs

_SIDE = 224


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
    written at the end, completely or not at all; a run of the same data and settings,
    minutes and log aside, that is there is replaced then, and any other is refused.

    Args:
        data: a path that `kmlic data check` reads, the name of a dataset, a pandas
            DataFrame with a column path, or a `MultiLabelData`. The columns x1, y1, x2
            and y2 of a CSV are cut out of each image.
        settings: see `ClassifierSettings`.
        test: images for the test alone, given like `data`. Without it, and without
            test images in `data`, a fifth of the images is kept for the test.
        reading: how paths are read, see `kmlic.data.read_listing`.
        groups: group name to labels of which an image has exactly one; they must hold
            every label.
        console: where progress is shown; nowhere when None.

    Returns:
        What run.json holds.

    Raises:
        ValueError: if the data cannot be trained on, or the folder holds another run;
            says why and what to do.
        MemoryError: if the memory does not suffice.
        ImportError: naming the extra that is not installed.

    Example:
        >>> train_classifier("gone/labels.csv")
        Traceback (most recent call last):
            ...
        ValueError: gone/labels.csv must be a file or folder; there is none.
    """
    settings = settings or ClassifierSettings()
    settings.require_files()
    retry_logs()
    budget = Budget(settings.minutes, console)
    start = time.monotonic()
    run_folder = RunFolder(settings.folder)
    run_folder.begin(
        describe_training(data, settings, test=test, reading=reading, groups=groups)
    )
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
        _say_data(checked, budget)
        named = checked.dataset is not None and not isinstance(data, MultiLabelData)
        size = settings.image_size or (None if named else checked.images.image_size)
        if size is None:
            size = largest_size(checked.images, build, stages, budget)
            if named and size != checked.images.image_size:
                budget.do("check", f"{checked.images.source} at {size} pixels")
                at_size = dataclasses.replace(settings, image_size=size)
                checked = check(data, stages, at_size, reading=reading)
        trained = _train(
            checked, size, protocol, build, metric, settings, stages, budget, run_folder
        )
        run = finish(trained, build, budget, start)
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
        size = settings.image_size or "chosen by the minutes"
        change = "another --backbone"
        if settings.image_size != SMALLEST_SIDE:
            smaller = max(SMALLEST_SIDE, (settings.image_size or _SIDE) // 2)
            change = f"a smaller --image_size, such as {smaller}, or {change}"
        text = (
            "the training must fit into memory; it did not with "
            f"backbone={settings.network} and image_size={size}. Close other programs, "
            f"or choose {change}."
        )
        if stages.exists():
            text += f" What was computed is in {stages}, which can be removed."
        raise MemoryError(text) from error


def _train(
    checked: Checked,
    image_size: int,
    protocol: Protocol,
    build: Callable[[int | None], keras.Model],
    metric: Metric,
    settings: ClassifierSettings,
    stages: Path,
    budget: Budget,
    run_folder: RunFolder,
) -> FittedModels:
    found, base, candidates = _fit(
        checked.images, image_size, protocol, build, metric, settings, stages, budget
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
    return FittedModels(
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
    image_size: int,
    protocol: Protocol,
    build: Callable[[int | None], keras.Model],
    metric: Metric,
    settings: ClassifierSettings,
    stages: Path,
    budget: Budget,
) -> tuple[Features, Floor, list[Candidate]]:
    """Runs the stages that fit models, from simple to complex."""
    classifier = _classifier(settings)
    budget.do("features", "building the backbone")
    found = features(
        images,
        build,
        stages,
        budget,
        classifier=classifier,
        image_size=image_size,
        activations=has_enough_images(images),
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
    tuned: list[Candidate] = []
    if settings.tries("fine_tuned"):
        budget.do("fine-tuning", "building what is trained")
        tuned = fine_tuning(
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
    if not tuned:
        remove_crops(stages)  # of an earlier plan
    return found, base, candidates + tuned


def _say_next(folder: Path, stages: Path, budget: Budget) -> None:
    """Says which command is next, and removes what no longer training would use."""
    text = f"kmlic predict {shlex.quote(str(folder))} IMAGES; {folder / REPORT}"
    if budget.wishes:
        text += (
            f". More --minutes allow {' and '.join(budget.wishes)}: the same command "
            f"goes on from {stages}, which can be removed"
        )
        if MORE_EPOCHS not in budget.wishes:
            remove_crops(stages)
    else:
        shutil.rmtree(stages, ignore_errors=True)
    budget.say("next", text)


def _reserve(images: Images, found: Features) -> float:
    """Returns the seconds that exports and scores of the test images take."""
    return EXPORT_SECONDS + found.seconds * len(images.test_rows)


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
    """Returns a function that builds the backbone, after a first try."""
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

    build(settings.image_size or _SIDE)  # fails before images are read
    return build


def _say_data(checked: Checked, budget: Budget) -> None:
    images = checked.images
    text = f"{describe_sizes(images.sizes)}; {count_noun(len(images.labels), 'label')}"
    if images.labels.exclusive:
        text += f" in {count_noun(len(images.labels.groups or {}), 'exclusive group')}"
    if checked.findings:
        titles = [f"{f.title.lower()}: {f.count:,}" for f in checked.findings]
        text += f"; {'; '.join(titles)}"
    if checked.summary:
        budget.say("read", checked.summary)
    budget.say("check", text)
