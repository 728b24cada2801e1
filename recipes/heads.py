"""Heads: what stands on a backbone, compared on the same images and budget.

Paper:   those of each head's builder in `kmlic.models`; for average and maximum pooling
         Chen et al., "Multi-Label Image Recognition with Graph Convolutional Networks",
         CVPR 2019, https://arxiv.org/abs/1904.03582
Command: python -m recipes.heads
Paper's: python -m recipes.heads --paper --dataset voc2007
Photos:  python -m recipes.heads --photos --data DIR --weights FILE
         python -m recipes.heads --finetune --data DIR --weights FILE --num_folds 5
Trial:   python -m recipes.heads --trial
Cost:    CPU-minutes per fold of 389 images, small sizes: 3 of --photos, 5 of --finetune
Result:  COCO photos, mAP of five folds, frozen: 49.2 of WILDCAT, 45.2 of average
         pooling; fine-tuned: 48.7, 43.9; logistic regression 50.1
"""

import dataclasses
import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from kmlic import experiments
from kmlic.check_limits import Count, Dropout
from kmlic.run_folder import Run

if TYPE_CHECKING:  # functions import what needs Keras, so that --help is immediate
    from keras import Model

    from kmlic.data import MultiLabelData

Head = Literal[
    "average",
    "max",
    "wildcat",
    "csra",
    "ml_decoder",
    "query2label",
    "decouplenet",
    "msrn",
]
# Heads whose last layer has the bias of the labels' frequencies.
WITH_BIAS = ("average", "max", "ml_decoder", "query2label", "msrn")


@dataclasses.dataclass(frozen=True)
class Settings(experiments.CachedSettings):
    """Holds the settings of all heads; the defaults fit two CPU cores."""

    head: Head = "average"
    """Each row sets it."""
    stage: Literal[1, 2, 3, 4] = 4
    """Stage of the only feature map that the heads see."""
    frozen_until: str | None = None
    """With cache_features: the backbone's last frozen layer; all are when left out."""
    word_vectors: str = "learn"
    """Of MSRN: learn from scratch, captions, a file, or a name of gensim.downloader."""
    num_groups: Count = 4
    """Groups of labels of MSRN."""
    attention_heads: Literal[1, 2, 4, 6, 8] = 2
    """Of CSRA."""
    embedding_size: Count = 64
    """Of ML-Decoder, Query2Label and MSRN."""
    hidden_units: Count = 256
    dropout: Dropout = 0.1
    """Of ML-Decoder and Query2Label."""
    folder: Path = Path("saved_models/heads")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.frozen_until and not self.cache_features:
            raise ValueError("`frozen_until` needs `cache_features`; got False.")


PHOTOS = Settings(
    backbone="mobilenet_v2",
    weights="imagenet",
    batch_norm="freeze",
    image_size=320,
    cache_features=True,
    fractions=(0.6, 0.1, 0.3),
    embedding_size=256,
    hidden_units=1024,
    epochs=20,
    learning_rate=1e-3,
    backbone_multiplier=0.1,
    batch_size=16,
    linear_probe=True,
    seeds=(0, 1, 2),
)
PRESETS = {
    "": Settings(stage=3),
    "paper": Settings(
        word_vectors="glove-wiki-gigaword-300",
        backbone="resnet101",
        weights="imagenet",
        image_size=448,
        embedding_size=512,
        hidden_units=2048,
        augmentation="multi_scale_crop",
        batch_size=16,
        epochs=30,
        learning_rate=1e-4,
        backbone_multiplier=0.1,
    ),
    "photos": PHOTOS,
    "finetune": dataclasses.replace(PHOTOS, frozen_until="block_12_add"),
    "trial": Settings(
        dataset="street_fashion/tiny",
        image_size=64,
        embedding_size=16,
        hidden_units=32,
        epochs=1,
    ),
}
ROWS: dict[str, dict[str, Any]] = {head: {"head": head} for head in get_args(Head)}


def main(settings: Settings) -> Run:
    """Trains every head alike, compares them and exports the best one."""
    rows = experiments.choose_rows(settings, ROWS, tuple(ROWS))
    experiment = experiments.Experiment("heads", settings)
    backbone = functools.partial(experiments.make_backbone, stage=settings.stage)
    frozen = functools.partial(backbone, until=settings.frozen_until)
    features = experiments.cache_features(settings, frozen)
    build_row = functools.partial(build, features=features)
    experiments.train_rows(experiment, rows, build_row, features=features)
    maps = None if settings.frozen_until else features
    experiments.add_linear_probes(experiment, backbone, features=maps)
    experiment.show()
    section = experiments.difference_section(experiment, list(experiment.trained))
    # Not the test split, which is for the table alone.
    means = experiment.compare("validation")
    best = max(rows, key=lambda name: means[name][0].metrics["mAP"])
    return experiments.finish_run(experiment, best, sections=[section])


def find_semantics(settings: Settings, data: "MultiLabelData", seed: int) -> dict:
    """Returns the labels' word vectors and graph, of the training images."""
    from kmlic.graphs import adjacency, cooccurrence, normalised_adjacency
    from kmlic.words import embed_labels

    words: Any = {}
    if settings.word_vectors != "learn":
        words = experiments.find_word_vectors(settings.word_vectors, data, seed)
    vectors, _ = embed_labels(data.labels.names, words, missing="learn", seed=seed)
    graph = adjacency(*cooccurrence(data.train_targets))
    return {"word_vectors": vectors, "adjacency": normalised_adjacency(graph)}


def build(
    settings: Settings,
    data: "MultiLabelData",
    seed: int,
    features: "experiments.Features" = None,
) -> "Model":
    """Builds a row's compiled model, or its part above cached features."""
    from kmlic import models, training

    until = settings.frozen_until
    frozen = features[seed].extractor if features and not until else None
    backbone = frozen or experiments.make_backbone(settings, stage=settings.stage)
    shared: dict[str, Any] = {"backbone": backbone, "image_size": settings.image_size}
    names = ("embedding_size", "hidden_units")
    sized = {name: getattr(settings, name) for name in names}
    dropped = {**shared, **sized, "dropout": settings.dropout}
    count, classifier = len(data.labels), models.build_classifier
    builders: dict[Head, Callable[[], Model]] = {
        "average": lambda: classifier(count, pooling="avg", **shared),
        "max": lambda: classifier(count, pooling="max", **shared),
        "wildcat": lambda: classifier(count, pooling="wildcat", **shared),
        "csra": lambda: models.build_csra(
            count, num_heads=settings.attention_heads, **shared
        ),
        "ml_decoder": lambda: models.build_ml_decoder(count, **dropped),
        "query2label": lambda: models.build_query2label(count, **dropped),
        "decouplenet": lambda: models.build_decouplenet(count, **shared),
        "msrn": lambda: models.build_msrn(
            **find_semantics(settings, data, seed),
            branches=1,
            num_groups=min(settings.num_groups, count),
            trainable_words=settings.word_vectors == "learn",
            **shared,
            **sized,
        ),
    }
    model = builders[settings.head]()
    if settings.head in ("wildcat", "decouplenet"):
        training.initialise_label_maps(
            model, data.train_targets, settings.first_bias, "small"
        )
    if features:
        model = experiments.part_above_backbone(model, backbone, until)
    bias = models.LOGITS if settings.head in WITH_BIAS else None
    experiments.compile_model(model, settings, data, bias_layer=bias)
    return model


if __name__ == "__main__":
    sys.exit(experiments.run_recipe(main, PRESETS, description=__doc__))
