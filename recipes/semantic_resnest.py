"""Semantic-embedded ResNeSt: activation maps of one classifier guide another.

Paper:   Shen, Zhao and Luo, "Semantic Embedded Deep Neural Network: A Generic Approach
         to Boost Multi-Label Image Classification Performance", 2023,
         https://arxiv.org/abs/2305.05228
Command: python -m recipes.semantic_resnest
         python -m recipes.semantic_resnest --ablations --seeds 0 1 2
Paper's: python -m recipes.semantic_resnest --paper --dataset csv --data_dir my_photos
Photos:  python -m recipes.semantic_resnest --photos --data_dir FOLDER
         --weights mobilenet_v2_imagenet_notop.weights.h5
Trial:   python -m recipes.semantic_resnest --trial
Cost:    about 5 CPU-minutes for one seed, 17 with all rows (estimated from three seeds
         in parts); 5 minutes for one of --photos beside other work
Result:  three seeds, mean relative change of the area under the precision-recall curves
         by the maps: +25.8 % on street_fashion's 11 patterns, -2.0 % on DeepFashion's
         7, where the paper has +16.4 % on its images
"""

import dataclasses
import functools
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, get_args

import keras
import numpy as np
from rich.console import Console

from kmlic.backbones import build_backbone, freeze_batch_norm
from kmlic.data import MultiLabelData
from kmlic.datasets import load_dataset
from kmlic.evaluation import compare_curves, mass_in_boxes, predict_scores
from kmlic.experiments import Experiment, Trained, TrainingSettings, run_recipe
from kmlic.explain import activation_maps, overlay, receptive_field_centers
from kmlic.html_report import Picture, Section
from kmlic.labels import Labels
from kmlic.losses import PartialBinaryCrossentropy
from kmlic.metrics import precision_recall_auc
from kmlic.models import (
    ACTIVATION_MAPS,
    LOGITS,
    build_cam_generator,
    build_classifier,
    build_semantic_resnest,
)
from kmlic.predict import load_run
from kmlic.run_folder import Run
from kmlic.training import (
    LayerwiseAdamW,
    PlateauDecay,
    initialise_bias,
    make_strategy,
    part_multipliers,
)

CONSOLE = Console(highlight=False)
MAIN = "semantic_resnest"
LONGER = "baseline, longer"
Row = Literal[
    "baseline, longer",
    "resized",
    "from the baseline",
    "end to end",
    "plain backbone",
    "3 channels",
]
# A label of more than this share of the training images is a majority label.
MAJORITY = 0.05
NUM_EXAMPLES = 8


@dataclasses.dataclass(frozen=True)
class GeneratorSettings:
    """What stage one is trained on, and how: all that its maps depend on."""

    dataset: str
    data_dir: Path | None
    fractions: tuple[float, float, float]
    on_error: Literal["raise", "skip"]
    backbone: str
    feature_map: int
    weights: str | None
    batch_norm: Literal["train", "freeze"]
    image_size: int
    first_bias: Literal["frequency", "zero"]
    augmentation: Literal["none", "flip", "multi_scale_crop"]
    augment_on: Literal["pipeline", "device"]
    batch_size: int
    epochs: int
    learning_rate: float
    backbone_multiplier: float
    weight_decay: float
    clip_norm: float | None
    schedule: Literal["cosine", "plateau"]
    seeds: tuple[int, ...]
    strategy: Literal["mirrored", "single", "multi_worker"]
    folder: Path


