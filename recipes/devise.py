"""DeViSE: images among word vectors, and labels never seen in training.

Paper:   Nishimura, Yu, Hellmers and Desai, "A Combined Deep Learning and Semantic
         Embedding Model for Image Classification"; Frome et al., "DeViSE: A Deep
         Visual-Semantic Embedding Model", NeurIPS 2013,
         https://papers.nips.cc/paper/5204
Command: python -m recipes.devise
Paper's: python -m recipes.devise --paper --data_dir tiny-imagenet-200
Trial:   python -m recipes.devise --trial
Cost:    20,000 images of Tiny-ImageNet from scratch, three seeds and two losses: 23
         minutes and 4 GB on two busy cores
Result:  saved_models/devise_tiny/run.json: hit@5 0.391, softmax model 0.416;
         saved_models/devise_imagenet/run.json: 0.768 beside 0.800 on frozen features
"""

import dataclasses
import functools
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import keras
import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure
from rich.console import Console

from kmlic.backbones import build_backbone, freeze_batch_norm
from kmlic.data import MultiLabelData, keep_labels
from kmlic.datasets import load_dataset
from kmlic.embedding_index import EmbeddingIndex, conse
from kmlic.evaluation import Report, tune_thresholds
from kmlic.experiments import Experiment, Trained, TrainingSettings, run_recipe
from kmlic.export import ExportOptions, check_embedding_parity, export_checked
from kmlic.html_report import Picture, Section
from kmlic.labels import Labels
from kmlic.losses import (
    CosineMargin,
    HingeRank,
    PartialBinaryCrossentropy,
    SoftmaxRank,
)
from kmlic.metrics import (
    HitAtK,
    average_precision,
    choose_seen_bias,
    hit_at_k,
    random_similarity,
    top_similarity,
    zero_shot_hits,
)
from kmlic.models import (
    EMBEDDING,
    POOL,
    build_classifier,
    build_devise,
    embedding_part,
    score_labels,
)
from kmlic.run_folder import Run
from kmlic.training import (
    CachedFeatures,
    LayerwiseAdamW,
    make_strategy,
    part_multipliers,
    predict_scores,
    transfer_weights,
)
from kmlic.words import (
    WordReport,
    centre_word_vectors,
    embed_labels,
    load_word_vectors,
    reduce_word_vectors,
    train_word_vectors,
    unit_vectors,
)

if TYPE_CHECKING:
    from gensim.models import KeyedVectors

CONSOLE = Console(highlight=False)
KS = (1, 2, 3, 5, 10, 20)
ZERO_SHOT_KS = (1, 5, 10)
# Of each group of street_fashion's labels.
HELD_OUT = ("check", "dot", "blouse", "coat", "shorts", "grey", "pink")
# Share of the seen labels that play the unseen ones when the bias is chosen.
PRETENDED_SHARE = 0.2
NUM_PICTURES = 24


@dataclasses.dataclass(frozen=True)
class Settings(TrainingSettings):
    """What is trained on what, and how.

    The defaults fit two CPU cores; `--paper` stands for the paper's configuration.
    """

    dataset: str = "street_fashion"
    """Name of a dataset of kmlic.data."""
    data_dir: Path | None = None
    """Where the dataset lies or is kept; TFDS's own folder when left out."""
    held_out: tuple[str, ...] | None = None
    """Labels kept from training, for zero-shot; seven of street_fashion's when left
    out, none of other datasets."""
    zero_shot: str | None = None
    """Name of a dataset of other labels; the dataset itself when left out."""
    zero_shot_dir: Path | None = None
    """Where it lies; the folder of its name beside `data_dir` when left out."""

    word_vectors: str = "captions"
    """captions: Word2Vec of the dataset's captions; else a word2vec or GloVe file, or a
    name of gensim.downloader."""
    dimensions: int | None = None
    """Numbers of a vector after PCA; as they are when left out."""
    centre: bool = True
    """Takes the mean of the trained labels' vectors off all vectors, what they have in
    common; similarities are told by the vectors as they are."""
    synonyms: Literal["first", "mean"] = "first"
    """What stands for a label with synonyms: the first one with a vector, or all."""
    label_words: Path | None = None
    """JSON file of the word for a label, by its name or its identifier."""
    label_words_table: str = ""
    """Key of that file below which to look, for instance 300d."""

    backbone: str = "small_cnn"
    weights: str | None = None
    """None, imagenet, or a file of weights for the backbone."""
    cache_features: bool = False
    """Keeps the backbone as it is and computes its features once for all rows. Without
    `weights` it is that of the softmax model, which is trained first."""
    cache_dir: Path = Path(".kmlic/features")
    """Where those features are kept."""
    image_size: int = 64
    """Side in pixels."""
    hidden_units: tuple[int, ...] = ()
    """Layers between the backbone and the embedding."""
    dropout: float = 0.4
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "mixed_bfloat16"
    """Of training; what is kept and exported is float32. On processors without bfloat16
    instructions float32 is faster."""

    loss: Literal["cosine", "cosine_margin", "hinge_rank", "softmax_rank"] = (
        "cosine_margin"
    )
    margin: float = 0.1
    temperature: float = 0.1
    """Of softmax_rank."""
    augmentation: Literal["none", "flip", "multi_scale_crop"] = "flip"
    batch_size: int = 32
    epochs: int = 8
    """Of the softmax model."""
    embedding_epochs: int = 5
    """Of the embedding model, which starts from the softmax model."""
    warm_start: bool = True
    learning_rate: float = 2e-3
    backbone_multiplier: float = 1.0
    """Factor of the backbone's learning rate in the embedding model."""
    weight_decay: float = 0.01
    schedule: Literal["cosine", "exponential"] = "cosine"
    """cosine: to zero after one epoch of warm-up; exponential: 0.9 each epoch."""

    conse_labels: int = 10
    """Labels whose vectors ConSE averages."""
    seeds: tuple[int, ...] = (0,)
    folder: Path = Path("saved_models/devise")
    paper: bool = False
    """The paper's configuration: Tiny-ImageNet, CIFAR-100, 50 numbers a word."""
    trial: bool = False
    """Everything once on a few images, in under two minutes."""
    losses: tuple[
        Literal["cosine", "cosine_margin", "hinge_rank", "softmax_rank"], ...
    ] = ()
    """Other losses to train with too."""
    ablations: bool = False
    """All losses, and the margins, dropout and augmentation of the paper, too."""


