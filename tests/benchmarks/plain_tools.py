"""`kmlic train` beside what twenty lines of scikit-learn or Keras give.

    python -m tests.benchmarks.plain_tools DATA [--folds 5] [--minutes 10] ...

Every fold is tested with what was trained on the others. Logistic regression gets the
averages and maxima of the same features, and its C by cross-validation; fine-tuning
trains the complete backbone with a new layer on top, five epochs.
"""

import dataclasses
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
from kmlic.classifier.check import check, read_groups
from kmlic.classifier.features import features
from kmlic.data import fold_images
from kmlic.evaluation.bootstrap import Bootstrap
from kmlic.losses import PartialBinaryCrossentropy
from kmlic.predict import load_run
from kmlic.training.scoring import predict_logits

_STRENGTHS = (1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0)
_EPOCHS = 5


@dataclasses.dataclass(frozen=True)
class Options:
    """What is compared, and on what."""

    data: tyro.conf.Positional[Path]
    folder: Path = Path("plain_tools")
    folds: int = 5
    only: tuple[int, ...] = ()
    minutes: float = 10.0
    backbone: str = "efficientnet_lite0"
    weights: str = "imagenet"
    image_size: int | None = None
    images: int | None = None
    fine_tuning: bool = False
    groups: Path | None = None
    root: Path | None = None


def main(options: Options) -> None:
    console = Console(highlight=False)
    groups = None if options.groups is None else read_groups(options.groups)
    images = check(options.data, options.folder, root=options.root, groups=groups)
    images = images.images
    header, *lines = options.data.read_text().splitlines()
    if len(lines) != len(images.paths):
        raise ValueError(f"{options.data} must have one line per image.")
    folds = fold_images(images.targets, options.folds, groups=images.together)
    metric = "accuracy" if images.labels.exclusive else "mAP"
    rows = []
    for fold in options.only or range(options.folds):
        train = np.flatnonzero(folds != fold)
        test = np.flatnonzero(folds == fold)
        if options.images is not None:
            order = np.random.default_rng(fold).permutation(len(train))
            train = np.sort(train[order[: options.images]])
        tables = {}
        for name, own in (("train", train), ("test", test)):
            tables[name] = options.folder / f"{name}-{fold}-{len(train)}.csv"
            tables[name].write_text("\n".join([header, *(lines[i] for i in own)]))
        rows.append(_fold(options, tables, groups, metric, fold, console))
        _show(rows, metric, console)


def _fold(options, tables, groups, metric, fold, console):
    root = options.root or options.data.parent
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
        root=root,
        groups=groups,
        console=console,
    )
    seconds = time.monotonic() - start
    stages = settings.folder.with_name(f".{settings.folder.name}.stages")
    images = check(
        tables["train"], stages, test=tables["test"], root=root, groups=groups
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
    scores = {"kmlic train": predict_logits(model, batches)[1]}
    found = features(images, build, stages, Budget(99), image_size=size)
    pooled = np.asarray(found.pooled[0][:, found.columns(False)])
    scores["logistic regression"] = _logistic_regression(pooled, images, metric)
    if options.fine_tuning:
        scores["plain fine-tuning"] = _fine_tuning(images, build, size)
    values = {name: bootstrap.values(own) for name, own in scores.items()}
    return {"fold": fold, "seconds": seconds, "bootstrap": bootstrap, **values}


def _logistic_regression(pooled, images, metric):
    rows, targets = images.training_rows, images.targets
    train = StandardScaler().fit(pooled[rows])
    own, test = train.transform(pooled[rows]), train.transform(pooled[images.test_rows])
    # In the images' span the fits are the same, and faster.
    basis = np.linalg.svd(own, full_matrices=False)[2].T
    own, test = own @ basis, test @ basis
    truth = targets[rows]
    folds = fold_images(truth, 5)
    bootstrap = Bootstrap(truth, images.labels, metric=metric)
    values = []
    for strength in _STRENGTHS:
        scores = np.zeros(truth.shape)
        for fold in range(5):
            out = folds == fold
            scores[out] = _fit(own[~out], truth[~out], own[out], strength)
        values.append(bootstrap.value(scores))
    return _fit(own, truth, test, _STRENGTHS[int(np.argmax(values))])


def _fit(train, targets, test, strength):
    columns = []
    for label in targets.T:
        known = label >= 0
        if len(set(label[known])) < 2:
            columns.append(np.full(len(test), 40.0 * label.max() - 20))
            continue
        model = LogisticRegression(C=strength, max_iter=500)
        model.fit(train[known], label[known])
        columns.append(model.decision_function(test))
    return np.stack(columns, axis=1)


def _fine_tuning(images, build, size):
    backbone = build(size)
    x = keras.layers.GlobalAveragePooling2D()(backbone.outputs[-1])
    logits = keras.layers.Dense(len(images.labels))(x)
    model = keras.Model(backbone.input, logits)
    model.compile(keras.optimizers.Adam(1e-4), PartialBinaryCrossentropy())
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
    names = [key for key in rows[0] if key not in ("fold", "seconds", "bootstrap")]
    table = Table("fold", *names, "above logistic regression", "s")
    for row in rows:
        bootstrap = row["bootstrap"]
        both = row["kmlic train"], row["logistic regression"]
        table.add_row(
            str(row["fold"]),
            *(str(bootstrap.interval(row[name])) for name in names),
            str(bootstrap.difference(*both)),
            f"{row['seconds']:.0f}",
        )
    means = [100 * np.mean([row[name][0] for row in rows]) for name in names]
    table.add_row("mean", *(f"{m:.1f}" for m in means), f"{means[0] - means[1]:.1f}")
    console.print(f"{metric}, in percent, with 95 % intervals over test images")
    console.print(table)


if __name__ == "__main__":
    main(tyro.cli(Options, use_underscores=True))
