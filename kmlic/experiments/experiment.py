"""Several models trained alike, compared, exported and left as a run folder."""

import csv
import dataclasses
import gc
import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

import keras
import numpy as np
import tensorflow as tf
from rich.console import Console

from kmlic.atomic_write import atomic_write
from kmlic.data import MultiLabelData
from kmlic.evaluation.report import (
    Report,
    average_reports,
    comparison_table,
    report_scores,
)
from kmlic.evaluation.tune_thresholds import tune_thresholds
from kmlic.experiments.describe_data import TRAIN_IMAGES, describe_data
from kmlic.experiments.standard_sections import standard_sections
from kmlic.experiments.training_settings import TrainingSettings
from kmlic.export import ExportOptions, export_checked
from kmlic.html_report import Section, write_report
from kmlic.labels import Labels
from kmlic.run_folder import Run, RunFolder, describe_command
from kmlic.training import (
    PlateauDecay,
    all_reduce_max,
    fit,
    is_chief,
    make_strategy,
    predict_scores,
)
from kmlic.training.as_float32 import as_float32
from kmlic.training.callbacks import Metrics
from kmlic.words import write_word_vectors

SPLITS = ("validation", "test")

S = TypeVar("S", bound=TrainingSettings)

Score = Callable[[keras.Model, tf.data.Dataset, Labels], tuple[np.ndarray, np.ndarray]]
MakeReport = Callable[[np.ndarray, np.ndarray, Labels], Report]
Training = Callable[[keras.Model, Path], list[dict[str, float]]]
Export = Callable[[keras.Model, Path, MultiLabelData], Mapping[str, float]]


@dataclasses.dataclass(frozen=True)
class Trained:
    """Holds what one training left: scores of the splits, values of the epochs.

    Args:
        name: the row in the table.
        seed: of its weights, its augmentation and its order of images.
        scores: split to targets and probabilities.
        epochs: values of each epoch by name.
        parameters: number of weights.
        seconds: wall-clock time.
        model_path: the model as `.keras` file; None for what is no Keras model.
    """

    name: str
    seed: int
    scores: Mapping[str, tuple[np.ndarray, np.ndarray]]
    epochs: list[dict[str, float]]
    parameters: int
    seconds: float
    model_path: Path | None


