import pytest

from kmlic.data.find_separator import find_separator


@pytest.mark.parametrize(
    ("cells", "separator"),
    [
        (["cat|dog, brown", "cat"], "|"),
        (["cat,dog", "dog,sofa", "cat", "sofa", "cat,sofa"], ","),
        (["cat; dog", "dog", "cat", "dog; cat"], ";"),
        (["tench, Tinca tinca", "goldfish, Carassius auratus"], None),
        (["cat,dog"], None),
        (["a dog", "a cat", "dog"], "|"),
        ([""], "|"),
        (["cat\ndog", "owl"], "\n"),
        (["cat / dog", "dog", "cat", "dog / owl"], " / "),
        (["input / output", "dog"], "|"),
        ([f"{a} / {b}" for a in "xyz" for b in "pqr"], "|"),
    ],
)
def test_splits_where_cells_share_their_parts(cells, separator):
    assert find_separator(cells) == separator


@pytest.mark.parametrize(
    ("cells", "separator"),
    [
        (["haze primary", "haze", "primary clear", "clear"], " "),
        (["0 12 7", "3 5"], " "),
        (["polar bear", "black bear", "brown bear"], "|"),
        (["black cat", "white cat", "black dog", "white dog"], "|"),
    ],
)
def test_spaces_separate_only_where_cells_have_different_lengths(cells, separator):
    assert find_separator(cells, spaces=True) == separator
