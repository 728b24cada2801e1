import csv
import html
import io
import re
import shlex
import time
import tracemalloc
from inspect import signature

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from kmlic import cli
from kmlic.classifier.check import check as training_check
from kmlic.data import from_csv
from kmlic.data.reading_options import ReadingOptions
from kmlic.data_check import check_data
from tests.data.files import encode, picture, write_csv, write_dataset


def found(check):
    return {finding.title: finding for finding in check.findings}


def test_a_dataset_without_faults_has_no_errors(tmp_path):
    check = check_data(write_dataset(tmp_path, 60, kind="JPEG"))
    assert not check.has_errors
    assert check.facts["usable images"] == "60" and check.facts["formats"] == "60 JPEG"
    assert check.facts["splits"].endswith("(new)")
    assert check.facts["width, pixels"] == "32 to 32, median 32"
    counts = [sum(map(int, row[1:4])) for row in check.labels]
    assert [row[0] for row in check.labels] == ["a", "b", "c"]
    assert counts == [30, 20, 15]
    assert check.labels[0][4:] == ["50.00", "0.00"]


def test_the_splits_are_those_of_the_training(tmp_path):
    path = write_dataset(tmp_path, 60)
    check = check_data(path, seed=3)
    data = from_csv(path, image_size=8, batch_size=4, seed=3)
    assert check.paths == data.paths
    check.write_splits(tmp_path / "splits.csv")
    with (tmp_path / "splits.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 60
    again = check_data(path, splitting=tmp_path / "splits.csv")
    assert again.paths == data.paths
    assert again.facts["splits"].endswith("(given)")


def test_finds_images_that_do_not_decode_and_rows_that_are_wrong(tmp_path):
    path = write_dataset(tmp_path, 60)
    (tmp_path / "004.png").write_bytes(b"")
    lines = path.read_text().splitlines()
    lines[6] = "005.png,a|?a"
    write_csv(tmp_path, lines)
    check = check_data(path)
    assert check.has_errors
    finding = found(check)["Unusable rows"]
    assert finding.level == "error" and finding.count == 2
    assert [row[:2] for row in finding.rows] == [["6", "004.png"], ["7", "005.png"]]
    assert "is empty" in finding.rows[0][2]
    assert "must be present or unknown" in finding.rows[1][2]


def give_splits(path, row_splits):
    lines = path.read_text().splitlines()
    lines[0] += ",split"
    splits = ("train", "validation", "test")
    for row, line in enumerate(lines[1:]):
        lines[row + 1] = f"{line},{row_splits.get(row, splits[row % 3])}"
    return write_csv(path.parent, lines)


def test_copies_across_given_splits_are_errors_and_in_new_ones_notes(tmp_path):
    path = write_dataset(tmp_path, 60, kind="JPEG")
    (tmp_path / "001.jpeg").write_bytes((tmp_path / "000.jpeg").read_bytes())
    check = check_data(path)
    assert not check.has_errors
    assert found(check)["Sets of exact copies"].count == 1
    conflict = found(check)["Exact copies with different labels"]
    assert conflict.rows == [["000.jpeg", "a, b, c", "001.jpeg", "none"]]
    check = check_data(give_splits(path, {}))
    assert check.has_errors
    across = found(check)["Exact copies in several splits"]
    assert [row[:3] for row in across.rows] == [
        ["1", "000.jpeg", "train"],
        ["1", "001.jpeg", "validation"],
    ]


@pytest.mark.parametrize("count", [6, 60])
def test_copies_of_one_image_cannot_be_trained_on(tmp_path, count):
    path = write_dataset(tmp_path, count)
    assert check_data(path).verdict.startswith("You can train")
    for copy in tmp_path.glob("*.png"):
        copy.write_bytes(encode(picture(), "PNG"))
    check = check_data(path)
    first, *_ = check.findings
    assert (first.level, first.count) == ("error", count)
    assert first.title == "All training images are copies of one image"
    assert check.verdict.startswith(
        f"Do not train on this dataset yet. Correct first: {first.title.lower()}"
    )
    # The same where the others are for the validation and the test.
    for number in (1, 2):
        (tmp_path / f"00{number}.png").write_bytes(encode(picture(seed=number), "PNG"))
    splits = {1: "validation", 2: "test"}
    every = give_splits(path, {row: splits.get(row, "train") for row in range(count)})
    copies = found(check_data(every))[first.title]
    assert copies.count == count - 2
    assert copies.text == "No label can be learned from one image. Add other images."
    assert first.title not in found(check_data(every, images="none"))


def test_one_group_cannot_be_trained_on(tmp_path):
    path = write_dataset(tmp_path, 6)
    lines = path.read_text().splitlines()
    lines = [f"{line},{'one' if i else 'group'}" for i, line in enumerate(lines)]
    check = check_data(write_csv(tmp_path, lines))
    title = "All images but the test's are of one group"
    assert found(check)[title].count == 6
    assert check.verdict.startswith("Do not train")
    # Images to compare on alone are no training that fails.
    split = ["split", *["validation"] * 6]
    rows = [f"{line},{name}" for line, name in zip(lines, split, strict=True)]
    assert title not in found(check_data(write_csv(tmp_path, rows)))
    lines[6] = lines[6].replace("one", "other")
    assert not check_data(write_csv(tmp_path, lines)).has_errors


def test_groups_across_given_splits_are_a_warning(tmp_path):
    path = write_dataset(tmp_path, 60, kind="JPEG")
    lines = path.read_text().splitlines()
    lines = [f"{line},{i // 2 if i else 'group'}" for i, line in enumerate(lines)]
    write_csv(tmp_path, lines)
    assert "Groups in several splits" not in found(check_data(path, images="none"))
    check = check_data(
        give_splits(path, dict.fromkeys(range(4, 60), "test")), images="none"
    )
    finding = found(check)["Groups in several splits"]
    assert (finding.level, finding.count) == ("warning", 2)
    assert [row[:3] for row in finding.rows] == [
        ["1", "001.jpeg", "validation"],
        ["1", "002.jpeg", "test"],
        ["2", "003.jpeg", "train"],
        ["2", "004.jpeg", "test"],
    ]


def test_finds_images_that_look_alike(tmp_path):
    path = write_dataset(tmp_path, 60)
    for row, factor in ((0, 1), (6, 1.05), (20, 0.95)):
        image = picture(90, 120, cells=12)
        image = ImageEnhance.Brightness(image).enhance(factor)
        (tmp_path / f"{row:03}.png").write_bytes(encode(image, "PNG"))
    check = check_data(give_splits(path, {0: "train", 6: "train", 20: "test"}))
    across = found(check)["Similar images in several splits"]
    assert across.level == "warning"
    assert [row[1] for row in across.rows] == ["000.png", "006.png", "020.png"]
    assert "Similar images" not in "".join(found(check_data(path, near=None)))
    different = found(check)["Similar images with different labels"]
    assert (different.level, different.count) == ("warning", 1)
    assert different.rows == across.rows


def write_alike(folder, count):
    path = write_dataset(folder, count)
    image = picture(90, 120, cells=12)
    for row, factor in enumerate(np.linspace(0.95, 1.05, count)):
        brighter = ImageEnhance.Brightness(image).enhance(factor)
        (folder / f"{row:03}.png").write_bytes(encode(brighter, "PNG"))
    return path


@pytest.mark.parametrize("count", [6, 60])
def test_warns_once_of_near_copies_of_one_image_as_a_training_does(tmp_path, count):
    path = write_alike(tmp_path, count)
    check = check_data(path, thumbnails=True)
    trained = len(check.paths["train"])
    alike = found(check)["All training images look alike"]
    assert (alike.level, alike.count) == ("warning", trained)
    assert {row[1] for row in alike.rows} >= set(check.paths["train"])
    assert not any("Similar" in title for title in found(check))
    assert check.galleries[alike.title]
    images = f"these {count} images (1 different)"
    assert check.verdict == (
        f"You can train on {images}. Look first at: all training images look alike "
        f"({trained})."
    )
    own = found(training_check(path, tmp_path / "run"))[alike.title]
    assert (own.level, own.text) == (alike.level, alike.text)
    flags = {*signature(cli.train).parameters, *ReadingOptions.__dataclass_fields__}
    for finding in found(training_check(path, tmp_path / "run")).values():
        assert flags >= set(re.findall(r"--(\w+)", finding.text))


def test_says_how_many_images_are_different(tmp_path):
    path = write_alike(tmp_path, 6)
    assert "different images" not in check_data(path, near=None).facts
    (tmp_path / "004.png").write_bytes((tmp_path / "003.png").read_bytes())
    assert check_data(path, near=None).facts["different images"] == "5"
    (tmp_path / "005.png").write_bytes(encode(picture(seed=1), "PNG"))
    check = check_data(path)
    assert not check.has_errors and check.facts["different images"] == "2"
    assert check.verdict.startswith("You can train on these 6 images (2 different).")


def test_images_of_other_colours_do_not_look_alike(tmp_path):
    path = write_dataset(tmp_path, 60)
    first = picture(90, 120, cells=12)
    second = ImageOps.colorize(first.convert("L"), "navy", "pink")
    for row, image in ((0, first), (6, second)):
        (tmp_path / f"{row:03}.png").write_bytes(encode(image, "PNG"))
    check = check_data(give_splits(path, {0: "train", 6: "test"}))
    hashes = [int(check.rows.checks[row].description.hash) for row in (0, 6)]
    assert (hashes[0] ^ hashes[1]).bit_count() <= 4
    assert "Similar images" not in "".join(found(check))


def test_judges_labels_by_the_training_split(tmp_path):
    path = write_dataset(tmp_path, 60)
    lines = path.read_text().splitlines()
    lines = [lines[0], *(f"{line}|always" for line in lines[1:])]
    lines = [line.replace(",|", ",") for line in lines]
    lines[3] += "|rare"
    lines[10] += "|other"
    names = ["a", "b", "c", "always", "rare", "other", "never"]
    (tmp_path / "names.txt").write_text("\n".join(names))
    path = give_splits(write_csv(tmp_path, lines), {2: "train", 9: "test"})
    check = check_data(path, ReadingOptions(label_names=tmp_path / "names.txt"))
    assert check.has_errors
    assert found(check)["Labels without a training image"].rows == [
        ["other"],
        ["never"],
    ]
    assert found(check)["Labels that every training image has"].rows[0][0] == "always"
    few = found(check)["Labels with fewer than 5 training images"]
    assert few.rows == [["rare", "1"]]
    untested = found(check)["Labels without a validation or test image"]
    assert untested.rows[-1] == ["rare", "1", "0", "0"]


def test_counts_unknown_targets_and_images_without_labels(tmp_path):
    write_dataset(tmp_path, 60)
    lines = ["path,dog,cat,owl"]
    for row in range(60):
        cat = "" if row % 3 else row % 2
        lines.append(f"{row:03}.png,{row % 2},{cat},{row % 2}")
    check = check_data(write_csv(tmp_path, lines))
    assert [row[0] for row in check.labels] == ["dog", "cat", "owl"]
    assert check.labels[1][4:] == ["50.00", "66.67"]
    assert found(check)["Labels that are unknown for most images"].rows == [
        ["cat", "66.7"]
    ]
    assert found(check)["Images without labels"].count == 30
    together = found(check)["Labels that always occur together"]
    assert together.rows == [["dog", "owl", "30"]]
    pairs = found(check)["Pairs of labels that occur together"]
    assert pairs.rows[0] == ["dog", "owl", "30", "100.0", "100.0"]
    assert pairs.rows[1] == ["dog", "cat", "10", "33.3", "100.0"]


def test_names_labels_alone_in_the_graph(tmp_path):
    write_dataset(tmp_path, 60)
    lines = ["path,labels"]
    lines += [f"{row:03}.png,{['a|b', 'c'][row % 2]}" for row in range(60)]
    finding = found(check_data(write_csv(tmp_path, lines)))[
        "Isolated labels in the label graph"
    ]
    assert finding.rows == [["c", "30"]]


def test_images_need_not_be_opened(tmp_path):
    lines = ["path,labels", *(f"{row}.jpg,{'ab'[row % 2]}" for row in range(60))]
    check = check_data(write_csv(tmp_path, lines), images="none")
    assert not check.has_errors
    assert "formats" not in check.facts


def test_the_page_holds_every_finding(tmp_path):
    path = write_dataset(tmp_path, 60, kind="JPEG")
    (tmp_path / "001.jpeg").write_bytes((tmp_path / "000.jpeg").read_bytes())
    check = check_data(path)
    check.write_report(tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    for finding in check.findings:
        assert finding.title in text
    assert text.count("<img") == 2


def test_finds_everything_before_it_says_that_nothing_is_usable(tmp_path):
    lines = ["path,labels", *(f"{row}.png,a" for row in range(8)), "../9.png,a|?a"]
    check = check_data(write_csv(tmp_path, lines))
    assert check.has_errors and check.labels == []
    unusable, nothing = check.findings[:2]
    assert unusable.title == "Unusable rows" and unusable.count == 9
    assert "must exist" in unusable.rows[0][2] and "unknown" in unusable.rows[8][2]
    assert nothing.title == "Nothing to train on"
    assert nothing.text.startswith("9 of 9 rows are not usable: row 2, 0.png: ")
    expected = "There is nothing to train on. 9 of 9 rows are not usable: "
    assert check.verdict.startswith(expected)
    check.write_report(tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    assert "must exist" in text and "Correct the errors and check again" in text
    found = text[text.index("What was found") : text.index("<nav")]
    assert "Unusable rows: 9. They stop a training" in found


def test_rows_are_judged_even_if_they_cannot_be_split(tmp_path):
    write_dataset(tmp_path, 3)
    lines = ["path,labels,split", "000.png,a,train", "001.png,b,", "002.png,a|?a,train"]
    found_ = found(check_data(write_csv(tmp_path, lines)))
    assert found_["Unusable rows"].rows[0][0] == "4"
    assert found_["No usable splits"].level == "error"
    assert "every image must have a split" in found_["No usable splits"].text


@pytest.mark.parametrize("count", [4, 49, 50])
def test_few_images_are_all_for_training_as_in_kmlic_train(tmp_path, count):
    path = write_dataset(tmp_path, count)
    check = check_data(path, near=None)
    assert not check.has_errors
    expected = training_check(path, tmp_path / "stages").images.sizes
    assert {split: len(paths) for split, paths in check.paths.items()} == expected
    few = found(check).get("Too few images for a test split")
    assert (few is None) == (expected["test"] > 0) == (count == 50)
    if few:
        assert few.level == "warning" and "--fractions 1 0 0" in few.text
        assert f"{count} train, 0 validation, 0 test (new)" == check.facts["splits"]


def test_says_that_given_splits_have_no_test_images(tmp_path):
    write_dataset(tmp_path, 6)
    for last, expected in (("validation", True), ("test", False)):
        rows = [f"{n:03}.png,{'ab'[n % 2]},train" for n in range(5)]
        table = write_csv(tmp_path, ["path,labels,split", *rows, f"005.png,a,{last}"])
        check = check_data(table, near=None)
        assert ("No test images" in found(check)) == expected
        assert not check.has_errors


def test_fractions_make_splits_of_few_images_too(tmp_path):
    path = write_dataset(tmp_path, 20)
    check = check_data(path, near=None, fractions=(0.6, 0.2, 0.2))
    assert check.facts["splits"] == "12 train, 4 validation, 4 test (new)"
    assert "Too few images for a test split" not in found(check)
    wrong = check_data(path, near=None, fractions=(0.98, 0.01, 0.01))
    assert found(wrong)["No usable splits"].level == "error"


@pytest.mark.parametrize("splits", [{}, {0: "train", 1: "train", 2: "validation"}])
def test_fewer_images_than_a_training_needs_are_an_error(tmp_path, splits):
    path = write_dataset(tmp_path, 6 if splits else 3)
    if splits:
        path = give_splits(path, {**dict.fromkeys(range(3, 6), "test"), **splits})
    check = check_data(path, near=None)
    few = found(check)["Too few training images"]
    assert (few.level, few.count) == ("error", 3)
    assert few.text.startswith("`kmlic train` needs at least 4")
    assert check.verdict.startswith("Do not train on this dataset yet.")
    with pytest.raises(ValueError, match="at least 4 training images"):
        training_check(path, tmp_path / "stages")


def test_finds_boxes_that_are_not_inside_their_image(tmp_path):
    write_dataset(tmp_path, 4)  # 32 pixels wide and 20 to 23 high
    boxes = ["0,0,32,20", "1,1,100,9", "1,1,9,22", "32,0,40,9"]
    lines = [f"{row:03}.png,a,{box}" for row, box in enumerate(boxes)]
    path = write_csv(tmp_path, ["path,labels,x1,y1,x2,y2", *lines])
    found_ = found(check_data(path, near=None))
    beyond = found_["Boxes that reach beyond their image"]
    assert (beyond.level, beyond.count) == ("warning", 1)
    assert beyond.rows == [["001.png", "1, 1, 100, 9", "32 x 21"]]
    outside = found_["Boxes outside of their image"]
    assert outside.level == "error"
    assert outside.rows == [["003.png", "32, 0, 40, 9", "32 x 23"]]


def test_the_verdict_names_what_to_look_at_first(tmp_path):
    path = write_dataset(tmp_path, 60)
    check = check_data(path)
    look = "You can train on these 60 images. Look first at: "
    assert check.verdict == f"{look}images with a side below 32 pixels (60)."
    (tmp_path / "001.png").write_bytes((tmp_path / "000.png").read_bytes())
    check = check_data(path)
    assert check.verdict.endswith(
        "Look first at: exact copies with different labels (1)."
    )
    check.write_report(tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    assert text.index("You can train") < text.index("usable images")
    after = text[text.index("What to do next") :]
    assert "<span>kmlic</span> <span>train</span>" in after


def test_the_next_command_reads_the_dataset_as_the_check_did(tmp_path):
    images = tmp_path / "my photos"
    images.mkdir()
    write_dataset(images, 60)
    path = (images / "labels.csv").rename(tmp_path / "labels.csv")
    reading = ReadingOptions(
        root=str(images), separator="|", merge=True, ignore_labels=("owl", "x y")
    )
    check = check_data(path, reading, fractions=(0.6, 0.2, 0.2), seed=3)
    check.write_report(tmp_path / "report.html")
    page = html.unescape((tmp_path / "report.html").read_text())
    (code,) = re.findall("Train a classifier: <code>(.*?)</code>", page)
    words = shlex.split(re.sub("</?span>", "", code))
    assert words[:3] == ["kmlic", "train", str(path)]
    assert words[3:] == [
        *("--root", str(images), "--separator", "|", "--merge"),
        *("--ignore_labels", "owl", "x y"),
        *("--fractions", "0.6", "0.2", "0.2", "--seed", "3"),
    ]


def test_the_page_shows_copies_examples_and_unusual_images(tmp_path):
    names = ["a", "b", "<img src=x>"]
    path = write_dataset(tmp_path, 60, kind="JPEG", names=names)
    (tmp_path / "001.jpeg").write_bytes((tmp_path / "000.jpeg").read_bytes())
    (tmp_path / "030.jpeg").write_bytes(encode(Image.new("RGB", (32, 24)), "JPEG"))
    check = check_data(path, thumbnails=True)
    (copies,) = check.galleries["Sets of exact copies"]
    assert [each.name.split(":")[0] for each in copies.pictures] == [
        "000.jpeg",
        "001.jpeg",
    ]
    assert copies.pictures[0].image == copies.pictures[1].image
    small = np.asarray(Image.open(io.BytesIO(copies.pictures[0].image)), int)
    whole = np.asarray(Image.open(tmp_path / "000.jpeg"), int)
    assert small.shape == whole.shape and np.abs(small - whole).mean() < 5
    titles = [gallery.title for gallery in check.galleries["Labels"]]
    assert titles == ["<img src=x>: 15", "a: 30", "b: 20"]
    for gallery in check.galleries["Labels"]:
        label = gallery.title.rpartition(":")[0]
        assert len(gallery.pictures) == 6
        for each in gallery.pictures:
            assert label in each.name.partition(": ")[2].split(", ")
    (unusual,) = check.galleries["Unusual images"]
    assert unusual.pictures[0].name.startswith("030.jpeg")
    check.write_report(tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    assert text.count("<img") == 2 and text.count("<use") == 2 + 18 + 18
    assert "<img src=x>" not in text
    assert not re.search(r'(src|href)="(?!data:|#)', text)


def test_the_page_of_many_labels_and_images_stays_small(tmp_path, monkeypatch):
    monkeypatch.setattr("kmlic.data_check._THUMBNAILS", 100)
    noise = np.random.default_rng(0)
    lines = ["path,labels"]
    for row in range(600):
        pixels = noise.integers(0, 256, (96, 96, 3), np.uint8)  # the largest JPEGs
        Image.fromarray(pixels).save(tmp_path / f"{row}.jpg", quality=95)
        lines.append(f"{row}.jpg,{'|'.join(f'l{(row + i) % 80}' for i in range(3))}")
    check = check_data(write_csv(tmp_path, lines), thumbnails=True)
    shown = [p for own in check.galleries["Labels"] for p in own.pictures]
    assert 80 < len(shown) <= 400
    assert len({each.image for each in shown}) <= 100
    check.write_report(tmp_path / "report.html")
    assert (tmp_path / "report.html").stat().st_size < 5_000_000


def test_many_labels_take_little_time_and_memory(tmp_path):
    write_dataset(tmp_path, 12)
    names = "|".join(f"label {number}" for number in range(4000))
    lines = [
        "path,labels",
        *(f"{row:03}.png,a" for row in range(11)),
        f"011.png,{names}",
    ]
    path = write_csv(tmp_path, lines)
    tracemalloc.start()
    began = time.process_time()
    check = check_data(path)
    seconds = time.process_time() - began
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert seconds < 6 and peak < 150e6  # tracemalloc doubles the time
    together = found(check)["Labels that always occur together"]
    assert together.count == 4000 * 3999 // 2 and len(together.rows) == 1000
    assert together.rows[0] == ["label 0", "label 1", "1"]
    text = found(check)["Pairs of labels that occur together"].text
    assert text.startswith("Among the 1,000 most frequent labels. The 30 most")


def test_a_long_label_is_shortened_in_figures(tmp_path):
    path = write_dataset(tmp_path, 30, names=["a", "b", "x" * 5000])
    check = check_data(path)
    assert check.labels[2][0] == "x" * 5000
    ticks = check.figures[-1].axes[0].get_xticklabels()
    assert max(len(tick.get_text()) for tick in ticks) == 40
    began = time.process_time()
    check.write_report(tmp_path / "report.html")
    assert time.process_time() - began < 20


def test_counts_equal_those_of_dense_targets(tmp_path):
    write_dataset(tmp_path, 60)
    random = np.random.default_rng(0)
    marks = random.choice(["1", "0", ""], (60, 4))
    lines = ["path,w,x,y,z"]
    lines += [f"{row:03}.png,{','.join(marks[row])}" for row in range(60)]
    check = check_data(write_csv(tmp_path, lines))
    pairs = found(check)["Pairs of labels that occur together"].rows
    for one, other, count, *_ in pairs:
        i, j = "wxyz".index(one), "wxyz".index(other)
        assert int(count) == ((marks[:, i] == "1") & (marks[:, j] == "1")).sum()


def test_a_file_of_test_images_lacks_no_training_images(tmp_path):
    path = write_dataset(tmp_path, 30)
    path = give_splits(path, dict.fromkeys(range(30), "test"))
    check = check_data(path, near=None)
    assert not check.has_errors and check.facts["splits"].startswith("0 train")
    check = check_data(write_dataset(tmp_path, 30), near=None, fractions=(0.8, 0.2, 0))
    assert not check.has_errors and "24 train, 6 validation, 0" in check.facts["splits"]


@pytest.mark.parametrize("split", ["validation", "test"])
def test_images_outside_of_the_training_split_are_for_tests(tmp_path, split):
    path = write_dataset(tmp_path, 6)
    check = check_data(give_splits(path, dict.fromkeys(range(6), split)), near=None)
    assert check.verdict.startswith(
        "You can test on these 6 images, with kmlic train --test or kmlic evaluate, "
        "but not train: none is in the training split."
    )
    check.write_report(tmp_path / "report.html")
    page = re.sub("</?span>", "", (tmp_path / "report.html").read_text())
    assert f"<code>kmlic train DATA --test {path}</code>" in page
    assert f"<code>kmlic evaluate RUN {path} --split all</code>" in page
    assert "Train a classifier" not in page
    (tmp_path / "005.png").write_bytes(b"")
    assert check_data(path, near=None).verdict == (
        "Do not test on this dataset yet. Correct first: unusable rows (1)."
    )


def test_the_commands_that_test_have_no_flags_of_new_splits(tmp_path):
    path = write_dataset(tmp_path, 6)
    check = check_data(path, near=None, fractions=(0, 0, 1), seed=3)
    check.write_report(tmp_path / "report.html")
    page = re.sub("</?span>", "", (tmp_path / "report.html").read_text())
    assert f"<code>kmlic train DATA --test {path}</code>" in page
    assert f"<code>kmlic evaluate RUN {path} --split all</code>" in page


def test_counts_what_open_images_does_not_list_as_unknown(tmp_path):
    write_dataset(tmp_path, 20)
    lines = ["ImageID,Source,LabelName,Confidence"]
    for row in range(20):
        lines.append(f"{row:03},v,dog,{row % 2}")
        if row < 8:
            lines.append(f"{row:03},v,cat,{row % 4 // 2}")
    check = check_data(write_csv(tmp_path, lines), near=None)
    assert [row[0] for row in check.labels] == ["cat", "dog"]
    assert [row[4:] for row in check.labels] == [["50.00", "60.00"], ["50.00", "0.00"]]
    assert found(check)["Labels that are unknown for most images"].rows == [
        ["cat", "60.0"]
    ]
