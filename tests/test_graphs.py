import numpy as np
import pytest

from kmlic.graphs import (
    adjacency,
    cooccurrence,
    isolated_labels,
    normalised_adjacency,
)
from tests.shared import shared_path

DATASETS = ["voc", "coco", "nuswide", "apparel"]
TARGETS = np.random.default_rng(0).integers(-1, 2, size=(60, 5))


def test_counts_pairs_as_a_loop_over_images_does():
    targets = np.where(TARGETS == 1, 1, 0)
    counts, totals = cooccurrence(targets)
    for i in range(5):
        assert totals[i] == sum(row[i] for row in targets)
        for j in range(5):
            together = sum(row[i] and row[j] for row in targets)
            assert counts[i, j] == (together if i != j else 0)


def test_takes_the_share_of_a_label_among_images_where_the_other_is_known():
    counts, totals = cooccurrence(TARGETS)
    for i in range(5):
        for j in range(5):
            rows = [row for row in TARGETS if row[i] == 1 and row[j] != -1]
            assert totals[i, j] == len(rows)
            if i != j:
                assert counts[i, j] == sum(row[j] == 1 for row in rows)


def test_counts_many_rows_in_chunks_like_few(monkeypatch):
    whole = cooccurrence(TARGETS)
    monkeypatch.setattr("kmlic.graphs._ROWS_PER_CHUNK", 7)
    for expected, actual in zip(whole, cooccurrence(TARGETS), strict=True):
        np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("dataset", DATASETS)
def test_equals_the_reference_graph_up_to_its_scale(dataset):
    reference = np.load(shared_path("parity/label_graph.npz"))
    graph = adjacency(reference[f"{dataset}/cooc"], reference[f"{dataset}/nums"])
    # The reference gives neighbours 0.25 and the label itself 1: 1.25 times ours.
    np.testing.assert_allclose(1.25 * graph, reference[f"{dataset}/A"], atol=1e-6)
    np.testing.assert_allclose(
        normalised_adjacency(graph), reference[f"{dataset}/adj"], atol=1e-6
    )


@pytest.mark.parametrize(
    ("dataset", "num_edges", "num_alone", "num_without_sources"),
    [("voc", 6, 13, 18), ("coco", 111, 12, 57), ("nuswide", 2, 78, 80)],
)
def test_reports_the_labels_that_the_threshold_left_alone(
    dataset, num_edges, num_alone, num_without_sources
):
    reference = np.load(shared_path("parity/label_graph.npz"))
    graph = adjacency(reference[f"{dataset}/cooc"], reference[f"{dataset}/nums"])
    report = isolated_labels(graph, [str(i) for i in range(len(graph))])
    mask = (reference[f"{dataset}/adj"] > 0) & ~np.eye(len(graph), dtype=bool)
    assert report.num_edges == mask.sum() == num_edges
    assert len(report.alone) == num_alone
    assert len(report.without_sources) == num_without_sources
    assert sum(~mask.any(axis=1)) == num_without_sources


@pytest.mark.parametrize(
    ("annotations", "targets_key", "published"),
    [
        ("VOC2007_classification_trainval", "Y", "voc2007"),
        ("nuswide_all_81", "Y", "nuswide_from_annotations"),
    ],
)
def test_counts_published_annotations_as_published(annotations, targets_key, published):
    targets = np.load(shared_path(f"data/annotations/{annotations}.npz"))[targets_key]
    graph = np.load(shared_path(f"data/label_graphs/{published}.npz"))
    counts, totals = cooccurrence((targets == 1).astype("int8"))
    np.testing.assert_array_equal(counts, graph["adj"])
    np.testing.assert_array_equal(totals, graph["nums"])


def test_a_label_that_never_occurs_divides_by_nothing():
    counts, totals = cooccurrence(np.array([[1, 0, 1], [1, 0, 0]]))
    graph = adjacency(counts, totals)
    assert np.isfinite(graph).all() and totals[1] == 0
    np.testing.assert_array_equal(graph[1], [0, 0.8, 0])
    unknown = adjacency(*cooccurrence(np.full((4, 3), -1)))
    np.testing.assert_array_equal(unknown, 0.8 * np.eye(3))
    assert np.isfinite(normalised_adjacency(np.zeros((3, 3)))).all()


def test_a_permutation_of_the_labels_permutes_the_graph():
    order = np.random.default_rng(1).permutation(5)
    graph = adjacency(*cooccurrence(TARGETS), threshold=0.2)
    permuted = adjacency(*cooccurrence(TARGETS[:, order]), threshold=0.2)
    np.testing.assert_allclose(permuted, graph[np.ix_(order, order)])


def test_names_the_target_that_is_none():
    with pytest.raises(ValueError, match=r"got 2 in row 1, label 0"):
        cooccurrence(np.array([[0, 1], [2, 0]]))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"threshold": 0}, "threshold=0"),
        ({"neighbour_weight": 1.5}, "neighbour_weight=1.5"),
    ],
)
def test_says_which_argument_is_out_of_its_limits(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        adjacency(np.zeros((2, 2)), np.zeros(2), **arguments)


def test_says_which_sizes_disagree():
    with pytest.raises(ValueError, match=r"\(5, 5\); got shape \(4,\)"):
        adjacency(np.zeros((5, 5)), np.zeros(4))
    with pytest.raises(ValueError, match="2 names for 5 rows"):
        isolated_labels(np.eye(5), ["a", "b"])


@pytest.mark.parametrize(
    ("edges", "text"),
    [
        ([[1]], "0 edges between 1 label; 1 label not implied by any other; alone: 0."),
        (
            [[1, 1], [0, 1]],
            "1 edge between 2 labels; 1 label not implied by any other.",
        ),
    ],
)
def test_a_report_counts_one_and_many(edges, text):
    names = [str(number) for number in range(len(edges))]
    assert str(isolated_labels(np.array(edges, "float32"), names)) == text
