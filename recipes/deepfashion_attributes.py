"""Fashion attributes: one head per group of labels that exclude one another.

Paper:   Li, "DeepFashion Attribute Prediction Challenge Report", 2021
Command: python -m recipes.deepfashion_attributes
Paper's: python -m recipes.deepfashion_attributes --paper --data_dir FOLDER
Photos:  python -m recipes.deepfashion_attributes --photos --data_dir FOLDER
         --weights mobilenet_v2_imagenet_notop.weights.h5
Trial:   python -m recipes.deepfashion_attributes --trial
Cost:    3 CPU-minutes on two cores; 67 for --photos, of three seeds
Result:  --photos: 84.06 +- 0.46 accuracy and 70.01 macro F1 on split/val, the anchor
         82.39 and 67.53: saved_models/deepfashion_attributes_photos
"""

import dataclasses
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np

from kmlic.atomic_write import atomic_write
from kmlic.backbones import build_backbone, freeze_batch_norm, split_backbone
from kmlic.data import MultiLabelData
from kmlic.datasets import load_dataset, load_deepfashion_images
from kmlic.experiments import (
    Experiment,
    TrainingSettings,
    group_sections,
    parse_settings,
)
from kmlic.losses import GroupFocalLoss, class_balanced_weights
from kmlic.models import average_models, build_attribute_classifier
from kmlic.run_folder import Run
from kmlic.training import CachedFeatures, LayerwiseAdamW, fit, make_strategy

# Of the report's equation 7, "set based on experience".
GROUP_WEIGHTS = (0.95, 0.85, 0.85, 0.9, 1.0, 0.9)


@dataclasses.dataclass(frozen=True)
class Settings(TrainingSettings):
    """What is trained on what, and how.

    The defaults fit two CPU cores; `--photos` stands for the challenge's images on a
    CPU, `--paper` for the report's configuration.
    """

    dataset: str = "street_fashion/attributes"
    """Name of a dataset of kmlic.data with exclusive groups: deepfashion is the
    challenge's."""
    data_dir: Path | None = None
    """The challenge's folder; else where the dataset is kept."""
    crop: bool = True
    """Whether deepfashion's images are cut to their box."""
    margin: float = 0.0
    """Share of a box's sides kept around it on each side."""
    validation: float = 0.1
    """Share of deepfashion's split/train that epochs are chosen by."""

    backbone: str = "small_resnet"
    weights: str | None = None
    """None, imagenet, or a file of weights for the backbone."""
    feature: Literal["output", "pooled"] = "pooled"
    """output: the backbone's 1000 logits, as in the report; pooled: its maps."""
    pooling: Literal["avg", "avg+max", "attention"] = "avg"
    """attention: each group finds its own places."""
    maps: int = 1
    """How many of the backbone's maps, the deepest, are pooled."""
    fc_layers: int = 0
    """Fully connected layers before the heads: 0, 2 or 4 in the report."""
    fc_units: int = 512
    dropout: float = 0.2
    image_size: int = 96
    """Side in pixels."""
    batch_norm: Literal["train", "freeze"] = "train"
    """freeze: the backbone keeps its batch statistics (few images)."""
    frozen_until: str | None = None
    """Last layer of the backbone that is not trained; None trains all of it."""
    cache_frozen: bool = False
    """Keeps what the frozen part gives on disk, so that it runs once."""

    members: int = 1
    """Models trained one after the other, whose logits are averaged."""
    zooms: tuple[float, ...] = (1.0,)
    """Shares of the image's sides, around its middle, that members see in turn."""
    average_flips: bool = False
    """Whether the model averages the logits of the image and its mirror image."""

    loss: Literal[
        "cross_entropy", "focal", "weighted_focal", "learned", "class_balanced"
    ] = "weighted_focal"
    """weighted_focal: the report's weights; learned: by uncertainty; class_balanced:
    from the training counts."""
    gamma: float = 2.0
    """Of all losses but cross_entropy."""
    label_smoothing: float = 0.0
    prior_strength: float = 0.0
    """Share of the labels' log frequency added to the logits in training, so that rare
    labels are given more often."""

    augmentation: Literal["none", "flip", "flip+mixup", "multi_scale_crop"] = "flip"
    """flip+mixup mixes images, or features that are kept, and their labels."""
    batch_size: int = 32
    head_epochs: int = 0
    """Epochs in which only what follows the backbone is trained, before all is."""
    epochs: int = 10
    learning_rate: float = 2e-3
    head_learning_rate: float = 2e-3
    weight_decay: float = 0.01
    clip_norm: float = 10.0

    seeds: tuple[int, ...] = (0,)
    folder: Path = Path("saved_models/deepfashion_attributes")
    submission: Path | None = None
    """File for the challenge's answers to split/test, one line per image."""
    anchor: bool = True
    """Adds plain fine-tuning on the same images: cross-entropy, one model, five epochs
    with --photos."""
    claims: bool = False
    """The claims of the report instead of one model, a row each: loss, weights, flip,
    crop, layers."""
    ablations: bool = False
    """Adds rows of one member that differ from the settings in one choice each."""
    table: bool = False
    """The grid of the report's Table 2, backbones and layers, instead of one model."""
    table_epochs: int = 2
    """Epochs of each row of the grid."""
    photos: bool = False
    """The challenge's images on two CPU cores: MobileNetV2's upper blocks, trained from
    activations that are computed once."""
    paper: bool = False
    """The report's configuration: SE-ResNet-50, its ImageNet weights, 224 pixels."""
    trial: bool = False
    """Everything once on a few images, in under two minutes."""