PRESETS = {
    "paper": Settings(
        dataset="tiny_imagenet",
        zero_shot="cifar100",
        word_vectors="glove-wiki-gigaword-50",
        centre=False,
        augmentation="multi_scale_crop",
        precision="float32",
        batch_size=64,
        epochs=30,
        embedding_epochs=30,
        learning_rate=1e-3,
        weight_decay=0.0,
        schedule="exponential",
        folder=Path("saved_models/devise_paper"),
        paper=True,
    ),
    "trial": Settings(
        dataset="street_fashion/tiny",
        image_size=32,
        epochs=1,
        embedding_epochs=1,
        folder=Path("saved_models/devise_trial"),
        trial=True,
    ),
}

# Rows beside the softmax model as the settings have it: Figs. 2 to 4.
SOFTMAX_ABLATIONS: dict[str, dict[str, Any]] = {
    "softmax dropout=0 augmentation=none": {"dropout": 0.0, "augmentation": "none"},
    "softmax dropout=0.5 augmentation=none": {"dropout": 0.5, "augmentation": "none"},
}
# Rows beside DeViSE as the settings have it: section 2.3.
ABLATIONS: dict[str, dict[str, Any]] = {
    **{
        f"loss={x}": {"loss": x}
        for x in ("cosine", "cosine_margin", "hinge_rank", "softmax_rank")
    },
    **{
        f"margin={x:g}": {"loss": "cosine_margin", "margin": x} for x in (0.0, 0.1, 1.0)
    },
    "dropout=0": {"dropout": 0.0},
    "dropout=0.5": {"dropout": 0.5},
    "augmentation=none": {"augmentation": "none"},
    "warm_start=False": {"warm_start": False},
}


@dataclasses.dataclass(frozen=True, eq=False)
class Words:
    """Holds the vectors of a run's words and of its trained labels.

    `all` and `vectors` are what models learn, reduced and centred as asked for; `plain`
    and `plain_vectors` are as they were loaded, which similarities are told by.
    """

    all: "KeyedVectors"
    plain: "KeyedVectors"
    names: tuple[str, ...]
    vectors: np.ndarray
    plain_vectors: np.ndarray
    shared: list[list[int]]
    report: WordReport


@dataclasses.dataclass(frozen=True, eq=False)
class Candidates:
    """Holds the labels that zero-shot images may show, and all that may be named.

    `index` has the distinct vectors of the trained labels (`seen`) and of the others;
    `columns` says where in it each of the images' labels stands, `seen_columns` where
    each trained label does. `plain` has the vectors of the images' labels as they were
    loaded, of length 1, and `similarities` their cosines with all candidates'. `report`
    says which of the images' labels are left out.
    """

    names: tuple[str, ...]
    index: EmbeddingIndex
    seen: np.ndarray
    columns: np.ndarray
    seen_columns: np.ndarray
    plain: np.ndarray
    similarities: np.ndarray
    report: WordReport


