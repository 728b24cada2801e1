import pytest

from kmlic.experiments import evaluate_run, export_run
from kmlic.run_folder import Run
from tests.toys import LABELS


def test_scores_the_runs_own_dataset_again(run):
    folder, _ = run
    report = evaluate_run(folder)
    sizes = Run.read(folder / "run.json").data["sizes"]
    assert report.images == sizes["test"]
    assert set(report.per_label) == set(LABELS.names)


def test_scores_with_the_runtime_of_choice(run):
    folder, _ = run
    export_run(folder, formats=("onnx",))
    expected = evaluate_run(folder, split="validation")
    given = evaluate_run(folder, split="validation", runtime="onnx")
    assert given.metrics == pytest.approx(expected.metrics, nan_ok=True)
    assert given.images == expected.images > 0
