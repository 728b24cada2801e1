"""Tiny models with every trait an export must handle."""

import keras
import numpy as np

from kmlic.labels import Labels

LABELS = Labels(
    ("striped", "dotted", "größe"), thresholds=(0.3, 0.5, 0.6), image_size=16
)


@keras.saving.register_keras_serializable(package="kmlic_tests")
class GraphOffset(keras.layers.Layer):
    """Adds what a small graph computes from its weights, a constant in exports."""

    def build(self, input_shape):
        self.kernel = self.add_weight(
            shape=(input_shape[-1],), initializer="random_normal", name="kernel"
        )

    def call(self, inputs):
        return inputs + keras.ops.cumsum(keras.ops.tanh(self.kernel))

    def export_layer(self):
        offset = np.cumsum(np.tanh(self.kernel))
        return ConstantOffset(offset.tolist(), name="constant_offset")


@keras.saving.register_keras_serializable(package="kmlic_tests")
class ConstantOffset(keras.layers.Layer):
    """Adds a constant."""

    def __init__(self, offset, **kwargs):
        super().__init__(**kwargs)
        self.offset = offset

    def call(self, inputs):
        return inputs + keras.ops.convert_to_tensor(self.offset, inputs.dtype)

    def get_config(self):
        return {**super().get_config(), "offset": self.offset}


@keras.saving.register_keras_serializable(package="kmlic_tests")
class Determinant(keras.layers.Layer):
    """Computes what LiteRT has no operator for."""

    def call(self, inputs):
        determinant = keras.ops.linalg.det(inputs[:, :2, :2, 0])
        return inputs * determinant[:, None, None, None]


def tiny_model(num_labels=3, *, size=16, nested=True, offset=GraphOffset):
    """A convolution inside an inner model, a graph, and logits."""
    keras.utils.set_random_seed(0)
    image = keras.Input((size, size, 3))
    x = keras.layers.Rescaling(1 / 127.5, offset=-1)(image)
    x = keras.layers.Conv2D(8, 3, strides=2, activation="relu")(x)
    x = keras.layers.BatchNormalization()(x)
    if offset is not None:
        x = offset(name="graph_offset")(x)
    inner = keras.Model(image, x, name="inner")
    outer = keras.Input((size, size, 3), name="image") if nested else image
    x = inner(outer) if nested else x
    x = keras.layers.GlobalMaxPooling2D()(x)
    x = keras.layers.Dropout(0.5)(x)
    logits = keras.layers.Dense(num_labels, name="logits")(x)
    return keras.Model(outer, logits, name="tiny")


def maps_model(num_labels=3, *, size=16):
    """A map for each label, behind a layer that has another form for exports."""
    keras.utils.set_random_seed(0)
    image = keras.Input((size, size, 3))
    x = keras.layers.Rescaling(1 / 127.5, offset=-1)(image)
    x = GraphOffset(name="graph_offset")(x)
    x = keras.layers.Conv2D(num_labels, 4, strides=4)(x)
    x = keras.layers.Activation("tanh", name="activation_maps")(x)
    logits = keras.layers.GlobalMaxPooling2D(name="logits")(x)
    return keras.Model(image, logits, name="tiny_maps")


def maps_of(model, images):
    """The maps that an export may give beside the probabilities."""
    layer = model.get_layer("activation_maps")
    return np.array(keras.Model(model.input, layer.output)(images))


def random_images(count=4, size=16, seed=0):
    """Pixels 0-255."""
    generator = np.random.default_rng(seed)
    return generator.uniform(0, 255, (count, size, size, 3)).astype("float32")


def probabilities_of(model, images):
    """What every export must give."""
    return 1 / (1 + np.exp(-np.asarray(model(images, training=False), "float64")))


EXCLUSIVE = Labels(
    ("tight", "loose", "striped", "dotted", "plain"),
    {"fit": ("tight", "loose"), "pattern (print)": ("striped", "dotted", "plain")},
    image_size=16,
    exclusive=True,
)


def group_probabilities_of(model, images):
    """What every export of `EXCLUSIVE` groups must give, by group."""
    logits = np.asarray(model(images, training=False), "float64")
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    parts = {"fit": powers[:, :2], "pattern (print)": powers[:, 2:]}
    return {
        group: part / part.sum(axis=1, keepdims=True) for group, part in parts.items()
    }


def flat_images(count=32, size=16):
    """Images of one colour each, which differ in more than noise."""
    colours = random_images(count, 1)
    return np.ascontiguousarray(np.broadcast_to(colours, (count, size, size, 3)))


def wide_model(num_labels=4, *, size=16, spread=3.0):
    """Many pooled features and, as weights of less than 1,024 are not, quantized ones.

    The logits of each label have a mean of 0 and a standard deviation of `spread`.
    """
    keras.utils.set_random_seed(0)
    image = keras.Input((size, size, 3))
    x = keras.layers.Rescaling(1 / 127.5, offset=-1)(image)
    x = keras.layers.Conv2D(512, 3, strides=2, activation="relu", name="conv")(x)
    x = keras.layers.GlobalMaxPooling2D()(x)
    model = keras.Model(image, keras.layers.Dense(num_labels, name="logits")(x))
    logits = np.array(model(flat_images(size=size)))
    kernel, _ = model.get_layer("logits").get_weights()
    scale = spread / logits.std(axis=0)
    weights = [kernel * scale, -logits.mean(axis=0) * scale]
    model.get_layer("logits").set_weights(weights)
    return model
