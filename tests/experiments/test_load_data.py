from types import SimpleNamespace

import pytest

from kmlic.data.reading_options import ReadingOptions
from kmlic.experiments import TrainingSettings, has_boxes, load_data
from tests.data.files import write_dataset


def test_own_images_are_split_and_checked_as_the_settings_say(monkeypatch):
    asked = {}
    module = __import__("kmlic.experiments.load_data", fromlist=["load_data"])

    def load_dataset(name, **options):
        asked.update(options, name=name)
        return SimpleNamespace(sizes={"train": 9, "validation": 1, "test": 1})

    monkeypatch.setattr(module, "load_dataset", load_dataset)
    own = TrainingSettings(
        data="labels.csv",
        reading=ReadingOptions(separator=","),
        fractions=(0.5, 0.2, 0.3),
        on_error="skip",
        batch_size=4,
    )
    load_data(own, 3)
    assert asked["fractions"] == (0.5, 0.2, 0.3) and asked["on_error"] == "skip"
    assert (asked["name"], asked["data_dir"]) == ("own_images", "labels.csv")
    assert (asked["seed"], asked["batch_size"]) == (3, 4)
    assert asked["reading"] == ReadingOptions(separator=",")
    asked.clear()
    load_data(TrainingSettings(), 0, boxes=True)
    assert asked["boxes"] is True
    assert not {"fractions", "num_folds", "on_error"} & set(asked)


def test_the_test_images_of_a_seed_are_the_fold_of_its_number(tmp_path):
    path = write_dataset(tmp_path)
    own = {"fractions": (0.8, 0.2, 0.0), "num_folds": 3, "seeds": (0, 1, 2)}
    settings = TrainingSettings(data=str(path), batch_size=2, image_size=8, **own)
    folds = [load_data(settings, seed) for seed in settings.seeds]
    everything = sorted(path for data in folds for path in data.paths["test"])
    assert everything == sorted(sum(folds[0].paths.values(), ()))
    assert len(set(everything)) == len(everything)
    assert folds[1].spec.options["num_folds"] == 3


def test_a_recipe_needs_images_in_every_split(tmp_path):
    path = write_dataset(tmp_path)
    for fractions, rule in (
        ((0.9, 0.1, 0), "none in test"),
        ((0.5, 0, 0.5), "none in"),
    ):
        settings = TrainingSettings(data=str(path), fractions=fractions, batch_size=4)
        with pytest.raises(ValueError, match=f"every split for a recipe; .* {rule}"):
            load_data(settings, 0)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"dataset": "street_fashion/tiny"}, True),
        ({"dataset": "voc2007"}, False),
        ({"data": "a.json", "reading": ReadingOptions(layout="coco")}, True),
        ({"data": "labels.csv"}, False),
    ],
)
def test_says_which_datasets_have_boxes(settings, expected):
    assert has_boxes(TrainingSettings(**settings)) is expected


def test_a_missing_file_is_named(tmp_path):
    settings = TrainingSettings(data=str(tmp_path / "absent"))
    with pytest.raises(ValueError, match="absent"):
        load_data(settings, 0)
