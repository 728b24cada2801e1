"""Models whose logits are averaged, each trained in stages on a frozen trunk."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import keras
import numpy as np

from kmlic.backbones import freeze_batch_norm, split_backbone
from kmlic.data import MultiLabelData
from kmlic.experiments.compile_model import compile_model
from kmlic.experiments.experiment import Experiment
from kmlic.experiments.make_backbone import make_backbone
from kmlic.experiments.make_group_loss import GroupLossSettings, make_group_loss
from kmlic.models import average_models
from kmlic.training import CachedFeatures, fit, make_strategy


@dataclasses.dataclass(frozen=True)
class MemberSettings(GroupLossSettings):
    """Holds the settings of members that are trained in stages."""

    first_bias: Literal["frequency", "zero"] = "zero"

    members: int = 1
    """Models trained one after the other, whose logits are averaged."""
    zooms: tuple[float, ...] = (1.0,)
    """Shares of the image's sides, around its center, that members see in turn."""
    average_flips: bool = False
    """Whether the model averages the logits of the image and its mirror image."""
    frozen_until: str | None = None
    """Last layer of the backbone that is not trained; None trains all of it."""
    cache_frozen: bool = False
    """Computes the output of the frozen part once and keeps it on disk."""
    include_top: bool = False
    """Whether members take the backbone's 1000 logits instead of its feature maps."""
    head_epochs: int = 0
    """Epochs that train only what follows the backbone, before those that train all."""
    head_learning_rate: float = 2e-3


S = TypeVar("S", bound=MemberSettings)
BuildMember = Callable[[S, MultiLabelData, keras.Model], keras.Model]


def train_members(
    experiment: Experiment[S],
    rows: Mapping[str, S],
    load: Callable[[S, int], MultiLabelData],
    build_member: BuildMember[S],
    group_weights: Sequence[float],
) -> None:
    """Trains every row of a table with every seed, member by member and in stages.

    Members are trained on images, or on cached activations of the frozen part. The
    values of an epoch are the means of the members'.

    Args:
        experiment: trains and keeps the models; also gets the row "majority class".
        rows: name to settings.
        load: returns the splits of a row's settings and a seed.
        build_member: returns a member, from a backbone to logits.
        group_weights: of the loss, one per exclusive group, see `make_group_loss`.

    Raises:
        ValueError: if activations are to be cached and no part is frozen, or the bias
            is to start at label frequencies, which groups do not have one by one.
    """
    seeds = experiment.settings.seeds
    experiment.trainings = len(seeds) * len(rows)
    for seed in seeds:
        for name, row in rows.items():
            data = load(row, seed)
            _train_row(experiment, name, seed, row, data, build_member, group_weights)
        experiment.add_majority(seed)


def _train_row(
    experiment: Experiment[S],
    name: str,
    seed: int,
    settings: S,
    data: MultiLabelData,
    build_member: BuildMember[S],
    group_weights: Sequence[float],
) -> None:
    if settings.cache_frozen and settings.frozen_until is None:
        raise ValueError("`cache_frozen` needs `frozen_until`; got frozen_until=None.")
    if settings.first_bias != "zero":
        raise ValueError(
            "`first_bias` must be zero for exclusive groups; got "
            f"first_bias={settings.first_bias!r}."
        )
    parts: list[_Parts] = []

    def build() -> keras.Model:
        parts.append(_build_parts(settings, data, build_member))
        return parts[0].whole

    def training(model: keras.Model, folder: Path) -> list[dict[str, float]]:
        kept = experiment.folder.working / "trainings" / "features"
        features: dict[float, CachedFeatures] = {}
        members = []
        for number in range(settings.members):
            own_seed = 1000 * seed + number
            keras.utils.set_random_seed(own_seed)
            own, zoom = data, _zoom(settings, number)
            if parts[0].trunk is not None and settings.cache_frozen:
                if zoom not in features:
                    view = average_models([parts[0].trunk], zooms=[zoom])
                    features[zoom] = CachedFeatures(view, data, kept)
                own = features[zoom].load(
                    batch_size=settings.batch_size,
                    seed=own_seed,
                    augmentation=settings.augmentation,
                )
            options = {
                "seed": own_seed,
                "metrics": experiment.metrics_of(own),
                "monitor": experiment.monitor,
                "augmentation": own.device_augmentation,
                **settings.fit_options(),
            }
            stages = _Stages(
                settings,
                own,
                group_weights,
                folder / f"member_{number + 1}",
                f"{name} (seed {seed}, member {number + 1})",
                options,
            )
            members.append(stages.train(parts[0], number))
        return [
            {key: float(np.mean([epoch[key] for epoch in same])) for key in same[0]}
            for same in zip(*members, strict=True)
        ]

    experiment.train(name, seed, build, data, settings=settings, training=training)


@dataclasses.dataclass(frozen=True)
class _Parts:
    trunk: keras.Model | None  # the frozen part
    members: list[keras.Model]  # from the trunk's output, or from images, to logits
    backbones: list[keras.Model]  # the part of each member that came from the backbone
    whole: keras.Model  # the average of all members, from images to logits


def _build_parts(
    settings: S, data: MultiLabelData, build_member: BuildMember[S]
) -> _Parts:
    trunk, members, backbones = None, [], []
    plain = dataclasses.replace(settings, batch_norm="train")  # frozen in each stage
    for _ in range(settings.members):
        backbone = make_backbone(plain, include_top=settings.include_top)
        if settings.frozen_until:
            lower, backbone = split_backbone(backbone, settings.frozen_until)
            trunk = trunk or lower
            trunk.trainable = False
        backbones.append(backbone)
        members.append(build_member(settings, data, backbone))
    zooms = [_zoom(settings, number) for number in range(settings.members)]
    whole = average_models(
        members, trunk=trunk, flips=settings.average_flips, zooms=zooms
    )
    return _Parts(trunk, members, backbones, whole)


def _zoom(settings: MemberSettings, number: int) -> float:
    return settings.zooms[number % len(settings.zooms)]


@dataclasses.dataclass(frozen=True)
class _Stages:
    settings: Any
    data: MultiLabelData
    group_weights: Sequence[float]
    folder: Path
    title: str
    options: dict[str, Any]

    def train(self, parts: _Parts, number: int) -> list[dict[str, float]]:
        settings, member = self.settings, parts.members[number]
        model, backbone = member, parts.backbones[number]
        if parts.trunk is None or not settings.cache_frozen:
            zooms = [_zoom(settings, number)]
            with make_strategy(settings.strategy).scope():
                model = average_models([member], trunk=parts.trunk, zooms=zooms)
        values: list[dict[str, float]] = []
        head = dataclasses.replace(
            settings,
            epochs=settings.head_epochs,
            learning_rate=settings.head_learning_rate,
        )
        for stage, own in {"head": head, "all": settings}.items():
            if not own.epochs:
                continue
            backbone.trainable = stage == "all"
            if settings.batch_norm == "freeze":
                freeze_batch_norm(backbone)
            steps = self.data.sizes["train"] // settings.batch_size
            # Fresh weights above trained ones warm up in a stage of their own.
            warm_up = 0 if head.epochs else min(steps, steps * own.epochs // 2)
            with make_strategy(settings.strategy).scope():
                loss = make_group_loss(settings, self.data, member, self.group_weights)
                compile_model(model, own, self.data, loss, warm_up=warm_up)
            values += fit(
                model,
                self.data.train,
                self.data.validation,
                epochs=own.epochs,
                folder=self.folder / stage,
                title=f"{self.title}, {stage}",
                **self.options,
            )
        return values
