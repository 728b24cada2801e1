"""Heads that are compared with modules of PyTorch: layers, and models of several."""

import keras

from kmlic import layers
from kmlic.layers.torch_uniform import torch_uniform


def build_head(name, shape, num_labels, **options):
    """Builds a head on features (B, H, W, C) with the same weights each time.

    Args:
        name: of a layer of kmlic.layers, "wildcat", "decouplenet" or "msrn".
        shape: of the features.
        num_labels: number of labels.
        **options: of the layer or model.
    """
    keras.utils.set_random_seed(0)
    if name in MODELS:
        features = keras.Input(shape[1:])
        return keras.Model(features, MODELS[name](features, num_labels, **options))
    layer = getattr(layers, name)(num_labels, **options)
    layer.build(shape)
    return layer


def _wildcat(features, num_labels):
    maps = keras.layers.Conv2D(num_labels, 1, name="maps")(features)
    return layers.WildcatPooling()(maps)


def _decouplenet(features, num_labels):
    largest, maps = layers.CategorySpaceToDepth(
        num_labels, return_maps=True, name="space_to_depth"
    )(features)
    attend = layers.CategoryAttention(num_labels, pool_maps="avg", name="attention")
    return layers.WildcatPooling()(largest + attend(maps) * largest)


def _msrn(features, num_labels, num_groups=4, embedding_size=512, hidden_units=2048):
    """Its last stage on embeddings that are learned, not computed from a graph."""
    x = keras.layers.MaxPooling2D(2)(features)
    x = keras.layers.Conv2D(embedding_size, 1, name="project")(x)
    shape = (num_labels + num_groups, embedding_size)
    embeddings = layers.Constant(shape, learned=True, name="embeddings")
    embeddings.assign(keras.random.normal(shape, seed=0))
    x = layers.SemanticGuidedAttention()(x, embeddings(features))
    x = keras.layers.Flatten()(keras.ops.tanh(x))
    x = keras.layers.Dense(
        hidden_units, kernel_initializer=torch_uniform(), name="hidden"
    )(x)
    x = keras.layers.LeakyReLU(0.2)(x)
    return keras.layers.Dense(num_labels, name="logits")(x)


MODELS = {"wildcat": _wildcat, "decouplenet": _decouplenet, "msrn": _msrn}
