import keras
import pytest

from kmlic.backbones import build_backbone, resolve_backbone


def test_builds_what_has_a_name():
    assert resolve_backbone("small_resnet", image_size=64).name == "small_resnet"


def test_gives_a_model_of_ones_own_back():
    own = build_backbone("small_resnet", image_size=64)
    assert resolve_backbone(own, image_size=64) is own


def test_refuses_weights_for_a_model_that_has_its_own():
    own = build_backbone("small_resnet")
    with pytest.raises(ValueError, match="weights='imagenet'"):
        resolve_backbone(own, weights="imagenet")


def test_refuses_images_of_another_size():
    own = build_backbone("small_resnet", image_size=64)
    with pytest.raises(ValueError, match="image_size=96"):
        resolve_backbone(own, image_size=96)


def test_refuses_feature_maps_in_the_wrong_order():
    own = build_backbone("small_resnet", image_size=64)
    turned = keras.Model(own.input, own.outputs[::-1], name="turned")
    with pytest.raises(ValueError, match=r"finest first.*'turned'"):
        resolve_backbone(turned)


def test_refuses_a_classifier():
    classifier = build_backbone("small_resnet", image_size=64, include_top=True)
    with pytest.raises(ValueError, match=r"\(None, 1000\)"):
        resolve_backbone(classifier)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_takes_a_backbone_of_keras_cv():
    keras_cv = pytest.importorskip("keras_cv")
    resnet = keras_cv.models.ResNetBackbone(
        stackwise_filters=[64, 16, 24, 32],
        stackwise_blocks=[1, 1, 1, 1],
        stackwise_strides=[1, 2, 2, 2],
        include_rescaling=False,
        block_type="basic_block",
    )
    levels = resnet.pyramid_level_inputs.values()
    pyramid = keras.Model(
        resnet.input, [resnet.get_layer(level).output for level in levels]
    )
    assert resolve_backbone(resnet) is resnet  # one feature map
    channels = [x.shape[-1] for x in resolve_backbone(pyramid).outputs]
    assert channels[-4:] == [64, 16, 24, 32]


def build_own(*first):
    images = keras.Input((64, 64, 3))
    x = images
    for layer in first:
        x = layer(x)
    return keras.Model(images, x, name="own")


def test_warns_of_a_model_that_does_not_normalise():
    layers = keras.layers
    convolve = layers.Conv2D(4, 3)
    with pytest.warns(UserWarning, match="'own' does not normalise"):
        resolve_backbone(build_own(layers.ZeroPadding2D(), convolve))
    nested = build_own(build_own(layers.Conv2D(4, 3)))
    with pytest.warns(UserWarning, match="does not normalise"):
        resolve_backbone(nested)
    for first in (layers.Rescaling(1 / 255), layers.BatchNormalization()):
        resolve_backbone(build_own(first, layers.Conv2D(4, 3)))
    resolve_backbone(build_own(build_own(layers.Rescaling(1 / 255)), convolve))
