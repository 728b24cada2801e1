import keras
import numpy as np
import pytest

from kmlic.embedding_index import conse
from kmlic.labels import Labels
from kmlic.models import build_devise, score_labels
from kmlic.predict import OpenVocabulary, predict_paths
from tests.predict.toys import LABELS, colour_model, write_image

WORDS = {
    "red": np.array([1.0, 0, 0]),
    "green": np.array([0, 1.0, 0]),
    "orange": np.array([1.0, 0.5, 0]),
    "teal": np.array([0, 0.5, 1.0]),
}
RANDOM = np.random.default_rng(0)


def cosine(first, second):
    return first @ second / np.linalg.norm(first) / np.linalg.norm(second)


def test_a_classifier_scores_new_labels_through_its_own():
    # Blue has no vector: it is left out.
    vocabulary = OpenVocabulary(colour_model(), LABELS, ["orange", "teal"], WORDS)
    logits = RANDOM.normal(size=(4, 3)).astype("float32")
    chances = 1 / (1 + np.exp(-logits[:, :2]))
    embeddings = conse(chances, np.eye(2, 3))
    for scores, embedding in zip(vocabulary.score(logits), embeddings, strict=True):
        expected = [cosine(embedding, WORDS[name]) for name in ("orange", "teal")]
        np.testing.assert_allclose(scores, expected, atol=1e-6)


def test_an_exclusive_classifier_does_so_by_its_softmax():
    labels = Labels(("red", "green"), groups={"hue": ("red", "green")}, exclusive=True)
    image = keras.Input((8, 8, 3))
    logits = keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(image))
    vocabulary = OpenVocabulary(keras.Model(image, logits), labels, ["orange"], WORDS)
    scores = vocabulary.score(np.array([[3.0, 3.0], [50.0, -50.0]]))
    expected = [cosine(np.array(x), WORDS["orange"]) for x in ([1, 1, 0], [1, 0, 0])]
    np.testing.assert_allclose(scores[:, 0], expected, atol=1e-6)


def test_a_model_with_an_embedding_is_asked_for_it():
    keras.utils.set_random_seed(0)
    embedder = build_devise(3, image_size=32)
    model = score_labels(embedder, np.eye(2, 3))
    labels = Labels(("red", "green"), image_size=32)
    vocabulary = OpenVocabulary(model, labels, ["teal", "orange"], WORDS)
    images = RANDOM.uniform(0, 255, (2, 32, 32, 3)).astype("float32")
    embeddings = np.asarray(embedder(images))
    scores = vocabulary.score(vocabulary.model.predict_on_batch(images))
    for own, embedding in zip(scores, embeddings, strict=True):
        expected = [cosine(embedding, WORDS[name]) for name in ("teal", "orange")]
        np.testing.assert_allclose(own, expected, atol=1e-5)
    with pytest.raises(ValueError, match="of size 3; got size 2"):
        OpenVocabulary(model, labels, ["a"], {"a": np.ones(2)})


def test_scores_files_like_any_model(tmp_path):
    write_image(tmp_path / "orange.png", (255, 127, 0))
    write_image(tmp_path / "teal.png", (0, 255, 255))
    (tmp_path / "broken.png").write_bytes(b"")
    words = {**WORDS, "blue": np.array([0, 0, 1.0])}
    vocabulary = OpenVocabulary(colour_model(), LABELS, ["teal", "orange"], words)
    rows = list(predict_paths(vocabulary.scorer(), [tmp_path], top_k=2))
    assert rows[0].error
    assert rows[1].labels == ("orange", "teal") and rows[2].labels == ("teal", "orange")
    assert rows[1].probabilities.shape == (2,) and rows[1].probabilities[1] > 0.8


def test_names_labels_without_a_vector():
    with pytest.raises(ValueError, match="1 of 2 have none: unicorn"):
        OpenVocabulary(colour_model(), LABELS, ["teal", "unicorn"], WORDS)
    words = {"teal": np.ones(3)}
    with pytest.raises(ValueError, match="3 of 3 have none: red, green, blue"):
        OpenVocabulary(colour_model(), LABELS, ["teal"], words)
