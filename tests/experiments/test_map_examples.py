import keras
import numpy as np
import pytest

from kmlic.experiments.map_examples import map_examples
from kmlic.labels import Labels
from tests.predict.toys import colour_model

LABELS = Labels(("red", "green", "blue"), thresholds=(0.5, 0.6, 0.5))
# Each image has one colour, whose strength is its number.
IMAGES = np.zeros((6, 8, 8, 3), "float32")
TARGETS = np.array([[1, 0, 0], [0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, -1]])
PROBABILITIES = np.array(
    [
        [0.9, 0.0, 0.0],
        [0.8, 0.0, 0.0],
        [0.3, 0.0, 0.0],
        [0.7, 0.55, 0.0],
        [0.0, 0.7, 0.0],
        [0.0, 0.0, 0.9],
    ]
)


def _model():
    images = keras.Input((8, 8, 3))
    pooled = keras.layers.GlobalAveragePooling2D(name="pool")(images)
    return keras.Model(images, keras.layers.Dense(3)(pooled))


def _captions(section):
    return {
        gallery.title: [picture.caption for picture in gallery.pictures]
        for gallery in section.galleries
    }


def _show(model, labels=LABELS, targets=TARGETS, probabilities=PROBABILITIES):
    asked = []

    def load(rows):
        asked.extend(rows.tolist())
        return IMAGES[rows]

    section = map_examples(
        model, labels, targets, probabilities, load, shown="test images"
    )
    return section, asked


def test_shows_right_wrong_and_missed_images_of_each_label():
    section, asked = _show(_model())
    assert _captions(section) == {
        "red": ["right\n0.90", "wrong\n0.80", "missed\n0.30"],
        "green": ["right\n0.70", "missed\n0.55"],
    }
    assert asked == [0, 1, 2, 3, 4]
    assert "each label's own threshold, 0.50 to 0.60" in section.text
    assert all(
        picture.image.shape == (8, 8, 3)
        for gallery in section.galleries
        for picture in gallery.pictures
    )


def test_the_labels_that_are_known_least_come_first_and_are_bounded(monkeypatch):
    section, _ = _show(_model())
    assert [gallery.title for gallery in section.galleries] == ["red", "green"]
    monkeypatch.setattr("kmlic.experiments.map_examples._MOST_LABELS", 2)
    labels, targets = Labels(("a", "b", "c")), np.tile([[1], [0]], (3, 3))
    scores = np.linspace([0.6, 0.1, 0.5], [0.9, 0.4, 0.7], 6)
    scores[0] = [0.99, 0.9, 0.6]
    section, _ = _show(_model(), labels, targets, scores)
    assert list(_captions(section)) == ["c", "b"]
    assert "Of 3 labels the 1 with the lowest average precision" in section.text


def test_of_exclusive_groups_the_most_probable_label_is_predicted():
    labels = Labels(LABELS.names, {"colour": LABELS.names}, exclusive=True)
    targets = np.where(TARGETS == -1, 1, TARGETS)
    section, _ = _show(_model(), labels, targets)
    assert _captions(section)["green"] == ["right\n0.70", "missed\n0.55"]


@pytest.mark.parametrize("case", ["no maps", "no labels"])
def test_is_empty_where_there_is_nothing_to_show(case):
    if case == "no maps":
        section, _ = _show(colour_model())
    else:
        section, _ = _show(
            _model(), targets=np.zeros_like(TARGETS), probabilities=0 * PROBABILITIES
        )
    assert not section.galleries and not section.text