def main(settings: Settings) -> Run:
    """Trains softmax and DeViSE models, judges them on labels seen and unseen."""
    experiment = Experiment("devise", settings, report=report, monitor="hit@5")
    words: dict[int, Words] = {}
    candidates: dict[int, Candidates] = {}
    unseen: dict[int, MultiLabelData] = {}
    found: dict[int, dict[str, np.ndarray]] = {}
    trained = {}
    # All trainings first: they are kept when a run is interrupted, judging is not.
    for seed in settings.seeds:
        images = load(settings, seed)
        words[seed] = place_labels(settings, images, seed)
        unseen[seed] = load_zero_shot(settings, images, words[seed], seed)
        candidates[seed] = gather_candidates(settings, words[seed], unseen[seed])
        trained[seed] = train_rows(settings, experiment, seed, words[seed], images)
    for seed, (rows, features) in trained.items():
        judged = unseen[seed]
        if features is not None:
            judged = keep_features(settings, features, judged)
        found[seed] = judge(
            settings, experiment, seed, words[seed], candidates[seed], judged, rows
        )
    experiment.show()
    experiment.show("zero_shot")
    tune(experiment)
    # Word vectors learned from captions are another seed's own.
    seed = experiment.best_of("devise").seed
    return experiment.finish(
        exported="devise",
        words=words[seed].all,
        export=functools.partial(export, candidates[seed].index),
        sections=[
            draw_hits(experiment),
            draw_similarity(experiment),
            *list_words(words[seed], candidates[seed]),
            *show_best_words(settings, candidates[seed], unseen[seed], found[seed]),
        ],
    )


def load(settings: Settings, seed: int) -> MultiLabelData:
    """Loads the dataset the settings name, with all its labels."""
    return load_dataset(
        settings.dataset,
        data_dir=settings.data_dir,
        image_size=settings.image_size,
        batch_size=settings.batch_size,
        seed=seed,
        augmentation=settings.augmentation,
        augment_on=settings.augment_on,
    )


def load_zero_shot(
    settings: Settings, images: MultiLabelData, words: Words, seed: int
) -> MultiLabelData:
    """Loads the images of labels never trained: other ones, or those held out."""
    if settings.zero_shot is None:
        return images
    folder = settings.zero_shot_dir
    if folder is None and settings.data_dir is not None:
        beside = settings.data_dir.parent / settings.zero_shot
        folder = beside if beside.is_dir() else None
    return load_dataset(
        settings.zero_shot,
        data_dir=folder,
        image_size=settings.image_size,
        batch_size=settings.batch_size,
        seed=seed,
    )


def place_labels(settings: Settings, data: MultiLabelData, seed: int) -> Words:
    """Gives the labels to be trained their vectors, and says what they lack."""
    held_out = settings.held_out
    if held_out is None:
        street = settings.dataset in ("street_fashion", "street_fashion/tiny")
        held_out = HELD_OUT if street and settings.zero_shot is None else ()
    unknown = [name for name in held_out if name not in data.labels.names]
    if unknown:
        raise ValueError(
            f"`held_out` must be labels of {settings.dataset}; got {unknown}."
        )
    plain = vectors = find_vectors(settings, data, seed)
    names = [name for name in data.labels.names if name not in held_out]
    plain_own, word_report = look_up(settings, data, names, plain)
    if settings.dimensions is not None:
        vectors = reduce_word_vectors(vectors, settings.dimensions)
    own, _ = look_up(settings, data, names, vectors)
    if settings.centre:
        vectors = centre_word_vectors(vectors, own.mean(axis=0))
        own, _ = look_up(settings, data, names, vectors)
    CONSOLE.print(f"Labels to be trained: {word_report}", soft_wrap=True)
    kept = word_report.with_vector
    shared = [[kept.index(name) for name in group] for group in word_report.shared]
    return Words(vectors, plain, kept, own, plain_own, shared, word_report)


def find_vectors(settings: Settings, data: MultiLabelData, seed: int) -> "KeyedVectors":
    """Gives the vectors of the words that label names are made of."""
    if settings.word_vectors != "captions":
        return load_word_vectors(settings.word_vectors)
    if not data.captions:
        raise ValueError(
            '`word_vectors="captions"` needs captions; got none from '
            f"dataset={settings.dataset!r}. Give a word2vec or GloVe file."
        )
    return train_word_vectors(data.captions, seed=seed)


def look_up(
    settings: Settings,
    data: MultiLabelData,
    names: Sequence[str],
    vectors: "KeyedVectors",
) -> tuple[np.ndarray, WordReport]:
    """Gives labels the vectors of their names, their synonyms or the words chosen."""
    chosen = read_label_words(settings)
    keys = {name: data.identifiers.get(name, name) for name in names}
    return embed_labels(
        names,
        vectors,
        missing="leave_out",
        replacements={
            name: chosen.get(name) or chosen[key]
            for name, key in keys.items()
            if name in chosen or key in chosen
        },
        synonyms=data.synonyms,
        combine=settings.synonyms,
    )


