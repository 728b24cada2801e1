"""Run folder of an experiment."""

import csv
import dataclasses
import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import keras
import numpy as np

from kmlic.atomic_write import atomic_write, remove
from kmlic.data import MultiLabelData
from kmlic.evaluation.bootstrap import Bootstrap, Interval
from kmlic.evaluation.choose_thresholds import choose_thresholds
from kmlic.evaluation.label_errors import LabelErrors, find_label_errors
from kmlic.evaluation.report import Report, report_scores
from kmlic.experiments.describe_data import TRAIN_IMAGES
from kmlic.experiments.experiment import SPLITS, Experiment
from kmlic.experiments.report_values import report_values
from kmlic.experiments.standard_sections import scored_images, standard_sections
from kmlic.experiments.summarise_run import (
    Standing,
    describe_caution,
    summarise_run,
    title_of,
)
from kmlic.experiments.trained import Trained
from kmlic.experiments.training_settings import TrainingSettings
from kmlic.export import FORMATS, ExportOptions, export_checked
from kmlic.html_report import Section, write_report
from kmlic.labels import Labels
from kmlic.run_folder import MODEL, REPORT, Run, describe_command
from kmlic.training import all_reduce_max, is_chief
from kmlic.words import write_word_vectors

_RESAMPLES = 1000
# Names of rows that a model must beat to be worth its trouble.
_PLAIN = re.compile("linear|logistic|baseline")

Export = Callable[[keras.Model, Path, MultiLabelData], Mapping[str, float]]
Metrics = dict[str, float]


def finish_run(
    experiment: Experiment,
    exported: str | None = None,
    *,
    sections: Sequence[Section] = (),
    export: Export | None = None,
    words: Mapping[str, np.ndarray] | None = None,
) -> Run:
    """Writes the run folder of an experiment, with one of its models exported.

    The thresholds of the exported labels are tuned on the validation split and written
    to labels.json and the exports, or stay 0.5 where tuning does not help images that
    were not tuned on. Results use the dataset's own thresholds, 0.5 by
    default, as papers report them; run.json has both.

    Args:
        experiment: whose trainings are done.
        exported: the row to save and export, with the seed that is best on the
            validation split; None exports nothing.
        sections: the recipe's own parts of report.html, after the comparison.
        export: writes a model's exports into a folder and returns the path of each one
            there with its largest difference from the model; None for a SavedModel and
            a LiteRT file of probabilities.
        words: word to its vector, kept in words.npz for labels that were not trained;
            None to keep none.

    Returns:
        The content of run.json.
    """
    final = experiment.folder.path
    if not is_chief():
        all_reduce_max(0)
        return Run.read(final / "run.json")
    draft = experiment.folder.draft
    best = experiment.best_of(exported) if exported else None
    data = experiment.data[best.seed if best else experiment.settings.seeds[0]]
    labels = _tune(data, best) if best else data.labels
    labels.write(draft / "labels.json")
    if words:
        write_word_vectors(words, draft / "words.npz")
    _write_history(experiment, draft / "history.csv")
    exports: Mapping[str, float] = {}
    if best:
        exports = _export(experiment, best, labels, export)
        if data.digests:
            np.save(draft / TRAIN_IMAGES, data.digests["train"])
    run = _describe(experiment, best, labels, exports)
    run.write(draft / "run.json")
    examined = best if experiment.make_report is report_scores else None
    errors = _label_errors(examined)
    report = standard_sections(
        run,
        data,
        labels,
        draft,
        epochs={
            name: [each.epochs for each in trainings.values()]
            for name, trainings in experiment.trained.items()
        },
        best=examined,
        errors=errors,
        extra=sections,
    )
    summary = None
    if examined is not None:
        settings = experiment.settings
        summary = summarise_run(
            run,
            _standing(experiment, run, examined),
            scored_images(examined, labels, data, "test"),
            folder=final,
            training=(data.train_targets == 1).sum(axis=0),
            reading=None if settings.data is None else settings.reading,
            errors=errors,
        )
    write_report(draft / REPORT, title_of(run), report, summary)
    experiment.folder.finish()
    all_reduce_max(0)
    experiment.say(
        f"{final}: {run.seconds['all']:.0f} s, peak memory {run.peak_memory_gb} GB."
    )
    return run


def _label_errors(best: Trained | None) -> LabelErrors | None:
    if best is None:
        return None
    try:
        return find_label_errors(*best.scores["validation"])
    except ImportError:  # without the extra label_errors
        return None


def _standing(experiment: Experiment, run: Run, best: Trained) -> Standing:
    """Compares the exported model with the plainest row of its experiment."""
    metric = "mAP"
    data = experiment.data[best.seed]
    targets, scores = best.scores["test"]
    own = run.intervals["test"][best.name].get(metric)
    value = run.results["test"][best.name].get(metric)
    if own is None or value is None:
        return Standing(best.name, metric, Interval(*3 * [value or float("nan")]))
    interval = Interval(*(own[end] or 0.0 for end in ("value", "low", "high")))
    standing = Standing(
        best.name, metric, interval, caution=describe_caution(targets, metric)
    )
    plain = [name for name in experiment.trained if _PLAIN.search(name)]
    if not plain:
        return standing
    if best.name in plain:
        return dataclasses.replace(standing, baseline=best.name)
    bootstrap = Bootstrap(
        targets, data.labels, groups=data.groups.get("test"), resamples=_RESAMPLES
    )
    other = experiment.trained[plain[0]][best.seed].scores["test"][1]
    above = bootstrap.difference(bootstrap.values(scores), bootstrap.values(other))
    return dataclasses.replace(standing, baseline=plain[0], above=above)


