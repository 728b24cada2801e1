"""Several models trained alike and compared, each once per seed."""

import dataclasses
import gc
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

import keras
import numpy as np
import tensorflow as tf

from kmlic.atomic_write import atomic_write
from kmlic.count_noun import count_noun
from kmlic.data import MultiLabelData
from kmlic.evaluation.report import (
    Report,
    average_reports,
    comparison_table,
    report_scores,
)
from kmlic.experiments.describe_data import describe_data
from kmlic.experiments.trained import Scores, Trained
from kmlic.experiments.training_settings import TrainingSettings
from kmlic.labels import Labels
from kmlic.make_console import make_console
from kmlic.run_folder import RunFolder
from kmlic.training import (
    PlateauDecay,
    all_reduce_max,
    fit,
    is_chief,
    make_strategy,
    predict_scores,
)
from kmlic.training.as_float32 import as_float32
from kmlic.training.open_log import open_log, retry_logs
from kmlic.training.time_precisions import time_precisions
from kmlic.training.training_state import validation_loss

SPLITS = ("validation", "test")

S = TypeVar("S", bound=TrainingSettings)

MakeReport = Callable[[np.ndarray, np.ndarray, Labels], Report]
TrainModel = Callable[[keras.Model, Path], list[dict[str, float]]]


