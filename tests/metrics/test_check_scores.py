import numpy as np
import pytest

from kmlic.metrics import check_scores


def test_gives_arrays_of_what_is_right():
    targets, scores = check_scores([[1, 0], [-1, 1]], [[0.5, 3], [-2, 1]])
    assert targets.shape == scores.shape == (2, 2)
    check_scores(np.zeros((0, 3)), np.zeros((0, 3)), probabilities=True)


@pytest.mark.parametrize(
    ("targets", "scores", "rule"),
    [
        ([1, 0], [0.5, 0.5], r"must be \(N, L\) both; got shapes \(2,\) and \(2,\)"),
        ([[1, 2]], [[0, 0]], "must be 1, 0 or -1; got 2 in row 0, label 1"),
        ([[1], [0]], [[0], [np.nan]], "`probabilities` .* got NaN in row 1, label 0"),
        (
            [[1, 0]],
            [[-0.5, 1]],
            r"must lie in 0-1; got -0\.5 to 1\. Apply",
        ),
    ],
)
def test_says_what_is_wrong_and_where(targets, scores, rule):
    with pytest.raises(ValueError, match=rule):
        check_scores(targets, scores, name="probabilities", probabilities=True)
