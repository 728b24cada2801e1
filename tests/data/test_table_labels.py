import pytest

from kmlic.data import ReadingOptions
from kmlic.data.table_columns import TableColumns
from kmlic.data.table_labels import make_label_reader


def read(columns, *rows, indices=None, **options):
    reader = make_label_reader("a.csv", columns, ReadingOptions(**options))
    for index, cells in zip(indices or range(len(rows)), rows, strict=True):
        reader.add(index, cells)
    return reader.finish(range(2, 2 + len(rows)))


def listed(*cells, name="labels", **options):
    columns = TableColumns(("path", name), 0, 1)
    return read(columns, *(("x", cell) for cell in cells), **options)


def test_lists_are_read_as_json_python_numpy_and_label_studio_write_them():
    cells = ['["cat", "tie dye"]', "['dog']", "[]", "['cat' 'tie dye']"]
    found = listed(*cells, '{"choices": ["sofa"]}', ["cat", "?dog"], "[meme]")
    both = ("cat", "tie dye")
    assert found.present[:5] == [both, ("dog",), (), both, ("sofa",)]
    assert (found.present[5], found.unknown[5]) == (("cat",), ("dog",))
    assert found.present[6] == ("[meme]",)
    found = listed('{cat,"tie dye"}', "{dog}", "{}", "{'cat', 'dog'}", "set()", "{a:b}")
    assert found.present == [both, ("dog",), (), ("cat", "dog"), (), ("a:b",)]
    assert found.findings == []


def test_separators_of_spreadsheets_are_found():
    for separator in ("\n", " / ", " + "):
        found = listed(f"cat{separator}dog", "dog", f"dog{separator}owl", "owl")
        assert found.present[0] == ("cat", "dog"), separator


def test_empty_labels_between_separators_are_left_out_and_counted():
    found = listed("cat|", "|dog||sofa", "|", "", "dog", '["cat", ""]', "| |")
    assert found.present == [("cat",), ("dog", "sofa"), (), (), ("dog",), (), ()]
    assert found.problems == {5: 'labels must not be empty; got \'["cat", ""]\''}
    (note,) = found.findings
    assert (note.level, note.count) == ("note", 4)
    assert note.title == "Rows with empty labels between separators"
    assert listed("cat,", "dog,cat,", "dog,").present[1] == ("dog", "cat")


def test_a_label_is_not_both_present_and_unknown():
    found = listed("dog|?dog", "cat")
    assert found.problems == {
        0: "a label must be present or unknown; got 'dog' and '?dog'"
    }


@pytest.mark.parametrize("cell", ["cat,tie dye", "a;b", "[dog", "{dog"])
def test_cells_that_may_hold_several_labels_are_an_error_until_asked(cell):
    (doubt,) = listed(cell, "owl").findings
    assert (doubt.level, doubt.rows) == ("error", [[cell]])
    assert "--separator" in doubt.text
    assert not listed(cell, "owl", separator="|").findings
    assert not listed(cell, "owl|cat").findings


def test_marks_unknown_labels_and_keeps_tags_of_question_marks():
    found = listed("?dog|cat", "???|cat", "?|dog", "? owl")
    assert found.unknown == [("dog",), (), (), ("owl",)]
    assert found.present == [("cat",), ("???", "cat"), ("?", "dog"), ()]


def test_no_finding_is_no_label():
    cells = "No Finding", "Mass|Edema", "No Finding", "no finding", ["Mass"]
    found = listed(*cells, name="Finding Labels")
    assert found.present == [(), ("Mass", "Edema"), (), (), ("Mass",)]
    (note,) = found.findings
    assert (note.title, note.count) == ("Images labelled No Finding", 3)


def test_words_as_labels_are_a_warning():
    found = listed("haze primary", "haze", "clear primary", "clear", name="tags")
    assert found.present[0] == ("haze", "primary")
    assert found.findings[0].level == "warning" and "' '" in found.summary


def test_rows_of_an_image_are_joined():
    columns = TableColumns(("path", "labels"), 0, 1)
    rows = ("x", "dog"), ("x", "cat|?owl"), ("x", "owl"), ("y", "")
    found = read(columns, *rows, indices=[0, 0, 0, 1])
    assert found.present == [("dog", "cat", "owl"), ()] and found.unknown == [(), ()]


