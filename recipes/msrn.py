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
from typing import Any, Literal

import keras
import numpy as np
from rich.console import Console

from kmlic.backbones import build_backbone, freeze_batch_norm
from kmlic.data import MultiLabelData
from kmlic.datasets import load_dataset
from kmlic.evaluation import linear_probe
from kmlic.experiments import Experiment, TrainingSettings, run_recipe
from kmlic.graphs import (
    adjacency,
    cooccurrence,
    isolated_labels,
    normalised_adjacency,
)
from kmlic.losses import PartialBinaryCrossentropy
from kmlic.models import LOGITS, build_classifier, build_msrn
from kmlic.predict import load_run
from kmlic.run_folder import Run
from kmlic.training import (
    CoupledSGD,
    LayerwiseAdamW,
    OneCycle,
    initialise_bias,
    make_strategy,
    part_multipliers,
    transfer_weights,
)
from kmlic.words import embed_labels, load_word_vectors, train_word_vectors

CONSOLE = Console(highlight=False)
# Their weights depend on the labels, in number or in meaning.
LABEL_LAYERS = ("word_vectors", "adjacency", "hidden", LOGITS)


@dataclasses.dataclass(frozen=True)
class Settings(TrainingSettings):
    """What is trained on what, and how.

    The defaults fit two CPU cores; `--paper` stands for the paper's configuration.
    """

    dataset: str = "street_fashion"
    """Name of a dataset of kmlic.data, or csv for `data_dir`/labels.csv."""
    data_dir: Path | None = None
    """Where the dataset lies or is kept; TFDS's own folder when left out."""
    on_error: Literal["raise", "skip"] = "raise"
    """What a broken image or row does to a csv dataset: stop, or be counted."""
    word_vectors: str = "captions"
    """captions: Word2Vec of the dataset's captions; learn: vectors learned from
    scratch; else a word2vec or GloVe file, or a name of gensim.downloader."""
    missing_words: Literal["raise", "learn"] = "raise"
    """What a label without any known word does: stop, or learn its vector."""
    graph_threshold: float = 0.4
    """Share of a label's images from which another label counts as its neighbour."""

    backbone: str = "small_resnet"
    weights: str | None = None
    """None, imagenet, or a file of weights for the backbone."""
    batch_norm: Literal["train", "freeze"] = "train"
    """freeze: the backbone keeps its batch statistics (small data, few images)."""
    image_size: int = 96
    """Side in pixels."""
    embedding_size: int = 64
    hidden_units: int = 256
    branches: int = 3
    num_groups: int = 4
    semantics: Literal["labels+groups", "labels", "groups", "none"] = "labels+groups"
    group_loss: Literal["squared", "norm"] = "norm"
    """norm: the code's form, which starts below the loss of the labels; squared: the
    paper's, which starts a hundred times above it."""
    group_loss_weight: float = 1e-4
    """The paper's lambda."""
    first_bias: Literal["frequency", "zero"] = "frequency"
    """frequency: the logits begin at how frequent each label is; zero: as the paper."""

    augmentation: Literal["none", "flip", "multi_scale_crop"] = "flip"
    batch_size: int = 32
    epochs: int = 10
    optimizer: Literal["adamw", "sgd"] = "adamw"
    learning_rate: float = 2e-3
    backbone_multiplier: float = 1.0
    """Factor of the backbone's learning rate, buffers and projections apart."""
    weight_decay: float = 0.01
    """Decoupled for adamw, coupled as torch means it for sgd."""
    clip_norm: float = 10.0
    """Largest norm of all gradients together, taken after they are computed."""
    schedule: Literal["cosine", "one_cycle", "step"] = "cosine"
    """cosine: to zero after one epoch of warm-up; one_cycle: rises for three tenths of
    the steps, then falls; step: 0.1 after each third."""

    seeds: tuple[int, ...] = (0,)
    linear_probe: bool = False
    """Adds logistic regression on the frozen backbone to the table."""
    init_from: Path | None = None
    """Run folder of an MSRN whose weights, label-dependent ones apart, are taken."""
    folder: Path = Path("saved_models/msrn")
    paper: bool = False
    """The paper's configuration: ResNet-101, 448 pixels, GloVe, SGD, 90 epochs."""
    trial: bool = False
    """Everything once on a few images, in under two minutes."""
    ablations: bool = False
    """The rows of the paper's Tables 5, 6 and 7 instead of one model; resumable."""


PRESETS = {
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
        folder=Path("saved_models/msrn_paper"),
        paper=True,
    ),
    "trial": Settings(
        dataset="street_fashion/tiny",
        image_size=64,
        embedding_size=16,
        hidden_units=32,
        epochs=1,
        folder=Path("saved_models/msrn_trial"),
        trial=True,
    ),
}


# The rows of the paper's tables, beside MSRN as the settings have it.
ABLATIONS: dict[str, dict[str, Any]] = {
    "msrn": {},
    **{f"semantics={x}": {"semantics": x} for x in ("none", "labels", "groups")},
    **{f"branches={x}": {"branches": x} for x in (1, 2, 4)},
    **{f"num_groups={x}": {"num_groups": x} for x in (2, 6, 8, 10, 20)},
    **{
        f"group_loss_weight={x:g}": {"group_loss_weight": x}
        for x in (1e-1, 1e-2, 1e-3, 1e-5, 1e-6)
    },
}


