import keras
import numpy as np
import pytest

from kmlic.labels import Labels
from kmlic.predict import Scorer
from tests.predict.toys import LABELS, colour_model

RANDOM = np.random.default_rng(0)


def test_gives_the_probabilities_of_a_model():
    images = RANDOM.uniform(0, 255, (3, 8, 8, 3)).astype("float32")
    scorer = Scorer.of_model(colour_model(), LABELS)
    means = images.mean(axis=(1, 2))
    expected = 1 / (1 + np.exp(3 - means * 6 / 255))
    np.testing.assert_allclose(scorer.score(images), expected, rtol=1e-5)
    assert (scorer.image_size, scorer.labels) == (8, LABELS)


def test_fills_batches_up_and_drops_the_copies():
    asked = []

    def function(images):
        asked.append(images.shape[0])
        return images[:, 0, 0]

    scorer = Scorer(LABELS, 8, function)
    images = list(RANDOM.uniform(0, 1, (2, 8, 8, 3)).astype("float32"))
    np.testing.assert_array_equal(
        scorer.score(images, rows=5), np.stack(images)[:, 0, 0]
    )
    assert scorer.score([], rows=5).shape == (0, 3)
    assert asked == [5]


def test_scores_a_dataset_in_order_with_one_size_of_batch():
    asked = []

    def function(images):
        asked.append(len(images))
        return images[:, 0, 0]

    images = RANDOM.uniform(0, 1, (7, 8, 8, 3)).astype("float32")
    targets = RANDOM.integers(-1, 2, (7, 3))
    batches = [(images[i : i + 3], targets[i : i + 3]) for i in range(0, 7, 3)]
    given, scores = Scorer(LABELS, 8, function).score_dataset(batches)
    np.testing.assert_array_equal(given, targets)
    np.testing.assert_array_equal(scores, images[:, 0, 0])
    assert asked == [3, 3, 3]
    with pytest.raises(ValueError, match="at least one batch"):
        Scorer(LABELS, 8, function).score_dataset([])


def test_asks_for_the_image_size_of_a_model_that_takes_any():
    images = keras.Input((None, None, 3))
    model = keras.Model(images, keras.layers.GlobalAveragePooling2D()(images))
    with pytest.raises(ValueError, match="image size"):
        Scorer.of_model(model, Labels(LABELS.names))
    assert Scorer.of_model(model, LABELS).image_size == 8


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_scores_that_are_not_finite_are_refused(value):
    scorer = Scorer(LABELS, 8, lambda images: np.full((len(images), 3), value))
    with pytest.raises(ValueError, match=f"finite numbers; got {value}"):
        scorer.score(np.zeros((2, 8, 8, 3)))