PRESETS = {
    "paper": Settings(
        dataset="deepfashion",
        backbone="seresnet50",
        weights="imagenet",
        feature="output",
        image_size=224,
        batch_norm="freeze",
        head_epochs=2,
        epochs=20,
        learning_rate=1e-4,
        folder=Path("saved_models/deepfashion_attributes_paper"),
        paper=True,
    ),
    "photos": Settings(
        dataset="deepfashion",
        backbone="mobilenet_v2",
        image_size=224,
        batch_norm="freeze",
        frozen_until="block_9_add",
        cache_frozen=True,
        validation=0.05,
        margin=0.1,
        pooling="attention",
        maps=2,
        members=4,
        # With the margin, and without.
        zooms=(1.0, 1 / 1.2),
        average_flips=True,
        augmentation="flip+mixup",
        loss="cross_entropy",
        label_smoothing=0.1,
        prior_strength=0.3,
        head_epochs=2,
        epochs=8,
        learning_rate=5e-4,
        weight_decay=1e-4,
        seeds=(0, 1, 2),
        folder=Path("saved_models/deepfashion_attributes_photos"),
        photos=True,
    ),
    "trial": Settings(
        dataset="street_fashion/tiny/attributes",
        image_size=64,
        frozen_until="layer1.0.act3",
        cache_frozen=True,
        pooling="attention",
        members=2,
        zooms=(1.0, 0.8),
        average_flips=True,
        augmentation="flip+mixup",
        head_epochs=1,
        epochs=1,
        folder=Path("saved_models/deepfashion_attributes_trial"),
        trial=True,
    ),
}

# Plain fine-tuning, whatever else the settings ask for.
ANCHOR: dict[str, Any] = {
    "loss": "cross_entropy",
    "label_smoothing": 0.0,
    "prior_strength": 0.0,
    "fc_layers": 0,
    "maps": 1,
    "pooling": "avg",
    "dropout": 0.2,
    "augmentation": "flip",
    "margin": 0.0,
    "crop": True,
    "members": 1,
    "zooms": (1.0,),
    "average_flips": False,
}
ANCHOR_ON_PHOTOS: dict[str, Any] = {
    "image_size": 224,
    "frozen_until": "block_12_add",
    "head_epochs": 2,
    "epochs": 5,
    "learning_rate": 5e-4,
    "weight_decay": 1e-4,
}

