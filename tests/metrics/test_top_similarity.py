import keras
import numpy as np
import pytest
import tensorflow as tf

from kmlic.metrics import TopSimilarity, random_similarity, top_similarity

RANDOM = np.random.default_rng(0)
SCORES = RANDOM.normal(size=(30, 6)).astype("float32")
SIMILARITIES = RANDOM.uniform(-1, 1, size=(4, 6))
TARGETS = RANDOM.integers(0, 2, size=(30, 4))
TARGETS[0] = 0


@pytest.mark.parametrize("k", [1, 3, 6])
def test_averages_the_similarity_of_the_best_candidates(k):
    expected = []
    for targets, scores in zip(TARGETS, SCORES, strict=True):
        if targets.any():
            best = np.argsort(-scores)[:k]
            expected.append(SIMILARITIES[targets == 1][:, best].mean())
    found = top_similarity(TARGETS, SCORES, SIMILARITIES, k)
    assert found == pytest.approx(np.mean(expected))


def test_candidates_with_equal_scores_share_the_places():
    similarities = np.array([[0.9, 0.5, 0.1]])
    scores = np.array([[1.0, 0.0, 0.0]])
    found = top_similarity(np.array([[1]]), scores, similarities, k=2)
    assert found == pytest.approx((0.9 + 0.3) / 2)


@pytest.mark.parametrize("inside", [False, True])
def test_streams_to_what_the_function_gives(inside):
    metric = TopSimilarity(SIMILARITIES)
    update = tf.function(metric.update_state) if inside else metric.update_state
    for start in range(0, 30, 16):
        rows = slice(start, start + 16)
        update(tf.constant(TARGETS[rows]), tf.constant(SCORES[rows]))
    expected = top_similarity(TARGETS, SCORES, SIMILARITIES)
    assert float(metric.result()) == pytest.approx(expected, abs=1e-6)


def test_weights_count_images_more_or_not_at_all():
    metric = TopSimilarity(SIMILARITIES, k=2)
    weights = RANDOM.integers(0, 2, 30)
    metric.update_state(TARGETS, SCORES, sample_weight=weights)
    kept = weights == 1
    expected = top_similarity(TARGETS[kept], SCORES[kept], SIMILARITIES, 2)
    assert float(metric.result()) == pytest.approx(expected, abs=1e-6)


def test_chance_is_the_mean_of_random_pairs():
    found = random_similarity(SIMILARITIES, pairs=200_000)
    assert found == pytest.approx(SIMILARITIES.mean(), abs=0.01)
    assert random_similarity(SIMILARITIES) == random_similarity(SIMILARITIES)


def test_survives_its_config():
    metric = TopSimilarity(SIMILARITIES, k=2)
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(metric)
    )
    assert copy.get_config() == metric.get_config()


def test_says_what_does_not_fit():
    with pytest.raises(ValueError, match=r"\(30, 4\), \(30, 6\) and \(6, 4\)"):
        top_similarity(TARGETS, SCORES, SIMILARITIES.T)
    with pytest.raises(ValueError, match="at most 6; got k=7"):
        top_similarity(TARGETS, SCORES, SIMILARITIES, 7)
    with pytest.raises(ValueError, match="got NaN"):
        top_similarity(TARGETS, SCORES * np.nan, SIMILARITIES)
    with pytest.raises(ValueError, match=r"got shape \(3,\)"):
        TopSimilarity(np.ones(3))
    with pytest.raises(ValueError, match="pairs=0"):
        random_similarity(SIMILARITIES, pairs=0)
