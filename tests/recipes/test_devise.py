import dataclasses
import json
import types

import numpy as np
import pytest

from kmlic.experiments import parse_settings
from kmlic.models import build_devise, score_labels
from kmlic.words import load_word_vectors
from recipes import devise
from tests.datasets.test_load_cifar100 import NAMES as CIFAR_NAMES
from tests.datasets.test_load_cifar100 import write_binary
from tests.datasets.test_load_tiny_imagenet import write_tiny_imagenet

RANDOM = np.random.default_rng(0)


def test_the_paper_configuration_is_the_paper_s():
    settings = parse_settings(devise.PRESETS, ["--paper"])
    assert (settings.dataset, settings.zero_shot) == ("tiny_imagenet", "cifar100")
    assert settings.word_vectors == "glove-wiki-gigaword-50"
    assert (settings.loss, settings.margin) == ("cosine_margin", 0.1)
    assert (settings.dropout, settings.image_size) == (0.4, 64)
    assert not settings.centre


def test_every_row_of_the_ablations_changes_something():
    rows = {**devise.SOFTMAX_ABLATIONS, **devise.ABLATIONS}
    for changes in rows.values():
        assert dataclasses.replace(devise.Settings(), **changes)
    assert {row.get("margin") for row in rows.values()} >= {0.0, 0.1, 1.0}
    assert {row.get("dropout") for row in rows.values()} >= {0.0, 0.5}
    assert {row.get("loss") for row in rows.values()} >= {"cosine", "hinge_rank"}


@pytest.mark.parametrize("loss", ["cosine", "cosine_margin", "hinge_rank"])
def test_takes_the_loss_the_settings_name(loss):
    made = compiled(devise.Settings(loss=loss, margin=0.2)).loss
    assert made.get_config()["margin"] == (None if loss == "cosine" else 0.2)
    assert made.get_config()["shared_labels"] == [[0, 1]]


def test_takes_the_temperature_of_the_settings():
    made = compiled(devise.Settings(loss="softmax_rank", temperature=0.2)).loss
    assert made.get_config()["temperature"] == 0.2
    assert made.get_config()["shared_labels"] == [[0, 1]]


def compiled(settings):
    model = score_labels(build_devise(5, image_size=32), np.eye(6, 5))
    data = types.SimpleNamespace(sizes={"train": 64})
    devise.compile_scorer(settings, model, data, [[0, 1]])
    return model


@pytest.mark.slow
@pytest.mark.parametrize("cached", [False, True])
def test_trains_on_one_dataset_and_judges_on_another(tmp_path, cached):
    (tmp_path / "tiny").mkdir()
    write_tiny_imagenet(tmp_path / "tiny", train=20, val=4)
    (tmp_path / "cifar100").mkdir()
    write_binary(tmp_path / "cifar100")
    words = tmp_path / "words.txt"
    names = ("goldfish", "crane", "hoist", "apple", "fish", "baby", "car")
    vectors = RANDOM.normal(size=(7, 4)).round(3)
    lines = [
        f"{w} {' '.join(map(str, v))}" for w, v in zip(names, vectors, strict=True)
    ]
    words.write_text("\n".join(lines))
    (tmp_path / "map.json").write_text(json.dumps({CIFAR_NAMES[0]: "goldfish"}))
    added = ("loss=cosine", "loss=softmax_rank") if cached else ()
    settings = devise.Settings(
        dataset="tiny_imagenet",
        data_dir=tmp_path / "tiny",
        zero_shot="cifar100",
        word_vectors=str(words),
        label_words=tmp_path / "map.json",
        synonyms="mean",
        cache_features=cached,
        cache_dir=tmp_path / "features",
        image_size=32,
        batch_size=8,
        epochs=1,
        embedding_epochs=1,
        loss="hinge_rank",
        rows=("softmax", "devise", *added),
        seeds=(0, 1),
        folder=tmp_path / "run",
    )
    run = devise.main(settings)
    rows = {"softmax", "devise", *added}
    assert set(run.results["test"]) == rows
    assert set(run.results["zero_shot"]) == rows | {"conse", "chance"}
    assert {f"hit@{k}" for k in range(1, 21)} <= set(run.results["test"]["devise"])
    found = run.results["zero_shot"]["devise"]
    assert -1 <= found["similarity"] <= 1 and 0 <= found["harmonic@5"] <= 1
    assert run.deviations["zero_shot"]["devise"]["similarity"] >= 0
    assert max(run.exports.values()) < 1e-5
    assert load_word_vectors(tmp_path / "run" / "words.npz").vector_size == 4
    report = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "Best words for labels never trained" in report
