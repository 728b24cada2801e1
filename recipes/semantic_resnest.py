"""Semantic-embedded ResNeSt: activation maps of one classifier guide another.

Paper:   Shen, Zhao and Luo, "Semantic Embedded Deep Neural Network: A Generic Approach
         to Boost Multi-Label Image Classification Performance", 2023,
         https://arxiv.org/abs/2305.05228
Command: python -m recipes.semantic_resnest
Paper's: python -m recipes.semantic_resnest --paper --data my_photos
Photos:  python -m recipes.semantic_resnest --photos --data FOLDER --weights FILE
Trial:   python -m recipes.semantic_resnest --trial
Cost:    about 5 CPU-minutes for one seed, 17 with all rows
Result:  mean relative gain of PR-AUC +25.8 %, on DeepFashion -2.0 %; paper +16.4 %
"""

import dataclasses
import functools
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from kmlic import check_limits, experiments, predict
from kmlic.run_folder import Run

if TYPE_CHECKING:  # functions import what needs Keras, so that --help is immediate
    from keras import Model

    from kmlic.data import MultiLabelData

MAIN = "semantic_resnest"
# Settings that are arguments of `build_semantic_resnest`.
EMBEDDING = ("embedding", "embedding_channels", "last_norm", "hidden_units")
GENERATOR = ("generator", "generator_loss_weight", "share")


@dataclasses.dataclass(frozen=True)
class GeneratorSettings(experiments.TrainingSettings):
    """Holds the settings of stage one, the generator of activation maps."""

    feature_map: int = -2  # that the generator classifies; -1 is the last


@dataclasses.dataclass(frozen=True)
class Settings(GeneratorSettings):
    """Holds the settings of both stages; the defaults fit two CPU cores."""

    dataset: str = "street_fashion/patterns"
    backbone: str = "small_resnest"
    plain_backbone: str = "small_resnet"
    generator_backbone: str = "small_resnet"
    generator_epochs: check_limits.Count = 20  # with 5 epochs the maps do not help
    epochs: check_limits.Count = 5
    embedding: Literal["deconv", "resize"] = "deconv"
    embedding_channels: check_limits.Count = 1
    last_norm: bool = True
    hidden_units: tuple[check_limits.Count, ...] = (256,)
    generator: Literal["none", "frozen", "trainable", "joint"] = "frozen"
    """none: the baseline; joint: end to end, with both losses."""
    generator_loss_weight: check_limits.NonNegative = 1.0
    share: Literal["nothing", "stem"] = "nothing"
    start: Literal["weights", "baseline"] = "weights"
    stage_one: Path | None = None  # of an earlier run; else `folder`_generator
    folder: Path = Path("saved_models/semantic_resnest")


PRESETS = {
    "": Settings(),
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
    ),
    "photos": Settings(
        dataset="deepfashion_attributes/patterns",
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
    ),
    "trial": Settings(
        dataset="street_fashion/tiny/patterns",
        image_size=64,
        hidden_units=(32,),
        epochs=1,
        generator_epochs=1,
    ),
}


def main(settings: Settings) -> Run:
    """Trains generator, baseline and guided classifiers, compares and exports them."""
    rows = experiments.choose_rows(settings, make_table(settings), ("baseline", MAIN))
    experiment = experiments.Experiment(MAIN, settings)
    stages = {seed: find_generator(settings, seed) for seed in settings.seeds}
    build_row = functools.partial(build, stages=stages, experiment=experiment)
    experiments.train_rows(experiment, rows, build_row)
    experiments.add_linear_probes(experiment)
    for seed, stage in stages.items():
        experiment.add_model("generator", seed, predict.load_run(stage)[0])
    experiments.add_map_mass(experiment)
    sections = experiments.area_sections(experiment, MAIN, "baseline")
    experiment.show()
    return experiments.finish_run(experiment, MAIN, sections=sections)


def make_table(settings: Settings) -> dict[str, dict[str, Any]]:
    """Returns the rows of the paper's Table III: what each changes in the settings."""
    both = settings.epochs + settings.generator_epochs
    return {
        "baseline": {"generator": "none"},
        "baseline, longer": {"generator": "none", "epochs": both},  # without maps
        MAIN: {},
        "resized": {"embedding": "resize", "embedding_channels": 1},
        "from the baseline": {"start": "baseline"},
        "end to end": {"generator": "joint"},
        "plain backbone": {"backbone": settings.plain_backbone},
        "3 channels": {"embedding_channels": 3},
    }


def find_generator(settings: Settings, seed: int) -> Path:
    """Returns the run folder of a seed's generator, trained if there is none."""
    beside = settings.folder.with_name(f"{settings.folder.name}_generator")
    stage = settings.narrow(
        GeneratorSettings,
        backbone=settings.generator_backbone,
        epochs=settings.generator_epochs,
        seeds=(seed,),
        folder=(settings.stage_one or beside) / f"seed_{seed}",
    )
    joint = dataclasses.replace(settings, generator="joint", start="weights")
    check = None if settings.stage_one else functools.partial(build, joint, seed=seed)
    return experiments.train_or_reuse("generator", stage, build_generator, check=check)


def build_generator(settings: GeneratorSettings, data: "MultiLabelData") -> "Model":
    """Builds the generator of activation maps, compiled."""
    from kmlic import models

    model = models.build_cam_generator(
        len(data.labels),
        backbone=experiments.make_backbone(settings),
        feature_map=settings.feature_map,
        image_size=settings.image_size,
    )
    experiments.compile_model(model, settings, data, bias_layer=models.ACTIVATION_MAPS)
    return model


def build(
    settings: Settings,
    data: "MultiLabelData",
    seed: int,
    stages: Mapping[int, Path] | None = None,
    experiment: "experiments.Experiment | None" = None,
) -> "Model":
    """Builds the baseline, or a classifier around the generator of stage one."""
    from kmlic import models

    if settings.start == "baseline" and experiment:
        weights = experiment.write_backbone("baseline", seed, settings.backbone)
        settings = dataclasses.replace(settings, weights=weights)
    options: dict[str, Any] = {"image_size": settings.image_size}
    if settings.generator == "none":
        backbone = experiments.make_backbone(settings)
        model = models.build_classifier(len(data.labels), backbone=backbone, **options)
    else:
        if settings.generator == "joint":
            own = dataclasses.replace(settings, backbone=settings.generator_backbone)
            options["cam_generator"] = build_generator(own, data)
        else:
            options["cam_generator"], _ = predict.load_run((stages or {})[seed])
        extra = settings.embedding_channels if settings.share == "nothing" else 0
        options["backbone"] = experiments.make_backbone(settings, channels=3 + extra)
        options |= {name: getattr(settings, name) for name in EMBEDDING + GENERATOR}
        model = models.build_semantic_resnest(len(data.labels), **options)
    layer = "classifier_logits" if settings.generator == "joint" else models.LOGITS
    experiments.compile_model(model, settings, data, bias_layer=layer)
    return model


if __name__ == "__main__":
    sys.exit(experiments.run_recipe(main, PRESETS, description=__doc__))
