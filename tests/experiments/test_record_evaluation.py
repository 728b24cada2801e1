import pytest

from kmlic.evaluation.bootstrap import Interval
from kmlic.evaluation.report import Report
from kmlic.experiments import evaluate_run, record_evaluation
from kmlic.run_folder import Run

REPORT = Report(
    {"mAP": 0.5, "CP": 0.1, "exact": float("nan")},
    {"dog": 0.5},
    7,
    "a threshold of 0.5 for every label",
    {"mAP": Interval(0.5, 0.4, 0.6), "mAP/group": Interval(0.5, 0.4, 0.6)},
)


def test_adds_an_evaluation_once_per_data_split_and_runtime(run):
    folder, _ = run
    before = Run.read(folder / "run.json")
    own = {"data": "", "split": "test", "runtime": "keras"}
    for changes in ({}, {"split": "all"}, {"data": "other"}, {"runtime": "onnx"}, {}):
        record_evaluation(folder, REPORT, **(own | changes))
    found = Run.read(folder / "run.json")
    assert [(e["data"], e["split"], e["runtime"]) for e in found.evaluations] == [
        (before.data["name"], "all", "keras"),
        ("other", "test", "keras"),
        (before.data["name"], "test", "onnx"),
        (before.data["name"], "test", "keras"),
    ]
    assert found.evaluations[0]["metrics"] == {
        "mAP": {"value": 0.5, "low": 0.4, "high": 0.6},
        "exact": {"value": None, "low": None, "high": None},
    }
    assert found.evaluations[0]["thresholds"] == REPORT.thresholds
    assert found.results == before.results and found.exports == before.exports


def test_the_report_of_a_recipe_shows_it(run):
    folder, _ = run
    report = evaluate_run(folder)
    record_evaluation(folder, report, data="", split="test", runtime="keras")
    page = (folder / "report.html").read_text()
    assert page.count(">Evaluations</h2>") == 1
    value = report.intervals["mAP"].value
    assert (
        f"{100 * value:.1f} ["
        in page.split(">Evaluations</h2>")[1].split("</section>")[0]
    )


def test_says_which_run_there_is_not(tmp_path):
    with pytest.raises(ValueError, match=r"gone must be a run folder"):
        record_evaluation(
            tmp_path / "gone", REPORT, data="", split="test", runtime="keras"
        )
