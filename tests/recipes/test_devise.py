import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf

from kmlic.data import MultiLabelData
from kmlic.embedding_index import EmbeddingIndex
from kmlic.experiments import parse_settings
from kmlic.export.warm_up import can_warm_up
from kmlic.labels import Labels
from kmlic.metrics import hit_at_k, top_similarity
from kmlic.words import load_word_vectors
from recipes import devise
from tests.datasets.test_load_cifar100 import NAMES as CIFAR_NAMES
from tests.datasets.test_load_cifar100 import write_binary
from tests.datasets.test_load_tiny_imagenet import write_tiny_imagenet

RANDOM = np.random.default_rng(0)
NAMES = ("dog", "hound", "cat", "car", "bus", "unicorn")


@pytest.fixture
def words_file(tmp_path):
    vectors = RANDOM.normal(size=(8, 5)).round(3)
    words = ("dog", "cat", "car", "bus", "puma", "truck", "tree", "house")
    lines = [
        f"{w} {' '.join(map(str, v))}" for w, v in zip(words, vectors, strict=True)
    ]
    path = tmp_path / "words.txt"
    path.write_text("\n".join(lines))
    return path


def dataset(names, **arguments):
    targets = np.eye(len(names), dtype="int8")
    images = np.zeros((len(names), 4, 4, 3), "float32")
    batches = tf.data.Dataset.from_tensors((images, targets.astype("float32")))
    return MultiLabelData(
        *(batches,) * 3,
        labels=Labels(names),
        targets=dict.fromkeys(("train", "validation", "test"), targets),
        train_in_order=batches,
        **arguments,
    )


def place(words_file, names=NAMES, **changes):
    settings = devise.Settings(
        dataset="toy",
        word_vectors=str(words_file),
        label_words=words_file.with_name("map.json"),
        label_words_table="300d",
        **changes,
    )
    table = {"300d": {"toy": {"hound": "dog"}, "other": {"id7": "tree"}}, "50d": {}}
    settings.label_words.write_text(json.dumps(table))
    return settings, devise.place_labels(settings, dataset(names), seed=0)


def test_the_paper_configuration_is_the_paper_s():
    settings = parse_settings(devise.Settings, devise.PRESETS, ["--paper"])
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


@pytest.mark.parametrize("centre", [False, True])
def test_labels_get_the_words_chosen_for_them(words_file, centre):
    settings, words = place(words_file, centre=centre)
    loaded = load_word_vectors(words_file)
    assert words.names == NAMES[:5]  # no word is called unicorn
    np.testing.assert_array_equal(words.plain_vectors[1], loaded["dog"])
    assert words.shared == [[0, 1]]
    offset = words.plain_vectors.mean(axis=0) if centre else 0
    np.testing.assert_allclose(
        words.vectors, words.plain_vectors - offset, rtol=1e-4, atol=1e-6
    )
    identified = dataset(("oak",), identifiers={"oak": "id7"})
    vectors, _ = devise.look_up(settings, identified, ["oak"], words.plain)
    np.testing.assert_array_equal(vectors[0], loaded["tree"])


def test_reduces_words_and_holds_labels_out(words_file):
    _, words = place(words_file, dimensions=3, held_out=("cat", "bus"))
    assert words.names == ("dog", "hound", "car")
    assert words.vectors.shape == (3, 3) and words.plain_vectors.shape == (3, 5)
    with pytest.raises(ValueError, match=r"must be labels of toy; got \['cow'\]"):
        place(words_file, held_out=("cow",))


def test_names_a_table_that_is_not_there(words_file):
    settings, _ = place(words_file)
    settings = dataclasses.replace(settings, label_words_table="100d")
    with pytest.raises(ValueError, match="label_words_table='100d'"):
        devise.read_label_words(settings)


def test_candidates_are_the_distinct_words_of_both_datasets(words_file):
    settings, words = place(words_file)
    # Puma is new; dog was trained, and hound with it; the two trees are one word.
    unseen = dataset(("puma", "dog", "oak_tree", "pine_tree", "griffin"))
    found = devise.gather_candidates(settings, words, unseen)
    assert found.names == ("puma", "dog")
    assert found.index.names == ("dog", "cat", "car", "bus", "puma")
    assert found.seen.tolist() == [True, True, True, True, False]
    assert found.columns.tolist() == [4, 0]
    assert found.seen_columns.tolist() == [0, 0, 1, 2, 3]
    plain = load_word_vectors(words_file)
    for row, name in enumerate(found.names):
        for column, other in enumerate(found.index.names):
            expected = plain.similarity(name, other)
            assert found.similarities[row, column] == pytest.approx(expected, abs=1e-5)


