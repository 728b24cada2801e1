import keras
import numpy as np
import pytest

from kmlic.explain import activation_maps
from kmlic.models import build_ml_decoder
from tests.models.papers import MODELS

IMAGES = np.random.default_rng(0).uniform(0, 255, (2, 64, 64, 3)).astype("float32")
WORDS = np.random.default_rng(0).normal(size=(5, 12))
SMALL = {
    "backbone": "small_resnet",
    "embedding_size": 16,
    "hidden_units": 32,
    "image_size": 64,
}


def test_explains_itself_by_its_attention():
    maps = activation_maps(MODELS["ml_decoder"].build(), IMAGES)
    np.testing.assert_allclose(maps.sum(axis=(1, 2)), 1, rtol=1e-4)


def test_has_the_codes_number_of_weights():
    # R101 at 448 px on COCO: min(100, 80) queries, the rest of the authors' defaults.
    images = keras.Input((448, 448, 3))
    features = keras.layers.AveragePooling2D(32)(images[..., :1])
    features = features * np.ones(2048, "float32")
    model = build_ml_decoder(80, backbone=keras.Model(images, features, name="stub"))
    project = 2048 * 768 + 768
    attend = 4 * (768 * 768 + 768)
    transform = 768 * 2048 + 2048 + 2048 * 768 + 768
    normalise = 3 * 2 * 768
    score = 80 * 768 + 80
    learned = sum(np.prod(weight.shape) for weight in model.trainable_weights)
    assert learned == project + attend + transform + normalise + score
    assert model.count_params() == learned + 80 * 768


def test_scores_labels_that_it_was_not_trained_on():
    model = build_ml_decoder(5, word_vectors=WORDS, **SMALL)
    others = np.concatenate([WORDS[3:], WORDS[:1], WORDS[:1] + 1])
    wider = build_ml_decoder(4, word_vectors=others, **SMALL)
    for source, target in zip(model.weights, wider.weights, strict=True):
        if source.shape == target.shape:
            target.assign(source)
    logits, found = np.asarray(model(IMAGES)), np.asarray(wider(IMAGES))
    np.testing.assert_allclose(found[:, :3], logits[:, [3, 4, 0]], rtol=1e-4, atol=1e-5)


def test_says_which_words_do_not_fit():
    with pytest.raises(ValueError, match=r"4 finite vectors.*\(5, 12\)"):
        build_ml_decoder(4, word_vectors=WORDS, **SMALL)
    with pytest.raises(ValueError, match="5 finite vectors"):
        build_ml_decoder(5, word_vectors=np.full((5, 12), np.nan), **SMALL)
