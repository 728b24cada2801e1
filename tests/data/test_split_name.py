import pytest

from kmlic.data.split_name import split_name


@pytest.mark.parametrize(
    ("word", "split"),
    [
        *(("train", "train"), ("Training", "train"), (" valid ", "validation")),
        *(("VALIDATION", "validation"), ("dev", "validation"), ("TEST", "test")),
        *(("UNASSIGNED", ""), ("", ""), ("dog", None)),
    ],
)
def test_words_of_tools_mean_a_split(word, split):
    assert split_name(word) == split
