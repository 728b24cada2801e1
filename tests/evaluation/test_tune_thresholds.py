import numpy as np
import pytest
from sklearn.metrics import fbeta_score, precision_score, recall_score

from kmlic.evaluation import tune_thresholds

RANDOM = np.random.default_rng(0)
TARGETS = (RANDOM.uniform(size=(300, 4)) < [0.5, 0.3, 0.1, 0.05]).astype("int8")
# Two decimals: many scores are tied.
SCORES = np.clip(TARGETS * 0.3 + RANDOM.uniform(0, 0.7, TARGETS.shape), 0, 1).round(2)
ALONE = {"shrinkage": 0, "min_positives": 1}


@pytest.mark.parametrize("beta", [0.5, 1, 2])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_no_other_threshold_has_a_higher_f_beta(beta, dtype):
    scores = SCORES.astype(dtype)
    found = tune_thresholds(TARGETS, scores, beta=beta, **ALONE)
    for label in range(4):
        truth, chances = TARGETS[:, label], scores[:, label]
        best = max(
            fbeta_score(truth, chances >= threshold, beta=beta)
            for threshold in np.unique(chances)
        )
        mine = fbeta_score(truth, chances >= found[label].astype(dtype), beta=beta)
        assert mine == pytest.approx(best)


def test_reaches_a_precision_with_the_most_recall_and_the_other_way_round():
    for goal, reached, other in (
        ("precision", precision_score, recall_score),
        ("recall", recall_score, precision_score),
    ):
        found = tune_thresholds(TARGETS, SCORES, **{goal: 0.8}, **ALONE)
        for label in range(4):
            truth, chances = TARGETS[:, label], SCORES[:, label]
            assert reached(truth, chances >= found[label]) >= 0.8
            best = max(
                other(truth, chances >= threshold)
                for threshold in np.unique(chances)
                if reached(truth, chances >= threshold) >= 0.8
            )
            if goal == "precision":
                assert other(truth, chances >= found[label]) == pytest.approx(best)


def test_a_precision_out_of_reach_gives_the_highest_there_is():
    targets = np.array([[0], [1], [1], [0]])
    scores = np.array([[0.9], [0.8], [0.7], [0.1]])
    found = tune_thresholds(targets, scores, precision=0.9, **ALONE)
    assert found == pytest.approx([0.4])  # 2 of 3 are right


def test_few_positives_draw_a_label_to_the_global_threshold():
    common = tune_thresholds(TARGETS, SCORES, min_positives=1000)
    assert len(set(common)) == 1
    own = tune_thresholds(TARGETS, SCORES, **ALONE)
    logit = lambda p: np.log(p / (1 - p))  # noqa: E731
    positives = TARGETS.sum(axis=0)
    expected = (positives * logit(own) + 20 * logit(common)) / (positives + 20)
    found = tune_thresholds(TARGETS, SCORES, shrinkage=20, min_positives=1)
    np.testing.assert_allclose(logit(found), expected)


def test_labels_below_the_floor_take_the_global_threshold():
    positives = TARGETS.sum(axis=0)
    floor = int(positives[2]) + 1
    common = tune_thresholds(TARGETS, SCORES, min_positives=1000)[0]
    found = tune_thresholds(TARGETS, SCORES, min_positives=floor)
    assert ((found == common) == (positives < floor)).all()


def test_unknown_targets_do_not_count():
    targets, scores = TARGETS.copy(), SCORES.copy()
    targets[::3] = -1
    expected = tune_thresholds(targets[targets[:, 0] >= 0], scores[targets[:, 0] >= 0])
    scores[::3] = 1
    np.testing.assert_array_equal(tune_thresholds(targets, scores), expected)


def test_neighbouring_numbers_are_kept_apart():
    low = np.float32(0.7)
    scores = np.array([[low], [np.nextafter(low, np.float32(1))]])
    found = tune_thresholds(np.array([[0], [1]]), scores, **ALONE)
    assert (scores >= found.astype("float32")).ravel().tolist() == [False, True]


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ({"beta": 0}, "beta=0"),
        ({"precision": 1.5}, "precision=1.5"),
        ({"precision": 0.5, "recall": 0.5}, "must not both be given"),
        ({"shrinkage": -1}, "`shrinkage` must be 0 or above; got shrinkage=-1"),
        ({"min_positives": 0}, "min_positives=0"),
        ({"scores": SCORES * 3}, "Apply a sigmoid to logits"),
        ({"scores": SCORES[:2]}, r"got shapes \(300, 4\) and \(2, 4\)"),
        ({"targets": TARGETS * 0}, "at least one positive"),
    ],
)
def test_says_what_does_not_fit(arguments, rule):
    with pytest.raises(ValueError, match=rule):
        tune_thresholds(**{"targets": TARGETS, "scores": SCORES, **arguments})
