import dataclasses

import numpy as np

from kmlic.evaluation.label_errors import find_label_errors
from kmlic.experiments.doubtful_section import doubtful_section
from tests.experiments.test_scored_images import scored


def many(flip):
    """Returns 60 images whose scores are right, with the cat of one flipped."""
    targets = np.tile([[1, 0], [0, 1], [0, 0]], (20, 1))
    probabilities = np.where(targets == 1, 0.9, 0.05)
    targets[flip, 0] = 1 - targets[flip, 0]
    paths = [f"{row}.jpg" for row in range(60)]
    return dataclasses.replace(
        scored(paths), targets=targets, probabilities=probabilities
    )


def test_shows_missing_and_wrong_labels_apart():
    for flip, given, title in ((0, "absent", "missing"), (1, "present", "wrong")):
        examined = many(flip)
        errors = find_label_errors(examined.targets, examined.probabilities)
        section = doubtful_section(examined, errors)
        probability = f"{examined.probabilities[flip, 0]:.3f}"
        assert section.rows == [[f"{flip}.jpg", "cat", given, probability]]
        shown = {g.title: len(g.pictures) for g in section.galleries}
        assert shown[f"Probably {title}"] == 1 and sum(shown.values()) == 1


def test_is_empty_where_nothing_is_doubtful():
    examined = many([])
    errors = find_label_errors(examined.targets, examined.probabilities)
    assert not doubtful_section(examined, errors).rows
