import numpy as np
import pytest

from kmlic.labelled_arrays import read_arrays, require_same_names, write_arrays


def test_written_and_read_again_are_equal(tmp_path):
    path = tmp_path / "arrays.npz"
    write_arrays(path, ["dog", "犬"], {"counts": np.arange(4).reshape(2, 2)})
    names, arrays = read_arrays(path, ["counts"], names=["dog", "犬"])
    assert names == ("dog", "犬")
    np.testing.assert_array_equal(arrays["counts"], [[0, 1], [2, 3]])


def test_a_missing_array_is_named(tmp_path):
    path = tmp_path / "arrays.npz"
    write_arrays(path, ["dog"], {"counts": np.arange(1)})
    with pytest.raises(ValueError, match=r"arrays.npz must hold .*lacks \['totals'\]"):
        read_arrays(path, ["counts", "totals"])


@pytest.mark.parametrize(
    "own, others, message",
    [
        (["dog", "cat"], ["dog", "car"], "label 1 is 'cat' here and 'car' there"),
        (["dog"], ["dog", "cat"], "got 1 here and 2 there.* one is 'cat'"),
        (["dog", "cat"], ["dog"], "got 2 here and 1 there.* one is 'cat'"),
    ],
)
def test_the_first_different_name_is_said(own, others, message):
    with pytest.raises(ValueError, match=message):
        require_same_names(own, others)
