import pytest

from kmlic.data.read_text_rows import read_columns, read_text_rows


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "path,labels\n1.jpg,dog\n"),
        ("a.csv", "path;labels\n1.jpg;dog\n"),
        ("a.csv", "path\tlabels\n1.jpg\tdog\n"),
        ("a.csv", "sep=|\npath|labels\n1.jpg|dog\n"),
        ("a.tsv", "path\tlabels\n1.jpg\tdog\n"),
    ],
)
def test_finds_what_separates_cells(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    first = 1 + text.startswith("sep")
    expected = [(first, ["path", "labels"]), (first + 1, ["1.jpg", "dog"])]
    assert list(read_text_rows(tmp_path / name)) == expected
    rows = list(read_columns(tmp_path / name, ("labels",)))
    assert rows == [(first + 1, {"path": "1.jpg", "labels": "dog"})]


def test_cells_that_a_row_lacks_are_empty_and_spaces_are_kept(tmp_path):
    (tmp_path / "a.csv").write_text("path,split\n 1.jpg\n\n2.jpg,test,more\n")
    assert list(read_columns(tmp_path / "a.csv", ("path", "split"))) == [
        (2, {"path": " 1.jpg", "split": ""}),
        (4, {"path": "2.jpg", "split": "test"}),
    ]


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", "a.csv line 1: must have the columns path; got"),
        (b"file\n1.jpg\n", "a.csv line 1: must have the columns path; got"),
        (b"path\n\xe9.jpg\n", "a.csv must be UTF-8 text; byte 5 in row 2 is not"),
        (b'path\n"1.jpg\n', "a.csv must be a CSV file; got unexpected end of data in"),
    ],
)
def test_says_what_is_no_table(tmp_path, content, error):
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(ValueError, match=error):
        list(read_columns(tmp_path / "a.csv", ("path",)))
