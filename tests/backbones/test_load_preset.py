import pytest

from kmlic.backbones.load_preset import load_preset


def test_passes_the_name_that_keras_hub_knows():
    def load(hub, preset):
        return hub.__name__, preset

    name, preset = load_preset("hf://a/b", load, argument="backbone")
    assert (name, preset) == ("keras_hub", "hf://a/b")


def test_names_the_argument_and_what_went_wrong():
    def fail(hub, preset):
        raise FileNotFoundError(f"no {preset}\nand more")

    with pytest.raises(
        ValueError, match=r"`text_model` must be a preset .*; got keras_hub:x: no x$"
    ):
        load_preset("keras_hub:x", fail, argument="text_model")
    with pytest.raises(ValueError, match="`backbone` must begin with keras_hub:"):
        load_preset("x", fail, argument="backbone")
