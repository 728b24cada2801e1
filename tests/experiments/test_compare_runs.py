import json
import shutil

import numpy as np
import pytest

from kmlic.experiments import compare_runs, evaluate_run
from kmlic.experiments.load_split import LoadedSplit
from kmlic.labels import Labels
from kmlic.predict import load_run
from kmlic.run_folder import Run
from tests.experiments.conftest import write_run
from tests.toys import LABELS


@pytest.fixture
def runs(run, tmp_path):
    """A run, and a copy of it whose model's weights are others."""
    folder, images = run
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    model, _ = load_run(other)
    model.set_weights([-weight for weight in model.get_weights()])
    model.save(other / "model.keras")
    return folder, other, images


def test_compares_runs_with_the_first_on_the_same_images(runs, tmp_path):
    folder, other, _ = runs
    found = compare_runs([folder, other])
    first, second = str(folder), str(other)
    sizes = Run.read(folder / "run.json").data["sizes"]
    assert found.images == sizes["test"] and found.labels == list(LABELS.names)
    for name in (first, second):
        expected = evaluate_run(name).metrics
        for metric, interval in found.metrics[name].items():
            assert interval.value == pytest.approx(expected[metric], abs=1e-6)
    values = [found.metrics[name]["mAP"].value for name in (first, second)]
    difference = found.differences[second]["mAP"]
    assert difference.value == pytest.approx(values[1] - values[0])
    assert set(found.differences) == {second}
    text = "\n".join(found.notes())
    assert f"{second} against {first}: mAP" in text and "95 % interval" in text
    found.write(tmp_path / "found.json")
    content = json.loads((tmp_path / "found.json").read_text())
    assert content["differences"][second]["mAP"]["low"] == pytest.approx(difference.low)
    assert content["differences"][second]["mAP"]["distinguishable"] in (True, False)


def test_a_model_cannot_be_told_from_itself(run, tmp_path):
    folder, images = run
    shutil.copytree(folder, tmp_path / "same")
    found = compare_runs(
        [folder, tmp_path / "same"], images / "labels.csv", split="all"
    )
    for difference in found.differences[str(tmp_path / "same")].values():
        assert (difference.value, difference.low, difference.high) == (0, 0, 0)
        assert not difference.distinguishable


def test_scores_images_that_no_model_was_trained_on(tmp_path, caplog):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    folder, images = write_run(tmp_path / "a", seeds=(0,), exported=0)
    other, _ = write_run(tmp_path / "b", seeds=(1,), exported=1)
    found = compare_runs([folder, other], images / "labels.csv", split="all")
    trained_on = [np.load(each / "train_images.npy") for each in (folder, other)]
    assert found.images == 40 - len(np.union1d(*trained_on))
    assert "left out, on which not all runs can be scored" in caplog.text


def test_compares_the_labels_that_all_runs_have(runs, caplog):
    folder, other, images = runs
    labels = Labels.read(other / "labels.json")
    names = (*labels.names[:2], "violet")
    Labels(names, image_size=labels.image_size).write(other / "labels.json")
    lines = (images / "labels.csv").read_text().splitlines()
    kept = [lines[0]]
    for path, own in (line.split(",") for line in lines[1:]):
        names = [name for name in own.split("|") if name in labels.names[:2]]
        kept.append(f"{path},{'|'.join(names)}")
    (images / "two.csv").write_text("\n".join(kept))
    found = compare_runs([folder, other], images / "two.csv", split="all")
    assert found.labels == list(labels.names[:2])
    assert f"2 labels left out, which not all runs have: {labels.names[2]}" in (
        caplog.text
    )


@pytest.fixture
def unscored(monkeypatch):
    """Fails where images are scored."""

    def score_split(*arguments, **options):
        pytest.fail("scored before the runs were compared")

    monkeypatch.setitem(compare_runs.__globals__, "score_split", score_split)


@pytest.mark.usefixtures("unscored")
def test_says_what_cannot_be_compared(runs):
    folder, other, _ = runs
    with pytest.raises(ValueError, match="at least two different runs"):
        compare_runs([folder, folder])
    groups = {"colour": LABELS.names}
    labels = Labels(LABELS.names, groups, image_size=8, exclusive=True)
    labels.write(other / "labels.json")
    for first, second, found in (
        (folder, other, f"{other} has 1 group (colour) and {folder} none"),
        (other, folder, f"{folder} has none and {other} 1 group (colour)"),
    ):
        with pytest.raises(ValueError, match="must have the same exclusive") as raised:
            compare_runs([first, second])
        assert str(raised.value) == (
            f"{second} must have the same exclusive groups as {first}; {found}. Train "
            "both with the same groups."
        )
    Labels(("red", "blue"), {"colour": ("red", "blue")}, exclusive=True).write(
        folder / "labels.json"
    )
    with pytest.raises(ValueError, match=r"1 group \(colour: red, blue\)\. Train"):
        compare_runs([folder, other])


@pytest.mark.usefixtures("unscored")
@pytest.mark.parametrize("groups", [None, ["a", "a", "b", "a"]])
def test_needs_two_images_or_groups_that_no_run_was_trained_on(
    runs, groups, monkeypatch
):
    folder, other, _ = runs
    names = (np.array(["0", "1", "2", "3"]), np.array(["1", "4", "5", "3"]))
    if groups is None:
        names[1][3] = "6"
    loaded = {
        run: LoadedSplit([], own, groups and np.array(groups, object))
        for run, own in zip((folder, other), names, strict=True)
    }
    monkeypatch.setitem(
        compare_runs.__globals__,
        "load_split",
        lambda run, split, **options: loaded[run],
    )
    count = "1 image" if groups is None else "2 images of 1 group"
    with pytest.raises(ValueError, match=rf"have {count} in common\. Give other"):
        compare_runs([folder, other])