class Experiment(Generic[S]):
    """Trains models on one dataset, each once per seed, and compares them.

    Every finished training is kept in the working folder of the run: the same command
    resumes an interrupted experiment from its last saved state. `finish_run` writes
    the results.

    Args:
        recipe: name of the recipe.
        settings: the recipe's settings.
        make_report: returns the `Report` of targets, scores and labels.
        monitor: the metric of the report that chooses epochs and seeds.

    Raises:
        ValueError: if the folder holds a run with other settings, interrupted or not.
    """

    def __init__(
        self,
        recipe: str,
        settings: S,
        *,
        make_report: MakeReport = report_scores,
        monitor: str = "mAP",
    ):
        settings.require_files()
        retry_logs()
        self.recipe = recipe
        self.settings = settings
        self.make_report = make_report
        self.monitor = monitor
        self.num_trainings = 0  # expected, to show the time left; 0 if unknown

        self.folder = RunFolder(settings.folder)
        self.data: dict[int, MultiLabelData] = {}  # by seed
        self.trained: dict[str, dict[int, Trained]] = {}  # by row and seed
        # What each row and seed was trained on, as run.json describes it.
        self.described: dict[str, dict[str, dict[str, Any]]] = {}
        # Reports on other images than those of the splits, by split, row and seed.
        self.other_reports: dict[str, dict[str, dict[int, Report]]] = {}
        self.console = make_console()
        self.started = time.monotonic()
        self._added: dict[tuple[str, int, str], dict[str, float]] = {}
        self._durations: list[float] = []  # of trainings of this process, in seconds
        self._checked_precision = False
        resumes = False
        if is_chief():
            resumes = self.folder.begin(settings.describe())
        # The other workers read what the chief has written.
        if all_reduce_max(int(resumes)):
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
        train_model: TrainModel | None = None,
    ) -> Trained:
        """Trains a model and scores the validation and test splits with it.

        Args:
            name: the row in the table.
            seed: sets Python's, NumPy's and Keras' random state before `build`.
            build: returns a compiled model; called once, inside the strategy's scope.
            data: the splits of this seed, loaded again for each training, so that all
                trainings of a seed see the same images in the same order.
            settings: of this row; the experiment's when None.
            join: returns the model that is saved, given the trained one, for instance
                the `join` of `kmlic.training.CachedFeatures`.
            train_model: trains the model, keeps its state in the folder it receives and
                returns the values of the epochs; None for `kmlic.training.fit`.

        Raises:
            RuntimeError: if the loss is not finite.
            ValueError: if the labels are not those of the trainings before, or the data
                is not that of an interrupted training of this name.
        """
        settings = settings or self.settings
        for other in self.data.values():
            other.labels.require_same_names(data.labels)
        self.data[seed] = data.source or data
        described = self.described.setdefault(name, {})
        described[str(seed)] = describe_data(self.data[seed])
        folder = self.folder.trainings / f"{name}-{seed}"
        self._require_same_data(folder, data)
        result = folder / "result"
        self._show_time_left()
        if not result.exists():
            start = time.monotonic()
            keras.backend.clear_session()
            keras.utils.set_random_seed(seed)
            policy = keras.config.dtype_policy()
            keras.config.set_dtype_policy(self.settings.precision)
            try:
                strategy = make_strategy(self.settings.strategy)
                with strategy.scope():
                    model = build()
            finally:
                keras.config.set_dtype_policy(policy)
            if self.settings.precision != "float32":
                if strategy.num_replicas_in_sync == 1:
                    self._warn_of_slow_precision(model)
                # The first training compares copies of the model, which draws numbers.
                keras.utils.set_random_seed(seed)
            if train_model is not None:
                epochs = train_model(model, folder / "state")
            else:
                with open_log(
                    settings.log if is_chief() else "none",
                    title=f"{self.recipe} {name} seed {seed}",
                    folder=self.folder.path,
                    settings=dataclasses.asdict(settings),
                ) as log:
                    epochs = fit(
                        model,
                        data.train,
                        data.validation,
                        epochs=settings.num_head_epochs + settings.epochs,
                        folder=folder / "state",
                        title=f"{name} (seed {seed})",
                        callbacks=[PlateauDecay()] * (settings.schedule == "plateau"),
                        loggers=log.callbacks,
                        **self.fit_options(settings, data, seed),
                    )
            scores = _score_splits(model, data)
            if self.settings.precision != "float32":
                model = as_float32(model)
            if join is not None:
                model = join(model)
            seconds = time.monotonic() - start
            self._durations.append(seconds)
            if is_chief():
                parameters = model.count_params()
                trained = Trained(name, seed, scores, epochs, parameters, seconds)
                trained.write(result, model)
            del model
            gc.collect()
            all_reduce_max(0)  # until the chief has written
        trained = Trained.read(result, name, seed)
        self.trained.setdefault(name, {})[seed] = trained
        return trained

    def fit_options(
        self, settings: TrainingSettings, data: MultiLabelData, seed: int
    ) -> dict[str, Any]:
        """Returns the arguments of `kmlic.training.fit` that all trainings share.

        Args:
            settings: of the row.
            data: the splits that are trained on.
            seed: of the training.
        """

        def compute_metrics(model: keras.Model, dataset: Any) -> Mapping[str, float]:
            scores = predict_scores(model, dataset, data.labels)
            return self.make_report(*scores, data.labels).metrics

        return {
            # `fit` itself computes the mean average precision.
            "metrics": None if self.monitor == "mAP" else compute_metrics,
            "monitor": self.monitor,
            "augmentation": data.device_augmentation,
            "seed": seed,
            "ema": settings.ema,
            "accumulate": settings.accumulate,
            "save_seconds": 60 * settings.save_minutes,
        }

    def write_backbone(self, name: str, seed: int, backbone: str) -> str:
        """Writes the weights of a trained row's backbone and returns their file.

        Random numbers continue from the seed, though loading the row drew some.

        Args:
            name: of the row.
            seed: of its training.
            backbone: name of the layer.

        Raises:
            ValueError: if the row has no Keras model.
        """
        model = self.trained[name][seed].load_model()
        path = self.folder.trainings / f"{name}-{seed}.weights.h5"
        model.get_layer(backbone).save_weights(path)
        keras.utils.set_random_seed(seed)
        return str(path)

    def add_scores(self, name: str, seed: int, scores: Scores) -> None:
        """Adds a row without a Keras model, for instance a linear probe."""
        self.trained.setdefault(name, {})[seed] = Trained(name, seed, scores)

    def add_model(self, name: str, seed: int, model: keras.Model) -> None:
        """Adds the scores of a model that was trained elsewhere as a row."""
        self.add_scores(name, seed, _score_splits(model, self.data[seed]))

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
        """Adds a row that averages the probabilities of others, if all were trained.

        Args:
            name: of the new row.
            names: the rows that are averaged.
            seed: of their trainings.
        """
        if not set(names) <= set(self.trained):
            return
        scores = {}
        for split in SPLITS:
            members = [self.trained[each][seed].scores[split] for each in names]
            mean = np.mean([probabilities for _, probabilities in members], axis=0)
            scores[split] = (members[0][0], mean)
        self.add_scores(name, seed, scores)

    def add_metrics(
        self, name: str, seed: int, split: str, metrics: Mapping[str, float]
    ) -> None:
        """Adds values that do not follow from the scores to a training's report."""
        added = self._added.setdefault((name, seed, split), {})
        added.update({metric: float(value) for metric, value in metrics.items()})

    def add_report(self, split: str, name: str, seed: int, report: Report) -> None:
        """Adds the metrics of a model on images that are in none of the splits.

        Args:
            split: what those images are called in tables and run.json.
            name: the model; all of one split have the same metrics, NaN where a metric
                is not defined for a model.
            seed: of its training.
            report: its metrics.
        """
        self.other_reports.setdefault(split, {}).setdefault(name, {})[seed] = report

    def say(self, text: str) -> None:
        """Prints a line of text."""
        self.console.print(text, soft_wrap=True)

    def reports_of(self, name: str, split: str) -> dict[int, Report]:
        """Returns the reports of a row on a split, by seed."""
        if split in self.other_reports:
            return self.other_reports[split][name]
        found = {}
        for seed, trained in self.trained[name].items():
            report = self.make_report(*trained.scores[split], self.data[seed].labels)
            added = self._added.get((name, seed, split), {})
            metrics = {**report.metrics, **added}
            found[seed] = dataclasses.replace(report, metrics=metrics)
        return found

    def compare(self, split: str = "test") -> dict[str, tuple[Report, Report]]:
        """Returns the mean report of each row and its deviation over the seeds."""
        return {
            name: average_reports(list(self.reports_of(name, split).values()))
            for name in self.other_reports.get(split, self.trained)
        }

    def show(self, split: str = "test") -> None:
        """Prints a table of all rows, with a value per metric and per label."""
        averages = self.compare(split)
        images = next(iter(averages.values()))[0].images
        self.say(
            f"{self.recipe} on {self.settings.source}, {split} split: "
            f"{count_noun(images, 'image')}, "
            f"{count_noun(len(self.settings.seeds), 'seed')}, in percent"
        )
        means = {name: mean for name, (mean, _) in averages.items()}
        spreads = {name: spread for name, (_, spread) in averages.items()}
        self.console.print(comparison_table(means, spreads))
        if rule := next(iter(means.values())).thresholds:
            self.say(f"Labels are predicted by {rule}.")

    def best_of(self, name: str) -> Trained:
        """Returns the training of a row whose seed is best on the validation split.

        Seeds whose metric is undefined come last, by their lowest validation loss.
        """
        reports = self.reports_of(name, "validation")

        def rank(seed: int) -> tuple[bool, float]:
            value = reports[seed].metrics[self.monitor]
            if not np.isnan(value):
                return True, value
            losses = map(validation_loss, self.trained[name][seed].epochs)
            return False, -min(losses, default=np.inf)

        return self.trained[name][max(reports, key=rank)]

    def _show_time_left(self) -> None:
        if not self.num_trainings:
            return
        done = sum(map(len, self.trained.values()))
        text = f"Training {done + 1} of {self.num_trainings}"
        if self._durations:
            left = np.mean(self._durations) * (self.num_trainings - done) / 60
            text += f", about {count_noun(round(left), 'minute')} left"
        self.say(f"{text}.")

    def _warn_of_slow_precision(self, model: keras.Model) -> None:
        """Says so if low precision makes steps slower: on many processors it does."""
        shape = model.input_shape
        is_of_images = isinstance(shape, tuple) and len(shape) == 4
        if self._checked_precision or not is_of_images:
            return
        if tf.config.list_physical_devices("GPU"):
            return
        self._checked_precision = True
        sides = [side or self.settings.image_size for side in shape[1:3]]
        own, plain = time_precisions(
            model, (self.settings.batch_size, *sides, shape[3])
        )
        gc.collect()  # the copies
        if own > plain:
            self.say(
                f"precision={self.settings.precision!r} is slower than 'float32' here: "
                f"a step takes {own:.2f} s instead of {plain:.2f} s. "
                "Use --precision float32."
            )

    def _require_same_data(self, folder: Path, data: MultiLabelData) -> None:
        # Not in `folder`: it is no saved state that a run could resume from.
        record = self.folder.working / "data" / f"{folder.name}.txt"
        if record.exists() and record.read_text() != data.fingerprint:
            raise ValueError(
                f"{folder} holds an interrupted training on other data (labels, "
                "paths, targets or their splits have changed). Remove "
                f"{self.folder.working} to start again."
            )
        if is_chief():
            with atomic_write(record) as temporary:
                temporary.write_text(data.fingerprint)


def _score_splits(model: keras.Model, data: MultiLabelData) -> Scores:
    return {
        "validation": predict_scores(model, data.validation, data.labels),
        "test": predict_scores(model, data.test, data.labels),
    }
