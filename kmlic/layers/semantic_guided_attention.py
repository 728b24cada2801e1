"""The semantic guided attention of MSRN."""

import keras
from keras import ops

_BLOCK_BYTES = 2**22  # of attention weights in memory at a time; about a core's cache


@keras.saving.register_keras_serializable(package="kmlic")
class SemanticGuidedAttention(keras.layers.Layer):
    """Pools a feature map once per embedding, by attention over its regions.

    Every channel of every embedding has its own attention weights: the softmax over the
    regions of the channel's features times the embedding's element.

    Paper: Qu, Che, Huang, Xu and Zheng, "Multi-layered Semantic Representation Network
    for Multi-label Image Classification", 2021, equations 7 to 9,
    https://arxiv.org/abs/2106.11596. Differs from its code in how it is computed, not
    in what: the (B, N, E, D) weights never exist at once, in either direction, and the
    gradient is written out.

    Shapes: (B, H, W, D), (E, D) to (B, E, D), E embeddings. H and W may be unknown.

    Args:
        unroll: whether to unroll the loop over embeddings, as LiteRT requires. The
            gradient is exact, but takes more memory.

    Raises:
        ValueError: if the feature map and the embeddings differ in D.

    Example:
        >>> feature_map = keras.ops.ones((2, 7, 7, 16))
        >>> tuple(SemanticGuidedAttention()(feature_map, keras.ops.ones((5, 16))).shape)
        (2, 5, 16)
    """

    def __init__(self, unroll: bool = False, **kwargs):
        # Softmax over hundreds of regions needs float32 under every policy.
        super().__init__(autocast=False, **kwargs)
        self.unroll = unroll

    def build(self, feature_map_shape, embeddings_shape):
        if feature_map_shape[-1] != embeddings_shape[-1]:
            raise ValueError(
                "`embeddings` must have as many columns as the feature map has "
                f"channels; got embeddings of shape {tuple(embeddings_shape)} and a "
                f"feature map of shape {tuple(feature_map_shape)}."
            )

    def call(self, feature_map, embeddings):
        features = _regions(feature_map)  # (D, B, N)
        embeddings = ops.cast(embeddings, "float32")
        attend = _attend_unrolled if self.unroll else _attend
        outputs = attend(features, ops.transpose(embeddings))  # (D, B, E)
        return ops.cast(ops.transpose(outputs, (1, 2, 0)), self.compute_dtype)

    def compute_output_shape(self, feature_map_shape, embeddings_shape):
        return (feature_map_shape[0], *embeddings_shape)

    def attention(self, feature_map, embeddings):
        """Computes attention maps (B, H, W, E), each summing to 1 over H and W.

        The weights of equation 8, averaged over the channels.
        """
        features = _regions(feature_map)

        def weigh(embedding):
            scores = features * embedding[:, None, None]  # (D, B, N)
            scores = scores - ops.max(scores, axis=-1, keepdims=True)
            weights = ops.exp(scores)
            weights = weights / ops.sum(weights, axis=-1, keepdims=True)
            return ops.mean(weights, axis=0)  # (B, N)

        weights = ops.map(weigh, ops.cast(embeddings, "float32"))  # (E, B, N)
        shape = (*ops.shape(feature_map)[:3], ops.shape(embeddings)[0])
        return ops.reshape(ops.transpose(weights, (1, 2, 0)), shape)

    def export_layer(self) -> "SemanticGuidedAttention":
        """Returns the layer without a loop, of builtin LiteRT operators only."""
        return SemanticGuidedAttention(
            unroll=True, name=self.name, dtype=self.dtype_policy
        )

    def get_config(self):
        return {**super().get_config(), "unroll": self.unroll}


def _regions(feature_map):
    shape = ops.shape(feature_map)
    features = ops.reshape(
        ops.cast(feature_map, "float32"), (shape[0], -1, shape[-1])
    )  # (B, N, D)
    return ops.transpose(features, (2, 0, 1))  # (D, B, N)


