import dataclasses
import importlib
import io
from types import SimpleNamespace
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf
from rich.console import Console

from kmlic.classifier import finish, train_classifier
from kmlic.classifier.check import check
from kmlic.evaluation.report import report_scores
from kmlic.experiments.unseen_scores import read_unseen_scores
from tests.classifier.photos import small_settings, write_photos


def test_keeps_no_score_of_a_test_image_that_is_a_copy_of_a_training_image(tmp_path):
    images = check(write_photos(tmp_path / "photos"), tmp_path).images
    first, *others = images.test_rows
    digests = images.digests.copy()
    digests[first] = digests[images.training_rows[0]]
    images = dataclasses.replace(images, digests=digests)
    rows = np.concatenate([images.training_rows, images.test_rows])
    logits = np.where(rows == first, 9.0, 0.0)[:, None] * np.ones((1, 3))
    trained = SimpleNamespace(
        checked=SimpleNamespace(images=images),
        folder=SimpleNamespace(draft=tmp_path),
        labels=images.labels,
    )
    finish._write_unseen(trained, SimpleNamespace(rows=rows, logits=logits))
    kept, probabilities = read_unseen_scores(tmp_path, images.labels)
    assert len(kept) == len(images.training_rows) + len(others)
    assert (probabilities == 0.5).all()


def test_the_metrics_of_all_stages_are_logged(tmp_path, without_exports):
    loader = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator"
    )
    table = write_photos(tmp_path / "photos", 30)
    settings = small_settings(tmp_path / "run", models=("peaks",), log="tensorboard")
    run = train_classifier(table, settings)
    events = loader.EventAccumulator(str(tmp_path / "run.log/stages"))
    events.Reload()
    names = events.Tags()["tensors"]
    assert "candidates/mAP logistic regression" in names
    chosen = run.data["exported"]["model"]
    (event,) = events.Tensors(f"validation/CF1 {chosen}")
    expected = run.results["validation"][chosen]["CF1"]
    assert tf.make_ndarray(event.tensor_proto) == pytest.approx(expected)


def test_reports_scores_of_the_exported_model_only(
    tmp_path, without_exports, monkeypatch
):
    stage = importlib.import_module("kmlic.classifier.fine_tuning")
    monkeypatch.setattr(stage, "_FEWEST_IMAGES", 10)
    plan = stage._Plan(0.0, 3, 2, 0)  # two of five folds
    monkeypatch.setattr(stage, "_plan", lambda *_: (plan, "little time"))
    sections = mock.Mock(side_effect=finish.report_sections)
    monkeypatch.setattr(finish, "report_sections", sections)
    table = write_photos(tmp_path / "photos", 60)
    options = {"backbone": "small_resnet", "fractions": (1.0, 0.0, 0.0)}
    run = train_classifier(table, small_settings(tmp_path / "run", **options))
    shown = sections.call_args.kwargs
    tested = shown["tested"]
    assert tested is shown["examined"]
    assert 20 <= len(tested.targets) < 30
    assert tested.name.startswith(f"{len(tested.targets)} training images")
    report = report_scores(tested.targets, tested.probabilities, tested.labels)
    expected = run.results["validation"][run.data["exported"]["model"]]
    assert report.metrics == pytest.approx(expected, abs=1e-6, nan_ok=True)
    rest = 60 - len(tested.targets)
    assert f"{rest} of them by logistic regression" in shown["doubted"].name
    digests, _ = read_unseen_scores(tmp_path / "run", tested.labels)
    assert len(digests) == len(shown["doubted"].targets) == 60


@pytest.mark.parametrize(("scored", "said"), [(48, True), (47, False)])
def test_says_that_the_run_which_is_replaced_was_better(
    tmp_path, without_exports, scored, said
):
    log = io.StringIO()
    console = Console(file=log, width=500)
    folder = tmp_path / "run"
    table = write_photos(tmp_path / "photos", 60)
    # Its mAP is below 0.9999.
    settings = small_settings(folder, models=("peaks",), backbone="small_resnet")
    run = train_classifier(table, settings, console=console)
    assert run.data["scored"] == 48 and "replaced" not in log.getvalue()
    model = run.data["exported"]["model"]
    run.results["validation"][model]["mAP"] = 0.9999
    dataclasses.replace(run, data={**run.data, "scored": scored}).write(
        folder / "run.json"
    )
    settings = dataclasses.replace(settings, minutes=6.0)
    again = train_classifier(table, settings, console=console)
    own = 100 * again.results["validation"][model]["mAP"]
    text = (
        f"he run that this one replaces had mAP 100.0 out of fold, this one {own:.1f}"
    )
    assert (f"replaced: t{text}\n" in log.getvalue()) == said
    assert (f"T{text}." in (folder / "report.html").read_text()) == said