def read_label_words(settings: Settings) -> dict[str, str]:
    """Reads the word for each label, tables inside the asked one together."""
    if settings.label_words is None:
        return {}
    content = json.loads(settings.label_words.read_text(encoding="utf-8"))
    if settings.label_words_table:
        content = content.get(settings.label_words_table)
    if not isinstance(content, dict):
        raise ValueError(
            f"{settings.label_words} must be a JSON object with the table "
            f"label_words_table={settings.label_words_table!r}."
        )
    words: dict[str, str] = {}
    for key, value in content.items():
        words |= value if isinstance(value, dict) else {key: value}
    return words


def train_rows(
    settings: Settings,
    experiment: Experiment,
    seed: int,
    words: Words,
    images: MultiLabelData,
) -> tuple[dict[str, tuple[Settings, Trained, MultiLabelData]], CachedFeatures | None]:
    """Trains the softmax model, then every embedding model, warm from it.

    Returns:
        The embedding models' rows with the softmax model's, and the features that the
        embedding models were trained on, if any.
    """
    features: CachedFeatures | None = None

    def train(
        name: str, row: Settings, build: Callable[..., keras.Model], epochs: int
    ) -> tuple[Settings, Trained, MultiLabelData]:
        if features is None:
            data = keep_labels(load(row, seed), words.names, drop_images=True)
        else:
            data = features.load(
                batch_size=row.batch_size, seed=seed, augmentation=row.augmentation
            )
        trained = experiment.train(
            name,
            seed,
            functools.partial(build, row, data),
            data,
            epochs=epochs,
            whole=features.join if features else None,
        )
        for split, scores in trained.scores.items():
            others = {f"hit@{k}": hit_at_k(*scores, k) for k in range(1, 21)}
            experiment.add_metrics(name, seed, split, others)
        return row, trained, data

    def keep(extractor: keras.Model) -> CachedFeatures:
        return CachedFeatures(
            extractor,
            keep_labels(images, words.names, drop_images=True),
            settings.cache_dir,
            mirrored=settings.augmentation != "none",
        )

    if settings.cache_features and settings.weights is not None:
        backbone = make_backbone(settings)
        pool = keras.layers.GlobalAveragePooling2D(name=POOL)
        features = keep(keras.Model(backbone.input, pool(backbone.outputs[-1])))
    rows = {"softmax": train("softmax", settings, build_softmax, settings.epochs)}
    for name, changes in SOFTMAX_ABLATIONS.items() if settings.ablations else ():
        row = dataclasses.replace(settings, **changes)
        train(name, row, build_softmax, row.epochs)
    source = rows["softmax"][1].model_path
    if settings.cache_features and features is None:
        softmax = keras.saving.load_model(source, compile=False)
        pooled = softmax.get_layer(POOL).output
        features = keep(keras.Model(softmax.input, pooled))
    others = {
        name: changes
        for name, changes in ABLATIONS.items()
        if settings.ablations or name in [f"loss={x}" for x in settings.losses]
    }
    for name, changes in {"devise": {}, **others}.items():
        row = dataclasses.replace(settings, **changes)
        if row == settings and name != "devise":
            continue
        build = functools.partial(
            build_embedder, words=words, source=None if features else source
        )
        rows[name] = train(name, row, build, row.embedding_epochs)
    return rows, features


def keep_features(
    settings: Settings, features: CachedFeatures, unseen: MultiLabelData
) -> MultiLabelData:
    """Computes the features of images that are only judged."""
    kept = CachedFeatures(
        features.extractor, unseen, settings.cache_dir, mirrored=False
    )
    return kept.load(batch_size=settings.batch_size, augmentation="none")


def head_of(model: keras.Model) -> keras.Model:
    """Gives the part of a model that stands on the pooled features."""
    return keras.Model(model.get_layer(POOL).output, model.output, name=model.name)


def build_softmax(settings: Settings, data: MultiLabelData) -> keras.Model:
    """Builds the baseline, compiled: sigmoids instead where images have more labels."""
    with make_strategy(settings.strategy).scope():
        model = build_classifier(
            len(data.labels),
            backbone=make_backbone(settings),
            image_size=settings.image_size,
            dropout=settings.dropout,
        )
        if data.source is not None:
            model = head_of(model)
        loss = PartialBinaryCrossentropy()
        if (data.train_targets.sum(axis=1) == 1).all():
            loss = keras.losses.CategoricalCrossentropy(from_logits=True)
        compile_model(settings, data, model, loss, settings.epochs)
    return model


