"""What tuned thresholds and unknown labels are worth, over five folds.

Command: python -m tests.benchmarks.thresholds_and_unknowns --data_dir FOLDER
[--weights FILE] [--folder saved_models/thresholds_and_unknowns]. The folder holds
labels.csv, the images and, where the labels have an order, classes.txt.

A linear head is trained on the pooled features of a frozen MobileNetV2, which are
computed once. Each fold is the test fold once, the next one chooses the epoch and the
thresholds, the other three train. Copies of an image share a fold.

Thresholds: CF1 and OF1 at 0.5 and at those that `tune_thresholds` finds.
Unknowns: half of the entries of the training targets become -1, drawn at random. They
are left out of the loss, or count as absent; the epoch is chosen alike.
"""

import dataclasses
import sys
import time
from pathlib import Path

import keras
import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

from kmlic.backbones import build_backbone
from kmlic.data import fold_images, inspect_rows, read_listing, read_resized
from kmlic.data.storage import join
from kmlic.evaluation import tune_thresholds
from kmlic.labels import to_probabilities
from kmlic.losses import PartialBinaryCrossentropy
from kmlic.metrics import mean_average_precision, precision_recall_f1
from kmlic.run_folder import Run
from kmlic.training import initialise_bias

HIDDEN = 0.5
# What each training does with the entries that are hidden from it.
TRAININGS = ("all labels", "half unknown: left out", "half unknown: absent")


@dataclasses.dataclass(frozen=True)
class Settings:
    """Says what is trained on what.

    Args:
        data_dir: folder with labels.csv and the images.
        weights: of MobileNetV2; "imagenet" downloads them.
        folder: where run.json is written; nothing is written when left out.
        image_size: side in pixels.
        num_folds: at least 3.
        epochs: at most.
        batch_size: images a step.
        learning_rate: of Adam.
        seed: of folds, hidden labels, weights and order.
    """

    data_dir: Path
    weights: str = "imagenet"
    folder: Path | None = None
    image_size: int = 224
    num_folds: int = 5
    epochs: int = 60
    batch_size: int = 32
    learning_rate: float = 1e-3
    seed: int = 0


def main(settings: Settings) -> None:
    """Prints and records the mean and the deviation of both over the folds."""
    began = time.monotonic()
    console = Console(highlight=False)
    rows = read_rows(settings)
    targets = rows.targets.toarray()
    features = compute_features(rows, settings)
    featured = time.monotonic()
    folds = fold_images(
        targets, settings.num_folds, groups=(rows.digests,), seed=settings.seed
    )
    found = {name: [] for name in (*TRAININGS, "threshold 0.5", "tuned thresholds")}
    for fold in range(settings.num_folds):
        scores = {
            name: score_fold(features, targets, folds, fold, name, settings)
            for name in TRAININGS
        }
        test = folds == fold
        validation = folds == (fold + 1) % settings.num_folds
        for name, own in scores.items():
            mean = mean_average_precision(targets[test], own[test])
            found[name].append({"mAP": mean})
        own = scores["all labels"]
        tuned = tune_thresholds(targets[validation], own[validation])
        for name, threshold in (("threshold 0.5", 0.5), ("tuned thresholds", tuned)):
            values = precision_recall_f1(targets[test], own[test], threshold=threshold)
            found[name].append({key: values[key] for key in ("CF1", "OF1")})
        console.print(
            f"fold {fold + 1}/{settings.num_folds}: "
            + ", ".join(
                f"{name} {key} {100 * value:.2f}"
                for name, each in found.items()
                for key, value in each[-1].items()
            ),
            soft_wrap=True,
        )
    results = summarise(found, np.mean)
    deviations = summarise(found, lambda values: np.std(values, ddof=1))
    console.print(comparison(results, deviations, settings.num_folds))
    if settings.folder is not None:
        Run(
            recipe="tests.benchmarks.thresholds_and_unknowns",
            command=" ".join(["python -m", __spec__.name, *sys.argv[1:]]),
            settings=dataclasses.asdict(settings),
            data={
                "name": settings.data_dir.name,
                "images": len(targets),
                "labels": targets.shape[1],
                "positives": int((targets == 1).sum()),
                "skipped": len(rows.skipped),
            },
            results={"test": results},
            deviations={"test": deviations},
            seeds={
                f"fold {fold}": {
                    "test": {name: each[fold] for name, each in found.items()}
                }
                for fold in range(settings.num_folds)
            },
            per_label={},
            parameters={"linear head": (features.shape[1] + 1) * targets.shape[1]},
            exports={},
            seconds={
                "features": round(featured - began, 1),
                "folds": round(time.monotonic() - featured, 1),
            },
        ).write(settings.folder / "run.json")