@dataclasses.dataclass(frozen=True)
class Settings(TrainingSettings):
    """What is trained on what, and how.

    The defaults fit two CPU cores; `--paper` stands for the paper's configuration.
    """

    dataset: str = "street_fashion/patterns"
    """Name of a dataset of kmlic.data, or csv for `data_dir`/labels.csv."""
    data_dir: Path | None = None
    """Where the dataset lies or is kept; TFDS's own folder when left out."""
    fractions: tuple[float, float, float] = (0.7, 0.1, 0.2)
    """Shares of training, validation and test images, for csv."""
    on_error: Literal["raise", "skip"] = "raise"
    """What a broken image or row does to a csv dataset: stop, or be counted."""

    backbone: str = "small_resnest"
    plain_backbone: str = "small_resnet"
    """Of the ablation without channel-wise attention."""
    generator_backbone: str = "small_resnet"
    feature_map: int = -2
    """Which of its feature maps the generator classifies: -1 the last (3 x 3 at 96
    pixels), -2 the one before (6 x 6)."""
    weights: str | None = None
    """None, imagenet, or a file of weights, for the backbones of both."""
    batch_norm: Literal["train", "freeze"] = "train"
    """freeze: the backbones keep their batch statistics (small data, few images)."""
    image_size: int = 96
    """Side in pixels."""
    embedding: Literal["deconv", "resize"] = "deconv"
    embedding_channels: int = 1
    last_norm: bool = True
    """Whether the embedding is normalised to the same deviation in every image."""
    hidden_units: tuple[int, ...] = (256,)
    generator: Literal["frozen", "trainable", "joint"] = "frozen"
    """joint: end to end, in one run with both losses."""
    generator_loss_weight: float = 1.0
    """Of the generator's loss, end to end."""
    share: Literal["nothing", "stem"] = "nothing"
    """What generator and classifier share, end to end."""
    start: Literal["weights", "baseline"] = "weights"
    """What the guided classifier's backbone begins with: `weights`, or what the
    baseline's has learned."""
    first_bias: Literal["frequency", "zero"] = "frequency"
    """frequency: the logits begin at how frequent each label is; zero: as the paper."""

    augmentation: Literal["none", "flip", "multi_scale_crop"] = "flip"
    batch_size: int = 32
    epochs: int = 5
    generator_epochs: int = 20
    """The classifier is as good as the maps that it is given: with 5 epochs, after
    which the generator is still far behind, it ends below its baseline."""
    learning_rate: float = 2e-3
    backbone_multiplier: float = 1.0
    """Factor of the backbones' learning rate."""
    weight_decay: float = 0.01
    """Decoupled; 0 is Adam."""
    clip_norm: float | None = 10.0
    """Largest norm of all gradients together; None for any."""
    schedule: Literal["cosine", "plateau"] = "cosine"
    """cosine: to zero after one epoch of warm-up; plateau: a tenth whenever the loss
    has not fallen for 4 epochs."""

    seeds: tuple[int, ...] = (0,)
    stage_one: Path | None = None
    """Folder with the generators of a run before, one per seed; `folder`_generator
    when left out. They are taken when labels, data and settings match."""
    folder: Path = Path("saved_models/semantic_resnest")
    photos: bool = False
    """DeepFashion's photos on two CPU cores: its 7 patterns, MobileNetV2 twice, which
    wants `weights`."""
    paper: bool = False
    """The paper's configuration: SGE-ResNet-50, ResNeSt-50, 256 pixels, Adam 1e-5."""
    trial: bool = False
    """Everything once on a few images, in under two minutes."""
    ablations: bool = False
    """Adds the rows of the paper's Table III, the end-to-end model, and the baseline
    trained for as long as generator and classifier together; resumable."""
    rows: tuple[Row, ...] = get_args(Row)
    """Which of these rows."""


