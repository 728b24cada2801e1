import numpy as np
import pytest

from kmlic.experiments.gather_candidates import gather_candidates
from kmlic.experiments.judge_zero_shot import (
    _mean_similarity,
    _split_seen,
    _zero_shot_metrics,
)
from kmlic.metrics import hit_at_k, top_similarity
from tests.experiments.zero_shot_toys import NAMES, RANDOM, dataset, find


def test_zero_shot_metrics_are_those_of_the_candidates(tmp_path):
    settings, words = find(tmp_path)
    unseen = dataset(("puma", "dog", "truck"))
    candidates = gather_candidates(settings, words, unseen)
    targets = np.eye(3, dtype="int8")[RANDOM.integers(0, 3, 50)]
    scores = RANDOM.normal(size=(50, 6))
    found = _zero_shot_metrics(targets, scores, candidates, {1: 0.5, 5: 0.5})
    similarities = candidates.similarities
    expected = top_similarity(targets, scores, similarities)
    assert found["similarity"] == pytest.approx(expected)
    new = targets[:, 1] == 0
    expected = top_similarity(targets[new], scores[new], similarities)
    assert found["similarity/unseen"] == pytest.approx(expected)
    spread = np.zeros((50, 6), int)
    spread[:, candidates.columns] = targets
    biased = scores - 0.5 * candidates.seen
    for k in (1, 5):
        expected = hit_at_k(spread[new], biased[new], k)
        assert found[f"unseen@{k}/biased"] == pytest.approx(expected)
        assert found[f"bias@{k}"] == 0.5
        expected = hit_at_k(spread[new][:, 4:], scores[new][:, 4:], k)
        assert found[f"unseen only@{k}"] == pytest.approx(expected)


def test_a_vocabulary_is_judged_by_the_vectors_of_its_words():
    labels = np.eye(2, 3)
    words = np.array([[0.5, 0.1, 0], [0.2, 0.6, 0], [9, 9, 9]])
    targets = np.array([[1, 0], [1, 1], [0, -1]])
    found = _mean_similarity(targets, words, labels)
    assert found == pytest.approx((0.5 + 0.4) / 2)


def test_labels_that_share_a_vector_are_drawn_together(tmp_path):
    _, words = find(tmp_path, names=NAMES[:5])
    for seed in range(8):
        seen = _split_seen(words, seed)
        assert seen[0] == seen[1]
        assert 0 < seen.sum() < 5
