import pytest

from kmlic.data.table_cells import (
    ABSENT,
    BLANK,
    MARKS,
    PRESENT,
    UNSURE,
    cell_text,
    column_key,
)


@pytest.mark.parametrize(
    ("cell", "mark"),
    [
        *((1, PRESENT), (True, PRESENT), (" 1.0", PRESENT), ("TRUE", PRESENT)),
        *((0, ABSENT), (0.0, ABSENT), ("false", ABSENT), (-1.0, UNSURE)),
        *((None, BLANK), (float("nan"), BLANK), ("", BLANK), ("NaN", BLANK)),
        *(("yes?", None), (2, None)),
    ],
)
def test_marks_are_read_as_they_are_written(cell, mark):
    assert MARKS.get(cell_text(cell)) == mark


def test_names_of_columns_are_compared_without_case_and_spaces():
    assert column_key("Image  Index") == column_key("image-index") == "image_index"
