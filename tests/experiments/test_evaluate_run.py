import numpy as np
import pytest

from kmlic.experiments import evaluate_run, export_run
from kmlic.run_folder import Run
from tests.experiments.conftest import write_run
from tests.toys import LABELS


def test_scores_the_runs_own_dataset_again(run):
    folder, _ = run
    report = evaluate_run(folder)
    sizes = Run.read(folder / "run.json").data["sizes"]
    assert report.images == sizes["test"]
    assert set(report.per_label) == set(LABELS.names)


def test_takes_the_split_of_the_exported_seed(tmp_path):
    folder, images = write_run(tmp_path, seeds=(0, 1, 2), exported=1)
    record = Run.read(folder / "run.json")
    assert record.data["exported"] == {"model": "model", "seed": 1}
    report = evaluate_run(folder)
    expected = record.seeds["1"]["test"]["model"]
    assert report.metrics["mAP"] == pytest.approx(expected["mAP"], abs=1e-6)
    tuned = record.tuned["test"]["model"]
    assert report.metrics == pytest.approx(tuned, abs=1e-6)
    splits = [record.data["seeds"][seed]["splits"] for seed in "012"]
    assert len({each["test"]["fingerprint"] for each in splits}) == 3
    # All other images: those of the exported seed's training split are left out.
    others = evaluate_run(folder, images / "labels.csv", split="all")
    assert others.images == 40 - splits[1]["train"]["images"]


def test_scores_with_the_runtime_of_choice(run):
    folder, _ = run
    export_run(folder, formats=("onnx",))
    expected = evaluate_run(folder, split="validation")
    given = evaluate_run(folder, split="validation", runtime="onnx")
    assert given.metrics == pytest.approx(expected.metrics, nan_ok=True)
    assert given.images == expected.images > 0


def test_limits_the_images_that_are_decoded(run):
    folder, images = run
    own = images / "labels.csv"
    for dataset in (None, own):
        evaluate_run(folder, dataset, split="all", max_bytes=1000, max_pixels=64)
        with pytest.raises(ValueError, match=r"at most max_pixels=63 pixels"):
            evaluate_run(folder, dataset, split="all", max_pixels=63)
        with pytest.raises(ValueError, match=r"at most max_bytes=60 bytes"):
            evaluate_run(folder, dataset, split="all", max_bytes=60)


def test_a_dataset_without_image_files_has_no_limits(run, tmp_path):
    images = np.zeros((20, 32, 32, 3), np.uint8)
    np.savez(tmp_path / "a.npz", x=images, y=np.arange(20) % 2, classes=["a", "b"])
    with pytest.raises(ValueError, match=r"cifar100 must .*max_pixels"):
        evaluate_run(run[0], "cifar100", data_dir=tmp_path, max_pixels=64)
