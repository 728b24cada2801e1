"""ML-Decoder: queries that each score a group of labels."""

import math

import keras
from keras import layers, ops

from kmlic.check_number import check_number
from kmlic.layers.transformer_block import TransformerBlock


@keras.saving.register_keras_serializable(package="kmlic")
class MLDecoder(layers.Layer):
    """Scores groups of labels, each by one query that attends to a feature map.

    The channels are projected and rectified. Random queries that are not learned attend
    to all regions in one decoder layer. Each label of a query's group has its own
    weights to score what the query found. With word vectors the query of a label is its
    vector, projected and rectified, and all labels share one weight vector, so labels
    without a training image can be scored too.

    Paper: Ridnik et al., "ML-Decoder: Scalable and Versatile Classification Head",
    2021, section 2, https://arxiv.org/abs/2111.12933. As in the authors' code, group k
    holds ceil(L / K) labels in a row, and the last queries may be left without any.

    Shapes: (B, H, W, C) to (B, L), or (B, H, W, C) and word vectors (L, V) to (B, L).
    H and W may be unknown or vary.

    Args:
        num_labels: number of labels L.
        num_groups: number of queries K, at most L; None for 100, or L if that is less.
            Unused with word vectors.
        embedding_size: size D of queries and projected channels.
        num_heads: heads of the attention; must divide D.
        hidden_units: units of the decoder's hidden layer.
        dropout: share 0-1 dropped in training.

    Raises:
        ValueError: if an argument is out of its limits, or there is not one word vector
            per label.

    Example:
        >>> layer = MLDecoder(7, num_groups=3, embedding_size=16)
        >>> tuple(layer(keras.ops.ones((2, 4, 4, 32))).shape)
        (2, 7)
    """

    def __init__(
        self,
        num_labels: int,
        *,
        num_groups: int | None = None,
        embedding_size: int = 768,
        num_heads: int = 8,
        hidden_units: int = 2048,
        dropout: float = 0.1,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_number("num_labels", num_labels, at_least=1)
        if num_groups is not None:
            check_number("num_groups", num_groups, at_least=1, at_most=num_labels)
        self.num_labels = num_labels
        self.num_groups = num_groups
        self.embedding_size = embedding_size
        self.num_heads = num_heads
        self.hidden_units = hidden_units
        self.dropout = dropout

    def build(self, feature_map_shape, word_vectors_shape=None):
        size = self.embedding_size
        self.project = layers.Dense(
            size, "relu", dtype=self.dtype_policy, name="project"
        )
        self.project.build((None, feature_map_shape[-1]))
        if word_vectors_shape is None:
            groups = self.num_groups or min(100, self.num_labels)
            per_group = math.ceil(self.num_labels / groups)
            self.queries = self.add_weight(
                shape=(groups, size),
                initializer=keras.initializers.RandomNormal(stddev=1.0),
                trainable=False,
                name="queries",
            )
        else:
            if word_vectors_shape[0] != self.num_labels:
                raise ValueError(
                    "`word_vectors` must be one per label; got shape "
                    f"{tuple(word_vectors_shape)} for num_labels={self.num_labels}."
                )
            self.embed = layers.Dense(
                size, "relu", dtype=self.dtype_policy, name="embed"
            )
            self.embed.build(word_vectors_shape)
            groups, per_group = 1, 1
        self.normalise = layers.LayerNormalization(
            epsilon=1e-5, dtype=self.dtype_policy, name="normalise"
        )
        self.normalise.build((None, None, size))
        self.drop = layers.Dropout(self.dropout, dtype=self.dtype_policy, name="drop")
        self.decode = TransformerBlock(
            self.num_heads,
            self.hidden_units,
            self.dropout,
            dtype=self.dtype_policy,
            name="decode",
        )
        self.decode.build(*[(None, None, size)] * 4)
        self.kernel = self.add_weight(
            shape=(groups, size, per_group),
            # torch's Xavier normal of three axes, as the authors' code.
            initializer=keras.initializers.RandomNormal(
                stddev=math.sqrt(2 / (per_group * (size + groups)))
            ),
            name="kernel",
        )
        self.bias = self.add_weight(
            shape=(1 if word_vectors_shape else self.num_labels,),
            initializer="zeros",
            name="bias",
        )

    def call(self, feature_map, word_vectors=None, training=None):
        tokens = self._tokens(feature_map)
        queries = self._queries(tokens, word_vectors, training)
        found = self.decode(queries, queries, tokens, tokens, training=training)
        # One matrix product per group, all images at once.
        found = ops.transpose(found, (1, 0, 2))  # (K, B, D)
        if word_vectors is not None:
            found = ops.reshape(found, (1, -1, self.embedding_size))
        scores = ops.matmul(found, ops.cast(self.kernel, self.compute_dtype))
        if word_vectors is not None:
            scores = ops.reshape(scores, (self.num_labels, -1, 1))
        scores = ops.transpose(scores, (1, 0, 2))  # (B, K, L / K)
        scores = ops.reshape(scores, (-1, scores.shape[1] * scores.shape[2]))
        return scores[:, : self.num_labels] + ops.cast(self.bias, self.compute_dtype)

    def attention(self, feature_map, word_vectors=None):
        """Returns where each label's query looks: (B, H, W, L), of sum 1 over H and W.

        Labels of one group share its map.
        """
        tokens = self._tokens(feature_map)
        queries = self._queries(tokens, word_vectors, training=False)
        weights = ops.mean(self.decode.weigh(queries, tokens), axis=1)  # (B, K, N)
        per_query = self.kernel.shape[-1]
        weights = ops.repeat(weights, per_query, axis=1)[:, : self.num_labels]
        shape = (*ops.shape(feature_map)[:3], self.num_labels)
        return ops.reshape(ops.transpose(weights, (0, 2, 1)), shape)

    def _tokens(self, feature_map):
        batch, height, width, _ = ops.shape(feature_map)
        shape = (batch, height * width, self.embedding_size)
        return ops.reshape(self.project(feature_map), shape)  # (B, N, D)

    def _queries(self, tokens, word_vectors, training):
        if word_vectors is None:
            queries = ops.cast(self.queries, self.compute_dtype)
        else:
            queries = self.embed(word_vectors)
        queries = queries[None]  # (1, K, D), computed once for all images
        if training and self.dropout:  # each image drops its own
            shape = (ops.shape(tokens)[0], *queries.shape[1:])
            queries = ops.broadcast_to(queries, shape)  # (B, K, D)
        return self.normalise(queries + self.drop(queries, training=training))

    def compute_output_shape(self, feature_map_shape, word_vectors_shape=None):
        return (feature_map_shape[0], self.num_labels)

    def get_config(self):
        return {
            **super().get_config(),
            "num_labels": self.num_labels,
            "num_groups": self.num_groups,
            "embedding_size": self.embedding_size,
            "num_heads": self.num_heads,
            "hidden_units": self.hidden_units,
            "dropout": self.dropout,
        }
