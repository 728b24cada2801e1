"""Fashion attributes: one head per group of labels that exclude one another.

Paper:   Li, "DeepFashion Attribute Prediction Challenge Report", 2021
Command: python -m recipes.deepfashion_attributes
Paper's: python -m recipes.deepfashion_attributes --paper --data_dir FOLDER
Photos:  python -m recipes.deepfashion_attributes --photos --data_dir FOLDER --weights F
Trial:   python -m recipes.deepfashion_attributes --trial
Cost:    3 CPU-minutes on two cores; 67 for --photos, of three seeds
Result:  --photos: accuracy 84.06 ± 0.46, macro F1 70.01; anchor 82.39 and 67.53
"""

import dataclasses
import itertools
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from kmlic import check_limits, experiments
from kmlic.run_folder import Run

if TYPE_CHECKING:  # functions import what needs Keras, so that --help is immediate
    from keras import Model

    from kmlic.data import MultiLabelData

NAME = "deepfashion_attributes"
GROUP_WEIGHTS = (0.95, 0.85, 0.85, 0.9, 1.0, 0.9)  # of the report's equation 7


@dataclasses.dataclass(frozen=True)
class Settings(experiments.MemberSettings):
    """Holds the settings of attribute classifiers; the defaults fit two CPU cores."""

    dataset: str = "street_fashion/attributes"
    crop: bool = True  # to the box of the clothes
    margin: check_limits.NonNegative = 0.0  # around the box, as a share of its sides
    validation: check_limits.Fraction = 0.1
    pooling: Literal["avg", "avg+max", "attention"] = "avg"
    maps: check_limits.Count = 1
    fc_layers: check_limits.CountOrZero = 0  # fully connected, before the heads
    fc_units: check_limits.Count = 512
    dropout: check_limits.Dropout = 0.2
    grid: Literal["default", "claims", "table"] = "default"  # table: Table 2
    anchor_epochs: check_limits.Count | None = None
    anchor_frozen_until: str | None = None
    submission: Path | None = None  # file for the predictions on split/test
    folder: Path = Path("saved_models/deepfashion_attributes")


PRESETS = {
    "": Settings(),
    "paper": Settings(
        dataset=NAME,
        backbone="seresnet50",
        weights="imagenet",
        include_top=True,
        image_size=224,
        batch_norm="freeze",
        head_epochs=2,
        epochs=20,
        learning_rate=1e-4,
    ),
    "photos": Settings(
        dataset=NAME,
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
        zooms=(1.0, 1 / 1.2),  # with the margin, and without
        average_flips=True,
        augmentation="flip+mixup",
        loss="cross_entropy",
        label_smoothing=0.1,
        prior_strength=0.3,
        head_epochs=2,
        epochs=8,
        learning_rate=5e-4,
        weight_decay=1e-4,
        anchor_epochs=5,
        anchor_frozen_until="block_12_add",
        seeds=(0, 1, 2),
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
    ),
}

# The anchor is plain fine-tuning: cross-entropy and the defaults of these settings.
PLAIN = (
    *("label_smoothing", "prior_strength", "fc_layers", "maps", "pooling", "dropout"),
    *("augmentation", "margin", "crop", "members", "zooms", "average_flips"),
)
ANCHOR = {name: getattr(Settings(), name) for name in PLAIN} | {"loss": "cross_entropy"}
# The report's claims, compared with focal loss without weights.
CLAIMS: dict[str, dict[str, Any]] = {
    "focal": {},
    "cross entropy": {"loss": "cross_entropy"},
    "weighted focal": {"loss": "weighted_focal"},
    "learned weights": {"loss": "learned"},
    "class-balanced": {"positive_weights": "effective"},
    "no flip": {"augmentation": "none"},
    "no crop": {"crop": False},
    **{f"{n} FC": {"fc_layers": n} for n in (2, 4)},
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


def main(settings: Settings) -> Run:
    """Trains the rows, compares them group by group and exports the first one."""
    table = make_table(settings)
    default = ("attributes", "anchor") if settings.grid == "default" else table
    rows = experiments.choose_rows(settings, table, default)
    exported = next(iter(rows))
    experiment = experiments.Experiment(NAME, settings, monitor="accuracy")
    experiments.train_members(experiment, rows, load, build_member, GROUP_WEIGHTS)
    experiments.add_linear_probes(experiment, load=load)
    experiment.show("validation")
    experiment.show("test")
    sections = experiments.group_sections(experiment, exported)
    run = experiments.finish_run(experiment, exported, sections=sections)
    if settings.submission:
        experiments.write_submission(settings.folder, settings.submission)
    return run


def make_table(settings: Settings) -> dict[str, dict[str, Any]]:
    """Returns the rows and what each changes in the settings."""
    if settings.grid == "table":
        names = ("resnet50", "seresnet50", "seresnext50_32x4d")
        pairs = itertools.product(names, (0, 2, 4))
        return {f"{x}, {n} FC": {"backbone": x, "fc_layers": n} for x, n in pairs}
    anchor = {
        **ANCHOR,
        "epochs": settings.anchor_epochs or settings.epochs,
        "frozen_until": settings.anchor_frozen_until or settings.frozen_until,
    }
    if settings.grid == "claims":
        plain = {**anchor, "epochs": settings.epochs, "loss": "focal"}
        table = {name: {**plain, **changes} for name, changes in CLAIMS.items()}
        if settings.source != NAME:
            del table["no crop"]
        return table
    ablations = {n: {"members": 1, **changes} for n, changes in ABLATIONS.items()}
    return {"attributes": {}, "anchor": anchor, **ablations}


def load(settings: Settings, seed: int) -> "MultiLabelData":
    """Loads the dataset, which must have exclusive groups of labels."""
    options: dict[str, Any] = {"cache": not settings.cache_frozen}
    if settings.source == NAME:
        own = ("crop", "margin", "validation")
        options |= {name: getattr(settings, name) for name in own}
    data = experiments.load_data(settings, seed, **options)
    data.labels.require_exclusive()
    return data


def build_member(
    settings: Settings, data: "MultiLabelData", backbone: "Model"
) -> "Model":
    """Builds a member from its backbone."""
    from kmlic import models

    return models.build_attribute_classifier(
        data.labels.groups or {},
        backbone=backbone,
        hidden_units=(settings.fc_units,) * settings.fc_layers,
        image_size=None,
        feature="output" if settings.include_top else "pooled",
        learned_weights=settings.loss == "learned",
        **{name: getattr(settings, name) for name in ("pooling", "maps", "dropout")},
    )


if __name__ == "__main__":
    sys.exit(experiments.run_recipe(main, PRESETS, description=__doc__))
