import pytest

from kmlic.data.read_label_names import read_label_names


def test_reads_one_label_per_line(tmp_path):
    (tmp_path / "names.txt").write_text("dog\n cat \n\n")
    assert read_label_names(tmp_path / "names.txt") == ("dog", "cat")
    with pytest.raises(ValueError, match="'dog'"):
        read_label_names(["dog", "dog"])


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("a\n\nb", "row 2: .* got ''"),
        ("a\na", "row 2: .* got 'a'"),
        ("", "it is empty"),
    ],
)
def test_names_the_row_that_is_no_label(tmp_path, text, rule):
    (tmp_path / "names.txt").write_text(text)
    with pytest.raises(ValueError, match=rule):
        read_label_names(tmp_path / "names.txt")
