"""Scores of labels that a model was not trained on."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import keras
import numpy as np

from kmlic.embedding_index import EmbeddingIndex, conse
from kmlic.labels import Labels, to_probabilities
from kmlic.models import embedding_part, has_embedding
from kmlic.predict.scorer import Scorer
from kmlic.words import embed_labels

if TYPE_CHECKING:
    from gensim.models import KeyedVectors


class OpenVocabulary:
    """Scores any labels whose words have vectors, from an image's embedding.

    The embedding is the model's, if it ends in one; otherwise the mean of the vectors
    of its labels, weighted by their probabilities (ConSE). A score is the cosine of the
    embedding and a label's vector, -1 to 1.

    Args:
        model: from images to logits, or to the similarities that
            `kmlic.models.score_labels` returns.
        labels: the model's own. Those without a vector are left out.
        names: the labels to score.
        word_vectors: from `kmlic.words`; for a model with an embedding, the vectors it
            was trained on.
        top: how many of the most probable labels make the embedding.

    Raises:
        ValueError: if names repeat, a name or all of the model's labels have no word
            with a vector, or the vectors do not have the embedding's size.

    Example:
        >>> image = keras.Input((8, 8, 3))
        >>> mean = keras.layers.GlobalAveragePooling2D()(image)
        >>> model = keras.Model(image, keras.layers.Dense(2)(mean))
        >>> words = dict(zip(("cat", "car", "puma"), np.eye(3), strict=True))
        >>> labels = Labels(("cat", "car"), image_size=8)
        >>> vocabulary = OpenVocabulary(model, labels, ["puma", "cat"], words)
        >>> vocabulary.score(np.array([[9.0, -9.0]])).round(2).tolist()
        [[0.0, 1.0]]
    """

    def __init__(
        self,
        model: keras.Model,
        labels: Labels,
        names: Sequence[str],
        word_vectors: "KeyedVectors | Mapping[str, np.ndarray]",
        *,
        top: int = 10,
    ):
        self.labels = Labels(tuple(names), image_size=labels.image_size)
        vectors, self.report = embed_labels(self.labels.names, word_vectors)
        self.index = EmbeddingIndex(self.labels.names, vectors)
        self._own, self._top = labels, top
        if has_embedding(model):
            self.model = embedding_part(model)
            self._known: list[int] | None = None
            if self.model.output_shape[-1] != self.index.size:
                raise ValueError(
                    "`word_vectors` must be those the model was trained with, of size "
                    f"{self.model.output_shape[-1]}; got size {self.index.size}."
                )
            return
        self.model = model
        self._vectors, known = embed_labels(
            labels.names, word_vectors, missing="leave_out"
        )
        self._known = [labels.names.index(name) for name in known.with_vector]

    def scorer(self) -> Scorer:
        """Makes the scorer that `predict_paths` takes."""
        logits = Scorer.of_model(self.model, self.labels)
        return dataclasses.replace(
            logits,
            function=lambda images: self.score(self.model.predict_on_batch(images)),
        )

    def score(self, outputs: np.ndarray) -> np.ndarray:
        """Computes the cosines of images and labels, (N, L) float32.

        Args:
            outputs: of `self.model`: embeddings, or logits of the model's own labels.
        """
        if self._known is None:
            return self.index.scores(outputs)
        known = to_probabilities(outputs, self._own)[:, self._known]
        return self.index.scores(conse(known, self._vectors, top=self._top))
