"""MSRN: label and group semantics attend to three depths of a backbone.

Paper:   Qu, Che, Huang, Xu and Zheng, "Multi-layered Semantic Representation Network
         for Multi-label Image Classification", 2021, https://arxiv.org/abs/2106.11596
Command: python -m recipes.msrn
Paper's: python -m recipes.msrn --paper --dataset voc2007
Trial:   python -m recipes.msrn --trial
Cost:    5 to 13 CPU-minutes, by the age of the two cores, and 2 GB
Result:  street_fashion, 34 labels, three seeds: mAP 72.8 ± 0.4, baseline 67.3 ± 0.9
"""

import dataclasses
import functools
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from kmlic import experiments, predict, words
from kmlic.check_limits import Count, Fraction, NonNegative
from kmlic.graphs import adjacency, cooccurrence, isolated_labels, normalised_adjacency
from kmlic.run_folder import Run

if TYPE_CHECKING:  # functions import what needs Keras, so that --help is immediate
    from keras import Model

    from kmlic.data import MultiLabelData

# Layers whose weights depend on the number or the meaning of the labels.
LABEL_LAYERS = ("word_vectors", "adjacency", "hidden", "logits")
Semantics = tuple[np.ndarray, np.ndarray]  # word vectors (L, D), adjacency (L, L)


@dataclasses.dataclass(frozen=True)
class Settings(experiments.TrainingSettings):
    """Holds the settings of MSRN; the defaults fit two CPU cores."""

    head: Literal["max", "msrn"] = "msrn"
    """max: the baseline, maximum pooling and a linear layer; each row sets it."""
    word_vectors: str = "captions"
    """captions: Word2Vec of the dataset's captions; learn: vectors learned from
    scratch; else a word2vec or GloVe file, or a name of gensim.downloader."""
    missing_words: Literal["raise", "learn"] = "raise"
    """For labels without a word vector: raise stops the run, learn trains a vector."""
    graph_threshold: Fraction = 0.4
    """A neighbour of a label occurs in at least this share of the label's images."""
    embedding_size: Count = 64
    hidden_units: Count = 256
    branches: Count = 3
    num_groups: Count = 4
    semantics: Literal["labels+groups", "labels", "groups", "none"] = "labels+groups"
    group_loss: Literal["squared", "norm"] = "norm"
    """norm: as in the authors' code, at first smaller than the loss of the labels;
    squared: as in the paper, at first a hundred times larger."""
    group_loss_weight: NonNegative = 1e-4
    """The paper's lambda."""
    folder: Path = Path("saved_models/msrn")
    init_from: Path | None = None
    """Run folder of an MSRN to copy weights from; label layers if labels are equal."""


PRESETS = {
    "": Settings(),
    "paper": Settings(
        word_vectors="glove-wiki-gigaword-300",
        backbone="resnet101",
        weights="imagenet",
        image_size=448,
        embedding_size=512,
        hidden_units=2048,
        group_loss="squared",
        group_loss_weight=1e-3,
        first_bias="zero",
        augmentation="multi_scale_crop",
        batch_size=8,
        epochs=90,
        optimizer="sgd",
        learning_rate=0.01,
        backbone_multiplier=0.1,
        weight_decay=1e-4,
        schedule="step",
    ),
    "trial": Settings(
        dataset="street_fashion/tiny",
        image_size=64,
        embedding_size=16,
        hidden_units=32,
        epochs=1,
    ),
}
# The values in the paper's Tables 5, 6 and 7 that are not the settings' defaults.
ABLATIONS: dict[str, tuple[Any, ...]] = {
    "semantics": ("none", "labels", "groups"),
    "branches": (1, 2, 4),
    "num_groups": (2, 6, 8, 10, 20),
    "group_loss_weight": (1e-1, 1e-2, 1e-3, 1e-5, 1e-6),
}
ROWS: dict[str, dict[str, Any]] = {
    "baseline": {"head": "max"},
    "msrn": {},
    **{f"{x}={y}": {x: y} for x, values in ABLATIONS.items() for y in values},
}


def main(settings: Settings) -> Run:
    """Trains the baseline and MSRN alike, compares and exports them."""
    rows = experiments.choose_rows(settings, ROWS, ("baseline", "msrn"))
    experiment = experiments.Experiment("msrn", settings)
    vocabularies: dict[int, Mapping[str, np.ndarray]] = {}
    semantics: dict[int, Semantics] = {}
    for seed in settings.seeds:
        data = experiments.load_data(settings, seed)
        if settings.word_vectors == "learn":
            vocabularies[seed] = {}
        else:
            vocabularies[seed] = experiments.find_word_vectors(
                settings.word_vectors, data, seed
            )
        semantics[seed] = find_semantics(experiment, data, vocabularies[seed], seed)
    experiments.train_rows(
        experiment, rows, functools.partial(build, semantics=semantics)
    )
    experiments.add_linear_probes(experiment)
    experiment.show()
    exported = "msrn" if "msrn" in rows else list(rows)[-1]
    # Word vectors trained on captions differ between seeds.
    vocabulary = vocabularies[experiment.best_of(exported).seed]
    return experiments.finish_run(experiment, exported, words=vocabulary)


def find_semantics(
    experiment: "experiments.Experiment[Settings]",
    data: "MultiLabelData",
    vocabulary: Mapping[str, np.ndarray],
    seed: int,
) -> Semantics:
    """Returns the labels' word vectors and graph, and prints what is missing."""
    settings, names = experiment.settings, data.labels.names
    counts = cooccurrence(data.train_targets)
    graph = adjacency(*counts, threshold=settings.graph_threshold)
    learn = "learn" in (settings.word_vectors, settings.missing_words)
    missing: Literal["learn", "raise"] = "learn" if learn else "raise"
    vectors, report = words.embed_labels(names, vocabulary, missing=missing, seed=seed)
    experiment.say(f"{isolated_labels(graph, names)}\n{report}")
    return vectors, normalised_adjacency(graph)


def build(
    settings: Settings,
    data: "MultiLabelData",
    seed: int,
    semantics: Mapping[int, Semantics],
) -> "Model":
    """Builds a row's compiled model, with weights of `init_from` if given."""
    from kmlic import models, training

    backbone, vectors = experiments.make_backbone(settings), semantics[seed][0]
    if settings.head == "max":
        model = models.build_classifier(
            len(vectors),
            backbone=backbone,
            pooling="max",
            image_size=settings.image_size,
        )
    else:
        model = models.build_msrn(
            *semantics[seed],
            backbone=backbone,
            num_groups=min(settings.num_groups, len(vectors)),
            embedding_size=settings.embedding_size,
            hidden_units=settings.hidden_units,
            branches=settings.branches,
            semantics=settings.semantics,
            group_loss=settings.group_loss,
            group_loss_weight=settings.group_loss_weight,
            image_size=settings.image_size,
            trainable_words="learn" in (settings.word_vectors, settings.missing_words),
        )
        if settings.init_from:
            source, labels = predict.load_run(settings.init_from)
            same = labels.names == data.labels.names
            training.transfer_weights(
                source, model, skip_layers=() if same else LABEL_LAYERS
            )
    experiments.compile_model(model, settings, data, bias_layer=models.LOGITS)
    return model


if __name__ == "__main__":
    sys.exit(experiments.run_recipe(main, PRESETS, description=__doc__))