PRESETS = {
    "paper": Settings(
        fractions=(0.6, 0.1, 0.3),
        backbone="resnest50d",
        plain_backbone="resnet50",
        generator_backbone="sge_resnet50",
        feature_map=-1,
        weights="imagenet",
        image_size=256,
        hidden_units=(512,),
        first_bias="zero",
        epochs=50,
        generator_epochs=50,
        learning_rate=1e-5,
        weight_decay=0.0,
        clip_norm=None,
        schedule="plateau",
        folder=Path("saved_models/semantic_resnest_paper"),
        paper=True,
    ),
    "photos": Settings(
        dataset="deepfashion/patterns",
        backbone="mobilenet_v2",
        plain_backbone="mobilenet_v2",
        generator_backbone="mobilenet_v2",
        feature_map=-1,
        batch_norm="freeze",
        epochs=4,
        generator_epochs=4,
        learning_rate=1e-3,
        backbone_multiplier=0.3,
        seeds=(0, 1, 2),
        folder=Path("saved_models/semantic_resnest_photos"),
        photos=True,
    ),
    "trial": Settings(
        dataset="street_fashion/tiny/patterns",
        image_size=64,
        hidden_units=(32,),
        epochs=1,
        generator_epochs=1,
        folder=Path("saved_models/semantic_resnest_trial"),
        trial=True,
    ),
}


def main(settings: Settings) -> Run:
    """Trains generator, baseline and guided classifiers, compares and exports."""
    # Before the run folder is begun: a refusal leaves nothing behind.
    stages = {seed: find_generator(settings, seed) for seed in settings.seeds}
    experiment = Experiment(MAIN, settings)
    baselines, rows = baselines_of(settings), rows_of(settings)
    trainings = Countdown(len(settings.seeds) * (len(baselines) + len(rows)))
    for seed in settings.seeds:
        for name, row in baselines.items():
            data = load(row, seed)
            plain = functools.partial(build_baseline, row, data)
            with trainings:
                train(experiment, name, seed, row, plain, data)
        for name, row in rows.items():
            data = load(row, seed)
            if row.start == "baseline":
                weights = write_backbone(settings, experiment.trained["baseline"][-1])
                row = dataclasses.replace(row, weights=str(weights))
            guided = functools.partial(build, row, data, stages[seed])
            with trainings:
                train(experiment, name, seed, row, guided, data)
        add_generator(experiment, data, stages[seed], seed)
    measure_maps(experiment)
    compare_areas(experiment)
    experiment.show()
    return experiment.finish(
        exported=MAIN,
        sections=[
            *area_sections(experiment),
            curve_section(experiment),
            example_section(experiment),
        ],
    )


def baselines_of(settings: Settings) -> dict[str, Settings]:
    """Gives the settings of every classifier without guidance, by name."""
    baselines = {"baseline": settings}
    if settings.ablations and LONGER in settings.rows:
        # Is it the maps that help, or the epochs spent on learning to draw them?
        both = settings.epochs + settings.generator_epochs
        baselines[LONGER] = dataclasses.replace(settings, epochs=both)
    return baselines


def rows_of(settings: Settings) -> dict[str, Settings]:
    """Gives the settings of every guided classifier to train, by name."""
    changes: dict[str, dict[str, Any]] = {MAIN: {}}
    if settings.ablations:
        added: dict[str, dict[str, Any]] = {
            "resized": {"embedding": "resize", "embedding_channels": 1},
            "from the baseline": {"start": "baseline"},
            "end to end": {"generator": "joint"},
            "plain backbone": {"backbone": settings.plain_backbone},
            "3 channels": {"embedding_channels": 3},
        }
        changes |= {name: added[name] for name in added if name in settings.rows}
    return {n: dataclasses.replace(settings, **each) for n, each in changes.items()}


def load(
    settings: Settings | GeneratorSettings, seed: int, **options: Any
) -> MultiLabelData:
    """Loads the dataset the settings name; the seed orders, and splits a csv."""
    if settings.dataset == "csv":
        options |= {"on_error": settings.on_error, "fractions": settings.fractions}
    return load_dataset(
        settings.dataset,
        data_dir=settings.data_dir,
        image_size=settings.image_size,
        batch_size=settings.batch_size,
        seed=seed,
        augmentation=settings.augmentation,
        augment_on=settings.augment_on,
        **options,
    )


