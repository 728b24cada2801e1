"""Zero-shot evaluation of classifiers and embedding models."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import keras
import numpy as np
import tensorflow as tf

from kmlic.data import MultiLabelData
from kmlic.embedding_index import EmbeddingIndex, conse
from kmlic.evaluation import Report
from kmlic.experiments.experiment import Experiment
from kmlic.experiments.find_label_words import LabelWords
from kmlic.experiments.gather_candidates import Candidates
from kmlic.experiments.trained import Trained
from kmlic.experiments.zero_shot_settings import ZeroShotSettings
from kmlic.metrics import (
    choose_seen_bias,
    random_similarity,
    top_similarity,
    zero_shot_hits,
)
from kmlic.models import EMBEDDING, POOL, embedding_part, part_above_pool, score_labels
from kmlic.training import predict_scores
from kmlic.words import unit_vectors

S = TypeVar("S", bound=ZeroShotSettings)
_KS = (1, 5, 10)
# Share of the trained labels that stand for unseen ones when the bias is chosen.
_PRETENDED_SHARE = 0.2


def judge_zero_shot(
    experiment: Experiment[S],
    seed: int,
    names: Sequence[str],
    words: LabelWords,
    candidates: Candidates,
    unseen: MultiLabelData,
    choose_bias: Callable[[keras.Model], dict[int, float]],
) -> dict[str, np.ndarray]:
    """Scores images of labels that were not trained with every model and with ConSE.

    The metrics become reports of the experiment on the split "zero_shot".

    Args:
        experiment: whose trainings are done.
        seed: of the trainings.
        names: the row "softmax" and the rows of embedding models.
        words: of the trained labels, with the vocabulary.
        candidates: labels that may be predicted.
        unseen: the images, or their features where models were trained on those.
        choose_bias: returns, for each k, what to subtract from the scores that the
            model of the row "devise" gives to trained labels.

    Returns:
        Row to the scores of C candidates, (N, C); ConSE is the row "conse".
    """
    settings = experiment.settings
    dataset = zero_shot_images(settings, unseen)
    columns = [unseen.labels.names.index(name) for name in candidates.names]
    scores: dict[str, np.ndarray] = {}
    embeddings: dict[str, np.ndarray] = {}
    biases: dict[str, dict[int, float]] = {}
    for name in names:
        trained = experiment.trained[name][seed]
        model = trained.load_model()
        judged = model if name == "softmax" else embedding_part(model)
        if unseen.source is not None:
            judged = part_above_pool(judged)
        if name == "softmax":
            labels = experiment.data[seed].labels
            targets, probabilities = predict_scores(judged, dataset, labels)
            targets = targets[:, columns]
            scores[name] = np.full((len(targets), len(candidates.index)), -np.inf)
            np.maximum.at(scores[name].T, candidates.seen_columns, probabilities.T)
            top = settings.conse_labels
            embeddings["conse"] = conse(probabilities, words.vectors, top=top)
            biases["conse"] = _choose_conse_bias(settings, trained, words, seed)
        else:
            embeddings[name] = _run(judged, dataset)
            if name == "devise":  # takes a training, which only the main row gets
                biases[name] = choose_bias(model)
    vocabulary = EmbeddingIndex(words.vocabulary.index_to_key, words.vocabulary.vectors)
    plain = unit_vectors(words.plain_vocabulary.vectors)
    metrics: dict[str, dict[str, float]] = {}
    for name in ("softmax", *embeddings):
        if name in embeddings:
            scores[name] = candidates.index.scores(embeddings[name])
        bias = biases.get(name, {})
        metrics[name] = _zero_shot_metrics(targets, scores[name], candidates, bias)
        if name in embeddings:
            nearest = vocabulary.search(embeddings[name], min(3, len(vocabulary)))
            metrics[name]["similarity/vocabulary"] = _mean_similarity(
                targets, plain[nearest.indices].mean(axis=1), candidates.plain
            )
    chance = random_similarity(candidates.similarities, seed=seed)
    metrics["chance"] = {"similarity": chance}
    keys = dict.fromkeys(key for values in metrics.values() for key in values)
    for name, values in metrics.items():
        # Reports of one split have the same metrics.
        complete = {key: values.get(key, np.nan) for key in keys}
        report = Report(complete, {}, len(targets))
        experiment.add_report("zero_shot", name, seed, report)
    return scores


def zero_shot_images(
    settings: ZeroShotSettings, unseen: MultiLabelData
) -> tf.data.Dataset:
    """Returns all images of the zero-shot dataset; without one, the test split."""
    if settings.zero_shot is None:
        return unseen.test
    return _in_order(unseen).concatenate(unseen.validation).concatenate(unseen.test)


def _in_order(data: MultiLabelData) -> tf.data.Dataset:
    """Returns the training images in order, without augmentation."""
    if data.train_in_order is None:
        raise ValueError("`train_in_order` must be a dataset; got None.")
    return data.train_in_order


def _zero_shot_metrics(
    targets: np.ndarray,
    scores: np.ndarray,
    candidates: Candidates,
    biases: Mapping[int, float],
) -> dict[str, float]:
    """Computes similarity and hit rates, with and without a bias against seen labels.

    Args:
        targets: (N, Z), of the images' labels.
        scores: (N, C), of the candidates.
        candidates: the C labels that may be predicted.
        biases: for each k, what is subtracted from the scores of seen labels.
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
    metrics |= zero_shot_hits(spread, scores, candidates.seen, ks=_KS)
    for k, bias in biases.items():
        hits = zero_shot_hits(spread, scores, candidates.seen, ks=(k,), bias=bias)
        for side in ("seen", "unseen", "harmonic"):
            metrics[f"{side}@{k}/biased"] = hits[f"{side}@{k}"]
        metrics[f"bias@{k}"] = bias
    return metrics


