import dataclasses
import importlib
import json

import numpy as np
import pytest
import tensorflow as tf

from kmlic.data import MultiLabelData
from kmlic.experiments import train_or_reuse
from kmlic.labels import Labels
from kmlic.run_folder import Run
from tests.toys import toy_data, toy_model, toy_settings

module = importlib.import_module("kmlic.experiments.train_or_reuse")


def data(names=("dot", "stripe"), present=1):
    images = tf.data.Dataset.from_tensors((tf.zeros((1, 8, 8, 3)), [[1.0, 0.0]]))
    targets = np.array([[present, 0]], "int8")
    return MultiLabelData(
        *(images,) * 3,
        labels=Labels(names, image_size=8),
        targets=dict.fromkeys(("train", "validation", "test"), targets),
    )


@pytest.fixture
def settings(tmp_path):
    """Settings whose folder holds their run, without its model."""
    settings = toy_settings(tmp_path / "generator", seeds=(3,))
    settings.folder.mkdir()
    data().labels.write(settings.folder / "labels.json")
    content = json.loads(json.dumps(dataclasses.asdict(settings), default=str))
    prints = {"fingerprints": {"3": data().fingerprint}}
    run = Run("toy", "python", content, prints, *({} for _ in range(7)))
    run.write(settings.folder / "run.json")
    return settings


def reuse(settings, own, monkeypatch):
    monkeypatch.setattr(module, "load_data", lambda *_: own)
    return train_or_reuse("generator", settings, None, check=None)


def test_a_run_with_these_labels_data_and_settings_is_used(settings, monkeypatch):
    assert reuse(settings, data(), monkeypatch) == settings.folder


@pytest.mark.parametrize(
    ("changes", "own", "message"),
    [
        ({"epochs": 5}, data(), "settings differ: epochs: 2 there, 5 here"),
        ({}, data(("dots", "stripe")), "labels differ.*'dot'"),
        ({}, data(present=0), "trained on other images"),
    ],
)
def test_a_run_that_differs_is_refused(settings, changes, own, message, monkeypatch):
    changed = dataclasses.replace(settings, **changes)
    with pytest.raises(ValueError, match=f"must hold a generator.*{message}"):
        reuse(changed, own, monkeypatch)


def test_a_missing_run_is_refused(tmp_path, monkeypatch):
    settings = toy_settings(tmp_path / "absent", seeds=(3,))
    with pytest.raises(ValueError, match=r"there is no .*run\.json"):
        reuse(settings, data(), monkeypatch)


def test_a_missing_model_is_trained_once_after_a_check(tmp_path, monkeypatch):
    settings = toy_settings(tmp_path / "run", seeds=(3,))
    monkeypatch.setattr(module, "load_data", lambda *_: toy_data())
    calls = []

    def build(settings, data):
        calls.append("build")
        return toy_model()

    for _ in range(2):
        folder = train_or_reuse(
            "generator", settings, build, check=lambda data: calls.append("check")
        )
        assert folder == settings.folder and (folder / "model.keras").is_file()
    assert calls == ["check", "build"]
    assert not (folder / "export").exists()