# What the report says of each, held against focal loss without weights: one member,
# one depth and no smoothing, as in the report.
CLAIMS: dict[str, dict[str, Any]] = {
    "focal": {},
    "cross entropy": {"loss": "cross_entropy"},
    "weighted focal": {"loss": "weighted_focal"},
    "learned weights": {"loss": "learned"},
    "class-balanced": {"loss": "class_balanced"},
    "no flip": {"augmentation": "none"},
    "no crop": {"crop": False},
    "2 FC": {"fc_layers": 2},
    "4 FC": {"fc_layers": 4},
}
ABLATIONS: dict[str, dict[str, Any]] = {
    "one member": {},
    "one member, average": {"pooling": "avg"},
    "one member, one depth": {"maps": 1},
    "one member, no mixing": {"augmentation": "flip"},
    "one member, no smoothing": {"label_smoothing": 0.0},
    "one member, no priors": {"prior_strength": 0.0},
    "one member, twice the priors": {"prior_strength": 0.5},
}
TABLE: dict[str, dict[str, Any]] = {
    f"{backbone}, {layers} FC": {"backbone": backbone, "fc_layers": layers}
    for backbone in ("resnet50", "seresnet50", "seresnext50_32x4d")
    for layers in (0, 2, 4)
}


@dataclasses.dataclass(frozen=True)
class Parts:
    """Holds a model as it is trained: what stays, and the members above it.

    Args:
        trunk: the frozen part, or None.
        members: from what the trunk gives, or from images, to logits.
        trained: what of each member came from the backbone.
        whole: all members' average, from images to logits.
    """

    trunk: keras.Model | None
    members: list[keras.Model]
    trained: list[keras.Model]
    whole: keras.Model


def main(settings: Settings) -> Run:
    """Trains the rows the settings ask for, compares and leaves a run folder."""
    experiment = Experiment("deepfashion_attributes", settings, monitor="accuracy")
    rows = make_rows(settings)
    for seed in settings.seeds:
        for name, row in rows.items():
            train(experiment, name, row, seed)
        add_majority(experiment, seed)
    experiment.show("validation")
    chosen = next(iter(rows))
    experiment.show("test")
    run = experiment.finish(
        exported=chosen, sections=group_sections(experiment, chosen)
    )
    if settings.submission:
        write_submission(settings, rows[chosen], settings.submission)
    return run


def make_rows(settings: Settings) -> dict[str, Settings]:
    """Names the models to train; the first one is exported."""
    if settings.table:
        return {
            name: dataclasses.replace(settings, **row, epochs=settings.table_epochs)
            for name, row in TABLE.items()
        }
    changes = ANCHOR | (ANCHOR_ON_PHOTOS if settings.photos else {})
    anchor = dataclasses.replace(settings, **changes)
    if settings.claims:
        plain = dataclasses.replace(anchor, epochs=settings.epochs)
        return {
            name: dataclasses.replace(plain, **{"loss": "focal", **row})
            for name, row in CLAIMS.items()
            if name != "no crop" or settings.dataset.startswith("deepfashion")
        }
    rows = {"attributes": settings}
    if settings.anchor:
        rows["anchor"] = anchor
    if settings.ablations:
        one = dataclasses.replace(settings, members=1)
        rows |= {
            name: dataclasses.replace(one, **row) for name, row in ABLATIONS.items()
        }
    return rows


def train(experiment: Experiment, name: str, settings: Settings, seed: int) -> None:
    """Trains one row: every member, in stages, from images or kept activations.

    The values of an epoch are the means of the members'.
    """
    data = load(settings, seed)
    parts: list[Parts] = []

    def build() -> keras.Model:
        parts.append(build_parts(settings, data))
        return parts[0].whole

    def training(model: keras.Model, folder: Path) -> list[dict[str, float]]:
        kept = experiment.folder.working / "trainings" / "features"
        features: dict[float, CachedFeatures] = {}
        members = []
        for number in range(settings.members):
            order = 1000 * seed + number
            keras.utils.set_random_seed(order)
            own, zoom = data, zoom_of(settings, number)
            if parts[0].trunk is not None and settings.cache_frozen:
                if zoom not in features:
                    view = average_models([parts[0].trunk], zooms=[zoom])
                    features[zoom] = CachedFeatures(view, data, kept)
                own = features[zoom].load(
                    batch_size=settings.batch_size,
                    seed=order,
                    augmentation=settings.augmentation,
                )
            epochs = train_member(
                experiment,
                settings,
                own,
                parts[0],
                number,
                seed=order,
                folder=folder / f"member_{number + 1}",
                title=f"{name} (seed {seed}, member {number + 1})",
            )
            members.append(epochs)
        return [
            {key: float(np.mean([epoch[key] for epoch in same])) for key in same[0]}
            for same in zip(*members, strict=True)
        ]

    experiment.train(name, seed, build, data, epochs=settings.epochs, training=training)


