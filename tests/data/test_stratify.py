import time

import numpy as np
import pytest
from iterstrat.ml_stratifiers import IterativeStratification
from scipy.sparse import csr_array, random_array

from kmlic.data.stratify import stratify

FRACTIONS = (0.7, 0.1, 0.2)


@pytest.mark.parametrize("seed", range(4))
def test_makes_the_choices_of_the_library_random_ones_included(seed):
    random = np.random.default_rng(seed)
    present = random.random((400, 9)) < np.geomspace(0.01, 0.4, 9)
    assert not present.any(axis=1).all()  # some images have no label
    expected = IterativeStratification(
        labels=present, r=np.array(FRACTIONS), random_state=np.random.RandomState(seed)
    )
    found = stratify(csr_array(present), FRACTIONS, np.random.RandomState(seed))
    np.testing.assert_array_equal(found, expected)


def test_images_without_any_label_are_dealt_out_by_the_fractions():
    found = stratify(csr_array((20, 3), dtype=bool), FRACTIONS, np.random.RandomState())
    assert np.bincount(found).tolist() == [14, 2, 4]


@pytest.mark.slow
def test_a_hundred_thousand_images_take_seconds():
    present = random_array((100_000, 500), density=0.01, rng=0).tocsr() > 0
    start = time.process_time()
    found = stratify(present, FRACTIONS, np.random.RandomState(0))
    assert time.process_time() - start < 20
    for number, fraction in enumerate(FRACTIONS):
        shares = present[found == number].sum(axis=0) / present.sum(axis=0)
        assert np.abs(shares - fraction).max() < 0.02
