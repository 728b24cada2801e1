import keras
import numpy as np

from kmlic.backbones import build_backbone
from kmlic.backbones.plain_network import PlainNetwork
from tests.checks import check_model

IMAGES = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3)).astype("float32")


def test_keeps_the_model_contract():
    keras.utils.set_random_seed(0)
    model = PlainNetwork((4, 6)).build(
        "plain", image_size=32, include_top=True, num_classes=5
    )
    check_model(model, IMAGES, num_labels=5, promises=())


def test_small_cnn_gives_four_feature_maps():
    backbone = build_backbone("small_cnn", image_size=64)
    shapes = [shape[1:] for shape in backbone.output_shape]
    assert shapes == [(32, 32, 64), (16, 16, 128), (8, 8, 256), (4, 4, 512)]
    # 4 convolutions and batch norms; with 200 classes it is the 1.66 M of the figures.
    assert backbone.count_params() == 1_550_016 + 4 * 960


def test_is_the_network_its_docstring_says():
    keras.utils.set_random_seed(0)
    network = PlainNetwork((4,)).build("plain", image_size=32)
    normalised = (IMAGES / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    x = keras.ops.conv(
        normalised.astype("float32"), network.get_layer("conv1").kernel, padding="same"
    )
    x = np.maximum(np.asarray(x) / np.sqrt(1 + 1e-5), 0)
    expected = x.reshape(2, 16, 2, 16, 2, 4).max(axis=(2, 4))
    np.testing.assert_allclose(
        keras.tree.flatten(network(IMAGES))[0], expected, atol=1e-4
    )


def test_takes_more_channels():
    network = PlainNetwork((4,)).build("plain", channels=5)
    noise = np.zeros((2, 32, 32, 2), "float32")
    feature_maps = network(np.concatenate([IMAGES, noise], axis=-1))
    assert keras.tree.flatten(feature_maps)[0].shape == (2, 16, 16, 4)