def marked(*rows, **options):
    header = ("path", "dog", "cat", "age", "empty")
    return read(TableColumns(header, 0, marks=(1, 2, 3, 4)), *rows, **options)


def test_columns_of_other_cells_are_no_labels():
    found = marked(("x", "1", "0", "61", ""), ("x", True, "", 3.5, None))
    assert found.label_names == ("dog", "cat")
    assert found.present == [("dog",), ("dog",)]
    assert found.unknown == [(), ("cat",)]
    assert found.findings[0].rows == [["age"], ["empty"]]
    absent = marked(("x", "1", "", "61", ""), ("x", "-1", "0", "", ""), blank="absent")
    assert absent.unknown == [(), ("dog",)]


def test_a_few_other_cells_are_problems_of_their_rows():
    rows = [("x", "1", "0", "1", "0")] * 20 + [("x", "maybe", "0", "0", "0")]
    found = marked(*rows)
    assert found.problems == {
        20: "column dog: 'maybe' is not 1, 0 or -1. Correct it, or leave the column "
        "out with --ignore_labels"
    }
    assert marked(*rows, ignore_labels=("dog",)).problems == {}


def test_an_odd_cell_of_a_short_table_keeps_its_label():
    found = marked(
        ("x", "1", "0", "1", ""), ("x", "x", "0", "9", ""), ("x", "0", "1", "9", "")
    )
    assert found.label_names == ("dog", "cat")
    assert "column dog: 'x'" in found.problems[1]


def test_columns_of_yes_and_no_beside_marks_are_a_warning():
    found = marked(("x", "1", "Yes", "61", ""), ("x", "0", "no", "62", ""))
    assert found.label_names == ("dog",)
    assert [(f.level, f.rows) for f in found.findings[1:]] == [("warning", [["cat"]])]


def test_columns_of_probabilities_beside_marks_are_a_warning():
    found = marked(("x", "1", "0.25", "61", ""), ("x", "0", "0.5", "62", ""))
    assert found.label_names == ("dog",)
    (warning,) = found.findings[1:]
    assert (warning.level, warning.rows) == ("warning", [["cat"]])
    assert "1 (present), 0 (absent), -1 (unknown) or empty" in warning.text


def test_columns_of_other_words_only_are_an_error_with_a_cell():
    with pytest.raises(ValueError, match="Row 2, column dog: 'yes' is not 1, 0 or -1"):
        marked(("x", "yes", "no", "61", ""))
    columns = TableColumns(("path", "label1", "label2"), 0, marks=(1, 2))
    with pytest.raises(ValueError, match=r"'label1', 'label2' look .* Join them"):
        read(columns, ("x", "dog", "cat"))


def test_rows_of_an_image_with_columns_are_joined():
    rows = ("x", "1", "", "0", "0"), ("x", "0", "", "1", "-1")
    found = marked(*rows, indices=[0, 0])
    assert found.present == [("dog", "age")] and found.unknown == [("empty",)]


def test_unknown_marks_of_all_rows_of_an_image_stay_unknown():
    columns = TableColumns(("path", "cat", "dog", "owl"), 0, marks=(1, 2, 3))
    rows = ("x", "-1", "0", "0"), ("x", "0", "-1", "-1"), ("x", "0", "0", "1")
    found = read(columns, *rows, indices=[0, 0, 0])
    assert (found.present, found.unknown) == ([("owl",)], [("cat", "dog")])


def test_verified_labels_are_present_absent_or_unknown():
    header = ("ImageID", "LabelName", "Confidence")
    columns = TableColumns(header, 0, 1, confidence=2)
    rows = ("x", "dog", "1"), ("x", "cat", "0"), ("y", "cat", "0.7"), ("y", "", "1")
    found = read(columns, *rows, indices=[0, 0, 1, 1])
    assert found.present == [("dog",), ()] and found.absent == [("cat",), ()]
    assert found.findings[0].title == "Labels that nobody verified"
    assert set(found.problems) == {1}
    both = read(columns, ("x", "dog", "1"), ("x", "dog", "0"), indices=[0, 0])
    assert both.problems == {0: "the label 'dog' must be 1 or 0; rows give both"}
