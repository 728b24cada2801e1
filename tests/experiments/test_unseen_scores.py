import numpy as np
import pytest

from kmlic.experiments.unseen_scores import (
    UNSEEN_SCORES,
    read_unseen_scores,
    write_unseen_scores,
)
from kmlic.labels import Labels

LABELS = Labels(("a", "b"))


def test_reads_what_was_written(tmp_path):
    digests, probabilities = np.arange(3, dtype=np.uint64), np.full((3, 2), 0.25)
    write_unseen_scores(tmp_path, LABELS, digests=digests, probabilities=probabilities)
    found = read_unseen_scores(tmp_path, LABELS)
    np.testing.assert_array_equal(found[0], digests)
    np.testing.assert_array_equal(found[1], probabilities)
    with pytest.raises(ValueError, match=UNSEEN_SCORES):
        read_unseen_scores(tmp_path, Labels(("b", "a")))


def test_a_run_without_scores_has_none(tmp_path):
    assert read_unseen_scores(tmp_path, LABELS) is None