def main(settings: Settings) -> Run:
    """Trains the baseline and MSRN alike, compares, exports and leaves a run folder."""
    experiment = Experiment("msrn", settings)
    rows = ABLATIONS if settings.ablations else {"msrn": {}}
    vocabularies: dict[int, Mapping[str, np.ndarray]] = {}
    for seed in settings.seeds:
        data = load(settings, seed)
        vocabularies[seed] = find_vectors(settings, data, seed)
        words, graph = label_semantics(settings, data, vocabularies[seed], seed)
        baseline = functools.partial(build_baseline, settings, data)
        experiment.train("baseline", seed, baseline, data, epochs=settings.epochs)
        for name, changes in rows.items():
            row = dataclasses.replace(settings, **changes)
            msrn = functools.partial(build, row, data, words, graph)
            experiment.train(name, seed, msrn, load(row, seed), epochs=row.epochs)
        if settings.linear_probe:
            scores = linear_probe(make_backbone(settings), data)
            experiment.add_scores("logistic regression", seed, scores)
    experiment.show()
    # Word vectors learned from captions are another seed's own.
    vocabulary = vocabularies[experiment.best_of("msrn").seed]
    return experiment.finish(exported="msrn", words=vocabulary)


def load(settings: Settings, seed: int) -> MultiLabelData:
    """Loads the dataset the settings name; the seed orders, and splits a csv."""
    options: dict[str, Any] = {}
    if settings.dataset == "csv":
        options["on_error"] = settings.on_error
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


def label_semantics(
    settings: Settings,
    data: MultiLabelData,
    vocabulary: Mapping[str, np.ndarray],
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Gives the labels' word vectors and their graph, and says what they lack."""
    names = data.labels.names
    graph = adjacency(
        *cooccurrence(data.train_targets), threshold=settings.graph_threshold
    )
    CONSOLE.print(str(isolated_labels(graph, names)))
    learn = settings.word_vectors == "learn" or settings.missing_words == "learn"
    words, report = embed_labels(
        names, vocabulary, missing="learn" if learn else "raise", seed=seed
    )
    CONSOLE.print(str(report))
    return words, normalised_adjacency(graph)


def find_vectors(
    settings: Settings, data: MultiLabelData, seed: int
) -> Mapping[str, np.ndarray]:
    """Gives the vectors of the words that label names are made of."""
    if settings.word_vectors == "learn":
        return {}
    if settings.word_vectors != "captions":
        return load_word_vectors(settings.word_vectors)
    if not data.captions:
        raise ValueError(
            '`word_vectors="captions"` needs captions; got none from '
            f"dataset={settings.dataset!r}. Give a word2vec or GloVe file, or "
            "`--word_vectors learn`."
        )
    return train_word_vectors(data.captions, seed=seed)


def build_baseline(settings: Settings, data: MultiLabelData) -> keras.Model:
    """Builds max pooling and a linear layer on the same backbone, compiled alike."""
    with make_strategy(settings.strategy).scope():
        model = build_classifier(
            len(data.labels),
            backbone=make_backbone(settings),
            pooling="max",
            image_size=settings.image_size,
        )
        compile_model(settings, data, model)
    return model


def build(
    settings: Settings, data: MultiLabelData, words: np.ndarray, graph: np.ndarray
) -> keras.Model:
    """Builds MSRN, compiled, with another run's weights where asked for."""
    with make_strategy(settings.strategy).scope():
        model = build_msrn(
            words,
            graph,
            backbone=make_backbone(settings),
            num_groups=min(settings.num_groups, len(words)),
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
            source, labels = load_run(settings.init_from)
            anew = () if labels.names == data.labels.names else LABEL_LAYERS
            _, fresh = transfer_weights(source, model, skip_layers=anew)
            CONSOLE.print(f"From {settings.init_from}; start anew: {', '.join(fresh)}.")
        compile_model(settings, data, model)
    return model


def make_backbone(settings: Settings) -> keras.Model:
    """Builds the backbone with its weights."""
    backbone = build_backbone(
        settings.backbone, image_size=settings.image_size, weights=settings.weights
    )
    if settings.batch_norm == "freeze":
        freeze_batch_norm(backbone)
    return backbone


def compile_model(settings: Settings, data: MultiLabelData, model: keras.Model) -> None:
    """Gives a model its first bias, loss, optimizer and learning rate schedule."""
    if settings.first_bias == "frequency":
        initialise_bias(model, data.train_targets)
    steps = data.sizes["train"] // settings.batch_size
    if settings.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(
            0.0,
            steps * (settings.epochs - 1) or 1,
            warmup_target=settings.learning_rate,
            warmup_steps=steps,
        )
    elif settings.schedule == "one_cycle":
        rate = OneCycle(settings.learning_rate, steps * settings.epochs)
    else:
        third = steps * settings.epochs // 3
        rate = keras.optimizers.schedules.PiecewiseConstantDecay(
            [third, 2 * third], [settings.learning_rate * x for x in (1, 0.1, 0.01)]
        )
    options: dict[str, Any] = {
        "multipliers": part_multipliers(
            model.get_layer(settings.backbone), settings.backbone_multiplier
        ),
        "global_clipnorm": settings.clip_norm,
    }
    if settings.optimizer == "sgd":
        optimizer = CoupledSGD(rate, 0.9, l2=settings.weight_decay, **options)
    else:
        optimizer = LayerwiseAdamW(rate, settings.weight_decay, **options)
    model.compile(optimizer, PartialBinaryCrossentropy())


if __name__ == "__main__":
    sys.exit(run_recipe(main, Settings, PRESETS, description=__doc__))
