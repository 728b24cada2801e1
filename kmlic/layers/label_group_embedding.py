"""Embeddings of labels and of groups of labels, learned on the label graph."""

import keras
from keras import ops

from kmlic.check_choice import check_choice
from kmlic.layers.constant import Constant
from kmlic.layers.diff_pool import DiffPool, residual_graph_attention
from kmlic.layers.keras_internals import producer
from kmlic.layers.torch_uniform import torch_uniform


@keras.saving.register_keras_serializable(package="kmlic")
class LabelGroupEmbedding(keras.layers.Layer):
    """Embeds labels by graph attention and pools them into groups.

    Paper: Qu, Che, Huang, Xu and Zheng, "Multi-layered Semantic Representation Network
    for Multi-label Image Classification", 2021, equations 2 to 6,
    https://arxiv.org/abs/2106.11596. Differs from the paper, as its code does: a dense
    layer comes before the graph attention (`label_units=None` leaves it out), and
    groups are pooled from the rectified label embeddings (`relu_before_groups=False`
    leaves that out).

    Shapes: (L, V), (L, L) to (L + G, D), labels first; to (L, D) or (G, D) by
    `semantics`.

    Args:
        embedding_size: size D of an embedding.
        num_groups: number of groups G, at most L.
        semantics: which embeddings to return: "labels+groups", "labels" or "groups".
        graph_units: features between the two graph attention layers.
        label_units: units of the dense layer before them; None for no such layer.
        relu_before_groups: whether DiffPool takes the label embeddings after a ReLU.
        group_loss: the loss of equation 6, which pulls each label towards the group
            that holds its largest share: "squared" sums squared distances, as the
            paper; "norm" sums distances, as its code. Groups start as sums of their
            labels, far from each: with 20 labels, GloVe-sized vectors and weight 1e-3
            the squared loss starts at 2,000 with a gradient of norm 30,000.
        group_loss_weight: weight of that loss, lambda in the paper; its code's is 1e-4.
        link_loss_weight: of DiffPool.
        entropy_loss_weight: of DiffPool.

    Raises:
        ValueError: if `semantics` or `group_loss` is none of the above, or there are
            more groups than labels.

    Example:
        >>> words, adjacency = keras.ops.ones((5, 300)), keras.ops.eye(5)
        >>> embed = LabelGroupEmbedding(embedding_size=16, num_groups=2)
        >>> tuple(embed(words, adjacency).shape)
        (7, 16)
    """

    def __init__(
        self,
        embedding_size: int = 512,
        num_groups: int = 4,
        semantics: str = "labels+groups",
        graph_units: int = 300,
        label_units: int | None = 256,
        relu_before_groups: bool = True,
        group_loss: str = "squared",
        group_loss_weight: float = 1e-3,
        link_loss_weight: float = 0.0,
        entropy_loss_weight: float = 0.0,
        **kwargs,
    ):
        # Autocast would round the word vectors; all arrays are small, so float32.
        super().__init__(autocast=False, **kwargs)
        check_choice("semantics", semantics, "labels+groups", "labels", "groups")
        check_choice("group_loss", group_loss, "squared", "norm")
        self.embedding_size = embedding_size
        self.num_groups = num_groups
        self.semantics = semantics
        self.graph_units = graph_units
        self.label_units = label_units
        self.relu_before_groups = relu_before_groups
        self.group_loss = group_loss
        self.group_loss_weight = group_loss_weight
        self.link_loss_weight = link_loss_weight
        self.entropy_loss_weight = entropy_loss_weight

    def build(self, word_vectors_shape, adjacency_shape):
        num_labels, size = word_vectors_shape
        if self.label_units is not None:
            self.label_dense = keras.layers.Dense(
                self.label_units,
                kernel_initializer=torch_uniform(),
                dtype="float32",
                name="label_dense",
            )
            self.label_dense.build((num_labels, size))
            size = self.label_units
        self.attend_1 = residual_graph_attention(self.graph_units, name="attend_1")
        self.attend_1.build((num_labels, size), adjacency_shape)
        self.attend_2 = residual_graph_attention(self.embedding_size, name="attend_2")
        self.attend_2.build((num_labels, self.graph_units), adjacency_shape)
        if self.semantics != "labels":
            self.pool = DiffPool(
                self.num_groups,
                self.embedding_size,
                link_loss_weight=self.link_loss_weight,
                entropy_loss_weight=self.entropy_loss_weight,
                dtype="float32",
                name="pool",
            )
            self.pool.build((num_labels, self.embedding_size), adjacency_shape)

    def call(self, word_vectors, adjacency):
        x = ops.cast(word_vectors, "float32")
        if self.label_units is not None:
            x = self.label_dense(x)
        x = self.attend_1(x, adjacency)
        labels = self.attend_2(x, adjacency)  # (L, D)
        if self.semantics == "labels":
            return ops.cast(labels, self.compute_dtype)

        nodes = ops.relu(labels) if self.relu_before_groups else labels
        groups, _, shares = self.pool(nodes, adjacency)  # (G, D), (L, G)
        if self.group_loss_weight:
            loss = self._compactness(labels, groups, shares)
            self.add_loss(self.group_loss_weight * loss)
        if self.semantics == "groups":
            return ops.cast(groups, self.compute_dtype)
        outputs = ops.concatenate([labels, groups], axis=0)  # (L + G, D)
        return ops.cast(outputs, self.compute_dtype)

    def _compactness(self, labels, groups, shares):
        group_of_label = ops.argmax(shares, axis=-1)  # (L,)
        differences = ops.take(groups, group_of_label, axis=0) - labels  # (L, D)
        squared = ops.sum(differences**2, axis=-1)
        if self.group_loss == "squared":
            return ops.sum(squared)
        # At distance 0 the gradient of sqrt would be NaN.
        apart = squared > 0
        return ops.sum(ops.where(apart, ops.sqrt(ops.where(apart, squared, 1.0)), 0.0))

    def compute_output_shape(self, word_vectors_shape, adjacency_shape):
        num_labels = word_vectors_shape[0]
        rows = {
            "labels+groups": num_labels + self.num_groups,
            "labels": num_labels,
            "groups": self.num_groups,
        }
        return (rows[self.semantics], self.embedding_size)

    def export_layer(self) -> Constant:
        """Returns a layer with the current embeddings, without their graph.

        Raises:
            ValueError: if the layer is not called once, on two `Constant` layers, in a
                functional model.
        """
        sources = [producer(tensor) for tensor in self.input]
        if not all(isinstance(source, Constant) for source in sources):
            raise ValueError(
                "`LabelGroupEmbedding` must be called on two `Constant` layers to be "
                f"exported; got {[type(source).__name__ for source in sources]}."
            )
        embeddings = self(*(source.value for source in sources))
        layer = Constant(embeddings.shape, name=self.name, dtype=self.dtype_policy)
        layer.assign(embeddings)
        return layer

    def get_config(self):
        return {
            **super().get_config(),
            "embedding_size": self.embedding_size,
            "num_groups": self.num_groups,
            "semantics": self.semantics,
            "graph_units": self.graph_units,
            "label_units": self.label_units,
            "relu_before_groups": self.relu_before_groups,
            "group_loss": self.group_loss,
            "group_loss_weight": self.group_loss_weight,
            "link_loss_weight": self.link_loss_weight,
            "entropy_loss_weight": self.entropy_loss_weight,
        }
