import numpy as np
import pytest

from kmlic.predict import ImageTextModel, load_image_text_model
from tests.backbones.keras_hub_models import SIDE, build_hub_backbone
from tests.predict.image_text_models import save_image_text_model

IMAGES = np.random.default_rng(0).normal(size=(2, SIDE, SIDE, 3)).astype("float32")


# keras-hub leaves a file of tokens open.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("family", ["siglip", "clip"])
def test_a_preset_scores_as_the_model_that_was_saved(family, tmp_path):
    folder = tmp_path / "preset"
    saved = ImageTextModel(*save_image_text_model(folder, family), ["tiger", "harbour"])
    loaded = load_image_text_model(f"keras_hub:{folder}", ["tiger", "harbour"])
    np.testing.assert_allclose(loaded.score(IMAGES), saved.score(IMAGES), atol=1e-6)
    pixels = np.full((20, 30, 3), 200, np.uint8)
    np.testing.assert_allclose(
        loaded.convert(pixels, SIDE), saved.convert(pixels, SIDE), atol=1e-6
    )


def test_a_wrong_preset_is_one_sentence(tmp_path):
    folder = tmp_path / "resnet"
    build_hub_backbone("resnet").save_to_preset(folder)
    with pytest.raises(
        ValueError, match=r"`text_model` must be .*resnet: .* got a ResNetBackbone"
    ):
        load_image_text_model(f"keras_hub:{folder}", ["tiger"])
    with pytest.raises(ValueError, match="there is none called siglip_7"):
        load_image_text_model("keras_hub:siglip_7", ["tiger"])
    with pytest.raises(ValueError, match="must begin with keras_hub: or hf://"):
        load_image_text_model("clip", ["tiger"])
