"""`kmlic train` beside what twenty lines of scikit-learn or Keras give.

    python -m tests.benchmarks.plain_tools DATA [--folds 5] [--minutes 10] ...

Every fold is tested with what was trained on the others; with `--images`, the first
fold is tested with what was trained on so many of the others. Logistic regression gets
the averages and maxima of the same features, and its C by cross-validation; fine-tuning
trains the complete backbone with a new layer on top, five epochs.
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
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from kmlic.backbones import build_backbone
from kmlic.classifier import ClassifierSettings, train_classifier
from kmlic.classifier.budget import Budget
from kmlic.classifier.check import check
from kmlic.classifier.features import features
from kmlic.classifier.read_groups import read_groups
from kmlic.data import fold_images
from kmlic.data.reading_options import ReadingOptions
from kmlic.evaluation.bootstrap import Bootstrap
from kmlic.losses import GroupFocalLoss, PartialBinaryCrossentropy
from kmlic.predict import load_run
from kmlic.run_folder import Run
from kmlic.training.scoring import predict_logits

TRAIN, PLAIN, FINE_TUNING = "kmlic train", "logistic regression", "plain fine-tuning"
_STRENGTHS = (1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1)
_INNER_FOLDS = 4
_EPOCHS = 5


@dataclasses.dataclass(frozen=True)
class Options:
    """What is compared, and on what."""

    data: tyro.conf.Positional[Path]
    folder: Path = Path("plain_tools")
    folds: int = 5
    images: tuple[int, ...] = ()
    minutes: float = 10.0
    backbone: str = "efficientnet_lite0"
    weights: str = "imagenet"
    image_size: int | None = None
    fine_tuning: bool = False
    groups: Path | None = None
    root: str | None = None


def main(options: Options) -> None:
    """Prints one line per fold or number of images, and writes all to run.json."""
    began = time.monotonic()
    console = Console(highlight=False)
    groups = None if options.groups is None else read_groups(options.groups)
    root = options.root or str(options.data.parent)
    reading = ReadingOptions(root=root)
    checked = check(options.data, options.folder, reading=reading, groups=groups)
    images = checked.images
    if groups is None and images.labels.exclusive:
        groups = images.labels.groups  # which few images might not show
    header, *lines = options.data.read_text().splitlines()
    if len(lines) != len(images.paths):
        raise ValueError(f"{options.data} must have one line per image.")
    folds = fold_images(images.targets, options.folds, groups=images.together)
    metric = "accuracy" if images.labels.exclusive else "mAP"
    order = np.random.default_rng(0).permutation(np.flatnonzero(folds != 0))
    parts = {
        f"fold {fold}": (np.flatnonzero(folds != fold), np.flatnonzero(folds == fold))
        for fold in range(options.folds)
    }
    if options.images:
        test = parts["fold 0"][1]
        parts = {
            f"{count} images": (np.sort(order[:count]), test)
            for count in options.images
        }
    rows = {}
    for name, (train, test) in parts.items():
        tables = {}
        for kind, own in (("train", train), ("test", test)):
            tables[kind] = options.folder / f"{kind}-{name.replace(' ', '-')}.csv"
            tables[kind].write_text("\n".join([header, *(lines[i] for i in own)]))
        rows[name] = _compare(options, tables, reading, groups, metric, console)
        _show(rows, metric, console)
        _record(rows, options, metric, images, began)


def _compare(options, tables, reading, groups, metric, console):
    settings = ClassifierSettings(
        folder=options.folder / f"{options.backbone}-{tables['train'].stem}",
        minutes=options.minutes,
        backbone=options.backbone,
        weights=options.weights,
        image_size=options.image_size,
    )
    start = time.monotonic()
    run = train_classifier(
        tables["train"],
        settings,
        test=tables["test"],
        reading=reading,
        groups=groups,
        console=console,
    )
    seconds = time.monotonic() - start
    stages = options.folder / "stages"
    images = check(
        tables["train"], stages, test=tables["test"], reading=reading, groups=groups
    ).images
    targets = images.targets[images.test_rows]
    bootstrap = Bootstrap(targets, images.labels, metric=metric)
    size = run.settings["image_size"]

    def build(image_size):
        keras.utils.set_random_seed(0)
        return build_backbone(
            options.backbone, image_size=image_size, weights=options.weights
        )

    model, _ = load_run(settings.folder)
    batches = images.batches(images.test_rows, image_size=size, batch_size=16)
    scores = {TRAIN: predict_logits(model, batches)[1]}
    found = features(images, build, stages, Budget(99), image_size=size)
    pooled = np.asarray(found.pooled[0][:, found.columns(False)])
    scores[PLAIN] = _logistic_regression(pooled, images, metric)
    if options.fine_tuning:
        scores[FINE_TUNING] = _fine_tuning(images, build, size)
    values = {name: bootstrap.values(own) for name, own in scores.items()}
    return {
        "model": run.data["exported"]["model"],
        "seconds": seconds,
        "intervals": {name: bootstrap.interval(own) for name, own in values.items()},
        "differences": {
            name: bootstrap.difference(values[TRAIN], own)
            for name, own in values.items()
            if name != TRAIN
        },
    }


def _logistic_regression(pooled, images, metric):
    rows, targets = images.training_rows, images.targets
    train = StandardScaler().fit(pooled[rows])
    own, test = train.transform(pooled[rows]), train.transform(pooled[images.test_rows])
    # In the images' span the fits are the same, and faster.
    basis = np.linalg.svd(own, full_matrices=False)[2].T
    own, test = own @ basis, test @ basis
    truth, labels = targets[rows], images.labels
    together = [[keys[row] for row in rows] for keys in images.together]
    folds = fold_images(truth, min(_INNER_FOLDS, len(truth)), groups=together)
    bootstrap = Bootstrap(truth, labels, metric=metric)
    values = []
    for strength in _STRENGTHS:
        scores = np.zeros(truth.shape)
        for fold in np.unique(folds):
            out = folds == fold
            scores[out] = _fit(own[~out], truth[~out], own[out], strength, labels)
        values.append(bootstrap.value(scores))
    return _fit(own, truth, test, _STRENGTHS[int(np.argmax(values))], labels)


def _fit(train, targets, test, strength, labels):
    """Fits one regression per label, or one per exclusive group."""
    scores = np.zeros((len(test), targets.shape[1]))
    single = [slice(n, n + 1) for n in range(targets.shape[1])]
    for columns in labels.exclusive_groups.values() if labels.exclusive else single:
        known = (targets[:, columns] >= 0).all(axis=1)
        own = targets[known, columns]
        classes = own.argmax(axis=1) if labels.exclusive else own[:, 0]
        if len(set(classes)) < 2:
            scores[:, columns] = 40.0 * own.mean(axis=0) - 20
            continue
        model = LogisticRegression(C=strength, max_iter=300, tol=1e-3)
        model.fit(train[known], classes)
        if not labels.exclusive:
            scores[:, columns] = model.decision_function(test)[:, None]
        else:
            probabilities = np.full((len(test), own.shape[1]), 1e-9)
            probabilities[:, model.classes_] = model.predict_proba(test)
            scores[:, columns] = np.log(probabilities + 1e-9)
    return scores


def _fine_tuning(images, build, size):
    backbone = build(size)
    x = keras.layers.GlobalAveragePooling2D()(backbone.outputs[-1])
    logits = keras.layers.Dense(len(images.labels))(x)
    model = keras.Model(backbone.input, logits)
    loss = PartialBinaryCrossentropy()
    if images.labels.exclusive:
        groups = images.labels.exclusive_groups.values()
        loss = GroupFocalLoss([own.stop - own.start for own in groups], gamma=0.0)
    model.compile(keras.optimizers.Adam(1e-4), loss)
    rows = images.training_rows
    train = images.batches(
        rows,
        image_size=size,
        batch_size=min(16, len(rows)),
        training=True,
        augmentation="flip",
    )
    for _ in range(_EPOCHS):
        for batch in train:
            model.train_on_batch(*batch)
    batches = images.batches(images.test_rows, image_size=size, batch_size=16)
    return predict_logits(model, batches)[1]


def _show(rows, metric, console):
    names = list(next(iter(rows.values()))["intervals"])
    differences = list(next(iter(rows.values()))["differences"])
    table = Table("part", *names, *(f"above {name}" for name in differences), "s")
    for part, row in rows.items():
        table.add_row(
            part,
            *(str(row["intervals"][name]) for name in names),
            *(str(row["differences"][name]) for name in differences),
            f"{row['seconds']:.0f}",
        )
    console.print(f"{metric}, in percent, with 95 % intervals over test images")
    console.print(table)


def _record(rows, options, metric, images, began):
    results = {
        part: {
            name: {metric: interval.value}
            for name, interval in {
                **row["intervals"],
                **{f"above {name}": own for name, own in row["differences"].items()},
            }.items()
        }
        for part, row in rows.items()
    }
    names = next(iter(results.values()))
    results["mean"] = {
        name: {metric: float(np.mean([results[part][name][metric] for part in rows]))}
        for name in names
    }
    Run(
        recipe="tests.benchmarks.plain_tools",
        command=" ".join(["python -m tests.benchmarks.plain_tools", *sys.argv[1:]]),
        settings=dataclasses.asdict(options),
        data={
            "name": str(options.data),
            "images": len(images.targets),
            "fingerprint": images.fingerprint,
            "models": {part: row["model"] for part, row in rows.items()},
        },
        results=results,
        deviations={},
        seeds={},
        intervals={
            part: {
                name: {metric: {"low": interval.low, "high": interval.high}}
                for name, interval in {
                    **row["intervals"],
                    **{f"above {n}": own for n, own in row["differences"].items()},
                }.items()
            }
            for part, row in rows.items()
        },
        per_label={},
        parameters={},
        exports={},
        seconds={
            **{part: round(row["seconds"], 1) for part, row in rows.items()},
            "all": round(time.monotonic() - began, 1),
        },
    ).write(options.folder / "run.json")


if __name__ == "__main__":
    main(tyro.cli(Options, use_underscores=True))
