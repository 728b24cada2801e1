import dataclasses
import functools

import pytest

from kmlic.datasets import load_street_fashion
from kmlic.datasets.street_fashion.builder import StreetFashionConfig
from kmlic.experiments import parse_settings
from recipes import msrn


def test_the_paper_configuration_is_the_paper_s():
    settings = parse_settings(msrn.PRESETS, ["--paper"])
    assert (settings.backbone, settings.image_size) == ("resnet101", 448)
    assert (settings.optimizer, settings.learning_rate) == ("sgd", 0.01)
    assert (settings.backbone_multiplier, settings.weight_decay) == (0.1, 1e-4)
    assert (settings.group_loss, settings.group_loss_weight) == ("squared", 1e-3)


def test_flags_override_the_paper_preset():
    settings = parse_settings(msrn.PRESETS, ["--paper", "--epochs", "2"])
    assert (settings.epochs, settings.backbone) == (2, "resnet101")


def test_every_row_changes_one_setting():
    assert len(msrn.ROWS) == 18
    assert "group_loss_weight=0.1" in msrn.ROWS and "branches=4" in msrn.ROWS
    for name, changes in msrn.ROWS.items():
        row = dataclasses.replace(msrn.Settings(), **changes)
        assert name == "msrn" or row != msrn.Settings()
        assert len(changes) == (name != "msrn")


def test_a_folder_without_labels_is_named(tmp_path):
    settings = msrn.Settings(data=str(tmp_path), folder=tmp_path / "run")
    with pytest.raises(ValueError, match=r"must list at least one image"):
        msrn.main(settings)


@pytest.mark.slow
def test_the_paper_configuration_trains_two_steps(tmp_path, monkeypatch):
    config = StreetFashionConfig(name="two_steps", train=16, validation=8, test=8)

    def load_two_steps(settings, seed):
        return load_street_fashion(
            config=config,
            data_dir=settings.data_dir,
            image_size=settings.image_size,
            batch_size=settings.batch_size,
            augmentation=settings.augmentation,
            seed=seed,
        )

    monkeypatch.setattr(msrn, "load_data", load_two_steps)
    rows = functools.partial(msrn.train_rows, load=load_two_steps)
    monkeypatch.setattr(msrn, "train_rows", rows)
    # What the paper's needs from the network: ImageNet weights and GloVe vectors.
    settings = dataclasses.replace(
        msrn.PRESETS["paper"],
        dataset="street_fashion/tiny",
        data_dir=tmp_path / "tfds",
        word_vectors="learn",
        weights=None,
        epochs=1,
        folder=tmp_path / "run",
    )
    run = msrn.main(settings)
    assert run.parameters["msrn"] > 100_000_000
    assert 0 < run.results["test"]["msrn"]["mAP"] <= 1
    assert max(run.exports.values()) < 1e-4
    assert run.peak_memory_gb < 20
