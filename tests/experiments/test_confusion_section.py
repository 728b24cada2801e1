import dataclasses

from kmlic.experiments.confusion_section import confusion_section
from tests.experiments.test_scored_images import scored


def test_says_which_label_is_predicted_in_place_of_which():
    section = confusion_section(scored())
    assert section.rows == [
        ["cat", "dog", "1", "100.0"],
        ["dog", "cat", "1", "50.0"],
    ]
    first, second = section.galleries
    assert first.title == "Called cat when it is dog"
    assert [picture.caption for picture in first.pictures] == ["cat 0.60"]
    assert [picture.name for picture in second.pictures] == ["b.jpg: cat"]


def test_is_empty_without_confusions():
    right = dataclasses.replace(scored(), probabilities=scored().targets.astype(float))
    assert not confusion_section(right).rows
