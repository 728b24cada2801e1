"""Query2Label: one learned query per label."""

import math

import keras
from keras import layers, ops

from kmlic.check_number import check_number
from kmlic.layers.transformer_block import TransformerBlock


@keras.saving.register_keras_serializable(package="kmlic")
class Query2Label(layers.Layer):
    """Scores each label by its own learned query, which attends to a feature map.

    In the encoders the regions, with sine positions, attend to each other. In the
    decoders the queries attend to the regions, but not to each other. Each label has
    its own weights to score what its query found.

    Paper: Liu et al., "Query2Label: A Simple Transformer Way to Multi-Label
    Classification", 2021, section 3, https://arxiv.org/abs/2107.10834; for the
    positions Carion et al., "End-to-End Object Detection with Transformers", ECCV 2020,
    appendix A.4, https://arxiv.org/abs/2005.12872. Differs from the paper, as the
    authors' code does: decoders have no attention of the queries to each other, and
    positions are normalised to 2 pi.

    Shapes: (B, H, W, C) to (B, L). H and W may be unknown or vary.

    Args:
        num_labels: number of labels L.
        num_encoders: number of encoders, 0 or more.
        num_decoders: number of decoders, 1 or more.
        embedding_size: size D that the channels are projected to, a multiple of 4; None
            takes the channels as they are, as the authors do with ResNet-101.
        num_heads: heads of each attention; must divide D.
        hidden_units: units of the hidden layer of each encoder and decoder.
        dropout: share 0-1 dropped in training.

    Raises:
        ValueError: if an argument is out of its limits, or D is not a multiple of 4.

    Example:
        >>> layer = Query2Label(7, hidden_units=64)
        >>> tuple(layer(keras.ops.ones((2, 4, 4, 32))).shape)
        (2, 7)
    """

    def __init__(
        self,
        num_labels: int,
        *,
        num_encoders: int = 1,
        num_decoders: int = 2,
        embedding_size: int | None = None,
        num_heads: int = 4,
        hidden_units: int = 8192,
        dropout: float = 0.1,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_number("num_labels", num_labels, at_least=1)
        check_number("num_encoders", num_encoders, at_least=0)
        check_number("num_decoders", num_decoders, at_least=1)
        self.num_labels = num_labels
        self.num_encoders = num_encoders
        self.num_decoders = num_decoders
        self.embedding_size = embedding_size
        self.num_heads = num_heads
        self.hidden_units = hidden_units
        self.dropout = dropout

    def build(self, input_shape):
        size = self.embedding_size or input_shape[-1]
        if size % 4:
            raise ValueError(
                "`embedding_size` must be a multiple of 4, for sines and cosines of "
                f"rows and columns; got {size} (input shape {tuple(input_shape)})."
            )
        self.project = None
        if self.embedding_size is not None:
            self.project = layers.Dense(size, dtype=self.dtype_policy, name="project")
            self.project.build((None, input_shape[-1]))
        self.encoders = self._blocks("encoder", self.num_encoders, size)
        self.decoders = self._blocks("decoder", self.num_decoders, size)
        self.normalise = layers.LayerNormalization(
            epsilon=1e-5, dtype=self.dtype_policy, name="normalise"
        )
        self.normalise.build((None, None, size))
        self.queries = self.add_weight(
            shape=(self.num_labels, size),
            initializer=keras.initializers.RandomNormal(stddev=1.0),
            name="queries",
        )
        bound = 1 / math.sqrt(size)
        self.kernel = self.add_weight(
            shape=(self.num_labels, size),
            initializer=keras.initializers.RandomUniform(-bound, bound),
            name="kernel",
        )
        self.bias = self.add_weight(
            shape=(self.num_labels,),
            initializer=keras.initializers.RandomUniform(-bound, bound),
            name="bias",
        )

    def _blocks(self, name, count, size):
        blocks = [
            TransformerBlock(
                self.num_heads,
                self.hidden_units,
                self.dropout,
                dtype=self.dtype_policy,
                name=f"{name}_{index}",
            )
            for index in range(1, count + 1)
        ]
        for block in blocks:
            block.build(*[(None, None, size)] * 4)
        return blocks

    def call(self, inputs, training=None):
        values, keys = self._encode(inputs, training)
        found, _ = self._decode(values, keys, training)
        # One matrix product per label: OpenVINO computes the sum of products wrongly
        # after a layer normalization.
        found = ops.transpose(self.normalise(found), (1, 0, 2))  # (L, B, D)
        kernel = ops.cast(self.kernel, self.compute_dtype)[:, :, None]
        scores = ops.matmul(found, kernel)[:, :, 0]  # (L, B)
        return ops.transpose(scores) + ops.cast(self.bias, self.compute_dtype)

    def attention(self, inputs):
        """Returns where each label's query looks: (B, H, W, L), of sum 1 over H and W.

        The attention of the last decoder, averaged over its heads.
        """
        values, keys = self._encode(inputs, training=False)
        _, queries = self._decode(values, keys, training=False)
        weights = ops.mean(self.decoders[-1].weigh(queries, keys), axis=1)  # (B, L, N)
        shape = (*ops.shape(inputs)[:3], self.num_labels)
        return ops.reshape(ops.transpose(weights, (0, 2, 1)), shape)

    def _encode(self, inputs, training):
        """Returns regions without and with their positions: (B, N, D) both."""
        x = inputs if self.project is None else self.project(inputs)
        batch, height, width = ops.shape(x)[:3]
        tokens = ops.reshape(x, (batch, height * width, x.shape[-1]))
        positions = ops.cast(_positions(height, width, x.shape[-1]), x.dtype)
        for encode in self.encoders:
            keys = tokens + positions
            tokens = encode(tokens, keys, keys, tokens, training=training)
        return tokens, tokens + positions

    def _decode(self, values, keys, training):
        """Returns what the queries found, and the queries of the last decoder."""
        own = ops.cast(self.queries, self.compute_dtype)[None]  # (1, L, D)
        found = ops.zeros_like(own)  # (B, L, D) after the first decoder
        for decode in self.decoders:
            queries = found + own
            found = decode(found, queries, keys, values, training=training)
        return found, queries

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.num_labels)

    def get_config(self):
        return {
            **super().get_config(),
            "num_labels": self.num_labels,
            "num_encoders": self.num_encoders,
            "num_decoders": self.num_decoders,
            "embedding_size": self.embedding_size,
            "num_heads": self.num_heads,
            "hidden_units": self.hidden_units,
            "dropout": self.dropout,
        }


def _positions(height, width, size):
    """Returns sine positions of all regions: (H * W, D), rows first, then columns."""
    rows = _sines(height, size // 2)[:, None, :]
    columns = _sines(width, size // 2)[None, :, :]
    shape = (height, width, size // 2)
    both = [ops.broadcast_to(each, shape) for each in (rows, columns)]
    return ops.reshape(ops.concatenate(both, axis=-1), (height * width, size))


def _sines(count, size):
    """Returns (count, size) sines and cosines in turn, of longer and longer waves."""
    steps = ops.cast(ops.arange(1, count + 1), "float32")
    angles = 2 * math.pi * steps / (ops.cast(count, "float32") + 1e-6)
    waves = ops.power(10000.0, 2 * ops.arange(size // 2, dtype="float32") / size)
    angles = angles[:, None] / waves
    pairs = ops.stack([ops.sin(angles), ops.cos(angles)], axis=-1)
    return ops.reshape(pairs, (count, size))
