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
        ValueError, match=r"`text_model` must .*; got hf://x: no hf://x$"
    ):
        load_preset("hf://x", fail, argument="text_model")
    rule = r"`text_model` must be .* there is none called nope\. .* lists them\.$"
    with pytest.raises(ValueError, match=rule):
        load_preset("keras_hub:nope", fail, argument="text_model")
    with pytest.raises(ValueError, match="`backbone` must begin with keras_hub:"):
        load_preset("x", fail, argument="backbone")
