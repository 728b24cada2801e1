import numpy as np
import pytest

from kmlic.metrics import choose_seen_bias, harmonic_mean, hit_at_k, zero_shot_hits

RANDOM = np.random.default_rng(0)
SEEN = np.array([True, False, True, True, False])
CLASSES = RANDOM.integers(0, 5, 60)
TARGETS = np.eye(5, dtype="int8")[CLASSES]
# The right label is often best, but seen ones have an advantage.
SCORES = RANDOM.normal(size=(60, 5)) + 2 * TARGETS + 2 * SEEN


@pytest.mark.parametrize("bias", [0.0, 1.5])
def test_gives_each_side_with_and_without_the_other(bias):
    hits = zero_shot_hits(TARGETS, SCORES, SEEN, ks=(1, 2), bias=bias)
    biased = SCORES - bias * SEEN
    on_seen = SEEN[CLASSES]
    for k in (1, 2):
        seen = hit_at_k(TARGETS[on_seen], biased[on_seen], k)
        unseen = hit_at_k(TARGETS[~on_seen], biased[~on_seen], k)
        assert hits[f"seen@{k}"] == pytest.approx(seen)
        assert hits[f"unseen@{k}"] == pytest.approx(unseen)
        mean = 2 * seen * unseen / (seen + unseen)
        assert hits[f"harmonic@{k}"] == pytest.approx(mean)
        only = hit_at_k(TARGETS[~on_seen][:, ~SEEN], SCORES[~on_seen][:, ~SEEN], k)
        assert hits[f"unseen only@{k}"] == pytest.approx(only)


def test_an_image_counts_on_both_sides_with_its_labels_there():
    targets = np.array([[1, 1, 0, 0, 0], [-1, 1, 0, 0, 0]])
    scores = np.array([[0.5, 0.4, 0.6, 0.0, 0.0], [0.9, 0.8, 0.0, 0.0, 0.0]])
    hits = zero_shot_hits(targets, scores, SEEN, ks=(1, 2))
    assert hits["seen@1"] == 0 and hits["seen@2"] == 1
    # The second image's first label is unknown, so the second is its best.
    assert hits["unseen@1"] == 0.5


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("several", [False, True])
def test_the_bias_chosen_is_as_good_as_any(k, several):
    targets = TARGETS.copy()
    if several:
        targets[:30, :2] = RANDOM.integers(-1, 2, (30, 2))
    bias = choose_seen_bias(targets, SCORES, SEEN, k=k)
    best = max(
        zero_shot_hits(targets, SCORES, SEEN, ks=(k,), bias=other)[f"harmonic@{k}"]
        for other in np.linspace(-5, 8, 500)
    )
    hits = zero_shot_hits(targets, SCORES, SEEN, ks=(k,), bias=bias)
    assert hits[f"harmonic@{k}"] >= best - 1e-9
    plain = zero_shot_hits(targets, SCORES, SEEN, ks=(k,))
    assert hits[f"harmonic@{k}"] >= plain[f"harmonic@{k}"]
    if k == 1:
        assert hits["harmonic@1"] > plain["harmonic@1"] + 0.1


def test_without_images_of_one_side_no_bias_is_chosen():
    only_seen = SEEN[CLASSES]
    assert choose_seen_bias(TARGETS[only_seen], SCORES[only_seen], SEEN) == 0
    hits = zero_shot_hits(TARGETS[only_seen], SCORES[only_seen], SEEN)
    assert np.isnan(hits["unseen@1"]) and np.isnan(hits["harmonic@1"])


def test_the_harmonic_mean_of_nothing_is_nothing():
    assert harmonic_mean(0.0, 0.7) == harmonic_mean(0.0, 0.0) == 0


def test_says_what_does_not_fit():
    with pytest.raises(ValueError, match=r"must be \(5,\).*got shape \(4,\)"):
        zero_shot_hits(TARGETS, SCORES, SEEN[:4])
    with pytest.raises(ValueError, match="5 of them seen"):
        choose_seen_bias(TARGETS, SCORES, np.ones(5, bool))
