"""Similarity of embeddings and label vectors."""

from typing import Literal

import keras
from keras import ops

from kmlic.check_choice import check_choice


@keras.saving.register_keras_serializable(package="kmlic")
class LabelSimilarity(keras.layers.Layer):
    """Computes the similarity of each embedding and each label vector.

    The similarity to a vector of zeros and its gradient are 0. Vectors of any length
    neither overflow nor underflow.

    Paper: Frome et al., "DeViSE: A Deep Visual-Semantic Embedding Model", NeurIPS 2013,
    equation 1, https://papers.nips.cc/paper/5204, for "dot"; Nishimura, Yu, Hellmers
    and Desai, "A Combined Deep Learning and Semantic Embedding Model for Image
    Classification", section 2.3, for "cosine".

    Shapes: embeddings (B, D) and label vectors (L, D) to (B, L).

    Args:
        metric: "cosine", or "dot" for the product of the embedding with label vectors
            of length 1. Both rank the labels of an image in the same order.

    Raises:
        ValueError: if `metric` is unknown or the sizes of the vectors differ.

    Example:
        >>> embeddings = keras.ops.array([[3.0, 4.0]])
        >>> vectors = keras.ops.array([[0.0, 2.0], [0.0, 0.0]])
        >>> LabelSimilarity()(embeddings, vectors).numpy().round(4).tolist()
        [[0.800000011920929, 0.0]]
    """

    def __init__(self, metric: Literal["cosine", "dot"] = "cosine", **kwargs):
        super().__init__(**kwargs)
        check_choice("metric", metric, "cosine", "dot")
        self.metric = metric

    def build(self, embeddings_shape, vectors_shape):
        if embeddings_shape[-1] != vectors_shape[-1]:
            raise ValueError(
                "Embeddings and label vectors must have the same size; got shapes "
                f"{tuple(embeddings_shape)} and {tuple(vectors_shape)}."
            )

    def call(self, embeddings, vectors):
        if self.metric == "cosine":
            embeddings = _normalise(embeddings)
        return ops.einsum("bd,ld->bl", embeddings, _normalise(vectors))

    def get_config(self):
        return {**super().get_config(), "metric": self.metric}


def _normalise(vectors):
    largest = ops.stop_gradient(ops.max(ops.abs(vectors), axis=-1, keepdims=True))
    some = largest > 0
    scaled = vectors / ops.where(some, largest, ops.ones_like(largest))
    # At least 1 after scaling, except for zeros, where sqrt has no gradient.
    squares = ops.sum(ops.square(scaled), axis=-1, keepdims=True)
    length = ops.sqrt(ops.where(some, squares, ops.ones_like(squares)))
    return ops.where(some, scaled / length, ops.zeros_like(scaled))
