"""The fifth stage: the upper part of the backbone trained, from the floor on."""

import dataclasses
import functools
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kmlic.atomic_write import atomic_write
from kmlic.backbones import freeze_batch_norm
from kmlic.classifier.budget import Budget
from kmlic.classifier.candidate import Candidate, keep, key
from kmlic.classifier.classifier_settings import ClassifierSettings
from kmlic.classifier.features import (
    MOST_ACTIVATION_BYTES,
    Features,
    compute_outputs,
    cut_backbone,
    mapped_anew,
    pooled_features,
)
from kmlic.classifier.floor import Floor, prior_logits
from kmlic.classifier.images import Images
from kmlic.classifier.logistic_regression import LinearWeights
from kmlic.classifier.protocol import Protocol
from kmlic.count_noun import count_noun
from kmlic.data.in_order import in_order
from kmlic.data.keras_augmentation import mix
from kmlic.data.training_batches import ShuffledRows, TrainingBatches
from kmlic.evaluation.bootstrap import Metric
from kmlic.losses import GroupFocalLoss, class_balanced_weights, make_loss
from kmlic.losses.make_loss import POSITIVE_WEIGHT_BETAS
from kmlic.models import average_models
from kmlic.training import LayerwiseAdamW, OneCycle, fit, part_multipliers
from kmlic.training.open_log import open_log

FINE_TUNED = "fine-tuned"
MORE_EPOCHS = "more epochs of fine-tuning"  # than there was time for

# With fewer images the floor was never beaten.
_FEWEST_IMAGES = 400
_BATCH = 32
_MOST_EPOCHS = 12
_FEWEST_EPOCHS = 1
# With time for more, several networks are trained and averaged.
_EPOCHS_OF_MEMBER = 3
_MOST_MEMBERS = 4
# With less time, only some of the folds are scored.
_FEWEST_FOLDS = 2
# Of a network. With fewer, mixed images and random crops made it worse.
_FEWEST_EPOCHS_MIXED = 6
# Random crops of each image, for which the time of some epochs is given.
_MOST_CROPS = 4
_SHARE_OF_CROPS = 0.2
# Of the time of the features, what the lower part takes; half of it was measured.
_SHARE_OF_FEATURES = 0.6
_RATE = 1e-3
_BACKBONE_FACTOR = 0.5
_WEIGHT_DECAY = 1e-2
_LABEL_SMOOTHING = 0.1
_TIMED_STEPS = 5
# Of the time left, for scores and for what was estimated too low.
_SHARE_OF_REST = 0.85


@dataclasses.dataclass(frozen=True, eq=False)
class _Setting:
    """Holds what every training of this stage needs."""

    images: Images
    features: Features
    base: Floor
    build: Callable[[int | None], keras.Model]
    settings: ClassifierSettings

    def cut(self) -> tuple[keras.Model, keras.Model]:
        """Returns the backbone's lower and upper part."""
        backbone = self.build(self.features.image_size)
        parts = cut_backbone(backbone)
        if parts is None:
            raise ValueError(f"{backbone.name!r} has no layer to be cut at.")
        return parts

    def head(self, upper: keras.Model, start: LinearWeights) -> keras.Model:
        """Returns what is trained: the upper part, and the regression on top."""
        own = self.features.pooled[:, self.images.training_rows, self.base.columns]
        flat = own.reshape(-1, own.shape[-1])
        mean, deviation = flat.mean(axis=0), np.maximum(flat.std(axis=0), 1e-6)
        pooled = pooled_features(upper.outputs, earlier=self.base.columns.start == 0)
        standardise = keras.layers.Rescaling(
            (1 / deviation).tolist(),
            (-mean / deviation).tolist(),
            dtype="float32",
            name="standardise",
        )
        dense = keras.layers.Dense(len(start.bias), dtype="float32", name="logits")
        head = keras.Model(upper.input, dense(standardise(pooled)), name="head")
        kernel = start.kernel * deviation[:, None]
        dense.set_weights([kernel, start.bias + mean @ start.kernel])
        return head

    def compile(
        self, head: keras.Model, upper: keras.Model, steps: int, epochs: int
    ) -> None:
        """Compiles a head with its loss and its optimizer, for steps per epoch."""
        freeze_batch_norm(head)
        optimizer = LayerwiseAdamW(
            OneCycle(_RATE, steps * epochs, rise=0.2),
            _WEIGHT_DECAY,
            multipliers=part_multipliers(upper, _BACKBONE_FACTOR),
            global_clipnorm=5.0,
        )
        head.compile(optimizer, self._make_loss(optimizer, steps, epochs))

    def _make_loss(
        self, optimizer: keras.Optimizer, steps: int, epochs: int
    ) -> keras.Loss:
        name, weights = self.settings.loss, self.settings.positive_weights
        targets = self.images.targets[self.images.training_rows]
        groups = self.images.labels.exclusive_groups.values()
        if groups:
            sizes = [own.stop - own.start for own in groups]
            options: dict[str, Any] = {"label_smoothing": _LABEL_SMOOTHING}
            if weights != "none":
                counts = np.maximum((targets == 1).sum(axis=0), 1)
                beta = POSITIVE_WEIGHT_BETAS[weights]
                options["label_weights"] = class_balanced_weights(
                    counts, sizes, beta=beta
                )
            return GroupFocalLoss(sizes, gamma=0.0, **options)
        return make_loss(
            "crossentropy" if name == "auto" else name,
            targets,
            positive_weights=weights,
            iterations=optimizer.iterations,
            steps_per_epoch=steps,
            epochs=epochs,
        )


