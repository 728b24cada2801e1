"""DecoupleNet: a map per label, with label independence and relevance decoupled.

Paper:   Liu, Guo, Huang and Scott, "Decoupling Category-wise Independence and Relevance
         with Self-Attention for Multi-label Image Classification", ICASSP 2019,
         https://doi.org/10.1109/ICASSP.2019.8683763
Command: python -m recipes.decouplenet --ablations --seeds 0 1 2
Paper's: python -m recipes.decouplenet --paper --ablations --dataset coco2014
Photos:  python -m recipes.decouplenet --photos --ablations --seeds 0 1 2 --data DIR
Trial:   python -m recipes.decouplenet --trial
Cost:    33 CPU-minutes for all rows, three seeds and six epochs
Result:  mAP 70.36 of arch1, 51.63 of average pooling; pointing 82.74 % and 72.00 %
"""

import dataclasses
import functools
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from kmlic import experiments
from kmlic.check_limits import Count, Dropout, ImageSize, NonNegative, Positive
from kmlic.run_folder import Run

if TYPE_CHECKING:  # functions import what needs Keras, so that --help is immediate
    from keras import Model

    from kmlic.data import MultiLabelData

# The rows of the paper's tables, and what each changes in the settings.
ROWS: dict[str, dict[str, Any]] = {
    "baseline": {"head": "avg"},
    "max pooling": {"head": "max"},
    "wildcat": {"head": "wildcat"},
    "without attention": {"attention": None},
    "arch1": {"attention": "arch1"},
    "arch2": {"attention": "arch2"},
    "both": {"attention": "both"},
    "bilinear": {"attention": "arch1", "upsampling": "bilinear"},
    "without upsampling": {"attention": "arch1", "upsampling": None, "stride": 1},
    "decouplenet": {},
}
# The paper's comparisons: better row, worse row, and the points of mAP between them.
CLAIMS = (
    ("max pooling", "baseline", "-"),
    ("wildcat", "baseline", "+2.9, COCO"),
    ("arch1", "wildcat", "+1.0, COCO"),
    ("arch2", "wildcat", "+1.1, COCO"),
    ("arch1+arch2", "arch1", "+0.5, COCO"),
    ("both", "arch1", "-"),
    ("arch1", "without attention", "+0.4, NUS-WIDE"),
    ("arch2", "without attention", "+0.5, NUS-WIDE"),
    ("arch1", "without upsampling", "+2.3, COCO"),
    ("bilinear", "without upsampling", "+1.8, COCO"),
    ("arch1", "bilinear", "+0.5, COCO"),
)


@dataclasses.dataclass(frozen=True)
class Settings(experiments.CachedSettings):
    """Holds the settings of DecoupleNet; the defaults fit two CPU cores."""

    head: Literal["avg", "max", "wildcat", "decouplenet"] = "decouplenet"
    """Head of the backbone; each row sets it."""
    stage: Literal[1, 2, 3, 4] = 3
    """Stage of the backbone's feature map: 3 has stride 16, 4 stride 32."""
    image_size: ImageSize = 128
    """Side in pixels; the images of street_fashion have 128."""
    attention: Literal["arch1", "arch2", "both"] | None = "arch1"
    upsampling: Literal["transposed", "bilinear"] | None = "transposed"
    stride: Literal[1, 2] = 1
    """1: upsamples H to H + 2, as in public code; 2: to 2 H, as the paper may mean."""
    maps_per_label: Count = 8
    attention_maps: Literal["avg", "max", "all"] = "avg"
    """Input of arch1: the mean, the maximum or all of a label's maps."""
    max_gradient: Literal["exact", "broadcast"] = "exact"
    """broadcast: the gradient reaches all maps of a label, as in public code."""
    kmax: Positive = 0.05
    """Share of a map's regions that is averaged: the highest, and the lowest."""
    alpha: NonNegative = 0.7
    """Weight of the lowest regions."""
    first_kernel: Literal["centred", "small", "random"] = "small"
    """See `kmlic.training.initialise_label_maps`; random: as in PyTorch."""
    dropout: Dropout = 0.0
    upsampling_multiplier: NonNegative = 1.0
    """Factor of the learning rate of the transposed convolution; it overfits easily."""
    folder: Path = Path("saved_models/decouplenet")


