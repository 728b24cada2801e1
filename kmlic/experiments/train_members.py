"""Models whose logits are averaged, each trained in stages on a frozen trunk."""

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Generic, TypeVar

import keras
import numpy as np

from kmlic.backbones import freeze_batch_norm, split_backbone
from kmlic.data import MultiLabelData
from kmlic.experiments.compile_model import compile_model
from kmlic.experiments.experiment import Experiment
from kmlic.experiments.make_backbone import make_backbone
from kmlic.experiments.make_group_loss import make_group_loss
from kmlic.experiments.member_settings import MemberSettings
from kmlic.models import average_models
from kmlic.training import CachedFeatures, fit, make_strategy

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

    Members are trained on images or on cached outputs of the frozen part. The values
    of an epoch are averaged over members. The row "majority class" is added.

    Args:
        experiment: trains and keeps the models.
        rows: name to settings.
        load: returns the splits of a row's settings and a seed.
        build_member: returns a member that ends in logits, given the backbone or its
            part above the frozen one.
        group_weights: of the loss, one per exclusive group, see `make_group_loss`.

    Raises:
        ValueError: if `cache_frozen` is set and no part is frozen, or `first_bias` is
            not "zero".
    """
    seeds = experiment.settings.seeds
    experiment.num_trainings += len(seeds) * len(rows)
    for seed in seeds:
        for name, row in rows.items():
            data = load(row, seed)
            members = _Members(
                experiment, name, seed, row, data, build_member, group_weights
            )
            experiment.train(
                name, seed, members.build, data, settings=row, train_model=members.train
            )
        experiment.add_majority(seed)


class _Members(Generic[S]):
    """Builds and trains the members of one row and seed."""

    def __init__(
        self,
        experiment: Experiment[S],
        name: str,
        seed: int,
        settings: S,
        data: MultiLabelData,
        build_member: BuildMember[S],
        group_weights: Sequence[float],
    ):
        if settings.cache_frozen and settings.frozen_until is None:
            raise ValueError(
                "`cache_frozen` needs `frozen_until`; got frozen_until=None."
            )
        if settings.first_bias != "zero":
            raise ValueError(
                "`first_bias` must be zero for exclusive groups; got "
                f"first_bias={settings.first_bias!r}."
            )
        self.experiment, self.name, self.seed = experiment, name, seed
        self.settings, self.data = settings, data
        self.build_member, self.group_weights = build_member, group_weights
        zooms = itertools.cycle(settings.zooms)
        self.zooms = list(itertools.islice(zooms, settings.members))
        self.trunk: keras.Model | None = None  # the frozen part
        # From the trunk's output, or from images, to logits.
        self.members: list[keras.Model] = []
        # The part of each member that came from the backbone.
        self.backbones: list[keras.Model] = []
        self.features: dict[float, CachedFeatures] = {}  # by zoom

    def build(self) -> keras.Model:
        """Builds the members and returns their average, from images to logits."""
        settings = self.settings
        plain = dataclasses.replace(settings, batch_norm="train")  # frozen in stages
        for _ in range(settings.members):
            backbone = make_backbone(plain, include_top=settings.include_top)
            if settings.frozen_until:
                lower, backbone = split_backbone(backbone, settings.frozen_until)
                self.trunk = self.trunk or lower
                self.trunk.trainable = False
            self.backbones.append(backbone)
            self.members.append(self.build_member(settings, self.data, backbone))
        return average_models(
            self.members,
            trunk=self.trunk,
            flips=settings.average_flips,
            zooms=self.zooms,
        )

    def train(self, model: keras.Model, folder: Path) -> list[dict[str, float]]:
        """Trains the members of the model and returns their mean values per epoch."""
        members = [
            self._train_member(number, folder / f"member_{number + 1}")
            for number in range(self.settings.members)
        ]
        return [
            {key: float(np.mean([epoch[key] for epoch in same])) for key in same[0]}
            for same in zip(*members, strict=True)
        ]

    def _train_member(self, number: int, folder: Path) -> list[dict[str, float]]:
        settings, zoom = self.settings, self.zooms[number]
        member, backbone = self.members[number], self.backbones[number]
        seed = 1000 * self.seed + number
        keras.utils.set_random_seed(seed)
        if settings.cache_frozen:
            data, model = self._load_features(zoom, seed), member
        else:
            data = self.data
            with make_strategy(settings.strategy).scope():
                model = average_models([member], trunk=self.trunk, zooms=[zoom])
        # Each stage is a training of its own.
        settings = dataclasses.replace(settings, head_epochs=0)
        head = self.settings.num_head_epochs and dataclasses.replace(
            settings,
            epochs=self.settings.num_head_epochs,
            learning_rate=settings.head_learning_rate,
        )
        values: list[dict[str, float]] = []
        for stage, own in {"head": head, "all": settings}.items():
            if not own:
                continue
            backbone.trainable = stage == "all"
            if settings.freezes_batch_norm:
                freeze_batch_norm(backbone)
            steps = data.sizes["train"] // settings.batch_size
            # New weights above trained ones warm up in a stage of their own.
            warm_up = 0 if head else min(steps, steps * own.epochs // 2)
            with make_strategy(settings.strategy).scope():
                loss = make_group_loss(settings, data, member, self.group_weights)
                compile_model(model, own, data, loss, warm_up=warm_up)
            values += fit(
                model,
                data.train,
                data.validation,
                epochs=own.epochs,
                folder=folder / stage,
                title=f"{self.name} (seed {self.seed}, member {number + 1}), {stage}",
                **self.experiment.fit_options(settings, data, seed),
            )
        return values

    def _load_features(self, zoom: float, seed: int) -> MultiLabelData:
        if zoom not in self.features:
            folder = self.experiment.folder.trainings / "features"
            view = average_models([self.trunk], zooms=[zoom])
            self.features[zoom] = CachedFeatures(view, self.data, folder)
        return self.features[zoom].load(
            batch_size=self.settings.batch_size,
            seed=seed,
            augmentation=self.settings.augmentation,
        )