class Experiment(Generic[S]):
    """Trains models on one dataset, each once per seed, and writes the results.

    Every finished training is kept in the working folder, so that an interrupted
    experiment continues with the training, and the epoch, that was interrupted.

    Args:
        recipe: name of the recipe.
        settings: the recipe's settings.
        score: returns targets and scores, both with one row per image, of a model,
            batches and their labels; None for `predict_scores`.
        report: returns the `Report` of targets, scores and labels; None for
            `report_scores`.
        monitor: the metric of the report that chooses epochs and seeds.

    Raises:
        ValueError: if the folder holds an interrupted run with other settings.
    """

    def __init__(
        self,
        recipe: str,
        settings: S,
        *,
        score: Score | None = None,
        report: MakeReport | None = None,
        monitor: str = "mAP",
    ):
        self.recipe = recipe
        self.settings = settings
        self.score = score or predict_scores
        self.report = report or report_scores
        self.monitor = monitor
        self.trainings = 0  # how many there will be, to show the time left

        self.data: dict[int, MultiLabelData] = {}
        self.folder = RunFolder(settings.folder)
        self.trained: dict[str, list[Trained]] = {}
        self._described: dict[str, dict[str, dict[str, Any]]] = {}
        self._added: dict[tuple[str, int, str], dict[str, float]] = {}
        self.reports: dict[str, dict[str, dict[int, Report]]] = {}
        self.console = Console(highlight=False)
        self._start = time.monotonic()
        self._durations: list[float] = []  # of trainings of this process, in seconds
        continues = False
        if is_chief():
            continues = self.folder.begin(dataclasses.asdict(settings))
        # The other workers read what the chief has written.
        if all_reduce_max(int(continues)):
            self.say(f"Continuing the run in {self.folder.working}.")

    def train(
        self,
        name: str,
        seed: int,
        build: Callable[[], keras.Model],
        data: MultiLabelData,
        *,
        settings: TrainingSettings | None = None,
        join: Callable[[keras.Model], keras.Model] | None = None,
        training: Training | None = None,
    ) -> Trained:
        """Trains a model and scores the validation and test splits with it.

        Args:
            name: the row in the table.
            seed: sets Python's, NumPy's and Keras' random state before `build`.
            build: returns a compiled model; called once, inside the strategy's scope.
            data: the splits of this seed, loaded anew for each training, so that all
                trainings of a seed see the same images in the same order.
            settings: of this row; the experiment's own when None.
            join: makes the model that is kept of the trained one, for instance the
                `join` of `kmlic.training.CachedFeatures`.
            training: trains the model, keeps its state in the folder it receives and
                returns the values of the epochs; None for `kmlic.training.fit`.

        Raises:
            RuntimeError: if the loss is not finite.
            ValueError: if the labels are not those of the trainings before, or the data
                is not that of an interrupted training of this name.
        """
        settings = settings or self.settings
        self._require_same(data, seed)
        described = self._described.setdefault(name, {})
        described[str(seed)] = describe_data(data.source or data)
        folder = self.folder.working / "trainings" / f"{name}-{seed}"
        self._require_same_data(folder / "data.txt", data)
        result = folder / "result"
        self._show_time_left()
        if not result.exists():
            start = time.monotonic()
            keras.backend.clear_session()
            keras.utils.set_random_seed(seed)
            policy = keras.config.dtype_policy()
            keras.config.set_dtype_policy(self.settings.precision)
            try:
                with make_strategy(self.settings.strategy).scope():
                    model = build()
            finally:
                keras.config.set_dtype_policy(policy)
            if training is not None:
                history = training(model, folder / "state")
            else:
                history = fit(
                    model,
                    data.train,
                    data.validation,
                    epochs=settings.epochs,
                    folder=folder / "state",
                    title=f"{name} (seed {seed})",
                    metrics=self.metrics_of(data),
                    monitor=self.monitor,
                    callbacks=[PlateauDecay()] * (settings.schedule == "plateau"),
                    augmentation=data.device_augmentation,
                    seed=seed,
                    **self.settings.fit_options(),
                )
            scores = {
                split: self.score(model, getattr(data, split), data.labels)
                for split in SPLITS
            }
            if self.settings.precision != "float32":
                model = as_float32(model)
            if join is not None:
                model = join(model)
            seconds = time.monotonic() - start
            self._durations.append(seconds)
            if is_chief():
                with atomic_write(result) as temporary:
                    temporary.mkdir()
                    model.save(temporary / "model.keras")
                    self._write_scores(temporary / "scores.npz", scores)
                    record = {
                        "epochs": history,
                        "parameters": model.count_params(),
                        "seconds": seconds,
                    }
                    (temporary / "result.json").write_text(json.dumps(record))
            del model
            gc.collect()
            all_reduce_max(0)  # until the chief has written
        return self._add(name, seed, result)

    def find(self, name: str, seed: int) -> Trained:
        """Returns the training of a row with a seed.

        Raises:
            KeyError: if there is none.
        """
        for trained in self.trained.get(name, ()):
            if trained.seed == seed:
                return trained
        raise KeyError(f"{name!r} was not trained with seed {seed}.")

    def load_model(self, name: str, seed: int) -> keras.Model | None:
        """Loads the trained model of a row and seed; None if there is none."""
        for trained in self.trained.get(name, ()):
            if trained.seed == seed and trained.model_path is not None:
                return keras.saving.load_model(trained.model_path, compile=False)
        return None

    def write_backbone(self, name: str, seed: int, backbone: str) -> str:
        """Writes the weights of a trained row's backbone and returns their file.

        Args:
            name: of the row.
            seed: of its training.
            backbone: name of the layer.
        """
        trained = self.find(name, seed)
        if trained.model_path is None:
            raise ValueError(f"`name` must be a trained model; got name={name!r}.")
        path = trained.model_path.with_name("backbone.weights.h5")
        model = keras.saving.load_model(trained.model_path, compile=False)
        model.get_layer(backbone).save_weights(path)
        return str(path)

    def metrics_of(self, data: MultiLabelData) -> Metrics | None:
        """Returns the function that computes metrics at the end of each epoch.

        None stands for the mean average precision that `kmlic.training.fit` computes.
        """
        if self.monitor == "mAP":
            return None
        return lambda model, dataset: (
            self.report(*self.score(model, dataset, data.labels), data.labels).metrics
        )

    def add_scores(
        self, name: str, seed: int, scores: Mapping[str, tuple[np.ndarray, np.ndarray]]
    ) -> None:
        """Adds a row that is no Keras model, for instance a linear probe."""
        trained = Trained(name, seed, scores, [], 0, 0.0, None)
        self.trained.setdefault(name, []).append(trained)

    def add_model(self, name: str, seed: int, model: keras.Model) -> None:
        """Adds a row for a model that was trained elsewhere."""
        data = self.data[seed]
        self.add_scores(
            name,
            seed,
            {
                split: self.score(model, getattr(data, split), data.labels)
                for split in SPLITS
            },
        )

    def add_majority(self, seed: int) -> None:
        """Adds a row that predicts each label's frequency for every image."""
        data = self.data[seed]
        frequencies = (data.train_targets == 1).mean(axis=0)
        scores = {
            split: (data.targets[split], np.tile(frequencies, (data.sizes[split], 1)))
            for split in SPLITS
        }
        self.add_scores("majority class", seed, scores)

    def add_average(self, name: str, names: Sequence[str], seed: int) -> None:
        """Adds a row that averages the probabilities of other rows, if all are there.

        Args:
            name: of the new row.
            names: rows that were trained.
            seed: of their trainings.
        """
        members = [
            trained.scores
            for each in names
            for trained in self.trained.get(each, ())
            if trained.seed == seed
        ]
        if len(members) == len(names):
            scores = {
                split: (
                    targets,
                    np.mean([scores[split][1] for scores in members], axis=0),
                )
                for split, (targets, _) in members[0].items()
            }
            self.add_scores(name, seed, scores)

    def add_metrics(
        self, name: str, seed: int, split: str, metrics: Mapping[str, float]
    ) -> None:
        """Adds values that do not follow from the scores to a training's report."""
        added = self._added.setdefault((name, seed, split), {})
        added.update({metric: float(value) for metric, value in metrics.items()})

    def add_report(self, split: str, name: str, seed: int, report: Report) -> None:
        """Adds what a model reaches on other images than those of the splits.

        Args:
            split: what those images are called in tables and run.json.
            name: the model; all of one split have the same metrics, nan where a model
                cannot have one.
            seed: of its training.
            report: its metrics.
        """
        self.reports.setdefault(split, {}).setdefault(name, {})[seed] = report

    def say(self, text: str) -> None:
        """Prints a line of text."""
        self.console.print(text, soft_wrap=True)

    def reports_of(self, name: str, split: str) -> list[Report]:
        """Returns a row's reports on a split, one per seed."""
        return [self._report(each, split) for each in self.trained[name]]

    def compare(self, split: str = "test") -> dict[str, tuple[Report, Report]]:
        """Returns each model's mean report and its deviation over the seeds."""
        if split in self.reports:
            return {
                name: average_reports(list(reports.values()))
                for name, reports in self.reports[split].items()
            }
        return {
            name: average_reports(self.reports_of(name, split)) for name in self.trained
        }

    def show(self, split: str = "test") -> None:
        """Prints one table of all models, per metric and per label."""
        averages = self.compare(split)
        images = next(iter(averages.values()))[0].images
        seeds = len(self.settings.seeds)
        self.say(
            f"{self.recipe} on {self.settings.dataset}, {split} split: {images} "
            f"images, {seeds} seed{'s' * (seeds > 1)}, in percent"
        )
        self.console.print(
            comparison_table(
                {name: mean for name, (mean, _) in averages.items()},
                {name: spread for name, (_, spread) in averages.items()}
                if seeds > 1
                else None,
            )
        )

    def best_of(self, name: str) -> Trained:
        """Returns the seed's training that is best on the validation split."""
        return max(
            self.trained[name],
            key=lambda each: self._report(each, "validation").metrics[self.monitor],
        )

    def finish(
        self,
        exported: str | None = None,
        *,
        sections: Sequence[Section] = (),
        export: Export | None = None,
        words: Mapping[str, np.ndarray] | None = None,
    ) -> Run:
        """Exports one model, writes the run folder and puts it in its place.

        The thresholds of its labels are tuned on its validation scores; they stand in
        labels.json and in the exports. Results are at the labels' own thresholds, 0.5
        if they have none, as papers report them; run.json has both.

        Args:
            exported: the model to save and export, in its seed that is best on the
                validation split; None leaves no model.
            sections: the recipe's own parts of report.html, after the comparison.
            export: writes the model's exports into the folder it is given and gives
                each one's path there with its largest difference from the model; None
                for a SavedModel and a LiteRT file of probabilities.
            words: vectors of the words that labels are made of, kept in words.npz for
                labels that were never trained; none where there are none.
        """
        if not is_chief():
            all_reduce_max(0)
            return Run.read(self.folder.path / "run.json")
        working = self.folder.working
        data = self.data[self.settings.seeds[0]]
        best = self.best_of(exported) if exported else None
        labels = self._tune(best) if best else data.labels
        labels.write(working / "labels.json")
        if words:
            write_word_vectors(words, working / "words.npz")
        self._write_history(working / "history.csv")
        exports = self._export(best, labels, export) if best else {}
        if best and (digests := self.data[best.seed].digests):
            np.save(working / TRAIN_IMAGES, digests["train"])
        several = len(self.settings.seeds) > 1
        averages = {split: self.compare(split) for split in (*SPLITS, *self.reports)}
        run = Run(
            recipe=self.recipe,
            command=describe_command(),
            settings=dataclasses.asdict(self.settings),
            data={
                "name": self.settings.dataset,
                "fingerprints": {
                    str(seed): each.fingerprint for seed, each in self.data.items()
                },
                "sizes": data.sizes,
                "skipped": len(data.skipped),
                "labels": labels.hash,
                # Models may read the images differently: these are the exported one's.
                "seeds": self._described.get(exported or "", {}),
                "exported": best and {"model": best.name, "seed": best.seed},
            },
            results=_select(averages, 0, "metrics"),
            deviations=_select(averages, 1, "metrics") if several else {},
            seeds=self._per_seed(),
            tuned=self._tuned_results(best, labels) if best else {},
            per_label=_select(averages, 0, "per_label"),
            parameters={n: each[0].parameters for n, each in self.trained.items()},
            exports=exports,
            seconds={
                f"{each.name} (seed {each.seed})": round(each.seconds, 1)
                for results in self.trained.values()
                for each in results
            }
            | {"all": round(time.monotonic() - self._start, 1)},
            weights=self._describe_weights(),
        )
        run.write(working / "run.json")
        self._write_report(run, best, labels, sections)
        self.folder.finish(without=("settings.json", "trainings"))
        all_reduce_max(0)
        self.say(
            f"{self.folder.path}: {run.seconds['all']:.0f} s, "
            f"{run.peak_memory_gb} GB of memory at most."
        )
        return run

    def _show_time_left(self) -> None:
        done = sum(map(len, self.trained.values()))
        if not self.trainings:
            return
        text = f"Training {done + 1} of {self.trainings}"
        if self._durations:
            minutes = np.mean(self._durations) * (self.trainings - done) / 60
            text += f", about {minutes:.0f} minutes left"
        self.say(f"{text}.")

    def _describe_weights(self) -> str:
        kept = "those of the epoch best on the validation split"
        if self.settings.ema is None:
            return kept
        return (
            f"moving averages (momentum {self.settings.ema}), batch normalization's "
            f"statistics computed anew; {kept}"
        )

    def _tune(self, trained: Trained) -> Labels:
        labels = self.data[trained.seed].labels
        targets, probabilities = trained.scores["validation"]
        if labels.exclusive or not (targets == 1).any():
            return labels
        thresholds = tune_thresholds(targets, probabilities)
        return dataclasses.replace(labels, thresholds=tuple(thresholds.tolist()))

    def _tuned_results(
        self, trained: Trained, labels: Labels
    ) -> dict[str, dict[str, dict[str, float | None]]]:
        if self.report is not report_scores or labels.exclusive:
            return {}
        reports = {
            split: report_scores(*trained.scores[split], labels) for split in SPLITS
        }
        return _select(
            {split: {trained.name: (report,)} for split, report in reports.items()},
            0,
            "metrics",
        )

    def _export(
        self, trained: Trained, labels: Labels, export: Export | None
    ) -> dict[str, float]:
        working, data = self.folder.working, self.data[trained.seed]
        model = keras.saving.load_model(trained.model_path, compile=False)
        model.save(working / "model.keras")
        self.say("Exporting and comparing with the model ...")
        # What an interrupted run left would make this the second version.
        shutil.rmtree(working / "export", ignore_errors=True)
        if export is not None:
            return dict(export(model, working, data))
        images = next(iter(data.test.unbatch().batch(16)))[0].numpy()
        options = ExportOptions(
            labels=labels, images=images, maps=self.settings.export_maps
        )
        exports = [
            *export_checked(model, working, "saved_model", options),
            *export_checked(model, working, "tflite", options),
        ]
        return {each.name_in(working): each.difference for each in exports}

    def _report(self, trained: Trained, split: str) -> Report:
        report = self.report(*trained.scores[split], self.data[trained.seed].labels)
        added = self._added.get((trained.name, trained.seed, split), {})
        return dataclasses.replace(report, metrics={**report.metrics, **added})

    def _require_same(self, data: MultiLabelData, seed: int) -> None:
        for other in self.data.values():
            other.labels.require_same_names(data.labels)
        self.data[seed] = data.source or data

    def _require_same_data(self, record: Path, data: MultiLabelData) -> None:
        if record.exists() and record.read_text() != data.fingerprint:
            raise ValueError(
                f"{record.parent} holds an interrupted training on other data (labels, "
                "paths, targets or their splits have changed). Remove "
                f"{self.folder.working} to begin anew."
            )
        if is_chief():
            with atomic_write(record) as temporary:
                temporary.write_text(data.fingerprint)

    def _add(self, name: str, seed: int, result: Path) -> Trained:
        record = json.loads((result / "result.json").read_text())
        with np.load(result / "scores.npz", allow_pickle=False) as arrays:
            scores = {
                split: (arrays[f"{split}_targets"], arrays[f"{split}_probabilities"])
                for split in SPLITS
            }
        trained = Trained(
            name,
            seed,
            scores,
            record["epochs"],
            record["parameters"],
            record["seconds"],
            result / "model.keras",
        )
        self.trained.setdefault(name, []).append(trained)
        return trained

    def _write_scores(
        self, path: Path, scores: Mapping[str, tuple[np.ndarray, np.ndarray]]
    ) -> None:
        arrays: dict[str, Any] = {}
        for split, (targets, probabilities) in scores.items():
            arrays[f"{split}_targets"] = targets
            arrays[f"{split}_probabilities"] = probabilities
        np.savez(path, **arrays)

    def _write_report(
        self,
        run: Run,
        best: Trained | None,
        labels: Labels,
        sections: Sequence[Section],
    ) -> None:
        data = self.data[best.seed if best else self.settings.seeds[0]]
        standard = standard_sections(
            run,
            data,
            labels,
            epochs={
                name: [each.epochs for each in results]
                for name, results in self.trained.items()
            },
            exported=best.name if best else None,
            scores=best.scores if best and self.report is report_scores else None,
            folder=self.folder.working,
            extra=sections,
        )
        title = f"{self.recipe} on {self.settings.dataset}"
        write_report(self.folder.working / "report.html", title, standard)

    def _write_history(self, path: Path) -> None:
        rows = [
            {"model": each.name, "seed": each.seed, "epoch": epoch + 1, **values}
            for results in self.trained.values()
            for each in results
            for epoch, values in enumerate(each.epochs)
        ]
        columns = list(dict.fromkeys(column for row in rows for column in row))
        with atomic_write(path) as temporary, temporary.open("w", newline="") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(rows)

    def _per_seed(self) -> dict[str, dict[str, dict[str, Mapping[str, float]]]]:
        seeds: dict[str, dict[str, dict[str, Mapping[str, float]]]] = {}
        for results in self.trained.values():
            for each in results:
                for split in SPLITS:
                    metrics = self._report(each, split).metrics
                    seeds.setdefault(str(each.seed), {}).setdefault(split, {})[
                        each.name
                    ] = metrics
        for split, models in self.reports.items():
            for name, reports in models.items():
                for seed, report in reports.items():
                    seeds.setdefault(str(seed), {}).setdefault(split, {})[name] = {
                        key: value
                        for key, value in report.metrics.items()
                        if not np.isnan(value)
                    }
        return seeds


def _select(
    averages: Mapping[str, Mapping[str, tuple[Report, ...]]],
    index: int,
    field: str,
) -> dict[str, dict[str, dict[str, float | None]]]:
    return {
        split: {
            name: {
                key: None if np.isnan(value) else value
                for key, value in getattr(reports[index], field).items()
            }
            for name, reports in rows.items()
        }
        for split, rows in averages.items()
    }
