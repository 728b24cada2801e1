"""Attention and a feed-forward network, each with a shortcut."""

import keras
from keras import layers, ops

from kmlic.check_number import check_number


@keras.saving.register_keras_serializable(package="kmlic")
class TransformerBlock(layers.Layer):
    """Adds attended values to its inputs and transforms each by two dense layers.

    Multi-head attention of the queries to the keys, a shortcut from the inputs and
    layer normalization; then a dense layer with ReLU, one without, a shortcut and layer
    normalization. With queries and keys of the same tokens it is an encoder layer, else
    a decoder layer whose queries do not attend to each other.

    Paper: Vaswani et al., "Attention Is All You Need", NeurIPS 2017, sections 3.1 to
    3.3, https://arxiv.org/abs/1706.03762. Differs from the paper, as detection
    transformers do: queries and keys are separate from inputs and values, so that
    positions can be added to queries and keys only.

    Shapes: inputs (B, T, D), query (B, T, D), key (B, N, D) and value (B, N, D) to
    (B, T, D). T and N may be unknown or vary. Inputs and query that are the same for
    all images may be (1, T, D), which saves time and memory.

    Args:
        num_heads: heads of the attention; must divide D.
        hidden_units: units of the first dense layer.
        dropout: share 0-1 dropped in training, of the attention weights, the hidden
            units, and both results before they are added.

    Raises:
        ValueError: if an argument is out of its limits, or `num_heads` does not divide
            D.

    Example:
        >>> queries, tokens = keras.ops.ones((2, 5, 16)), keras.ops.ones((2, 49, 16))
        >>> block = TransformerBlock(num_heads=4, hidden_units=32)
        >>> tuple(block(queries, queries, tokens, tokens).shape)
        (2, 5, 16)
    """

    def __init__(
        self, num_heads: int, hidden_units: int, dropout: float = 0.1, **kwargs
    ):
        super().__init__(**kwargs)
        check_number("num_heads", num_heads, at_least=1)
        check_number("hidden_units", hidden_units, at_least=1)
        check_number("dropout", dropout, at_least=0, below=1)
        self.num_heads = num_heads
        self.hidden_units = hidden_units
        self.dropout = dropout

    def build(self, inputs_shape, query_shape, key_shape, value_shape):
        size = inputs_shape[-1]
        if size % self.num_heads:
            raise ValueError(
                f"`num_heads` must divide the size of the inputs; got num_heads="
                f"{self.num_heads} and input shape {tuple(inputs_shape)}."
            )
        self.query = self._dense(size, size, "query")
        self.key = self._dense(size, size, "key")
        self.value = self._dense(size, size, "value")
        self.output_dense = self._dense(size, size, "output")
        self.hidden = self._dense(size, self.hidden_units, "hidden")
        self.transform = self._dense(self.hidden_units, size, "transform")
        self.normalise_attended = self._normalisation(size, "normalise_attended")
        self.normalise_transformed = self._normalisation(size, "normalise_transformed")
        self.drop = layers.Dropout(self.dropout, dtype=self.dtype_policy, name="drop")

    def _dense(self, inputs, units, name):
        dense = layers.Dense(units, dtype=self.dtype_policy, name=name)
        dense.build((None, inputs))
        return dense

    def _normalisation(self, size, name):
        layer = layers.LayerNormalization(
            epsilon=1e-5, dtype=self.dtype_policy, name=name
        )
        layer.build((None, None, size))
        return layer

    def call(self, inputs, query, key, value, training=None):
        weights = self.drop(self.weigh(query, key), training=training)
        attended = ops.matmul(weights, self._split(self.value(value)))
        attended = ops.transpose(attended, (0, 2, 1, 3))  # (B, T, heads, D / heads)
        shape = (*ops.shape(attended)[:2], inputs.shape[-1])
        attended = ops.reshape(attended, shape)  # (B, T, D)
        attended = self.drop(self.output_dense(attended), training=training)
        x = self.normalise_attended(inputs + attended)
        hidden = self.drop(ops.relu(self.hidden(x)), training=training)
        transformed = self.drop(self.transform(hidden), training=training)
        return self.normalise_transformed(x + transformed)

    def weigh(self, query, key):
        """Returns how much each query attends to each key: (B, heads, T, N)."""
        query = self._split(self.query(query))
        # (B, heads, D / heads, N) at once: the gradient too has one transposition less.
        key = self._split(self.key(key), axes=(0, 2, 3, 1))
        scores = ops.matmul(query, key)
        # Softmax over hundreds of regions needs float32 under every policy.
        scores = ops.cast(scores, "float32") / query.shape[-1] ** 0.5
        if scores.shape[-1] == 1:  # a map of one region, of which Keras' softmax warns
            return ops.cast(ops.ones_like(scores), self.compute_dtype)
        return ops.cast(ops.softmax(scores, axis=-1), self.compute_dtype)

    def _split(self, x, axes=(0, 2, 1, 3)):
        """Splits (B, T, D) into axes of (B, T, heads, D / heads)."""
        batch, tokens = ops.shape(x)[:2]
        shape = (batch, tokens, self.num_heads, x.shape[-1] // self.num_heads)
        return ops.transpose(ops.reshape(x, shape), axes)

    def compute_output_shape(self, inputs_shape, query_shape, key_shape, value_shape):
        return (value_shape[0], *inputs_shape[1:])

    def get_config(self):
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "hidden_units": self.hidden_units,
            "dropout": self.dropout,
        }