def test_zero_shot_metrics_are_those_of_the_candidates(words_file):
    settings, words = place(words_file)
    unseen = dataset(("puma", "dog", "truck"))
    candidates = devise.gather_candidates(settings, words, unseen)
    targets = np.eye(3, dtype="int8")[RANDOM.integers(0, 3, 50)]
    scores = RANDOM.normal(size=(50, 6))
    found = devise.zero_shot_metrics(targets, scores, candidates, {1: 0.5, 5: 0.5})
    similarities = candidates.similarities
    expected = top_similarity(targets, scores, similarities)
    assert found["similarity"] == pytest.approx(expected)
    new = targets[:, 1] == 0
    expected = top_similarity(targets[new], scores[new], similarities)
    assert found["similarity/unseen"] == pytest.approx(expected)
    spread = np.zeros((50, 6), int)
    spread[:, candidates.columns] = targets
    biased = scores - 0.5 * candidates.seen
    for k in (1, 5):
        expected = hit_at_k(spread[new], biased[new], k)
        assert found[f"unseen@{k}/biased"] == pytest.approx(expected)
        assert found[f"bias@{k}"] == 0.5
        expected = hit_at_k(spread[new][:, 4:], scores[new][:, 4:], k)
        assert found[f"unseen only@{k}"] == pytest.approx(expected)


def test_a_vocabulary_is_judged_by_the_vectors_of_its_words():
    labels = np.eye(2, 3)
    words = np.array([[0.5, 0.1, 0], [0.2, 0.6, 0], [9, 9, 9]])
    targets = np.array([[1, 0], [1, 1], [0, -1]])
    found = devise.mean_similarity(targets, words, labels)
    assert found == pytest.approx((0.5 + 0.4) / 2)


def test_labels_that_share_a_vector_are_pretended_together(words_file):
    _, words = place(words_file, names=NAMES[:5])
    for seed in range(8):
        seen = devise.pretend_unseen(words, seed)
        assert seen[0] == seen[1]
        assert 0 < seen.sum() < 5


@pytest.mark.parametrize("loss", ["cosine", "cosine_margin", "hinge_rank"])
def test_takes_the_loss_the_settings_name(loss):
    made = devise.make_loss(devise.Settings(loss=loss, margin=0.2), [[0, 1]])
    assert made.get_config()["margin"] == (None if loss == "cosine" else 0.2)
    assert made.get_config()["shared_labels"] == [[0, 1]]


def test_takes_the_temperature_of_the_settings():
    settings = devise.Settings(loss="softmax_rank", temperature=0.2)
    made = devise.make_loss(settings, [[0, 1]])
    assert made.get_config()["temperature"] == 0.2
    assert made.get_config()["shared_labels"] == [[0, 1]]


def test_export_gives_what_the_model_gives(tmp_path):
    from kmlic.models import build_devise, score_labels

    vectors = np.eye(6, 5)
    model = score_labels(build_devise(5, image_size=32), vectors[:2])
    images = RANDOM.uniform(0, 255, (6, 32, 32, 3)).astype("float32")
    data = dataset(NAMES)
    data = dataclasses.replace(
        data, test=tf.data.Dataset.from_tensors((images, np.eye(6)))
    )
    exports = devise.export(EmbeddingIndex(NAMES, vectors), model, tmp_path, data)
    assert list(exports) == ["export/1"] and exports["export/1"] < 1e-5
    requests = tmp_path / "export/1/assets.extra/tf_serving_warmup_requests"
    assert requests.is_file() == can_warm_up()


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
        losses=("cosine", "softmax_rank") if cached else (),
        seeds=(0, 1),
        folder=tmp_path / "run",
    )
    run = devise.main(settings)
    rows = {"softmax", "devise"}
    if cached:
        rows |= {"loss=cosine", "loss=softmax_rank"}
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