def _attend_unrolled(features, embeddings):
    highest = ops.max(features, axis=-1, keepdims=True)  # (D, B, 1)
    lowest = ops.min(features, axis=-1, keepdims=True)
    outputs = []
    for index in range(embeddings.shape[1]):
        e = embeddings[:, index, None, None]  # (D, 1, 1)
        weights = ops.exp(features * e - ops.maximum(highest * e, lowest * e))
        outputs.append(ops.sum(weights * features, axis=-1) / ops.sum(weights, axis=-1))
    return ops.stack(outputs, axis=-1)


@ops.custom_gradient
def _attend(features, embeddings):
    """Attends in blocks of channels, each two matrix products around an exponential.

    With u = f - max f and v = f - min f, the scores less their maximum are
    max(e, 0) u + min(e, 0) v. The weighted sums of 1, u, u^2, v and v^2 give the mean o
    and the variance of f under the weights without cancellation, and with them both
    gradients: do/df_p = a_p (1 + e (f_p - o)) and do/de is the variance.

    Args:
        features: (D, B, N).
        embeddings: (D, E).

    Returns:
        (D, B, E).
    """
    size = _block_size(features.shape, embeddings.shape)
    highest = ops.max(features, axis=-1, keepdims=True)  # (D, B, 1)
    lowest = ops.min(features, axis=-1, keepdims=True)
    shifted = ops.stack([features - highest, features - lowest], axis=-2)
    shifted = _blocks(shifted, size)  # (D / size, size, B, 2, N)
    positive = embeddings[:, None, :] >= 0  # (D, 1, E)
    slopes = ops.stack([ops.maximum(embeddings, 0), ops.minimum(embeddings, 0)], -1)
    slopes = _blocks(slopes[:, None], size)  # (D / size, size, 1, E, 2)

    def sum_block(block):
        shifted, slopes = block
        columns = ops.concatenate(
            [ops.ones_like(shifted[..., :1, :]), shifted, shifted**2], axis=-2
        )  # (size, B, 5, N)
        weights = ops.exp(ops.matmul(slopes, shifted))  # (size, B, E, N)
        return ops.matmul(weights, ops.swapaxes(columns, -1, -2))  # (size, B, E, 5)

    sums = _unblock(ops.map(sum_block, (shifted, slopes)))  # (D, B, E, 5)
    total = sums[..., 0]
    moments = sums[..., 1:] / sums[..., :1]
    offset = ops.where(positive, moments[..., 0], moments[..., 1])
    square = ops.where(positive, moments[..., 2], moments[..., 3])
    outputs = offset + ops.where(positive, highest, lowest)  # (D, B, E)

    def gradient(*args, upstream=None):
        upstream = args[0] if upstream is None else upstream  # (D, B, E)
        embeddings_gradient = ops.sum(upstream * (square - offset**2), axis=1)
        scaled = upstream / total
        slope = embeddings[:, None, :]
        coefficients = ops.stack(
            [
                scaled * (1 - slope * offset),
                scaled * ops.maximum(slope, 0),
                scaled * ops.minimum(slope, 0),
            ],
            axis=-2,
        )  # (D, B, 3, E)

        def gradient_block(block):
            shifted, slopes, coefficients = block
            weights = ops.exp(ops.matmul(slopes, shifted))  # (size, B, E, N)
            rows = ops.matmul(coefficients, weights)  # (size, B, 3, N)
            return rows[..., 0, :] + ops.sum(rows[..., 1:, :] * shifted, axis=-2)

        features_gradient = ops.map(
            gradient_block, (shifted, slopes, _blocks(coefficients, size))
        )
        return _unblock(features_gradient), embeddings_gradient

    return outputs, gradient


def _block_size(features_shape, embeddings_shape):
    channels, batch, num_regions = features_shape
    # Unknown sizes are taken from a training batch at 448 pixels.
    bytes_per_channel = 4 * (batch or 8) * (num_regions or 784) * embeddings_shape[1]
    size = max(1, min(channels, _BLOCK_BYTES // bytes_per_channel))
    while channels % size:
        size -= 1
    return size


def _blocks(x, size):
    return ops.reshape(x, (-1, size, *ops.shape(x)[1:]))


def _unblock(x):
    return ops.reshape(x, (-1, *ops.shape(x)[2:]))