PRESETS = {
    "": Settings(),
    "paper": Settings(
        backbone="resnet101",
        weights="imagenet",
        stage=4,
        image_size=448,
        kmax=0.2,
        batch_size=50,
        epochs=12,
        optimizer="sgd",
        learning_rate=0.01,
        backbone_multiplier=0.1,
        weight_decay=1e-4,
        clip_norm=None,
        schedule="constant",
        first_bias="zero",
        first_kernel="random",
    ),
    "photos": Settings(
        backbone="mobilenet_v2",
        weights="imagenet",
        batch_norm="freeze",
        stage=4,
        image_size=320,
        kmax=0.2,
        cache_features=True,
        linear_probe=True,
        epochs=12,
        learning_rate=1e-3,
        upsampling_multiplier=0.3,
        weight_decay=20.0,  # 2 % per step, about the penalty of logistic regression
    ),
    "trial": Settings(
        dataset="street_fashion/tiny",
        rows=("baseline", "wildcat", "arch1", "arch2"),
        image_size=64,
        maps_per_label=2,
        epochs=1,
        export_maps=True,
    ),
}


def main(settings: Settings) -> Run:
    """Trains the rows alike, compares them and their maps, and exports the last one."""
    rows = experiments.choose_rows(settings, ROWS, ("baseline", "decouplenet"))
    exported = "both" if settings.ablations else list(rows)[-1]
    experiment = experiments.Experiment("decouplenet", settings)
    backbone = functools.partial(experiments.make_backbone, stage=settings.stage)
    features = experiments.cache_features(settings, backbone)
    build_row = functools.partial(build, features=features)
    experiments.train_rows(experiment, rows, build_row, features=features)
    experiments.add_linear_probes(experiment, backbone, features=features)
    for seed in settings.seeds:
        experiment.add_average("arch1+arch2", ("arch1", "arch2"), seed)
    sections = experiments.map_sections(experiment, ("baseline", exported))
    experiment.show()
    sections.insert(0, experiments.claims_section(experiment, CLAIMS))
    return experiments.finish_run(experiment, exported, sections=sections)


def build(
    settings: Settings,
    data: "MultiLabelData",
    seed: int,
    features: "experiments.Features" = None,
) -> "Model":
    """Builds a row's compiled model, or its part above cached features."""
    from kmlic import models, training

    shared = ("maps_per_label", "kmax", "alpha", "dropout", "image_size")
    options: dict[str, Any] = {name: getattr(settings, name) for name in shared}
    frozen = features[seed].extractor if features else None
    options["backbone"] = frozen or experiments.make_backbone(
        settings, stage=settings.stage
    )
    if settings.head == "decouplenet":
        own = ("attention", "upsampling", "stride", "attention_maps", "max_gradient")
        options |= {name: getattr(settings, name) for name in own}
        model = models.build_decouplenet(len(data.labels), **options)
    else:
        model = models.build_classifier(
            len(data.labels), pooling=settings.head, **options
        )
    training.initialise_label_maps(
        model, data.train_targets, settings.first_bias, settings.first_kernel
    )
    if frozen is not None:
        model = experiments.part_above_backbone(model, frozen)
    multipliers = experiments.backbone_multipliers(model, settings.backbone_multiplier)
    if settings.head == "decouplenet" and settings.upsampling == "transposed":
        expand = model.get_layer("space_to_depth").expand
        multipliers |= training.part_multipliers(expand, settings.upsampling_multiplier)
    experiments.compile_model(model, settings, data, multipliers=multipliers)
    return model


if __name__ == "__main__":
    sys.exit(experiments.run_recipe(main, PRESETS, description=__doc__))
