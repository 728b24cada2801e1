import json
import shutil

import numpy as np
import pytest

from kmlic.data.reading_options import ReadingOptions
from kmlic.experiments.load_split import load_split
from kmlic.run_folder import Run
from tests.toys import LABELS


def targets_of(*arguments, **options):
    batches = load_split(*arguments, **options).images
    return np.concatenate([targets.numpy() for _, targets in batches])


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_returns_every_image_of_the_split_in_order(run, split):
    folder, _ = run
    first, again = (targets_of(folder, split) for _ in range(2))
    size = Run.read(folder / "run.json").data["sizes"][split]
    assert first.shape == (size, len(LABELS))
    np.testing.assert_array_equal(first, again)
    assert len(next(iter(load_split(folder, split, batch_size=3).images))[0]) == 3


def test_refuses_labels_in_another_order(run):
    folder, _ = run
    labels = json.loads((folder / "labels.json").read_text())
    labels["names"] = ["red", "blue", "green"]
    del labels["hash"]
    (folder / "labels.json").write_text(json.dumps(labels))
    with pytest.raises(ValueError, match="label 1 is 'blue' here and 'green' there"):
        load_split(folder, "test")


def test_says_which_splits_there_are(run):
    with pytest.raises(ValueError, match="got split='dev'"):
        load_split(run[0], "dev")


def test_a_dataset_that_has_moved_is_found_by_its_new_path(run):
    folder, images = run
    expected = targets_of(folder, "test")
    images.rename(images.with_name("moved"))
    with pytest.raises(ValueError, match=r"labels\.csv must be a file or folder"):
        load_split(folder, "test")
    moved = targets_of(folder, "test", data_dir=images.with_name("moved"))
    np.testing.assert_array_equal(moved, expected)


def test_refuses_a_split_that_has_changed_and_says_what_differs(run):
    folder, images = run
    lines = (images / "labels.csv").read_text().splitlines()
    (images / "labels.csv").write_text("\n".join(lines[:-4]))
    with pytest.raises(ValueError, match=r"the test split .* no option .* differs"):
        load_split(folder, "test")
    (images / "labels.csv").write_text("\n".join(lines))
    shutil.copytree(images, images.with_name("other"))
    other = images.with_name("other") / "labels.csv"
    other.write_text("\n".join(lines[:30]))
    rule = (
        r"the train split .* 28 images there, 2\d here; path: .*images.* there, .*oth"
    )
    with pytest.raises(ValueError, match=rule):
        load_split(folder, "train", data_dir=other)


def test_a_run_without_a_record_of_its_images_is_refused(run):
    folder, images = run
    record = json.loads((folder / "run.json").read_text())
    del record["data"]["seeds"], record["data"]["exported"]
    (folder / "run.json").write_text(json.dumps(record))
    assert Run.read(folder / "run.json").data["name"] == str(images)
    for dataset in (None, images / "labels.csv"):
        with pytest.raises(ValueError, match=r"earlier version .* Train and export it"):
            load_split(folder, "test", dataset=dataset)


def test_all_leaves_out_the_images_that_the_model_was_trained_on(run, caplog):
    folder, images = run
    sizes = Run.read(folder / "run.json").data["sizes"]
    own = targets_of(folder, "all")
    assert len(own) == 40 - sizes["train"]
    assert f"trained on them: {sizes['train']} of 40 images." in caplog.text
    expected = [targets_of(folder, split) for split in ("validation", "test")]
    np.testing.assert_array_equal(own, np.concatenate(expected))
    by_path = targets_of(folder, "all", dataset=images / "labels.csv")
    assert by_path.shape == own.shape


def test_another_dataset_is_matched_by_label(run, tmp_path):
    folder, images = run
    other = tmp_path / "other"
    other.mkdir()
    lines = ["path,labels"]
    for number, names in enumerate(["blue", "red;blue", ""]):
        content = (images / f"{number}.png").read_bytes()
        (other / f"{number}.png").write_bytes(content + b"another file")
        lines.append(f"{number}.png,{names}")
    (other / "labels.csv").write_text("\n".join(lines))
    reading = ReadingOptions(separator=";")
    options = {"dataset": other / "labels.csv", "reading": reading}
    targets = targets_of(folder, "all", **options)
    assert targets.tolist() == [[0, -1, 1], [1, -1, 1], [0, -1, 0]]
    lines[1] = "0.png,blue;violet"
    (other / "labels.csv").write_text("\n".join(lines))
    with pytest.raises(ValueError, match=r"it has 1 other: violet\. Leave"):
        load_split(folder, "all", **options)
    lines[1] = f"0.png,blue;{';'.join(f'n{number}' for number in range(7))}"
    (other / "labels.csv").write_text("\n".join(lines))
    with pytest.raises(ValueError, match=r"7 others: n0, n1, n2, n3, n4 and 2 more\."):
        load_split(folder, "all", **options)
    reading = ReadingOptions(
        separator=";", ignore_labels=tuple(f"n{n}" for n in range(7))
    )
    options = {"dataset": other / "labels.csv", "reading": reading}
    assert targets_of(folder, "all", **options).tolist()[0] == [0, -1, 1]


def test_fewer_images_than_a_batch_are_scored(run, tmp_path):
    folder, images = run
    lines = ["path,labels,split"]
    for number in range(3):
        content = (images / f"{number}.png").read_bytes()
        (tmp_path / f"{number}.png").write_bytes(content + b"another file")
        lines.append(f"{number}.png,red,{'test' if number else 'train'}")
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    options = {"dataset": tmp_path / "labels.csv", "batch_size": 16}
    for split, count in {"train": 1, "test": 2, "all": 3}.items():
        assert len(targets_of(folder, split, **options)) == count


def test_never_scores_training_images_unless_asked(run, tmp_path):
    folder, images = run
    names = load_train_paths(folder, images)
    lines = ["path,labels", *(f"{name},red" for name in names)]
    (images / "known.csv").write_text("\n".join(lines))
    with pytest.raises(
        ValueError, match=r"trained on every image of this split \(\d+\)"
    ):
        load_split(folder, "all", dataset=images / "known.csv")
    assert len(targets_of(folder, "train", dataset=images / "known.csv")) > 0


def load_train_paths(folder, images):
    from kmlic.datasets import load_dataset

    spec = json.loads((folder / "run.json").read_text())["data"]["seeds"]["0"]["spec"]
    options = {**spec["options"], "image_size": 8, "batch_size": 4}
    return load_dataset("own_images", data_dir=spec["path"], **options).paths["train"]


def test_reads_the_images_as_the_run_did(run):
    folder, images = run
    record = json.loads((folder / "run.json").read_text())
    (images / "0.png").write_bytes(b"broken")
    with pytest.raises(ValueError, match=r"0\.png"):
        load_split(folder, "test")
    record["data"]["seeds"]["0"]["spec"]["options"]["on_error"] = "skip"
    (folder / "run.json").write_text(json.dumps(record))
    with pytest.raises(ValueError, match="have changed"):
        load_split(folder, "all")
