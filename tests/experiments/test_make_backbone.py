import keras

from kmlic.experiments import TrainingSettings, make_backbone
from kmlic.layers.keras_internals import flatten_layers

SMALL = TrainingSettings(image_size=64)


def test_ends_in_the_stage_of_choice():
    backbone = make_backbone(SMALL, stage=3)
    assert backbone.name == "small_resnet"
    assert backbone.output_shape == (None, 4, 4, 128)
    assert len(make_backbone(SMALL).outputs) == 4


def test_ends_in_the_last_layer_of_choice():
    lower = make_backbone(SMALL, stage=4, until="layer2.0.act3")
    assert lower.output_shape == (None, 8, 8, 64)


def test_another_backbone_and_other_channels():
    settings = TrainingSettings(image_size=64, backbone="small_resnest")
    backbone = make_backbone(settings, channels=4)
    assert backbone.name == "small_resnest"
    assert backbone.input_shape == (None, 64, 64, 4)


def test_freezes_batch_norm_if_the_settings_say_so():
    frozen = TrainingSettings(image_size=64, batch_norm="freeze")
    for settings, expected in ((SMALL, True), (frozen, False)):
        norms = [
            layer
            for layer in flatten_layers(make_backbone(settings))
            if isinstance(layer, keras.layers.BatchNormalization)
        ]
        assert norms and {layer.trainable for layer in norms} == {expected}
