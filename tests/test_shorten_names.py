from kmlic.shorten_names import shorten_names


def test_counts_the_names_that_are_not_shown():
    assert shorten_names([]) == ""
    assert shorten_names(f"n{i}" for i in range(5)) == "n0, n1, n2, n3, n4"
    assert shorten_names(map(str, range(2000)), 1) == "0 and 1,999 more"