def find_generator(settings: Settings, seed: int) -> Path:
    """Gives the folder of a seed's stage one: one that matches, or trained now.

    Raises:
        ValueError: if the folder was named in the settings and does not match, or no
            classifier could be guided by such a generator.
    """
    stage = stage_of(settings, seed)
    data = load(stage, seed)
    difference = find_difference(stage, data)
    if difference is None:
        CONSOLE.print(f"Stage one is taken from {stage.folder}.", soft_wrap=True)
        return stage.folder
    if settings.stage_one is not None:
        raise ValueError(
            f"`stage_one` must hold a generator for this run; {difference} Leave the "
            "flag out to train one."
        )
    # What does not fit is refused before stage one is trained, not after.
    build(dataclasses.replace(settings, generator="joint"), data, stage.folder)
    CONSOLE.print(f"Stage one is trained: {difference}", soft_wrap=True)
    experiment = Experiment(MAIN, stage)
    generator = functools.partial(build_generator, stage, data)
    train(experiment, "generator", seed, stage, generator, data)
    # Its exports would be part of the classifier's again.
    experiment.finish(exported="generator", export=lambda *_: {})
    return stage.folder


def stage_of(settings: Settings, seed: int) -> GeneratorSettings:
    """Picks the settings that stage one of a seed depends on."""
    default = settings.folder.with_name(f"{settings.folder.name}_generator")
    same = {field.name for field in dataclasses.fields(GeneratorSettings)}
    return GeneratorSettings(
        **{n: value for n, value in vars(settings).items() if n in same}
        | {
            "backbone": settings.generator_backbone,
            "epochs": settings.generator_epochs,
            "seeds": (seed,),
            "folder": (settings.stage_one or default) / f"seed_{seed}",
        }
    )


def find_difference(stage: GeneratorSettings, data: MultiLabelData) -> str | None:
    """Says why the generator in the stage's folder is not the one asked for."""
    record = stage.folder / "run.json"
    if not record.is_file():
        return f"there is no {record}."
    try:
        data.labels.require_same_names(Labels.read(stage.folder / "labels.json"))
    except ValueError as error:
        return f"{stage.folder} is of other labels: {error}"
    run = Run.read(record)
    changed = [
        f"{name}={run.settings.get(name)!r} there, {value!r} here"
        for name, value in json.loads(
            json.dumps(dataclasses.asdict(stage), default=str)
        ).items()
        if name != "folder" and run.settings.get(name) != value
    ]
    if changed:
        return f"{stage.folder} had other settings: {'; '.join(changed)}."
    if data.fingerprint not in run.data["fingerprints"].values():
        return f"{stage.folder} saw other images."
    return None


def train(
    experiment: Experiment,
    name: str,
    seed: int,
    settings: Settings | GeneratorSettings,
    build: Callable[[], keras.Model],
    data: MultiLabelData,
) -> None:
    """Trains a row of the experiment for one seed."""
    experiment.train(
        name,
        seed,
        build,
        data,
        epochs=settings.epochs,
        callbacks=[PlateauDecay()] if settings.schedule == "plateau" else [],
    )


class Countdown:
    """Says which training this is and how long those that are left will take."""

    def __init__(self, total: int):
        self.total = total
        self.done = 0
        self.seconds: list[float] = []  # of those that an earlier run had not done

    def __enter__(self) -> None:
        left = ""
        if self.seconds:
            minutes = np.mean(self.seconds) * (self.total - self.done) / 60
            left = f", about {minutes:.0f} minutes left"
        CONSOLE.print(f"Training {self.done + 1} of {self.total}{left}.")
        self.start = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self.done += 1
        seconds = time.monotonic() - self.start
        if seconds > 1:
            self.seconds.append(seconds)


def build_generator(
    settings: Settings | GeneratorSettings, data: MultiLabelData
) -> keras.Model:
    """Builds the CAM generator, compiled."""
    name = settings.backbone
    if isinstance(settings, Settings):
        name = settings.generator_backbone
    with make_strategy(settings.strategy).scope():
        model = build_cam_generator(
            len(data.labels),
            backbone=make_backbone(settings, name),
            feature_map=settings.feature_map,
            image_size=settings.image_size,
        )
        compile_model(settings, data, model, ends_in=ACTIVATION_MAPS)
    return model