def read_rows(settings):
    """Reads the rows and looks at every image."""
    return inspect_rows(read_listing(settings.data_dir))


def compute_features(rows, settings):
    """Returns the mean and the maximum of each channel over the image, (N, 2560)."""
    size = settings.image_size
    backbone = build_backbone("mobilenet_v2", image_size=size, weights=settings.weights)
    last = backbone.outputs[-1]
    pooled = [
        layer()(last)
        for layer in (
            keras.layers.GlobalAveragePooling2D,
            keras.layers.GlobalMaxPooling2D,
        )
    ]
    extractor = keras.Model(backbone.inputs, keras.ops.concatenate(pooled, axis=-1))
    features = []
    for start in range(0, len(rows.images), settings.batch_size):
        images = [
            read_resized(join(rows.listing.root, row.path), size)
            for row in rows.images[start : start + settings.batch_size]
        ]
        features.append(extractor.predict_on_batch(np.stack(images)))
    return np.concatenate(features)


def score_fold(features, targets, folds, fold, training, settings):
    """Trains a head without two folds and gives its probabilities of all images."""
    validation = folds == (fold + 1) % settings.num_folds
    train = ~validation & (folds != fold)
    own = targets[train]
    if training != "all labels":
        random = np.random.default_rng([settings.seed, fold])
        own = np.where(random.random(own.shape) < HIDDEN, -1, own)
    if training == "half unknown: absent":
        own = np.where(own == -1, 0, own)
    mean, deviation = features[train].mean(axis=0), features[train].std(axis=0)
    inputs = (features - mean) / (deviation + 1e-3)
    keras.utils.set_random_seed(settings.seed)
    head = keras.Sequential(
        [
            keras.Input(inputs.shape[1:]),
            keras.layers.Dense(
                targets.shape[1], kernel_initializer="zeros", name="logits"
            ),
        ]
    )
    initialise_bias(head, own)
    head.compile(
        keras.optimizers.Adam(settings.learning_rate), PartialBinaryCrossentropy()
    )
    best = BestEpoch(inputs[validation], targets[validation])
    head.fit(
        inputs[train],
        own,
        batch_size=settings.batch_size,
        epochs=settings.epochs,
        verbose=0,
        callbacks=[best],
    )
    head.set_weights(best.weights)
    return to_probabilities(head.predict_on_batch(inputs))


class BestEpoch(keras.callbacks.Callback):
    """Keeps the weights of the epoch with the best validation mAP."""

    def __init__(self, inputs, targets):
        super().__init__()
        self.inputs, self.targets = inputs, targets
        self.value, self.weights = -1.0, None

    def on_epoch_end(self, epoch, logs=None):
        logits = self.model.predict_on_batch(self.inputs)
        value = mean_average_precision(self.targets, logits)
        if value > self.value:
            self.value, self.weights = value, self.model.get_weights()


def summarise(found, function):
    """Takes a mean, or a deviation, over the folds."""
    return {
        name: {key: float(function([fold[key] for fold in each])) for key in each[0]}
        for name, each in found.items()
    }


def comparison(results, deviations, num_folds):
    """Lays the means and deviations out, in percent."""
    table = Table("", title=f"Test folds: mean ± deviation of {num_folds}")
    keys = ("mAP", "CF1", "OF1")
    for key in keys:
        table.add_column(key, justify="right")
    for name, values in results.items():
        table.add_row(
            name,
            *(
                f"{100 * values[key]:.2f} ± {100 * deviations[name][key]:.2f}"
                if key in values
                else ""
                for key in keys
            ),
        )
    return table


if __name__ == "__main__":
    main(tyro.cli(Settings, use_underscores=True))