def has_enough_images(images: Images) -> bool:
    """Tells whether there are training images enough to train a backbone on."""
    return len(images.training_rows) >= _FEWEST_IMAGES


def fine_tuning(
    images: Images,
    features: Features,
    base: Floor,
    protocol: Protocol,
    build: Callable[[int | None], keras.Model],
    folder: Path,
    budget: Budget,
    *,
    settings: ClassifierSettings,
    reserve: float,
    metric: Metric = "mAP",
) -> list[Candidate]:
    """Trains the upper part of the backbone, starting from the logistic regression.

    What the lower part gives for each image and its mirror image is on the disk. Batch
    normalization stays as it is; the rate rises and falls along a cosine; the moving
    average of the weights after the last epoch is what is scored, so that no epoch is
    chosen by the scores that are compared. With time for six epochs or more, two to
    four networks are trained on other orders of the images, and their logits are
    averaged. Where random crops of the images leave time for six epochs of each, the
    crops take part and images are mixed. With time for fewer than three epochs in all
    folds, or where training is slower than was measured, only the first folds are
    trained and scored.

    Paper: Kumar et al., "Fine-Tuning can Distort Pretrained Features and Underperform
    Out-of-Distribution", ICLR 2022, https://arxiv.org/abs/2202.10054.

    Args:
        images: of all splits.
        features: of all images, with activations.
        base: the logistic regression that is the start.
        protocol: what is fitted and what is scored.
        build: image size to the backbone.
        folder: where the result is kept.
        budget: says how many epochs there is time for.
        settings: their loss is trained with, their seed is that of order and mixing.
        reserve: seconds that later stages need.
        metric: for the log.

    Returns:
        One candidate, with scores of the first folds; none where images or time do not
        suffice.
    """
    rows = images.training_rows
    stage = "fine-tuning"
    if not has_enough_images(images):
        text = f"left out: {len(rows):,} training images, fewer than {_FEWEST_IMAGES}"
        budget.say(stage, text)
        return []
    setting = _Setting(images, features, base, build, settings)
    if features.activations is None:
        text = "activations would take too much room; choose a smaller --image_size"
        if cut_backbone(build(features.image_size)) is None:
            text = "the backbone has no layer to be cut at; choose another --backbone"
        budget.say(stage, f"left out: {text}")
        return []
    folds = [np.concatenate(each) for each in protocol.folds]
    name = key(
        "fine-tuning 5",
        features.fingerprint,
        base.weights.kernel,
        settings.seed,
        settings.loss,
        settings.positive_weights,
        *folds,
    )
    place = folder / f"fine-tuning-{name}"
    record = place / "plan.json"
    plan = _Plan(0.0, 0, 0, 0)
    if record.exists():
        plan = _Plan(**json.loads(record.read_text()))
    if budget.seconds != plan.seconds:
        budget.do(stage, "measuring its speed")
        possible, text = _plan(setting, protocol, budget, reserve)
        trained = plan.epochs and plan.is_trained(place)
        if not trained and possible.epochs < _FEWEST_EPOCHS:
            budget.say(stage, f"left out: {text}")
            budget.wish("fine-tuning")
            return []
        if trained and possible.effort <= plan.effort:
            text = (
                f"as before, {count_noun(plan.epochs, 'epoch')} in "
                f"{count_noun(plan.folds, 'fold')}"
            )
        else:
            plan = possible
        plan = dataclasses.replace(plan, seconds=budget.seconds)
        plan.write(record)
        budget.say(stage, text)
    members, epochs = plan.members, plan.epochs_of_member
    length = count_noun(epochs, "epoch")
    if plan.epochs < _MOST_MEMBERS * _MOST_EPOCHS:
        budget.wish(MORE_EPOCHS)
    protocol = protocol.first(sum(len(own) for _, own in protocol.folds[: plan.folds]))
    activations = features.activations
    crops = folder / f"crops-{key(features.fingerprint, rows)}-{plan.crops}"
    remove_crops(folder, keep=crops)

    @functools.cache
    def load() -> tuple[_Inputs, float]:
        return _load_inputs(setting, activations, plan.crops, crops, budget, stage)

    seconds = 0.0
    if (crops / "progress.json").exists() or not plan.is_trained(place):
        _, seconds = load()

    def train(
        name: str, start: LinearWeights, fitted: np.ndarray, scored: np.ndarray
    ) -> list[dict[str, np.ndarray]]:
        found = []
        for member in range(members):
            budget.do(
                stage,
                f"{name}, network {member + 1} of {members}, {length}",
            )
            own = plan.path(place, name, member)
            known = keep(
                own,
                lambda member=member, own=own: _train(  # type: ignore[misc]
                    setting,
                    start,
                    load()[0],
                    fitted,
                    scored,
                    epochs,
                    own.with_suffix(""),
                    settings.seed + member,
                ),
                budget,
            )
            # Not before: what was trained would be lost if this ended in between.
            shutil.rmtree(own.with_suffix(""), ignore_errors=True)
            found.append(known)
        return found

    logits: list[np.ndarray] = []
    began = time.monotonic()
    for fold, (fitted, scored) in enumerate(protocol.folds):
        spent = (time.monotonic() - began) / max(fold, 1)
        # As many networks are still to be trained on all images.
        late = fold >= _FEWEST_FOLDS and budget.left < 2 * spent + reserve
        if late and not plan.is_trained(place):
            plan = dataclasses.replace(plan, folds=fold)
            plan.write(record)
            budget.say(stage, f"slower than expected: {fold} folds are scored")
            protocol = protocol.first(sum(each.shape[1] for each in logits))
            break
        start = base.fold_weights[fold]
        own = train(_fold_name(fold), start, fitted, scored)
        logits.append(np.mean([member["logits"] for member in own], axis=0))
        seconds += sum(float(member["seconds"]) for member in own)

    def model() -> keras.Model:
        found = own  # of the only fold
        if protocol.cross_validated:
            found = train("all training images", base.weights, rows, rows[:0])
        lower, upper = setting.cut()
        heads = []
        for member in found:
            head = setting.head(upper, base.weights)
            weights = [member[f"weight_{n}"] for n in range(len(head.weights))]
            head.set_weights(weights)
            heads.append(head)
            _, upper = setting.cut()
        return average_models(heads, trunk=lower, name="classifier")

    candidate = Candidate(
        FINE_TUNED, np.concatenate(logits, axis=1), seconds, model=model
    )
    value = protocol.describe(images, metric, candidate.logits[0])
    text = f"{length}: {value}, in {seconds:.0f} s"
    if members > 1:
        text = f"{members} networks, {text}"
    budget.say(stage, text)
    return [candidate]


