import time

from kmlic.data.image_row import ImageRow, Listing
from kmlic.data.judge_labels import judge_labels


def judge(*labels, names=None, unknown=()):
    rows = [ImageRow(i, f"{i}.jpg", own) for i, own in enumerate(labels, start=2)]
    rows += [ImageRow(i, "u.jpg", (), (name,)) for i, name in enumerate(unknown, 90)]
    found = judge_labels(Listing(rows, "labels.csv", ".", names))
    return {finding.title: finding for finding in found}


def test_says_nothing_about_good_names():
    rows = [("dog", "sofa"), ("t-shirt",), ("tench, Tinca tinca",), ("1.5 m",)]
    assert judge(*rows, unknown=["dog"]) == {}


def test_finds_several_labels_in_one_name():
    found = judge(("cat,tie dye",), ("dog,cat",), ("tie dye",), ("dog",), ("dog",))
    combined = found.pop("Several labels in one name")
    assert combined.level == "error" and "--separator ','" in combined.text
    assert combined.rows == [["cat,tie dye", "1", "2"], ["dog,cat", "1", "3"]]
    assert found == {}
    assert (
        "--separator '|'"
        in judge(("a|b",), ("b|c|a",), ("c",), names=["a|b"])[
            "Several labels in one name"
        ].text
    )


def test_finds_boxes_and_lists():
    found = judge(("0 0.5 0.5 0.1 0.1",), ("12 .1 .2 .3 4e-1",), ("['cat', 'dog']",))
    assert found["Boxes instead of labels"].count == 2
    assert "YOLO" in found["Boxes instead of labels"].text
    assert found["Lists that were read as one label"].rows[0][2] == "4"
    assert {finding.level for finding in found.values()} == {"error"}


def test_finds_names_that_differ_in_case_only():
    alike = judge(("dog",), ("DOG",), ("dog",), names=["dog", "DOG", "Dog"])[
        "Labels that differ in case, spaces or hyphens only"
    ]
    assert alike.level == "error" and alike.count == 1 and "--merge" in alike.text
    assert alike.rows == [
        ["1", "DOG", "1", "3"],
        ["1", "Dog", "0", "-"],
        ["1", "dog", "2", "2"],
    ]


def test_negations_are_not_to_be_merged():
    (found,) = judge(("-sofa",), ("sofa",), ("!sofa", "sofa")).values()
    assert (found.level, found.title) == ("error", "Labels that negate another one")
    assert found.rows == [["!sofa", "1", "4"], ["-sofa", "1", "2"]]
    assert "--merge" not in found.text and "unknown" in found.text


def test_finds_typos_of_labels_and_of_unknown_ones():
    found = judge(*[("jacket",)] * 20, ("jaket",), ("sofa",), unknown=["soffa", "owl"])
    assert found["Labels that may be misspelt"].level == "warning"
    assert found["Labels that may be misspelt"].rows == [
        ["jaket", "1", "22", "jacket", "20"]
    ]
    typo = found["Misspelt names of unknown labels"]
    assert typo.level == "error" and typo.rows == [["soffa", "sofa", "90"]]
    rest = found["Unknown labels that no image has"]
    assert rest.level == "warning" and rest.rows == [["owl", "91"]]


def test_a_misspelt_name_that_is_a_label_too_is_no_unknown_typo():
    assert "Misspelt names of unknown labels" not in judge(
        ("sofa",), names=["sofa", "soffa"], unknown=["soffa"]
    )


def test_finds_missing_values_separators_and_control_characters():
    words = ("nan", "NULL", "None", "N/A", "-", "?")
    found = judge(*[(word,) for word in words], ("/", "dog"), ("a\0b",), ("???",))
    missing = found["Labels that look like missing values"]
    assert missing.level == "error" and "--ignore_labels" in missing.text
    assert sorted(row[0] for row in missing.rows) == sorted(words)
    assert ["nan", "1", "2"] in missing.rows
    assert found["Separators that were read as labels"].rows == [["/", "1", "8"]]
    assert found["Labels with control characters"].rows == [["a\0b", "1", "9"]]
    assert len(found) == 3


def test_long_names_take_linear_time():
    names = (
        "0 " + "1" * 300 + " " + "11111 " * 60 + "x",
        "[" + "'" * 300_000,
        "a," * 1000,
    )
    began = time.process_time()
    judge(*[(name,) for name in names])
    assert time.process_time() - began < 5