def _mean_similarity(
    targets: np.ndarray, words: np.ndarray, labels: np.ndarray
) -> float:
    """Returns the mean similarity of images' words (N, D) to their labels' (Z, D)."""
    present = (targets == 1).astype(np.float32)
    counts = present.sum(axis=1)
    shown = counts > 0
    sums = (present * (words @ labels.T)).sum(axis=1)
    return float((sums[shown] / counts[shown]).mean()) if shown.any() else np.nan


def _choose_conse_bias(
    settings: ZeroShotSettings, softmax: Trained, words: LabelWords, seed: int
) -> dict[int, float]:
    """Chooses the bias for ConSE on validation images, for each k.

    A fifth of the trained labels stand for unseen ones: ConSE does not get their
    probabilities.
    """
    seen = _split_seen(words, seed)
    targets, probabilities = softmax.scores["validation"]
    top = settings.conse_labels
    embeddings = conse(probabilities[:, seen], words.vectors[seen], top=top)
    scores = EmbeddingIndex(words.names, words.vectors).scores(embeddings)
    return {k: choose_seen_bias(targets, scores, seen, k=k) for k in _KS}


def choose_embedding_bias(
    model: keras.Model,
    data: MultiLabelData,
    words: LabelWords,
    seed: int,
    settings: ZeroShotSettings,
    compile_scorer: Callable[[keras.Model, MultiLabelData, list[list[int]]], None],
) -> dict[int, float]:
    """Chooses the bias against seen labels of an embedding model, for each k.

    A fifth of the trained labels stand for unseen ones: the part of the model above
    the pooled features is trained again without them, and their training images are
    added to the validation images. The bias is smaller than unseen labels need if the
    backbone was trained on those labels.

    Args:
        model: the trained model, which ends in similarities to the labels.
        data: what it was trained on, images or features.
        words: of the trained labels.
        seed: of the choice and of the training.
        settings: of the training.
        compile_scorer: compiles the model that is trained, given its data and the
            groups of its labels that share a vector.
    """
    keras.utils.set_random_seed(seed)
    seen = _split_seen(words, seed)
    pooled = model.get_layer(POOL).output
    head = keras.models.clone_model(
        keras.Model(pooled, model.get_layer(EMBEDDING).output)
    )
    extractor = keras.Model(model.input, pooled)
    features = {
        split: np.concatenate([batch for batch, _ in batches.as_numpy_iterator()])
        if data.source is not None
        else _run(extractor, batches)
        for split, batches in (
            ("train", _in_order(data)),
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
    compile_scorer(scorer, data, shared)
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
    return {k: choose_seen_bias(targets, scores, seen, k=k) for k in _KS}


def _run(model: keras.Model, batches: tf.data.Dataset) -> np.ndarray:
    """Returns a model's outputs for all images of a dataset, (N, ...)."""
    return model.predict(batches.map(lambda images, _: images), verbose=0)


def _split_seen(words: LabelWords, seed: int) -> np.ndarray:
    """Draws the labels that stand for unseen ones; returns the others, (L,) bool.

    Labels that share a vector are drawn together.
    """
    leaders = np.arange(len(words.names))
    for group in words.shared:
        leaders[group] = group[0]
    distinct = np.unique(leaders)
    count = max(1, round(_PRETENDED_SHARE * len(distinct)))
    drawn = np.random.default_rng(seed).permutation(distinct)[:count]
    return ~np.isin(leaders, drawn)
