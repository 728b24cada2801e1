import keras
import numpy as np
import pytest

from kmlic.backbones import build_backbone
from kmlic.backbones.build_backbone import NETWORKS
from tests.backbones.exports import check_exports
from tests.backbones.test_residual_network import randomise
from tests.shared import shared_path

MOBILENET = "data/weights/mobilenet_v2_imagenet_notop.weights.h5"
IMAGES = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype="uint8")


@pytest.mark.parametrize(
    "name", ["small_resnet", "small_resnest", "resnet18", "mobilenet_v2"]
)
def test_gives_feature_maps_at_strides_4_to_32(name):
    backbone = build_backbone(name, image_size=64)

    feature_maps = backbone(IMAGES)

    assert backbone.input.name == "images"
    assert [tuple(x.shape[1:3]) for x in feature_maps] == [
        (16, 16),
        (8, 8),
        (4, 4),
        (2, 2),
    ]


def test_takes_images_of_any_size():
    backbone = build_backbone("small_resnet")

    feature_maps = backbone(IMAGES[:, :57, :43])

    assert [tuple(x.shape[1:3]) for x in feature_maps] == [
        (15, 11),
        (8, 6),
        (4, 3),
        (2, 2),
    ]


@pytest.mark.parametrize("name", ["small_resnet", "mobilenet_v2"])
def test_ends_in_a_classifier_on_request(name):
    logits = build_backbone(name, image_size=64, include_top=True, num_classes=7)(
        IMAGES
    )
    assert tuple(logits.shape) == (2, 7)


def test_loads_all_real_weights():
    backbone = build_backbone(
        "mobilenet_v2", image_size=64, weights=shared_path(MOBILENET)
    )
    reference = keras.applications.MobileNetV2(
        weights=None, include_top=False, input_shape=(64, 64, 3)
    )
    reference.load_weights(shared_path(MOBILENET))

    expected = reference(IMAGES / np.float32(127.5) - 1)

    np.testing.assert_allclose(
        backbone(IMAGES)[-1], expected, atol=1e-4 * np.max(expected)
    )


def test_says_which_names_there_are():
    with pytest.raises(
        ValueError, match=r"resnet50.*mobilenet_v2.*backbone='resnet51'"
    ):
        build_backbone("resnet51")


@pytest.mark.parametrize(
    ("backbone", "least"), [("small_cnn", 16), ("vgg16", 32), ("xception", 71)]
)
def test_says_which_images_are_too_small(backbone, least):
    with pytest.raises(
        ValueError, match=f"at least {least}; got image_size={least - 1}"
    ):
        build_backbone(backbone, image_size=least - 1)
    assert build_backbone(backbone, image_size=least).output_shape


def test_says_that_rgb_comes_first():
    with pytest.raises(ValueError, match="channels=1"):
        build_backbone("resnet18", channels=1)


@pytest.mark.parametrize("extra_channels", ["zeros", "mean"])
def test_starts_as_the_pretrained_network_with_more_channels(extra_channels, tmp_path):
    rgb = build_backbone("small_resnet", image_size=64)
    rgb.save_weights(tmp_path / "rgb.weights.h5")

    wider = build_backbone(
        "small_resnet",
        image_size=64,
        channels=5,
        weights=tmp_path / "rgb.weights.h5",
        extra_channels=extra_channels,
    )

    kernel = rgb.get_layer("conv1").kernel.numpy()
    kernels = wider.get_layer("conv1").kernel.numpy()
    extra = np.zeros(1) if extra_channels == "zeros" else kernel.mean(axis=2)
    np.testing.assert_array_equal(kernels[:, :, :3], kernel)
    for index in (3, 4):
        np.testing.assert_allclose(kernels[:, :, index] - extra, 0, atol=1e-7)
    if extra_channels == "zeros":
        noise = np.random.default_rng(1).normal(size=(2, 64, 64, 2))
        np.testing.assert_allclose(
            wider(np.concatenate([IMAGES, noise], axis=-1))[-1],
            rgb(IMAGES)[-1],
            rtol=1e-4,
            atol=1e-5,
        )


def test_applications_take_more_channels_too(tmp_path):
    weights = shared_path(MOBILENET)
    rgb = build_backbone("mobilenet_v2", image_size=64, weights=weights)
    wider = build_backbone("mobilenet_v2", image_size=64, channels=4, weights=weights)
    noise = np.random.default_rng(1).normal(size=(2, 64, 64, 1))

    expected = rgb(IMAGES)[-1]

    np.testing.assert_allclose(
        wider(np.concatenate([IMAGES, noise], axis=-1))[-1],
        expected,
        atol=1e-4 * np.max(expected),
    )


def test_says_which_applications_take_rgb_alone():
    with pytest.raises(ValueError, match=r"'convnext_tiny'.*channels=4"):
        build_backbone("convnext_tiny", channels=4)


def test_says_how_extra_channels_may_start():
    with pytest.raises(ValueError, match="extra_channels='copy'"):
        build_backbone("resnet18", channels=4, extra_channels="copy")


@pytest.mark.slow
@pytest.mark.parametrize("name", [*NETWORKS, "mobilenet_v2"])
def test_exports_at_full_size(name, tmp_path, record_property):
    model = build_backbone(name, image_size=64, include_top=True)
    if name in NETWORKS:
        randomise(model)
    images = IMAGES[:1].astype("float32")
    errors = check_exports(model, images, tmp_path)
    record_property("largest difference of SavedModel and LiteRT", errors)
