import numpy as np

from kmlic.experiments.scored_images import ScoredImages
from kmlic.labels import Labels

LABELS = Labels(("cat", "dog"), thresholds=(0.5, 0.2))


def scored(paths=("a.jpg", "b.jpg", "c.jpg"), loaded=None):
    """Three images; those that are loaded are noted."""

    def load(rows):
        if loaded is not None:
            loaded.append(rows.tolist())
        return {row: np.full((8, 8, 3), 40 * row) for row in rows.tolist()}

    return ScoredImages(
        "3 test images",
        LABELS,
        np.array([[1, 0], [1, 0], [0, 1]]),
        np.array([[0.9, 0.1], [0.4, 0.3], [0.6, 0.1]]),
        load,
        paths,
    )


def test_predicts_by_the_thresholds_of_labels():
    assert scored().predicted.tolist() == [[True, False], [False, True], [True, False]]


def test_loads_each_image_once():
    loaded = []
    pictures = scored(loaded=loaded).pictures({(2, 0): "x", (0, 0): "y", (2, 1): "z"})
    assert loaded == [[0, 2]]
    assert pictures[2, 1].caption == "z" and pictures[2, 1].image.max() == 80
    assert pictures[2, 0].name == "c.jpg: dog"


def test_loads_nothing_where_nothing_is_shown():
    loaded = []
    assert scored(loaded=loaded).pictures({}) == {} and not loaded


def test_describes_images_without_paths_by_their_labels():
    assert scored(paths=()).describe(0) == "cat"