def load(settings: Settings, seed: int) -> MultiLabelData:
    """Loads the dataset the settings name; the seed orders and holds out."""
    options: dict[str, Any] = {}
    if settings.dataset.startswith("deepfashion"):
        options = {
            "crop": settings.crop,
            "margin": settings.margin,
            "validation": settings.validation,
        }
    data = load_dataset(
        settings.dataset,
        data_dir=settings.data_dir,
        image_size=settings.image_size,
        batch_size=settings.batch_size,
        seed=seed,
        augmentation=settings.augmentation,
        augment_on=settings.augment_on,
        cache=not settings.cache_frozen,
        **options,
    )
    if not data.labels.exclusive:
        raise ValueError(
            "`dataset` must have exclusive groups of labels, like "
            "street_fashion/attributes or deepfashion; got "
            f"dataset={settings.dataset!r}."
        )
    return data


def build_parts(settings: Settings, data: MultiLabelData) -> Parts:
    """Builds the members on their backbones, and their average."""
    if settings.cache_frozen and settings.frozen_until is None:
        raise ValueError("`cache_frozen` needs `frozen_until`; got frozen_until=None.")
    trunk, members, trained = None, [], []
    with make_strategy(settings.strategy).scope():
        for _ in range(settings.members):
            backbone = build_backbone(
                settings.backbone,
                image_size=settings.image_size,
                weights=settings.weights,
                include_top=settings.feature == "output",
            )
            if settings.frozen_until:
                lower, backbone = split_backbone(backbone, settings.frozen_until)
                trunk = trunk or lower
                trunk.trainable = False
            trained.append(backbone)
            members.append(
                build_attribute_classifier(
                    data.labels.groups or {},
                    backbone=backbone,
                    hidden_units=(settings.fc_units,) * settings.fc_layers,
                    image_size=None,
                    feature=settings.feature,
                    pooling=settings.pooling,
                    maps=settings.maps,
                    dropout=settings.dropout,
                    learned_weights=settings.loss == "learned",
                )
            )
        whole = average_models(
            members,
            trunk=trunk,
            flips=settings.average_flips,
            zooms=[zoom_of(settings, number) for number in range(settings.members)],
        )
    return Parts(trunk, members, trained, whole)


def zoom_of(settings: Settings, number: int) -> float:
    """Gives the share of the image's sides that a member sees."""
    return settings.zooms[number % len(settings.zooms)]


def train_member(
    experiment: Experiment,
    settings: Settings,
    data: MultiLabelData,
    parts: Parts,
    number: int,
    *,
    seed: int,
    folder: Path,
    title: str,
) -> list[dict[str, float]]:
    """Trains the heads of one member, then all of it, and gives the epochs' values."""
    member, backbone = parts.members[number], parts.trained[number]
    model = member
    if parts.trunk is None or not settings.cache_frozen:
        zooms = [zoom_of(settings, number)]
        with make_strategy(settings.strategy).scope():
            model = average_models([member], trunk=parts.trunk, zooms=zooms)
    values: list[dict[str, float]] = []
    stages = {"head": settings.head_epochs, "all": settings.epochs}
    for stage, epochs in stages.items():
        if not epochs:
            continue
        backbone.trainable = stage == "all"
        if settings.batch_norm == "freeze":
            freeze_batch_norm(backbone)
        compile_model(settings, data, model, member, stage)
        values += fit(
            model,
            data.train,
            data.validation,
            epochs=epochs,
            folder=folder / stage,
            title=f"{title}, {stage}",
            metrics=experiment.metrics_of(data),
            monitor=experiment.monitor,
            augmentation=data.device_augmentation,
            seed=seed,
            **settings.fit_options(),
        )
    return values