def _describe(
    experiment: Experiment,
    best: Trained | None,
    labels: Labels,
    exports: Mapping[str, float],
) -> Run:
    settings = experiment.settings
    first = experiment.data[settings.seeds[0]]
    splits = (*SPLITS, *experiment.other_reports)
    averages = {split: experiment.compare(split) for split in splits}
    means, spreads = (
        {
            split: {name: pair[part] for name, pair in rows.items()}
            for split, rows in averages.items()
        }
        for part in (0, 1)
    )
    seconds = {
        f"{name} (seed {seed})": round(trained.seconds, 1)
        for name, trainings in experiment.trained.items()
        for seed, trained in trainings.items()
    }
    tuned = _report_exported(experiment, best, labels) if best else {}
    intervals = {split: each.describe_intervals() for split, each in tuned.items()}
    return Run(
        recipe=experiment.recipe,
        command=describe_command(),
        settings=settings.describe(),
        data={
            "name": settings.source,
            "fingerprints": {
                str(seed): data.fingerprint for seed, data in experiment.data.items()
            },
            "sizes": first.sizes,
            "skipped": len(first.skipped),
            "labels": labels.hash,
            # Rows may read the images differently: these are the exported one's.
            "seeds": experiment.described[best.name] if best else {},
            "exported": best and {"model": best.name, "seed": best.seed},
        },
        results=report_values(means, "metrics"),
        deviations=report_values(spreads, "metrics") if len(settings.seeds) > 1 else {},
        seeds=_per_seed(experiment),
        tuned=report_values(
            {s: {best.name: each} for s, each in tuned.items()}, "metrics"
        )
        if best and not labels.exclusive
        else {},
        intervals={
            split: {best.name: each["intervals"]}
            for split, each in intervals.items()
            if best
        },
        label_intervals={
            split: {best.name: each["label_intervals"]}
            for split, each in intervals.items()
            if best
        },
        per_label=report_values(means, "per_label"),
        parameters={
            name: next(iter(trainings.values())).parameters
            for name, trainings in experiment.trained.items()
        },
        exports=exports,
        seconds={**seconds, "all": round(time.monotonic() - experiment.started, 1)},
        weights=_describe_weights(settings),
    )


def _describe_weights(settings: TrainingSettings) -> str:
    weights = "those of the epoch best on the validation split"
    if settings.ema is None:
        return weights
    return (
        f"moving averages (momentum {settings.ema}), batch normalization's statistics "
        f"computed again; {weights}"
    )


def _per_seed(experiment: Experiment) -> dict[str, dict[str, dict[str, Metrics]]]:
    seeds: dict[str, dict[str, dict[str, Metrics]]] = {}
    for split in (*SPLITS, *experiment.other_reports):
        for name in experiment.other_reports.get(split, experiment.trained):
            for seed, report in experiment.reports_of(name, split).items():
                seeds.setdefault(str(seed), {}).setdefault(split, {})[name] = {
                    key: value
                    for key, value in report.metrics.items()
                    if not np.isnan(value)
                }
    return seeds


def _tune(data: MultiLabelData, best: Trained) -> Labels:
    labels, scores = data.labels, best.scores["validation"]
    if labels.exclusive or not (scores[0] == 1).any():
        return labels
    groups = data.groups.get("validation")
    thresholds = choose_thresholds(*scores, groups=groups).thresholds
    return dataclasses.replace(labels, thresholds=tuple(thresholds.tolist()))


def _report_exported(
    experiment: Experiment, best: Trained, labels: Labels
) -> dict[str, Report]:
    """Scores the exported model at its own thresholds, with intervals."""
    if experiment.make_report is not report_scores:
        return {}
    groups = experiment.data[best.seed].groups
    return {
        split: report_scores(
            *best.scores[split],
            labels,
            resamples=_RESAMPLES,
            image_groups=groups.get(split),
        )
        for split in SPLITS
    }


def _export(
    experiment: Experiment, best: Trained, labels: Labels, export: Export | None
) -> Mapping[str, float]:
    draft, data = experiment.folder.draft, experiment.data[best.seed]
    model = best.load_model()
    model.save(draft / MODEL)
    experiment.say("Exporting and comparing with the model ...")
    # The export of a failed call would make this one the second version.
    remove(draft / FORMATS["saved_model"].file)
    if export is not None:
        return export(model, draft, data)
    images = next(iter(data.test.unbatch().batch(16)))[0].numpy()
    maps = experiment.settings.export_maps
    options = ExportOptions(labels=labels, images=images, maps=maps)
    exports = [
        *export_checked(model, draft, "saved_model", options),
        *export_checked(model, draft, "tflite", options),
    ]
    return {each.name_in(draft): each.difference for each in exports}


def _write_history(experiment: Experiment, path: Path) -> None:
    rows = [
        {"model": name, "seed": seed, "epoch": epoch, **values}
        for name, trainings in experiment.trained.items()
        for seed, trained in trainings.items()
        for epoch, values in enumerate(trained.epochs, start=1)
    ]
    columns = list(dict.fromkeys(column for row in rows for column in row))
    with atomic_write(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