def build_embedder(
    settings: Settings, data: MultiLabelData, words: Words, source: Path | None
) -> keras.Model:
    """Builds DeViSE, compiled, with the softmax model's backbone."""
    with make_strategy(settings.strategy).scope():
        model = build_devise(
            words.vectors.shape[1],
            backbone=make_backbone(settings),
            image_size=settings.image_size,
            hidden_units=settings.hidden_units,
            dropout=settings.dropout,
        )
        if data.source is not None:
            model = head_of(model)
        model = score_labels(model, words.vectors)
        if source is not None and settings.warm_start:
            softmax = keras.saving.load_model(source, compile=False)
            copied, fresh = transfer_weights(softmax, model)
            CONSOLE.print(
                f"{len(copied)} weights from the softmax model; {', '.join(fresh)} "
                "start anew.",
                soft_wrap=True,
            )
        loss = make_loss(settings, words.shared)
        compile_model(settings, data, model, loss, settings.embedding_epochs)
    return model


def make_backbone(settings: Settings) -> keras.Model:
    """Builds the backbone with its weights."""
    backbone = build_backbone(
        settings.backbone, image_size=settings.image_size, weights=settings.weights
    )
    if settings.weights is not None:
        freeze_batch_norm(backbone)
    return backbone


def make_loss(settings: Settings, shared: list[list[int]]) -> keras.Loss:
    """Gives the loss the settings name."""
    if settings.loss == "hinge_rank":
        return HingeRank(settings.margin, shared_labels=shared)
    if settings.loss == "softmax_rank":
        return SoftmaxRank(settings.temperature, shared_labels=shared)
    margin = None if settings.loss == "cosine" else settings.margin
    return CosineMargin(margin, shared_labels=shared)