def build_baseline(settings: Settings, data: MultiLabelData) -> keras.Model:
    """Builds the classifier without guidance, compiled alike."""
    with make_strategy(settings.strategy).scope():
        model = build_classifier(
            len(data.labels),
            backbone=make_backbone(settings, settings.backbone),
            image_size=settings.image_size,
        )
        compile_model(settings, data, model)
    return model


def build(settings: Settings, data: MultiLabelData, stage_one: Path) -> keras.Model:
    """Builds the guided classifier, compiled, around the generator of stage one."""
    channels = 3 if settings.share == "stem" else 3 + settings.embedding_channels
    with make_strategy(settings.strategy).scope():
        if settings.generator == "joint":
            generator = build_generator(settings, data)
        else:
            generator, _ = load_run(stage_one)
        model = build_semantic_resnest(
            len(data.labels),
            cam_generator=generator,
            backbone=make_backbone(settings, settings.backbone, channels),
            embedding=settings.embedding,
            embedding_channels=settings.embedding_channels,
            last_norm=settings.last_norm,
            hidden_units=settings.hidden_units,
            image_size=settings.image_size,
            generator=settings.generator,
            generator_loss_weight=settings.generator_loss_weight,
            share=settings.share,
        )
        joint = settings.generator == "joint"
        ends_in = "classifier_logits" if joint else LOGITS
        compile_model(settings, data, model, ends_in=ends_in)
    return model


def write_backbone(settings: Settings, baseline: Trained) -> Path:
    """Writes the weights of a baseline's backbone beside its model."""
    if baseline.model_path is None:
        raise ValueError(f"`baseline` must have been trained; got {baseline.name!r}.")
    path = baseline.model_path.with_name("backbone.weights.h5")
    model = keras.saving.load_model(baseline.model_path, compile=False)
    model.get_layer(settings.backbone).save_weights(path)
    return path


def make_backbone(
    settings: Settings | GeneratorSettings, name: str, channels: int = 3
) -> keras.Model:
    """Builds a backbone with its weights."""
    backbone = build_backbone(
        name,
        image_size=settings.image_size,
        channels=channels,
        weights=settings.weights,
    )
    if settings.batch_norm == "freeze":
        freeze_batch_norm(backbone)
    return backbone


def compile_model(
    settings: Settings | GeneratorSettings,
    data: MultiLabelData,
    model: keras.Model,
    ends_in: str = LOGITS,
) -> None:
    """Gives a model its first bias, loss, optimizer and learning rate schedule."""
    if settings.first_bias == "frequency":
        initialise_bias(model, data.train_targets, layer=ends_in)
    steps = data.sizes["train"] // settings.batch_size
    rate: Any = settings.learning_rate
    if settings.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(
            0.0,
            steps * (settings.epochs - 1) or 1,
            warmup_target=settings.learning_rate,
            warmup_steps=steps,
        )
    multipliers: dict[str, float] = {}
    for part in innermost_models(model):
        multipliers |= part_multipliers(part, settings.backbone_multiplier)
    optimizer = LayerwiseAdamW(
        rate,
        settings.weight_decay,
        multipliers=multipliers,
        global_clipnorm=settings.clip_norm,
    )
    model.compile(optimizer, PartialBinaryCrossentropy())


