import keras
import numpy as np
import pytest
from PIL import Image

from kmlic.predict import ImageTextModel, predict_paths
from kmlic.predict.image_text_model import NEUTRAL, TEMPLATES
from tests.backbones.keras_hub_models import SIDE, build_hub_backbone
from tests.predict.image_text_models import build_image_text_model

NAMES = ("tiger", "harbour")
FAMILIES = ("siglip", "clip")
RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.normal(size=(3, SIDE, SIDE, 3)).astype("float32")


@pytest.fixture(scope="module", params=FAMILIES)
def built(request):
    return request.param, *build_image_text_model(request.param)


def sigmoid(logits):
    return 1 / (1 + np.exp(-logits))


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def embed(model, preprocessor, texts):
    blank = np.zeros((len(texts), SIDE, SIDE, 3), "float32")
    tokens = preprocessor({"prompts": list(texts), "images": blank})["token_ids"]
    return unit(unit(np.asarray(model.get_text_embeddings(tokens))).mean(axis=0))


def test_a_label_is_the_mean_of_its_texts(built):
    _, model, preprocessor = built
    found = ImageTextModel(model, preprocessor, NAMES).texts
    for row, name in zip(found, NAMES, strict=True):
        texts = [template.format(name) for template in TEMPLATES]
        np.testing.assert_allclose(row, embed(model, preprocessor, texts), atol=1e-6)
    assert np.abs(found[0] - found[1]).max() > 1e-3


def test_one_template_gives_the_logits_of_keras_hub(built):
    family, model, preprocessor = built
    texts = [f"a photo of a {name}." for name in NAMES]
    own = ImageTextModel(model, preprocessor, NAMES, templates=("a photo of a {}.",))
    blank = np.zeros((len(texts), SIDE, SIDE, 3), "float32")
    tokens = preprocessor({"prompts": texts, "images": blank})["token_ids"]
    images = keras.ops.convert_to_tensor(IMAGES)
    logits = np.asarray(model({"images": images, "token_ids": tokens})["vision_logits"])
    if family == "clip":
        neutral = embed(model, preprocessor, NEUTRAL)
        embeddings = unit(np.asarray(model.get_vision_embeddings(images)))
        logits = logits - np.exp(1.5) * (embeddings @ neutral)[:, None]
    found = own.score(IMAGES)
    np.testing.assert_allclose(found, sigmoid(logits), rtol=1e-4, atol=1e-6)
    assert found.dtype == np.float32 and found.shape == (3, 2)


def test_files_are_resized_as_the_preset_says(built, tmp_path):
    _, model, preprocessor = built
    pixels = RANDOM.integers(0, 256, (90, 130, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "one.png")
    own = ImageTextModel(model, preprocessor, NAMES)
    (row,) = predict_paths(own.scorer(), [tmp_path], top_k=2)
    converted = preprocessor.image_converter(pixels[None].astype("float32"))
    np.testing.assert_allclose(
        row.probabilities, own.score(np.asarray(converted))[0], rtol=1e-5
    )
    assert set(row.labels) == set(NAMES)


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_leaves_the_preprocessor_alone_and_large_scores_finite(built):
    _, model, preprocessor = built
    preprocessor.image_converter.image_size = (20, 30)
    try:
        own = ImageTextModel(model, preprocessor, NAMES)
        assert tuple(preprocessor.image_converter.image_size) == (20, 30)
    finally:
        preprocessor.image_converter.image_size = (SIDE, SIDE)
    assert own.convert(np.zeros((9, 8, 3), "uint8"), SIDE).shape == (SIDE, SIDE, 3)
    own._scale, own._bias = 1.0, -1000.0
    np.testing.assert_array_equal(own.score(IMAGES), np.zeros((3, 2)))


def test_refuses_what_it_cannot_score(built):
    _, model, preprocessor = built
    with pytest.raises(ValueError, match=r"SigLIP and CLIP; got a ResNetBackbone"):
        ImageTextModel(build_hub_backbone("resnet"), preprocessor, NAMES)
    with pytest.raises(ValueError, match=r"`templates` must .* got \('a photo',\)"):
        ImageTextModel(model, preprocessor, NAMES, templates=("a photo",))
    without = type(preprocessor)(preprocessor.tokenizer)
    with pytest.raises(ValueError, match="its image_converter is None"):
        ImageTextModel(model, without, NAMES)
    with pytest.raises(ValueError, match="tiger"):
        ImageTextModel(model, preprocessor, ("tiger", "tiger"))