def remove_crops(folder: Path, keep: Path | None = None) -> None:
    """Removes the random crops of all plans but one."""
    for place in set(folder.glob("crops-*")) - {keep}:
        # First, so that what is left after an interruption is taken for nothing.
        (place / "progress.json").unlink(missing_ok=True)
        shutil.rmtree(place)


@dataclasses.dataclass(frozen=True)
class _Plan:
    """Holds what a budget of seconds is spent on."""

    seconds: float
    epochs: int
    folds: int
    crops: int

    @property
    def members(self) -> int:
        """Returns the number of networks."""
        return min(max(self.epochs // _EPOCHS_OF_MEMBER, 1), _MOST_MEMBERS)

    @property
    def epochs_of_member(self) -> int:
        """Returns the number of epochs of each network."""
        return min(self.epochs // self.members, _MOST_EPOCHS)

    def path(self, folder: Path, name: str, member: int) -> Path:
        """Returns the file of a network."""
        numbers = f"{self.epochs_of_member}-{self.crops}-{member}"
        return folder / f"{name}-{numbers}.npz".replace(" ", "-")

    def write(self, record: Path) -> None:
        """Writes a file that another run takes up."""
        with atomic_write(record) as temporary:
            temporary.write_text(json.dumps(dataclasses.asdict(self)))

    def is_trained(self, folder: Path) -> bool:
        """Tells whether the networks of all folds are there."""
        return all(
            self.path(folder, _fold_name(fold), member).exists()
            for fold in range(self.folds)
            for member in range(self.members)
        )

    @property
    def effort(self) -> int:
        """Returns what more minutes add to."""
        return self.epochs * self.folds


def _fold_name(fold: int) -> str:
    return f"fold {fold + 1}"


def _plan(
    setting: _Setting, protocol: Protocol, budget: Budget, reserve: float
) -> tuple[_Plan, str]:
    """Measures some steps and returns what there is time for, and why."""
    _, upper = setting.cut()
    head = setting.head(upper, setting.base.weights)
    setting.compile(head, upper, 100, 1)
    count = len(setting.images.training_rows)
    inputs = np.zeros((_BATCH, *upper.input_shape[1:]), "float32")
    targets = np.zeros((_BATCH, len(setting.images.labels)), "float32")
    head.train_on_batch(inputs, targets)
    start = time.monotonic()
    for _ in range(_TIMED_STEPS):
        head.train_on_batch(inputs, targets)
    per_image = (time.monotonic() - start) / (_TIMED_STEPS * _BATCH)
    per_view = _SHARE_OF_FEATURES * setting.features.seconds * count / 2
    left = budget.left - reserve
    bytes_per_crop = 2 * count * int(np.prod(upper.input_shape[1:]))
    kept = 2 * len(setting.images.targets) / count * bytes_per_crop
    room = max(MOST_ACTIVATION_BYTES - kept, 0)
    most_crops = min(int(room / bytes_per_crop), _MOST_CROPS)
    crops = int(np.clip(_SHARE_OF_CROPS * left / per_view, 0, most_crops))
    most = _MOST_MEMBERS * _MOST_EPOCHS
    fitted = [len(rows) for rows, _ in protocol.folds]

    def plan_for(crops: int) -> _Plan:
        for folds in range(len(fitted), 0, -1):
            images = sum(fitted[:folds])
            if protocol.cross_validated:
                images += count  # the model of all images, if it is chosen
            seconds = _SHARE_OF_REST * (left - crops * per_view)
            epochs = max(int(min(seconds / (per_image * images), most)), 0)
            if epochs >= _EPOCHS_OF_MEMBER or folds == min(_FEWEST_FOLDS, len(fitted)):
                break
        return _Plan(budget.seconds, epochs, folds, crops)

    plan = plan_for(crops)
    if plan.epochs_of_member < _FEWEST_EPOCHS_MIXED:
        plan = plan_for(0)
    times = "once" if len(fitted) == 1 else f"in {plan.folds} of {len(fitted)} folds"
    text = (
        f"{count_noun(round(1 / per_image), 'image')} per second, "
        f"{count_noun(count, 'image')} {times}, "
        f"{count_noun(plan.crops, 'random crop')} of each: time for "
        f"{count_noun(plan.epochs, 'epoch')}"
    )
    return plan, text


@dataclasses.dataclass(frozen=True, eq=False)
class _Inputs:
    """Holds what the lower part gives for all views of the images.

    Args:
        activations: (2, N, H, W, C) of images and mirror images.
        crops: (K, M, H, W, C) of random crops of the training images; None for none.
        position: (N,) place of a training image in `crops`.
    """

    activations: np.ndarray
    crops: np.memmap | None
    position: np.ndarray

    @property
    def num_views(self) -> int:
        """Returns the number of views of each training image."""
        return len(self.activations) + (0 if self.crops is None else len(self.crops))

    def read(self, rows: np.ndarray, views: np.ndarray) -> np.ndarray:
        """Returns a batch (B, H, W, C), of one view of each row."""
        own = len(self.activations)
        batch = np.empty((len(rows), *self.activations.shape[2:]), "float32")
        plain = views < own
        batch[plain] = mapped_anew(self.activations)[views[plain], rows[plain]]
        if self.crops is not None:
            cropped = views[~plain] - own, self.position[rows[~plain]]
            batch[~plain] = mapped_anew(self.crops)[cropped]
        return batch


def _load_inputs(
    setting: _Setting,
    activations: np.ndarray,
    num_crops: int,
    place: Path,
    budget: Budget,
    stage: str,
) -> tuple[_Inputs, float]:
    """Computes random crops of the training images, or finds them."""
    images, found = setting.images, setting.features
    rows = images.training_rows
    position = np.full(len(images.targets), -1)
    position[rows] = np.arange(len(rows))
    crops, seconds = None, 0.0
    if num_crops:
        lower, _ = setting.cut()
        (crops,), seconds = compute_outputs(
            images,
            rows,
            lower,
            found.image_size,
            place,
            budget,
            views=range(2, 2 + num_crops),
            stage=stage,
        )
    return _Inputs(activations, crops, position), seconds


def _train(
    setting: _Setting,
    start: LinearWeights,
    inputs: _Inputs,
    fitted: np.ndarray,
    scored: np.ndarray,
    epochs: int,
    place: Path,
    seed: int,
) -> dict[str, np.ndarray]:
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    _, upper = setting.cut()
    head = setting.head(upper, start)
    size = min(_BATCH, len(fitted))
    steps = len(fitted) // size
    setting.compile(head, upper, steps, epochs)
    targets = setting.images.targets
    train = _batches(inputs, targets, fitted, size, seed)
    with open_log(
        setting.settings.log,
        title=f"{FINE_TUNED} {place.name}",
        folder=setting.settings.folder,
        settings=dataclasses.asdict(setting.settings),
    ) as log:
        fit(
            head,
            train,
            None,  # no score chooses an epoch
            epochs=epochs,
            folder=place,
            title=FINE_TUNED,
            ema=max(0.9, 1 - 2 / max(steps, 1)),
            seed=seed,
            loggers=log.callbacks,
        )
    found: dict[str, np.ndarray] = {
        f"weight_{n}": weight.numpy() for n, weight in enumerate(head.weights)
    }
    shift = prior_logits(targets[setting.images.training_rows])
    shift -= prior_logits(targets[fitted])
    views = [_logits(head, inputs, scored, view) + shift for view in (0, 1)]
    found["logits"] = np.array([views[0], (views[0] + views[1]) / 2])
    return found


def _batches(
    inputs: _Inputs,
    targets: np.ndarray,
    rows: np.ndarray,
    size: int,
    seed: int,
) -> TrainingBatches:
    """Returns training batches of all views, mixed where crops are among them."""
    shape = inputs.activations.shape[2:]

    def load(draws: tf.data.Dataset) -> tf.data.Dataset:
        def batch(rows: Any, numbers: Any) -> tuple[tf.Tensor, tf.Tensor]:
            views = numbers[:, 0] % inputs.num_views
            maps = tf.numpy_function(inputs.read, [rows, views], tf.float32)
            flat = tf.reshape(maps, (size, 1, 1, int(np.prod(shape))))
            own = tf.gather(tf.constant(targets, tf.float32), rows)
            if inputs.crops is not None:
                flat, own = mix(flat, own, numbers[0], "mixup")
            return tf.reshape(flat, (size, *shape)), own

        return in_order(draws.map(batch, tf.data.AUTOTUNE).prefetch(2))

    spec = (
        tf.TensorSpec((size, *shape), tf.float32),
        tf.TensorSpec((size, targets.shape[1]), tf.float32),
    )
    return TrainingBatches(ShuffledRows(rows, size, seed), load, spec)


def _logits(
    head: keras.Model, inputs: _Inputs, rows: np.ndarray, view: int
) -> np.ndarray:
    blocks = [rows[start : start + 64] for start in range(0, len(rows), 64)]
    found = [
        head.predict_on_batch(inputs.read(own, np.full(len(own), view)))
        for own in blocks
    ]
    empty = np.empty((0, head.output_shape[-1]), "float32")
    return np.concatenate([empty, *found])