def innermost_models(model: keras.Model) -> Iterator[keras.Model]:
    """Gives the backbones in a model, whole or in parts, and in its generator."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            inside = list(innermost_models(layer))
            yield from inside or [layer]


def add_generator(
    experiment: Experiment, data: MultiLabelData, stage_one: Path, seed: int
) -> None:
    """Adds the generator of stage one to the table, as the classifier it also is."""
    model, _ = load_run(stage_one)
    scores = {
        split: predict_scores(model, getattr(data, split))
        for split in ("validation", "test")
    }
    experiment.add_scores("generator", seed, scores)


def measure_maps(experiment: Experiment) -> None:
    """Adds how much of each model's maps lies on the garments that carry the label."""
    settings = experiment.settings
    if not settings.dataset.startswith("street_fashion"):
        return
    data = load(settings, settings.seeds[0], boxes=True)
    trained = [each for results in experiment.trained.values() for each in results]
    for each in trained:
        if each.model_path is None:
            continue
        model = keras.saving.load_model(each.model_path, compile=False)
        for split in ("validation", "test"):
            maps = [activation_maps(model, x.numpy()) for x, _ in getattr(data, split)]
            mass = mass_in_boxes(
                np.concatenate(maps),
                data.boxes[split],
                data.labels.names,
                centers=receptive_field_centers(model),
            )
            experiment.add_metrics(
                each.name,
                each.seed,
                split,
                {
                    "map in box": mass.share,
                    "box in image": mass.area,
                    "map / box": mass.concentration,
                },
            )


def compare_areas(experiment: Experiment) -> None:
    """Adds the area under each curve and what it is relative to the baseline's."""
    for seed, data in experiment.data.items():
        majority = (data.train_targets == 1).mean(axis=0) > MAJORITY
        for split in ("validation", "test"):
            baseline = areas(experiment, "baseline", split)[seed]
            for name in experiment.trained:
                ours = areas(experiment, name, split)[seed]
                gain = ours / baseline - 1
                experiment.add_metrics(
                    name,
                    seed,
                    split,
                    {
                        "PR-AUC": np.nanmean(ours),
                        "gain": np.nanmean(gain),
                        "gain/majority": np.nanmean(gain[majority]),
                        "gain/minority": np.nanmean(gain[~majority]),
                    },
                )


def areas(experiment: Experiment, name: str, split: str) -> dict[int, np.ndarray]:
    """Gives, for each seed, the area under each label's precision-recall curve."""
    return {
        each.seed: precision_recall_auc(*each.scores[split])
        for each in experiment.trained[name]
    }


def area_sections(experiment: Experiment) -> Iterator[Section]:
    """Lays out the paper's Tables I, II and III for the test split."""
    data = experiment.data[experiment.settings.seeds[0]]
    names = data.labels.names
    shares = (data.train_targets == 1).mean(axis=0)
    by_seed = {
        name: np.array(list(areas(experiment, name, "test").values()))
        for name in experiment.trained
    }  # (seeds, L)
    gains = {name: each / by_seed["baseline"] - 1 for name, each in by_seed.items()}
    yield Section(
        "Area under the precision-recall curve",
        f"The paper's Table I: {MAIN} and the baseline, which sees pixels alone, label "
        "by label, on the test split, in percent; the relative improvement of each "
        "seed, averaged.",
        ("label", "training images", "baseline", MAIN, "relative improvement"),
        [
            (
                label,
                f"{100 * shares[i]:.1f} %",
                *(spread(by_seed[name][:, i]) for name in ("baseline", MAIN)),
                spread(gains[MAIN][:, i]),
            )
            for i, label in enumerate(names)
        ],
    )
    majority = shares > MAJORITY
    yield Section(
        "Relative improvement over majority and minority labels",
        "The paper's Table II, for every row: mean relative improvement of the area "
        f"over all {len(names)} labels, over the {majority.sum()} of more than "
        f"{100 * MAJORITY:.0f} % of the training images and over the others, in "
        "percent. The paper's Table I, on its own images, gives 16.4, 10.7 and 18.5.",
        ("model", "all labels", "majority", "minority"),
        [
            (
                name,
                *(
                    spread(np.nanmean(gain[:, chosen], axis=1))
                    for chosen in (np.ones_like(majority), majority, ~majority)
                ),
            )
            for name, gain in gains.items()
            if name != "baseline"
        ],
    )
    others = [name for name in by_seed if name not in ("baseline", MAIN, "generator")]
    if others:
        yield Section(
            f"Area less that of {MAIN}",
            "The paper's Table III, and the single model of its last paragraph: how "
            "much higher or lower the area is, in percentage points.",
            ("label", MAIN, *others),
            [
                (
                    label,
                    spread(by_seed[MAIN][:, i]),
                    *(spread(by_seed[n][:, i] - by_seed[MAIN][:, i]) for n in others),
                )
                for i, label in enumerate(names)
            ],
        )


