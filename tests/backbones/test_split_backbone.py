import keras
import numpy as np
import pytest

from kmlic.backbones import build_backbone, split_backbone

IMAGES = np.random.default_rng(0).uniform(0, 255, (2, 64, 64, 3)).astype("float32")


@pytest.mark.parametrize(
    ("name", "at", "above"),
    [
        ("small_resnet", "layer2.0.act3", 2),
        ("small_resnet", "bn1", 4),
        ("mobilenet_v2", "block_12_add", 2),
    ],
)
def test_both_parts_together_are_the_backbone(name, at, above):
    keras.utils.set_random_seed(0)
    backbone = build_backbone(name, image_size=64)
    lower, upper = split_backbone(backbone, at)
    found = keras.tree.flatten(upper(lower(IMAGES)))
    assert len(found) == above
    for one, other in zip(found, backbone(IMAGES)[-above:], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_a_backbone_of_one_map_of_a_model_inside_keeps_that_map_only():
    whole = build_backbone("mobilenet_v2", image_size=64)
    backbone = keras.Model(whole.input, whole.outputs[-1])
    lower, upper = split_backbone(backbone, "block_12_add")
    (found,) = keras.tree.flatten(upper(lower(IMAGES)))
    np.testing.assert_allclose(found, backbone(IMAGES), rtol=1e-4, atol=1e-5)


def test_the_parts_share_every_weight_with_the_backbone():
    backbone = build_backbone("small_resnet", image_size=64)
    lower, upper = split_backbone(backbone, "layer2.0.act3")
    own = {id(weight) for weight in backbone.weights}
    apart = [{id(weight) for weight in part.weights} for part in (lower, upper)]
    assert apart[0] | apart[1] == own and not apart[0] & apart[1]
    lower.trainable = False
    assert len(upper.trainable_weights) == len(backbone.trainable_weights)


def test_says_which_layer_cannot_be_the_cut():
    backbone = build_backbone("small_resnet", image_size=64)
    with pytest.raises(ValueError, match=r"at='block_9'. Its last ones are .*act3"):
        split_backbone(backbone, "block_9")
    with pytest.raises(ValueError, match="which a connection bypasses"):
        split_backbone(backbone, "layer2.0.conv1")
    with pytest.raises(ValueError, match="with no map above it"):
        split_backbone(backbone, "layer4.0.act3")
