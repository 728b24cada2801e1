import csv

import numpy as np
import pytest
from PIL import Image

from kmlic import cli
from kmlic.data.inspect_rows import inspect_rows
from kmlic.data.read_listing import read_listing
from kmlic.data.summarise_image import summarise_image
from kmlic.experiments import check_labels
from kmlic.experiments.unseen_scores import write_unseen_scores
from kmlic.labels import Labels
from tests.toys import LABELS


def _inspect(path, check="decode"):
    describe = summarise_image if check == "decode" else None
    return inspect_rows(read_listing(path), check=check, describe=describe)


@pytest.fixture
def flipped(run):
    """A run with scores out of fold, and its dataset with two labels flipped."""
    folder, images = run
    rows = _inspect(images / "labels.csv")
    targets = rows.targets.toarray()[:, [rows.names.index(n) for n in LABELS.names]]
    write_unseen_scores(
        folder,
        Labels.read(folder / "labels.json"),
        digests=rows.short_digests(np.arange(len(targets))),
        probabilities=np.where(targets == 1, 0.9, 0.1),
    )
    lines = (images / "labels.csv").read_text().splitlines()
    numbers = {line.partition(",")[2]: i for i, line in enumerate(lines)}
    removed, added = numbers["green|blue"], numbers["red"]
    lines[removed] = lines[removed].split(",")[0] + ",blue"
    lines[added] += "|blue"
    (images / "flipped.csv").write_text("\n".join(lines))
    paths = [lines[i].split(",")[0] for i in (removed, added)]
    return folder, images, paths


def test_finds_labels_that_were_flipped(flipped):
    folder, images, (removed, added) = flipped
    check = check_labels(folder, _inspect(images / "flipped.csv"))
    findings = {finding.title: finding for finding in check.findings}
    missing = findings["Labels that are probably missing"]
    wrong = findings["Labels that are probably wrong"]
    assert missing.rows == [[removed, "green", "0.900"]]
    assert wrong.rows == [[added, "blue", "0.100"]]
    assert check.galleries[wrong.title][0].pictures[0].caption == "blue 0.10"
    fixes = {(fix.path, fix.label): (fix.given, fix.corrected) for fix in check.fixes}
    assert fixes == {
        (removed, "green"): ("absent", "present"),
        (added, "blue"): ("present", "absent"),
    }
    health = {row[0]: row[3:5] for row in findings["Health of labels"].rows}
    assert health == {"green": ["1", "0"], "blue": ["0", "1"], "red": ["0", "0"]}
    assert "Images without a score" not in findings


def test_labels_that_are_not_listed_may_be_unknown(flipped):
    folder, images, (removed, _) = flipped
    lines = ["ImageID,LabelName,Confidence"]
    for line in (images / "flipped.csv").read_text().splitlines()[1:]:
        path, _, labels = line.partition(",")
        absent = "red" if path != removed else "green"
        marks = {absent: 0} | dict.fromkeys(labels.split("|"), 1)
        lines += [f"{path},{name},{mark}" for name, mark in marks.items() if name]
    (images / "verified.csv").write_text("\n".join(lines))
    check = check_labels(folder, _inspect(images / "verified.csv"))
    missing = {f.title: f.rows for f in check.findings}[
        "Labels that are probably missing"
    ]
    assert missing == [[removed, "green", "0.900"]]


def test_leaves_out_images_that_the_model_was_fitted_to(run):
    folder, images = run
    trained_on = len(np.load(folder / "train_images.npy"))
    Image.new("RGB", (8, 8), (200, 0, 0)).save(images / "new.png")
    (images / "classes.txt").unlink()
    with (images / "labels.csv").open("a") as file:
        file.write("\nnew.png,red|violet\n")
    check = check_labels(folder, _inspect(images / "labels.csv"))
    findings = {finding.title: finding for finding in check.findings}
    assert findings["Images without a score"].count == trained_on
    unsure = findings["Images that the model is least sure of"]
    assert unsure.count == 41 - trained_on
    assert "new.png" in [row[0] for row in unsure.rows]
    assert findings["Labels that the model does not know"].rows == [["violet"]]


def test_says_why_labels_cannot_be_checked(run, tmp_path):
    folder, images = run
    with pytest.raises(ValueError, match="`images` must be decode"):
        check_labels(folder, _inspect(images / "labels.csv", check="none"))
    (images / "classes.txt").unlink()
    (images / "other.csv").write_text("path,labels\n0.png,violet\n1.png,\n")
    with pytest.raises(ValueError, match="must have a label of"):
        check_labels(folder, _inspect(images / "other.csv"))


def test_commands_write_a_page_and_fixes_and_apply_them(flipped, tmp_path, capsys):
    folder, images, paths = flipped
    fixes, page = tmp_path / "fixes.csv", tmp_path / "page.html"
    command = ["data", "check", str(images / "flipped.csv"), "--near", "None"]
    options = ["--model", str(folder), "--fixes", str(fixes), "--report", str(page)]
    assert cli.main([*command, *options]) == 0
    assert "Labels that are probably missing: 1." in capsys.readouterr().out
    assert "Labels that are probably wrong" in page.read_text()
    with fixes.open(newline="") as file:
        assert {row["path"] for row in csv.DictReader(file)} == set(paths)
    output = images / "corrected.csv"
    convert = ["data", "convert", str(images / "flipped.csv"), str(output)]
    assert cli.main([*convert, "--fixes", str(fixes)]) == 0
    assert "2 labels changed." in capsys.readouterr().out
    expected, found = (
        {row.path: set(row.labels) for row in read_listing(path).rows}
        for path in (images / "labels.csv", output)
    )
    assert found == expected
    assert cli.main([*command, "--fixes", str(fixes)]) == 2
