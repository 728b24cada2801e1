import dataclasses

import pandas as pd
import pytest

from kmlic.classifier import ClassifierSettings
from kmlic.classifier.describe_training import describe_training
from kmlic.data import DatasetSpec
from kmlic.data.reading_options import ReadingOptions
from tests.toys import toy_data

SETTINGS = ClassifierSettings(folder="run")


def test_minutes_log_and_folder_are_no_part():
    other = ClassifierSettings(folder="other", minutes=99, log="tensorboard")
    assert describe_training("a.csv", SETTINGS) == describe_training("a.csv", other)


def test_paths_are_the_same_however_they_are_written(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
    found = []
    for here, back in ((tmp_path, "."), (tmp_path / "elsewhere", "../link")):
        monkeypatch.chdir(here)
        settings = ClassifierSettings(folder=tmp_path / "run", weights=f"{back}/w.h5")
        reading = ReadingOptions(root=f"{back}/images", rename=f"{back}/names.csv")
        data, test = f"{back}/a.csv", f"{back}/b.csv"
        found.append(describe_training(data, settings, test=test, reading=reading))
    assert found[0] == found[1]
    assert found[0]["weights"] == "../w.h5" and found[0]["data"] == "../a.csv"
    # Here, the same words mean other files.
    other = describe_training("a.csv", ClassifierSettings(folder=tmp_path / "run"))
    assert other["data"] == "../elsewhere/a.csv"


def test_a_name_is_no_path_unless_there_is_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert describe_training("cifar100", SETTINGS)["data"] == "cifar100"
    assert describe_training("gs://a/b.csv", SETTINGS)["data"] == "gs://a/b.csv"
    (tmp_path / "cifar100").mkdir()
    assert describe_training("cifar100", SETTINGS)["data"] == "../cifar100"
    assert describe_training("a.csv", SETTINGS)["weights"] == "imagenet"


def test_what_has_no_path_is_known_by_its_content(tmp_path, monkeypatch):
    table = pd.DataFrame({"path": ["a.jpg", "b.jpg"], "labels": ["x", "y"]})
    other = table.assign(labels=["x", "x"])
    data = toy_data()
    spec = dataclasses.replace(data, spec=DatasetSpec("csv", "a.csv", 1))
    given = [table, other, data, toy_data(48), spec]
    found = [describe_training(each, SETTINGS)["data"] for each in given]
    again = [describe_training(each, SETTINGS)["data"] for each in given]
    assert found == again
    assert all(found.count(each) == 1 for each in found)
    # Images of a table are looked for in the working folder.
    monkeypatch.chdir(tmp_path)
    elsewhere = ClassifierSettings(folder=tmp_path / "run")
    assert describe_training(table, elsewhere)["data"].endswith(" of images in ..")


@pytest.mark.parametrize("name", ["image_size", "metric"])
def test_what_is_found_later_has_another_name(name):
    described = describe_training("a.csv", SETTINGS)
    assert name not in described and described[f"asked_{name}"] is None
