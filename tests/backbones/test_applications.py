import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from kmlic.backbones import applications, build_backbone
from kmlic.backbones.applications import APPLICATIONS, _normalise

IMAGES = np.random.default_rng(0).uniform(0, 255, (2, 8, 8, 3)).astype("float32")
NAMED_BY_COUNTERS = {
    "InceptionResNetV2",
    "InceptionV3",
    "MobileNetV3Large",
    "MobileNetV3Small",
    "NASNetLarge",
    "NASNetMobile",
    "ResNet50",  # ours
    "ResNet101",  # ours
}


@pytest.mark.parametrize(
    ("pixels", "module"),
    [
        ("-1 to 1", keras.applications.mobilenet_v2),
        ("caffe", keras.applications.vgg16),
        ("imagenet", keras.applications.densenet),
        ("0 to 255", keras.applications.efficientnet),
    ],
)
def test_preprocesses_as_keras_does(pixels, module):
    expected = module.preprocess_input(IMAGES.copy())
    np.testing.assert_allclose(_normalise(IMAGES, pixels), expected, atol=1e-4)


@pytest.mark.parametrize("pixels", ["-1 to 1", "caffe", "imagenet"])
def test_leaves_channels_after_rgb_as_they_are(pixels):
    extra = IMAGES[..., :2] / 7
    outputs = _normalise(np.concatenate([IMAGES, extra], axis=-1), pixels)
    expected = _normalise(IMAGES, pixels)
    np.testing.assert_allclose(outputs[..., :3], expected, rtol=1e-6)
    np.testing.assert_allclose(outputs[..., 3:], extra, rtol=1e-6)


def test_wraps_every_model_whose_layers_have_names():
    builders = {name for name in dir(keras.applications) if name[0].isupper()}
    wrapped = {application.builder for application in APPLICATIONS.values()}
    assert builders - wrapped == NAMED_BY_COUNTERS


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name == "mobilenet" else pytest.mark.slow)
        for name in APPLICATIONS
    ],
)
def test_gives_feature_maps_at_strides_4_to_32(name):
    keras.backend.clear_session()
    backbone = build_backbone(name, image_size=224)
    sides = [shape[1] for shape in backbone.output_shape]
    expected = [55, 28, 14, 7] if name == "xception" else [56, 28, 14, 7]
    assert sides == expected


def test_says_which_flag_does_without_a_network(monkeypatch, tmp_path):
    def refuse(url, remedy):
        raise ConnectionError(f"{url} cannot be reached. {remedy}")

    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(applications, "require_reachable", refuse)
    with pytest.raises(ConnectionError, match=r"cannot be reached.*--weights FILE"):
        build_backbone("mobilenet_v2", weights="imagenet", image_size=64)


def test_says_so_too_when_the_download_ends_early(monkeypatch, tmp_path):
    def fail(**options):
        raise Exception("URL fetch failure on https://x: None -- reset")

    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "models").mkdir()
    (tmp_path / "models/mobilenet_v2_weights.h5").touch()  # cached: nobody is asked
    monkeypatch.setattr(keras.applications, "MobileNetV2", fail)
    with pytest.raises(ConnectionError, match=r"URL fetch failure.*--weights FILE"):
        build_backbone("mobilenet_v2", weights="imagenet", image_size=64)


@pytest.mark.parametrize("name", ["mobilenet_v2", "densenet121"])
def test_normalizes_batches_in_one_operator_with_the_same_weights(name, tmp_path):
    application = APPLICATIONS[name]
    build = getattr(keras.applications, application.builder)
    plain = build(weights=None, include_top=False, input_shape=(64, 64, 3))
    random = np.random.default_rng(0)
    scales = [0.001 if x.ndim == 4 else 1.0 for x in plain.get_weights()]
    plain.set_weights(
        [
            scale * random.uniform(0.1, 0.5, x.shape)
            for scale, x in zip(scales, plain.get_weights(), strict=True)
        ]
    )
    plain.save_weights(tmp_path / "plain.weights.h5")
    model = build_backbone(name, weights=tmp_path / "plain.weights.h5", image_size=64)
    images = random.uniform(0, 255, (2, 64, 64, 3)).astype("float32")
    outputs = [plain.get_layer(layer).output for layer in application.feature_layers]
    expected = keras.Model(plain.input, outputs)(model.layers[1](images))
    for given, wanted in zip(model(images), expected, strict=True):
        np.testing.assert_allclose(given, wanted, rtol=1e-3, atol=1e-6)
    graph = tf.function(lambda x: model(x, training=True)).get_concrete_function(images)
    found = [operation.type for operation in graph.graph.get_operations()]
    norms = [x for x in plain.layers if isinstance(x, layers.BatchNormalization)]
    assert found.count("FusedBatchNormV3") == len(norms) > 0
    assert "SquaredDifference" not in found
