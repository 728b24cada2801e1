import keras
import numpy as np
import pytest

from kmlic.backbones import split_backbone
from kmlic.experiments import backbone_multipliers, part_above_backbone
from tests.models.papers import MODELS

IMAGES = np.random.default_rng(0).uniform(0, 255, (2, 64, 64, 3)).astype("float32")
HEADS = (
    "classifier",
    "csra",
    "decouplenet",
    "ml_decoder, words",
    "msrn",
    "query2label",
)


@pytest.mark.parametrize("name", HEADS)
def test_the_part_continues_where_the_backbone_ends(name):
    model = MODELS[name].build()
    backbone = model.get_layer("small_resnet")
    part = part_above_backbone(model, backbone)
    found = part(backbone(IMAGES))
    np.testing.assert_allclose(found, model(IMAGES), rtol=1e-4, atol=1e-5)
    assert len(part.trainable_weights) + len(backbone.trainable_weights) == len(
        model.trainable_weights
    )


def test_says_that_the_backbone_is_in_no_other_model():
    model = MODELS["classifier"].build()
    other = keras.Sequential([keras.Input((64, 64, 3))], name="other")
    with pytest.raises(ValueError, match="a layer of 'classifier'; got 'other'"):
        part_above_backbone(model, other)


@pytest.mark.parametrize("name", HEADS)
def test_the_part_can_begin_inside_the_backbone(name):
    model = MODELS[name].build()
    backbone = model.get_layer("small_resnet")
    lower, upper = split_backbone(backbone, "maxpool")  # below the finest map
    part = part_above_backbone(model, backbone, "maxpool")
    np.testing.assert_allclose(part(lower(IMAGES)), model(IMAGES), rtol=1e-4, atol=1e-5)
    assert {id(weight) for weight in upper.trainable_weights} < {
        id(weight) for weight in part.trainable_weights
    }
    assert set(backbone_multipliers(part, 0.1)) == {
        weight.path for weight in upper.trainable_weights
    }
