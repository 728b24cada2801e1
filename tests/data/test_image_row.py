from kmlic.data import ImageRow, Listing


def test_a_row_has_no_label_split_or_problem_unless_it_says_so():
    row = ImageRow(1, "a.jpg")
    assert row == (1, "a.jpg", (), (), "", "", "", None, "", (), None)
    assert Listing([row], "list", ".").label_names is None
