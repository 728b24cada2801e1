import io

import numpy as np
import pytest
from rich.console import Console
from sklearn.metrics import (
    average_precision_score,
    f1_score,
    precision_score,
    recall_score,
)

from kmlic.evaluation import Report, average_reports, comparison_table, report_scores
from kmlic.labels import Labels

RANDOM = np.random.default_rng(0)
TARGETS = RANDOM.integers(0, 2, (50, 5))
SCORES = (TARGETS * 0.3 + RANDOM.uniform(0, 0.7, (50, 5))).round(2)
LABELS = Labels(("a", "b", "c", "d", "e"), {"vowels": ("a", "e")}, (0.5,) * 5, 32)


def test_equals_scikit_learn():
    metrics = report_scores(TARGETS, SCORES, LABELS).metrics
    found = SCORES >= 0.5
    expected = {
        "mAP": average_precision_score(TARGETS, SCORES),
        "mAP/vowels": average_precision_score(TARGETS[:, [0, 4]], SCORES[:, [0, 4]]),
        "CP": precision_score(TARGETS, found, average="macro"),
        "CR": recall_score(TARGETS, found, average="macro"),
        "OP": precision_score(TARGETS, found, average="micro"),
        "OR": recall_score(TARGETS, found, average="micro"),
        "OF1": f1_score(TARGETS, found, average="micro"),
        "exact": (found == TARGETS).all(axis=1).mean(),
    }
    for name, value in expected.items():
        assert metrics[name] == pytest.approx(value, abs=1e-7), name


def test_labels_without_positives_are_listed_and_left_out():
    targets = TARGETS.copy()
    targets[:, 1] = 0
    report = report_scores(targets, SCORES, LABELS)
    assert report.labels_without_positives == ["b"]
    kept = [0, 2, 3, 4]
    expected = average_precision_score(targets[:, kept], SCORES[:, kept])
    assert report.metrics["mAP"] == pytest.approx(expected)


def test_unknown_targets_do_not_count():
    targets, scores = TARGETS.copy(), SCORES.copy()
    targets[3] = -1
    before = report_scores(targets, scores, LABELS).metrics
    scores[3] = 1 - scores[3]
    assert report_scores(targets, scores, LABELS).metrics == before


def test_thresholds_of_the_labels_decide():
    low = Labels(LABELS.names, None, (0.1,) * 5)
    metrics = report_scores(TARGETS, SCORES, low).metrics
    expected = recall_score(TARGETS, SCORES >= 0.1, average="micro")
    assert metrics["OR"] == pytest.approx(expected)


def test_the_mean_and_deviation_of_seeds():
    reports = [Report({"mAP": v}, {"a": np.nan}, 3) for v in (0.1, 0.2, 0.6)]
    mean, deviation = average_reports(reports)
    assert mean.metrics["mAP"] == pytest.approx(0.3)
    assert deviation.metrics["mAP"] == pytest.approx(np.std([0.1, 0.2, 0.6], ddof=1))
    assert np.isnan(mean.per_label["a"])
    with pytest.raises(ValueError, match="at least one report"):
        average_reports([])


def test_the_table_holds_every_metric_and_label_in_percent():
    report = Report({"mAP": 0.12345}, {"a": 0.5, "b": np.nan}, 3)
    spread = Report({"mAP": 0.01}, {"a": 0.0, "b": np.nan}, 3)
    console = Console(width=100, file=io.StringIO())
    console.print(comparison_table({"x": report}, {"x": spread}))
    text = console.file.getvalue()
    assert "12.35 ± 1.00" in text
    assert "AP a" in text and "50.00 ± 0.00" in text


def test_the_table_shows_what_one_model_alone_has():
    reports = {"x": Report({"mAP": 0.5}, {}, 2), "y": Report({"hits": 0.25}, {}, 2)}
    spreads = {
        name: Report(dict.fromkeys(r.metrics, 0.0), {}, 2)
        for name, r in reports.items()
    }
    console = Console(file=io.StringIO(), width=80)
    console.print(comparison_table(reports, spreads))
    lines = [line.split() for line in console.file.getvalue().splitlines()]
    assert ["│", "mAP", "│", "50.00", "±", "0.00", "│", "-", "│"] in lines
    assert ["│", "hits", "│", "-", "│", "25.00", "±", "0.00", "│"] in lines


def test_of_many_models_each_has_a_row_that_an_ordinary_terminal_holds():
    metrics = {"mAP": 0.5, "CP": 0.3, "CF1": 0.4, "OF1": 0.45, "CF1@3": 0.2}
    reports = {f"width={n}": Report(metrics, {"a": 0.1}, 2) for n in range(18)}
    console = Console(file=io.StringIO(), width=80)
    console.print(comparison_table(reports))
    lines = [line.split() for line in console.file.getvalue().splitlines()]
    assert ["┃", "┃", "mAP", "┃", "CF1", "┃", "OF1", "┃"] in lines
    row = ["│", "50.00", "│", "40.00", "│", "45.00", "│"]
    assert ["│", "width=17", *row] in lines


def test_says_how_many_columns_there_must_be():
    with pytest.raises(ValueError, match=r"\(50, 5\) and \(50, 5\) for 1 labels"):
        report_scores(TARGETS, SCORES, Labels(("a",)))


def test_exclusive_groups_are_judged_by_their_likeliest_label():
    groups = {"vowels": ("a", "e"), "consonants": ("b", "c", "d")}
    labels = Labels(("a", "e", "b", "c", "d"), groups, exclusive=True)
    targets = np.zeros((50, 5), int)
    targets[np.arange(50), RANDOM.integers(0, 2, 50)] = 1
    targets[np.arange(50), RANDOM.integers(2, 5, 50)] = 1
    metrics = report_scores(targets, SCORES, labels).metrics
    right = targets[:, :2].argmax(axis=1) == SCORES[:, :2].argmax(axis=1)
    assert metrics["accuracy/vowels"] == pytest.approx(right.mean())
    assert metrics["accuracy"] == pytest.approx(
        (metrics["accuracy/vowels"] + metrics["accuracy/consonants"]) / 2
    )
    assert {"balanced_accuracy", "macro_f1", "exact", "mAP"} <= set(metrics)
    assert "CF1" not in metrics