def compile_model(
    settings: Settings,
    data: MultiLabelData,
    model: keras.Model,
    member: keras.Model,
    stage: str,
) -> None:
    """Gives a model its loss, optimizer and learning rate schedule for one stage."""
    steps = data.sizes["train"] // settings.batch_size
    epochs = settings.epochs if stage == "all" else settings.head_epochs
    highest = settings.learning_rate if stage == "all" else settings.head_learning_rate
    # Fresh weights above trained ones warm up in a stage of their own.
    warm_up = 0 if settings.head_epochs else min(steps, steps * epochs // 2)
    rate = keras.optimizers.schedules.CosineDecay(
        0.0 if warm_up else highest,
        max(steps * epochs - warm_up, 1),
        warmup_target=highest if warm_up else None,
        warmup_steps=warm_up,
    )
    with make_strategy(settings.strategy).scope():
        optimizer = LayerwiseAdamW(
            rate, settings.weight_decay, global_clipnorm=settings.clip_norm
        )
        model.compile(optimizer, make_loss(settings, data, member))


def make_loss(
    settings: Settings, data: MultiLabelData, member: keras.Model
) -> GroupFocalLoss:
    """Makes the loss the settings name."""
    groups = data.labels.groups or {}
    sizes = [len(members) for members in groups.values()]
    counts = np.maximum((data.train_targets == 1).sum(axis=0), 1)
    options: dict[str, Any] = {
        "gamma": 0.0 if settings.loss == "cross_entropy" else settings.gamma,
        "label_smoothing": settings.label_smoothing,
    }
    if settings.loss == "weighted_focal":
        if len(groups) != len(GROUP_WEIGHTS):
            raise ValueError(
                f"`loss` must be another than weighted_focal, whose {GROUP_WEIGHTS} "
                f"are of six groups; got {len(groups)}."
            )
        options["group_weights"] = GROUP_WEIGHTS
    elif settings.loss == "learned":
        options["log_variances"] = member.get_layer("uncertainty").log_variances
    elif settings.loss == "class_balanced":
        options["label_weights"] = class_balanced_weights(counts, sizes)
    if settings.prior_strength:
        totals = np.repeat(np.add.reduceat(counts, np.cumsum([0, *sizes[:-1]])), sizes)
        options["log_priors"] = settings.prior_strength * np.log(counts / totals)
    return GroupFocalLoss(sizes, **options)


def add_majority(experiment: Experiment, seed: int) -> None:
    """Adds what always giving each group's most frequent label would score."""
    data = experiment.data[seed]
    frequencies = (data.train_targets == 1).mean(axis=0)
    scores = {
        split: (data.targets[split], np.tile(frequencies, (data.sizes[split], 1)))
        for split in ("validation", "test")
    }
    experiment.add_scores("majority class", seed, scores)


def write_submission(settings: Settings, row: Settings, path: Path) -> None:
    """Writes the class of each group for each image of split/test, as the challenge."""
    if settings.data_dir is None or not settings.dataset.startswith("deepfashion"):
        raise ValueError("`submission` needs the dataset deepfashion and its data_dir.")
    model = keras.saving.load_model(settings.folder / "model.keras", compile=False)
    labels = load(row, settings.seeds[0]).labels
    lines = []
    for images in load_deepfashion_images(
        "test",
        data_dir=settings.data_dir,
        image_size=row.image_size,
        batch_size=row.batch_size,
        crop=row.crop,
        margin=row.margin,
    ):
        logits = np.asarray(model.predict_on_batch(images))
        classes = [logits[:, own].argmax(1) for own in labels.exclusive_groups.values()]
        lines += [" ".join(map(str, image)) for image in np.stack(classes, axis=1)]
    with atomic_write(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(parse_settings(Settings, PRESETS, description=__doc__))
