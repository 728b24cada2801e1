import dataclasses
import importlib
import re
import typing
from pathlib import Path

import pytest

from kmlic.data.reading_options import ReadingOptions
from kmlic.experiments import TrainingSettings


@dataclasses.dataclass(frozen=True)
class Own(TrainingSettings):
    units: int = 8


def test_narrow_keeps_the_base_fields_but_those_of_the_table():
    own = Own(units=3, batch_size=7, rows=("a",), ablations=True, linear_probe=True)
    narrowed = own.narrow(TrainingSettings, epochs=2)
    assert narrowed == TrainingSettings(batch_size=7, epochs=2)


def test_own_images_are_described_as_seen_from_the_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    reading = ReadingOptions(root="images")
    own = Own(data="a.csv", data_dir=Path("b"), reading=reading, folder=tmp_path / "c")
    described = own.describe()
    assert (described["data"], described["data_dir"]) == ("../a.csv", "../b")
    assert described["reading"]["root"] == "../images" and described["units"] == 8
    (tmp_path / "d").mkdir()
    monkeypatch.chdir(tmp_path / "d")
    assert own.describe()["data"] == "../d/a.csv"
    same = dataclasses.asdict(Own())
    assert Own().describe() == same


@pytest.mark.parametrize(
    "changes",
    [
        {"epochs": 0},
        {"seeds": ()},
        {"seeds": (1, 1)},
        {"seeds": (-1,)},
        {"batch_size": 0},
        {"batch_size": 1_000_000},
        {"image_size": 0},
        {"fractions": (float("nan"), 0.5, 0.5)},
        {"fractions": (0.5, 0.1, 0.1)},
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"clip_norm": -1.0},
        {"ema": 1.0},
        {"accumulate": 0},
        {"save_minutes": -1.0},
    ],
)
def test_numbers_out_of_their_limits_are_refused(changes):
    (name,) = changes
    with pytest.raises(ValueError, match=f"`{name}` must .*; got {name}="):
        TrainingSettings(**changes)


@pytest.mark.parametrize("changes", [{}, {"data": "a.csv", "seeds": (0, 5)}])
def test_folds_need_own_images_and_seeds_that_are_their_numbers(changes):
    with pytest.raises(ValueError, match=r"`num_folds` needs `data`, .*num_folds=5"):
        TrainingSettings(num_folds=5, **changes)


NAMES = ("decouplenet", "deepfashion_attributes", "devise", "msrn", "semantic_resnest")


@pytest.mark.parametrize("name", NAMES)
def test_every_number_of_a_recipe_has_limits(name):
    settings = importlib.import_module(f"recipes.{name}").Settings
    hints = typing.get_type_hints(settings, include_extras=True)
    names = {
        field
        for field, hint in hints.items()
        if {"int", "float"} & set(re.findall(r"\w+", str(hint)))
        and "Limits" not in str(hint)
    }
    assert names <= {"feature_map"}  # an index, which may be negative


def test_trained_weights_and_own_images_start_with_the_head():
    few = TrainingSettings(data="labels.csv", weights="imagenet", epochs=20)
    assert few.freezes_batch_norm and few.has_linear_probe
    assert few.num_head_epochs == 4
    for changes in ({"weights": None}, {"data": None}):
        plain = dataclasses.replace(few, **changes)
        assert not plain.freezes_batch_norm and not plain.has_linear_probe
        assert plain.num_head_epochs == 0
    asked = dataclasses.replace(
        few, batch_norm="train", head_epochs=0, linear_probe=False
    )
    assert not asked.freezes_batch_norm and not asked.has_linear_probe
    assert asked.num_head_epochs == 0