def compile_model(
    settings: Settings,
    data: MultiLabelData,
    model: keras.Model,
    loss: keras.Loss,
    epochs: int,
) -> None:
    """Gives a model its loss, optimizer, schedule, and the hit rate of training."""
    steps = max(1, data.sizes["train"] // settings.batch_size)
    if settings.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(
            0.0,
            steps * (epochs - 1) or 1,
            warmup_target=settings.learning_rate,
            warmup_steps=steps,
        )
    else:
        rate = keras.optimizers.schedules.ExponentialDecay(
            settings.learning_rate, steps, 0.9
        )
    multipliers = {}
    # A model of kept features has no backbone to slow down.
    backbones = [each for each in model.layers if each.name == settings.backbone]
    if backbones and isinstance(loss, CosineMargin | HingeRank | SoftmaxRank):
        multipliers = part_multipliers(backbones[0], settings.backbone_multiplier)
    optimizer = LayerwiseAdamW(rate, settings.weight_decay, multipliers=multipliers)
    model.compile(optimizer, loss, metrics=[HitAtK(k, name=f"hit@{k}") for k in (1, 5)])


def report(targets: np.ndarray, scores: np.ndarray, labels: Labels) -> Report:
    """Gives hit@k, and the average precision of each label and its mean."""
    precisions = average_precision(targets, scores)
    metrics = {f"hit@{k}": hit_at_k(targets, scores, k) for k in KS}
    metrics["mAP"] = float(np.nanmean(precisions))
    per_label = dict(zip(labels.names, map(float, precisions), strict=True))
    return Report(metrics, per_label, len(targets))


def gather_candidates(
    settings: Settings, words: Words, unseen: MultiLabelData
) -> Candidates:
    """Gathers the distinct words of trained labels and of zero-shot images' labels.

    Labels of those images that have no vector, or share one, are left out and listed.
    """
    labels = unseen.labels.names
    vectors, word_report = look_up(settings, unseen, labels, words.all)
    plain_vectors, _ = look_up(settings, unseen, labels, words.plain)
    CONSOLE.print(f"Labels of zero-shot images: {word_report}", soft_wrap=True)
    ambiguous = {name for group in word_report.shared for name in group}
    names = [name for name in word_report.with_vector if name not in ambiguous]
    kept = [word_report.with_vector.index(name) for name in names]
    all_names = [*words.names, *names]
    all_vectors = np.concatenate([words.vectors, vectors[kept]])
    all_plain = unit_vectors(np.concatenate([words.plain_vectors, plain_vectors[kept]]))
    places: dict[bytes, int] = {}
    columns = np.array(
        [places.setdefault(vector.tobytes(), len(places)) for vector in all_vectors]
    )
    first = np.unique(columns, return_index=True)[1]
    index_names: list[str] = []
    for row in first:
        # A trained label may have this name and another vector.
        taken = all_names[row] in index_names
        index_names.append(all_names[row] + " (not trained)" * taken)
    seen_columns, own_columns = np.split(columns, [len(words.names)])
    plain = all_plain[len(words.names) :]
    return Candidates(
        tuple(names),
        EmbeddingIndex(index_names, all_vectors[first]),
        np.isin(np.arange(len(first)), seen_columns),
        own_columns,
        seen_columns,
        plain,
        plain @ all_plain[first].T,
        word_report,
    )


def judge(
    settings: Settings,
    experiment: Experiment,
    seed: int,
    words: Words,
    candidates: Candidates,
    unseen: MultiLabelData,
    rows: Mapping[str, tuple[Settings, Trained, MultiLabelData]],
) -> dict[str, np.ndarray]:
    """Scores the images of labels never trained, by every model and by ConSE.

    Args:
        settings: of the recipe.
        experiment: gets the reports.
        seed: of the trainings.
        words: the trained labels' and the vocabulary's.
        candidates: what may be named.
        unseen: the images, or their features where models were trained on those.
        rows: the models.

    Returns:
        Model to scores of the candidates, (N, C).
    """
    dataset = zero_shot_images(settings, unseen)
    names = unseen.labels.names
    columns = [names.index(name) for name in candidates.names]
    found: dict[str, np.ndarray] = {}
    embedded: dict[str, np.ndarray] = {}
    biases: dict[str, dict[int, float]] = {}
    for name, (row, trained, data) in rows.items():
        model = keras.saving.load_model(trained.model_path, compile=False)
        judged = model if name == "softmax" else embedding_part(model)
        if unseen.source is not None:
            judged = head_of(judged)
        if name == "softmax":
            targets, chances = predict_scores(judged, dataset, data.labels)
            targets = targets[:, columns]
            found[name] = np.full((len(chances), len(candidates.index)), -np.inf)
            np.maximum.at(found[name].T, candidates.seen_columns, chances.T)
            embedded["conse"] = conse(chances, words.vectors, top=row.conse_labels)
            biases["conse"] = choose_conse_bias(row, trained, words, seed)
        else:
            embedded[name] = run(judged, dataset)
            # Another training of the head, which the other rows are spared.
            if name == "devise":
                biases[name] = choose_devise_bias(row, model, data, words, seed)
    vocabulary = EmbeddingIndex(words.all.index_to_key, words.all.vectors)
    plain = unit_vectors(words.plain.vectors)
    reached: dict[str, dict[str, float]] = {}
    for name in ("softmax", *embedded):
        if name in embedded:
            found[name] = candidates.index.scores(embedded[name])
        reached[name] = zero_shot_metrics(
            targets, found[name], candidates, biases.get(name, {})
        )
        if name in embedded:
            nearest = vocabulary.search(embedded[name], min(3, len(vocabulary)))
            reached[name]["similarity/vocabulary"] = mean_similarity(
                targets, plain[nearest.indices].mean(axis=1), candidates.plain
            )
    chance = random_similarity(candidates.similarities, seed=seed)
    reached["chance"] = {"similarity": chance}
    metrics = dict.fromkeys(key for values in reached.values() for key in values)
    for name, values in reached.items():
        whole = {key: values.get(key, np.nan) for key in metrics}
        experiment.add_report("zero_shot", name, seed, Report(whole, {}, len(targets)))
    return found


def zero_shot_images(settings: Settings, unseen: MultiLabelData) -> tf.data.Dataset:
    """Gives all images of another dataset, or the test split of the dataset itself."""
    if settings.zero_shot is None:
        return unseen.test
    return in_order(unseen).concatenate(unseen.validation).concatenate(unseen.test)


def in_order(data: MultiLabelData) -> tf.data.Dataset:
    """Gives the training images in order and as they are."""
    if data.train_in_order is None:
        raise ValueError("`train_in_order` must be a dataset; got None.")
    return data.train_in_order


def zero_shot_metrics(
    targets: np.ndarray,
    scores: np.ndarray,
    candidates: Candidates,
    biases: Mapping[int, float],
) -> dict[str, float]:
    """Computes similarity and hit rates, with and without a bias against the seen.

    Args:
        targets: (N, Z), of the labels of the images.
        scores: (N, C), of the candidates.
        candidates: which those are.
        biases: for each k what is taken off the scores of seen labels.
    """
    similarities = candidates.similarities
    trained = candidates.seen[candidates.columns]
    metrics = {"similarity": top_similarity(targets, scores, similarities)}
    for side, columns in (("seen", trained), ("unseen", ~trained)):
        metrics[f"similarity/{side}"] = top_similarity(
            targets * columns, scores, similarities
        )
    spread = np.zeros(scores.shape, np.int8)
    np.maximum.at(spread.T, candidates.columns, (targets == 1).astype(np.int8).T)
    metrics |= zero_shot_hits(spread, scores, candidates.seen, ks=ZERO_SHOT_KS)
    for k, bias in biases.items():
        hits = zero_shot_hits(spread, scores, candidates.seen, ks=(k,), bias=bias)
        for side in ("seen", "unseen", "harmonic"):
            metrics[f"{side}@{k}/biased"] = hits[f"{side}@{k}"]
        metrics[f"bias@{k}"] = bias
    return metrics


def mean_similarity(
    targets: np.ndarray, words: np.ndarray, labels: np.ndarray
) -> float:
    """Gives the mean similarity of images' words (N, D) to their labels' (Z, D)."""
    present = (targets == 1).astype(np.float32)
    counts = present.sum(axis=1)
    shown = counts > 0
    sums = (present * (words @ labels.T)).sum(axis=1)
    return float((sums[shown] / counts[shown]).mean()) if shown.any() else np.nan


def choose_conse_bias(
    settings: Settings, softmax: Trained, words: Words, seed: int
) -> dict[int, float]:
    """Chooses the bias for ConSE on validation images, for each k.

    A fifth of the trained labels play the unseen: their probabilities do not count.
    """
    seen = pretend_unseen(words, seed)
    targets, chances = softmax.scores["validation"]
    embeddings = conse(chances[:, seen], words.vectors[seen], top=settings.conse_labels)
    scores = EmbeddingIndex(words.names, words.vectors).scores(embeddings)
    return {k: choose_seen_bias(targets, scores, seen, k=k) for k in ZERO_SHOT_KS}


def choose_devise_bias(
    settings: Settings,
    model: keras.Model,
    data: MultiLabelData,
    words: Words,
    seed: int,
) -> dict[int, float]:
    """Chooses the bias for an embedding model on validation images, for each k.

    A fifth of the trained labels play the unseen: what stands on the pooled features is
    trained anew without them, so that their training images are as good as validation
    images. The features have seen them where the backbone was trained too, which makes
    the bias smaller than unseen labels would want.
    """
    keras.utils.set_random_seed(seed)
    seen = pretend_unseen(words, seed)
    pooled = model.get_layer(POOL).output
    head = keras.models.clone_model(
        keras.Model(pooled, model.get_layer(EMBEDDING).output)
    )
    extractor = keras.Model(model.input, pooled)
    features = {
        split: np.concatenate([batch for batch, _ in batches.as_numpy_iterator()])
        if data.source is not None
        else run(extractor, batches)
        for split, batches in (
            ("train", in_order(data)),
            ("validation", data.validation),
        )
    }
    scorer = score_labels(head, words.vectors[seen])
    position = np.cumsum(seen) - 1
    shared = [
        [int(position[label]) for label in group]
        for group in words.shared
        if seen[group[0]]
    ]
    loss = make_loss(settings, shared)
    compile_model(settings, data, scorer, loss, settings.embedding_epochs)
    scorer.fit(
        features["train"],
        data.train_targets[:, seen].astype("float32"),
        batch_size=settings.batch_size,
        epochs=settings.embedding_epochs,
        verbose=0,
    )
    spared = ~(data.train_targets[:, seen] == 1).any(axis=1)
    judged = np.concatenate([features["validation"], features["train"][spared]])
    targets = np.concatenate([data.targets["validation"], data.train_targets[spared]])
    embeddings = head.predict(judged, batch_size=256, verbose=0)
    scores = EmbeddingIndex(words.names, words.vectors).scores(embeddings)
    return {k: choose_seen_bias(targets, scores, seen, k=k) for k in ZERO_SHOT_KS}


def run(model: keras.Model, batches: tf.data.Dataset) -> np.ndarray:
    """Gives a model's outputs for all images of a dataset, (N, ...)."""
    return model.predict(batches.map(lambda images, _: images), verbose=0)


def pretend_unseen(words: Words, seed: int) -> np.ndarray:
    """Tells the labels that stay seen from those that play the unseen, (L,) bool.

    Labels that share a vector go together.
    """
    leaders = np.arange(len(words.names))
    for group in words.shared:
        leaders[group] = group[0]
    distinct = np.unique(leaders)
    count = max(1, round(PRETENDED_SHARE * len(distinct)))
    drawn = np.random.default_rng(seed).permutation(distinct)[:count]
    return ~np.isin(leaders, drawn)


def export(
    index: EmbeddingIndex, model: keras.Model, folder: Path, data: MultiLabelData
) -> dict[str, float]:
    """Exports the embedding model with all candidate words, compared with the model."""
    embedder = embedding_part(model)
    images = next(iter(data.test.unbatch().batch(16)))[0].numpy()
    options = ExportOptions(labels=None, images=images, index=index)
    (export,) = export_checked(embedder, folder, "saved_model", options)
    difference = check_embedding_parity(embedder, export.path, images, index=index)
    return {export.name_in(folder): difference}


def tune(experiment: Experiment) -> None:
    """Gives labels that do not exclude one another thresholds, for `kmlic predict`."""
    best = experiment.best_of("devise")
    data = experiment.data[best.seed]
    if not data.labels.exclusive:
        thresholds = tune_thresholds(*best.scores["validation"])
        labels = dataclasses.replace(data.labels, thresholds=tuple(thresholds.tolist()))
        experiment.data[best.seed] = dataclasses.replace(data, labels=labels)


def list_words(words: Words, candidates: Candidates) -> list[Section]:
    """Lists what was left out and what cannot be told apart."""
    new = [
        name
        for name, column in zip(candidates.names, candidates.columns, strict=True)
        if not candidates.seen[column]
    ]
    return [
        Section(
            "Words",
            f"{len(words.names)} labels were trained, of {int(candidates.seen.sum())} "
            f"distinct vectors. Images of {len(candidates.names)} labels are judged, "
            f"{len(new)} of which were not trained: {', '.join(new)}.\n\n"
            f"Labels of the trained dataset: {words.report}\n\n"
            f"Labels of the judged images: {candidates.report}",
        )
    ]


def show_best_words(
    settings: Settings,
    candidates: Candidates,
    unseen: MultiLabelData,
    found: Mapping[str, np.ndarray],
) -> list[Section]:
    """Shows images of labels never trained with the five best words of both models."""
    new = [
        name
        for name, column in zip(candidates.names, candidates.columns, strict=True)
        if not candidates.seen[column]
    ]
    columns = [unseen.labels.names.index(name) for name in new]
    dataset = zero_shot_images(settings, unseen)
    rows = [targets[:, columns] == 1 for _, targets in dataset.as_numpy_iterator()]
    shows = np.flatnonzero(np.concatenate(rows).any(axis=1))
    drawn = np.random.default_rng(0).permutation(shows)[:NUM_PICTURES]
    wanted = set(drawn.tolist())
    names = np.array(candidates.index.names, object)
    pictures = []
    elements = dataset.unbatch().as_numpy_iterator()
    for number, (image, targets) in enumerate(elements):
        if number not in wanted:
            continue
        right = [
            name
            for name, column in zip(new, columns, strict=True)
            if targets[column] == 1
        ]
        lines = [", ".join(right)]
        for model in ("softmax", "devise"):
            best = np.argsort(-found[model][number], kind="stable")[:5]
            lines.append(f"{model}: {', '.join(names[best])}")
        pictures.append(Picture(image, "\n".join(lines)))
    return [
        Section(
            "Best words for labels never trained",
            "The first line is right and was not trained. The softmax model can only "
            "name trained labels.",
            pictures=pictures,
        )
    ]


def draw_hits(experiment: Experiment) -> Section:
    """Draws hit@k for k = 1 to 20 of every model on the test split."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    rows = []
    for name, trainings in experiment.trained.items():
        ks = range(1, 1 + min(20, trainings[0].scores["test"][1].shape[1]))
        hits = np.mean(
            [[hit_at_k(*own.scores["test"], k) for k in ks] for own in trainings],
            axis=0,
        )
        axes.plot(ks, 100 * hits, marker=".", label=name)
        rows.append([name, *(f"{100 * hit:.1f}" for hit in hits)])
    axes.set_xticks([1, 5, 10, 15, 20])
    axes.set(xlabel="k", ylabel="hit@k in percent", title="Labels found among k")
    axes.legend()
    header = ["model", *(str(k) for k in range(1, len(rows[0])))]
    return Section("Hit@k on the test split", "", header, rows, [figure])


def draw_similarity(experiment: Experiment) -> Section:
    """Draws the similarity of the three best words to the right one: Fig. 8."""
    averages = experiment.compare("zero_shot")
    values = {
        name: (mean.metrics["similarity"], spread.metrics["similarity"])
        for name, (mean, spread) in averages.items()
    }
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    means, spreads = zip(*values.values(), strict=True)
    axes.bar(list(values), means, yerr=spreads)
    axes.set(ylabel="mean cosine", title="Three best words to the right one")
    axes.tick_params("x", rotation=30)
    header = ["metric", *averages]
    names = dict.fromkeys(key for mean, _ in averages.values() for key in mean.metrics)
    rows = [
        [key, *(show_number(mean, spread, key) for mean, spread in averages.values())]
        for key in names
    ]
    return Section(
        "Zero-shot",
        "seen@k and unseen@k have all words as candidates, unseen only@k those of "
        "labels never trained; a bias against trained labels was chosen on validation "
        "images. Similarity is the mean cosine of the three best words with the right "
        "one; chance is that of random pairs.",
        header,
        rows,
        [figure],
    )


def show_number(mean: Report, spread: Report, key: str) -> str:
    """Lays a metric out with its deviation."""
    value = mean.metrics.get(key, np.nan)
    if np.isnan(value):
        return "-"
    deviation = spread.metrics[key]
    return f"{value:.4f}" + (f" ± {deviation:.4f}" if deviation else "")


if __name__ == "__main__":
    sys.exit(run_recipe(main, Settings, PRESETS, description=__doc__))