def spread(values: np.ndarray) -> str:
    """Writes the mean of the seeds' values, and their deviation, in percent."""
    if np.isnan(values).any():
        return "-"
    text = f"{100 * np.mean(values):.1f}"
    if len(values) > 1:
        text += f" ± {100 * np.std(values, ddof=1):.1f}"
    return text


def curve_section(experiment: Experiment) -> Section:
    """Draws both models' precision-recall curves for the seed that is exported."""
    best = experiment.best_of(MAIN)
    (baseline,) = (x for x in experiment.trained["baseline"] if x.seed == best.seed)
    targets, scores = best.scores["test"]
    figure = compare_curves(
        experiment.data[best.seed].labels.names,
        targets,
        {"baseline": baseline.scores["test"][1], MAIN: scores},
    )
    text = f"Test split, seed {best.seed}; behind each model the area under its curve."
    return Section("Precision-recall curves", text, figures=[figure])


def example_section(experiment: Experiment) -> Section:
    """Shows images with their labels, both models' labels and the map as an overlay."""
    best = experiment.best_of(MAIN)
    (baseline,) = (x for x in experiment.trained["baseline"] if x.seed == best.seed)
    data = experiment.data[best.seed]
    minority = (data.train_targets == 1).mean(axis=0) <= MAJORITY
    targets = data.targets["validation"]
    rare = (targets == 1) & minority
    rows = np.flatnonzero(rare.any(axis=1) if rare.any() else (targets == 1).any(1))
    rows = rows[:NUM_EXAMPLES]
    images = images_at(data, rows)
    model = keras.saving.load_model(best.model_path, compile=False)
    maps, centers = activation_maps(model, images), receptive_field_centers(model)

    def named(marks: np.ndarray) -> str:
        present = np.flatnonzero(marks)
        return ", ".join(data.labels.names[i] for i in present) or "none"

    pictures = []
    for row, image, each in zip(rows, images, maps, strict=True):
        shown = np.flatnonzero(rare[row] if rare[row].any() else targets[row] == 1)[0]
        called = {
            name: named(trained.scores["validation"][1][row] >= 0.5)
            for name, trained in (("baseline", baseline), (MAIN, best))
        }
        truth = f"true: {named(targets[row] == 1)}"
        guesses = "\n".join(f"{name}: {labels}" for name, labels in called.items())
        pictures += [
            Picture(image, f"{truth}\n{guesses}"),
            Picture(
                overlay(image, each[..., shown], centers=centers, lowest=None),
                f"map of {data.labels.names[shown]}",
            ),
        ]
    text = (
        "As the paper's Fig. 6, not picked: the first images of the validation split "
        "with a minority label, what is on them, what each model calls at a "
        "probability of one half, and the map that guides the classifier, from its "
        "lowest value to its highest."
    )
    return Section("Images and the maps that guide", text, pictures=pictures)


def images_at(data: MultiLabelData, rows: np.ndarray) -> np.ndarray:
    """Gives the images of some rows of the validation split, in ascending order."""
    images = data.validation.unbatch().enumerate()
    last = int(rows[-1])
    chosen = set(rows.tolist())
    return np.stack(
        [x.numpy() for i, (x, _) in images.take(last + 1) if int(i) in chosen]
    )


if __name__ == "__main__":
    sys.exit(run_recipe(main, Settings, PRESETS, description=__doc__))
