import hashlib
import time

import numpy as np
import pytest
from scipy.special import softmax

from kmlic.labels import Labels, to_probabilities

LABELS = Labels(
    ("dog", "sofa", "müsli"), {"things": ("sofa", "müsli")}, (0.5, 0.25, 0.9), 96
)


def test_written_and_read_again_are_equal(tmp_path):
    LABELS.write(tmp_path / "labels.json")
    assert Labels.read(tmp_path / "labels.json") == LABELS
    assert [path.name for path in tmp_path.iterdir()] == ["labels.json"]


def test_hash_depends_on_everything():
    others = [
        Labels(LABELS.names[::-1], LABELS.groups, LABELS.thresholds, 96),
        Labels(LABELS.names, None, LABELS.thresholds, 96),
        Labels(LABELS.names, LABELS.groups, (0.5, 0.25, 0.8), 96),
        Labels(LABELS.names, LABELS.groups, LABELS.thresholds, 97),
    ]
    assert len({LABELS.hash, *(other.hash for other in others)}) == 5


def test_a_changed_file_is_refused(tmp_path):
    LABELS.write(tmp_path / "labels.json")
    text = (tmp_path / "labels.json").read_text().replace("0.25", "0.75")
    (tmp_path / "labels.json").write_text(text)
    with pytest.raises(ValueError, match=r"labels\.json was changed after"):
        Labels.read(tmp_path / "labels.json")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"names": 3}', "PK\x03"])
def test_a_file_without_labels_is_refused_by_name(tmp_path, text):
    (tmp_path / "labels.json").write_text(text)
    with pytest.raises(ValueError, match=r"labels\.json must hold"):
        Labels.read(tmp_path / "labels.json")


@pytest.mark.parametrize(
    ("others", "message"),
    [
        (("dog", "cat", "müsli"), "label 1 is 'sofa' here and 'cat' there"),
        (("dog", "sofa"), "got 3 here and 2 there; .* additional one is 'müsli'"),
        ((*LABELS.names, "cat"), "got 3 here and 4 there.* 'cat'"),
    ],
)
def test_the_first_different_label_is_named(others, message):
    with pytest.raises(ValueError, match=message):
        LABELS.require_same_names(others)
    LABELS.require_same_names(LABELS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((("dog", "dog"),), r"must be unique; got \['dog'\]"),
        ((("dog", ""),), "non-empty"),
        ((("dog",), {"pets": ("cat",)}), r"\['cat'\] in group 'pets'"),
        ((("dog",), None, (0.5, 0.5)), "2 for 1 labels"),
        ((("dog",), None, (1.5,)), r"0-1; got \(1.5,\)"),
    ],
)
def test_says_which_rule_is_broken(arguments, message):
    with pytest.raises(ValueError, match=message):
        Labels(*arguments)


def test_gives_the_outputs_of_a_group():
    assert LABELS.indices("things") == [1, 2]
    with pytest.raises(ValueError, match=r"\['things'\]; got 'colours'"):
        LABELS.indices("colours")


SIZES = Labels(
    ("s", "m", "l", "tight", "loose"),
    {"size": ("s", "m", "l"), "fit": ("tight", "loose")},
    exclusive=True,
)


def test_exclusive_labels_survive_a_file_and_change_the_hash(tmp_path):
    SIZES.write(tmp_path / "labels.json")
    assert Labels.read(tmp_path / "labels.json") == SIZES
    assert SIZES.hash != Labels(SIZES.names, SIZES.groups).hash
    assert SIZES.exclusive_groups == {"size": slice(0, 3), "fit": slice(3, 5)}
    assert LABELS.exclusive_groups == {}


def test_a_file_from_before_there_were_exclusive_groups_is_read():
    text = (
        '{"names": ["dog", "sofa"], "groups": null, "thresholds": [0.5, 0.5], '
        '"image_size": 96, "hash": '
        '"%s"}'
    )
    old = Labels(("dog", "sofa"), image_size=96)
    content = (
        '{"names": ["dog", "sofa"], "groups": null, "thresholds": [0.5, 0.5], '
        '"image_size": 96}'
    )
    assert old.hash == hashlib.sha256(content.encode()).hexdigest()
    assert Labels.from_json(text % old.hash) == old


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (None, "must hold every label once"),
        ({"size": ("s", "m", "l")}, "must hold every label once"),
        ({"fit": ("tight", "loose"), "size": ("s", "m", "l")}, "in the order of"),
        ({"size": ("s", "m", "l", "tight"), "fit": ("loose",)}, "in group 'fit'"),
        ({"size": SIZES.names, "none": ()}, r"got \(\) in group 'none'"),
    ],
)
def test_says_which_groups_cannot_be_exclusive(groups, message):
    with pytest.raises(ValueError, match=message):
        Labels(SIZES.names, groups, exclusive=True)


def test_probabilities_are_sigmoids_or_softmaxes_within_groups():
    logits = np.random.default_rng(0).normal(scale=9, size=(4, 5))
    sigmoids = 1 / (1 + np.exp(-logits))
    np.testing.assert_allclose(to_probabilities(logits), sigmoids, rtol=1e-5)
    found = to_probabilities(logits, SIZES)
    expected = [softmax(logits[:, own], axis=1) for own in (slice(3), slice(3, 5))]
    np.testing.assert_allclose(found, np.concatenate(expected, axis=1), rtol=1e-5)
    extreme = np.array([[1e4, -1e4, 0, -1e4, -1e4]])
    assert to_probabilities(extreme, SIZES).tolist() == [[1, 0, 0, 0.5, 0.5]]


@pytest.mark.parametrize(
    "content",
    [
        b"\xff",
        b"[" * 100_000,
        b"1" * 5000,
        b'{"names": ["a"], "thresholds": ["x"]}',
        b'{"names": ["a"], "thresholds": [1' + b"0" * 400 + b"]}",
        b'{"names": ["a"], "thresholds": [NaN]}',
        b'{"names": ["a"], "image_size": "8"}',
        b'{"names": ["a"], "image_size": 0}',
        b'{"names": ["a"], "image_size": true}',
        b'{"names": ["a"], "groups": ["a"]}',
        b'{"names": ["a"], "groups": {"g": [["a"]]}}',
        b'{"names": ["a"], "hash": 5}',
    ],
)
def test_a_file_that_somebody_changed_is_refused_by_name(tmp_path, content):
    path = tmp_path / "labels.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"labels\.json"):
        Labels.read(path)


def test_many_names_take_little_time():
    names = tuple(f"label {number}" for number in range(20_000))
    began = time.process_time()
    labels = Labels(names, {"all": names})
    assert labels.indices("all") == list(range(20_000))
    assert time.process_time() - began < 0.2
    with pytest.raises(ValueError, match=r"got \['label 7'\] more than once"):
        Labels((*names, "label 7"))
