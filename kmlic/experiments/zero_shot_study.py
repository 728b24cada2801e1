"""Training and zero-shot evaluation of classifiers and embedding models."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

import keras
import numpy as np

from kmlic.data import MultiLabelData, keep_labels
from kmlic.datasets import load_dataset
from kmlic.experiments.add_linear_probes import add_linear_probes
from kmlic.experiments.cache_features import cache_features, load_row
from kmlic.experiments.experiment import Experiment
from kmlic.experiments.export_embedding import export_embedding
from kmlic.experiments.find_label_words import (
    LabelWords,
    ZeroShotSettings,
    find_label_words,
)
from kmlic.experiments.finish_run import finish_run
from kmlic.experiments.gather_candidates import Candidates, gather_candidates
from kmlic.experiments.judge_zero_shot import choose_embedding_bias, judge_zero_shot
from kmlic.experiments.load_data import load_data
from kmlic.experiments.make_backbone import make_backbone
from kmlic.experiments.train_rows import train_rows
from kmlic.experiments.zero_shot_sections import zero_shot_sections
from kmlic.metrics import hit_at_k
from kmlic.models import POOL
from kmlic.run_folder import Run
from kmlic.training import CachedFeatures

S = TypeVar("S", bound=ZeroShotSettings)
Rows = Mapping[str, S]
Build = Callable[[S, MultiLabelData, int], keras.Model]


class ZeroShotStudy(Generic[S]):
    """Trains a classifier and embedding models and judges them on unseen labels.

    Args:
        experiment: trains and keeps the models.
        held_out: labels of the dataset that are not trained.

    Raises:
        ValueError: if the dataset does not have a held-out label.
    """

    def __init__(self, experiment: Experiment[S], held_out: Sequence[str]):
        self.experiment = experiment
        # The keys of these are seeds.
        self.features: dict[int, CachedFeatures] = {}
        self.words: dict[int, LabelWords] = {}
        self.unseen: dict[int, MultiLabelData] = {}
        self.candidates: dict[int, Candidates] = {}
        self.scores: dict[int, dict[str, np.ndarray]] = {}
        settings = experiment.settings
        for seed in settings.seeds:
            images = load_data(settings, seed)
            words = find_label_words(settings, images, held_out, seed)
            unseen = self._load_unseen(images, seed)
            candidates = gather_candidates(settings, words, unseen)
            experiment.say(f"Labels to be trained: {words.report}")
            experiment.say(f"Labels of zero-shot images: {candidates.report}")
            self.words[seed], self.unseen[seed] = words, unseen
            self.candidates[seed] = candidates

    def load(self, settings: S, seed: int) -> MultiLabelData:
        """Loads the images that show trained labels, with those labels only."""
        names = self.words[seed].names
        return keep_labels(load_data(settings, seed), names, drop_images=True)

    def train(self, softmax: Rows[S], embedding: Rows[S], build: Build[S]) -> None:
        """Trains the classifiers, then the embedding models.

        Args:
            softmax: the row "softmax" and its variants.
            embedding: the row "devise" and its variants.
            build: returns the compiled model of a row's settings, data and seed, or the
                part of it above the pooled features if the data holds those.
        """
        experiment, settings = self.experiment, self.experiment.settings
        if settings.weights is not None:
            self.features = cache_features(settings, _pooled, load=self.load)
        train_rows(experiment, softmax, build, features=self.features, load=self.load)
        if not self.features:
            for seed in settings.seeds:
                own = dataclasses.replace(settings, seeds=(seed,))
                extractor = functools.partial(self._softmax, seed=seed)
                self.features |= cache_features(own, extractor, load=self.load)
        train_rows(experiment, embedding, build, features=self.features, load=self.load)
        add_linear_probes(experiment, load=self.load)
        for name, trainings in experiment.trained.items():
            for trained in trainings.values():
                for split, scores in trained.scores.items():
                    hits = {f"hit@{k}": hit_at_k(*scores, k) for k in range(1, 21)}
                    experiment.add_metrics(name, trained.seed, split, hits)

    def judge(
        self,
        names: Sequence[str],
        compile_scorer: Callable[[keras.Model, MultiLabelData, list[list[int]]], None],
    ) -> None:
        """Judges models on labels that were not trained, seed by seed.

        Args:
            names: the row "softmax" and the rows of embedding models.
            compile_scorer: compiles the model that is trained to choose the bias
                against seen labels, given its data and the labels that share a vector.
        """
        settings = self.experiment.settings
        for seed, unseen in self.unseen.items():
            words, judged = self.words[seed], unseen
            choose_bias = functools.partial(
                choose_embedding_bias,
                data=load_row(settings, seed, self.features, self.load),
                words=words,
                seed=seed,
                settings=settings,
                compile_scorer=compile_scorer,
            )
            if self.features:
                extractor = self.features[seed].extractor
                folder = settings.cache_dir
                kept = CachedFeatures(extractor, unseen, folder, mirrored=False)
                judged = kept.load(batch_size=settings.batch_size, augmentation="none")
            self.scores[seed] = judge_zero_shot(
                self.experiment,
                seed,
                names,
                words,
                self.candidates[seed],
                judged,
                choose_bias,
            )

    def finish(self) -> Run:
        """Exports the best seed of "devise" and writes the run folder."""
        # Word vectors trained on captions differ between seeds.
        best = self.experiment.best_of("devise").seed
        words, candidates = self.words[best], self.candidates[best]
        return finish_run(
            self.experiment,
            "devise",
            words=words.vocabulary,
            export=functools.partial(export_embedding, candidates.index),
            sections=zero_shot_sections(
                self.experiment,
                words,
                candidates,
                self.unseen[best],
                self.scores[best],
            ),
        )

    def _load_unseen(self, images: MultiLabelData, seed: int) -> MultiLabelData:
        settings = self.experiment.settings
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

    def _softmax(self, settings: S, seed: int) -> keras.Model:
        model = self.experiment.trained["softmax"][seed].load_model()
        return keras.Model(model.input, model.get_layer(POOL).output)


def _pooled(settings: ZeroShotSettings) -> keras.Model:
    backbone = make_backbone(settings)
    pool = keras.layers.GlobalAveragePooling2D(name=POOL)
    return keras.Model(backbone.input, pool(backbone.outputs[-1]))
