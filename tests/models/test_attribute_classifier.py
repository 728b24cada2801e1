import keras
import numpy as np
import pytest

from kmlic.models import build_attribute_classifier
from tests.checks import check_tflite

GROUPS = {"sleeve": ("long", "short", "none"), "neck/line": ("v", "crew")}
IMAGES = np.random.default_rng(0).uniform(0, 255, (2, 64, 64, 3)).astype("float32")


def _build(groups=GROUPS, **options):
    keras.utils.set_random_seed(0)
    options = {"backbone": "small_resnet", "image_size": 64} | options
    return build_attribute_classifier(groups, **options)


@pytest.mark.parametrize("pooling", ["avg", "attention"])
def test_exports_to_litert(pooling):
    check_tflite(_build(feature="pooled", pooling=pooling, maps=2), IMAGES)


def test_the_feature_is_the_output_layer_or_the_pooled_maps():
    paths = {w.path: w.shape for w in _build().weights}
    assert paths["head_sleeve/kernel"] == (1000, 3)
    paths = {w.path: w.shape for w in _build(feature="pooled").weights}
    assert paths["head_sleeve/kernel"] == (256, 3)
    paths = {
        w.path: w.shape for w in _build(feature="pooled", pooling="attention").weights
    }
    assert paths["head_sleeve/kernel"] == (256, 3)
    assert paths["attention_pool/place"] == (4, 2)
    joined = _build(feature="pooled", maps=2, pooling="avg+max")
    shapes = {w.path: w.shape for w in joined.weights}
    assert shapes["head_neck_line/kernel"] == (2 * (128 + 256), 2)


def test_outputs_are_named_by_group_or_joined_in_their_order():
    apart, joined = _build(joined=False), _build()
    for layer in apart.layers:
        layer.set_weights(joined.get_layer(layer.name).get_weights())
    outputs = apart(IMAGES)
    assert set(outputs) == set(GROUPS)
    np.testing.assert_allclose(
        np.concatenate([outputs[group] for group in GROUPS], axis=1), joined(IMAGES)
    )


def test_hidden_layers_stand_between_feature_and_heads():
    model = _build(feature="pooled", hidden_units=(16, 8))
    assert model.get_layer("hidden_1").units == 16
    assert model.get_layer("head_sleeve").kernel.shape == (8, 3)


def test_takes_a_backbone_of_feature_maps_with_inputs_of_its_own():
    inputs = keras.Input((8, 8, 12))
    backbone = keras.Model(inputs, keras.layers.Conv2D(4, 3)(inputs))
    model = _build(backbone=backbone, feature="pooled", image_size=None)
    assert model.input_shape == (None, 8, 8, 12) and model.output_shape == (None, 5)


def test_learned_weights_stand_behind_the_logits():
    model = _build(learned_weights=True)
    assert model.get_layer("uncertainty").log_variances.shape == (2,)
    plain = _build()
    np.testing.assert_array_equal(model(IMAGES), plain(IMAGES))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"groups": {}}, "at least one group"),
        ({"groups": {"fit": ("tight",)}}, r"\('tight',\) in group 'fit'"),
        ({"groups": {"fit": ("a", "b"), "cut": ("b", "c")}}, r"\['b'\] twice"),
        ({"feature": "logits"}, "feature='logits'"),
        ({"pooling": "max"}, "pooling='max'"),
        ({"feature": "pooled", "maps": 5}, "at most 4; got maps=5"),
        ({"joined": False, "learned_weights": True}, "joined"),
    ],
)
def test_says_what_does_not_fit(arguments, message):
    with pytest.raises(ValueError, match=message):
        _build(**arguments)


def test_says_that_feature_maps_are_no_output_layer():
    inputs = keras.Input((64, 64, 3))
    maps = keras.layers.Conv2D(4, 3)(keras.layers.Rescaling(1 / 255)(inputs))
    backbone = keras.Model(inputs, maps, name="maps")
    with pytest.raises(ValueError, match=r"'maps' with outputs .*62, 62, 4"):
        _build(backbone=backbone)
