import pickle

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


def test_the_hash_follows_from_the_content(tmp_path):
    arrays = {"counts": np.arange(4), "totals": np.eye(2)}
    identity = write_arrays(tmp_path / "arrays.npz", ["dog"], arrays)
    assert len(identity) == 64
    assert write_arrays(tmp_path / "copy.npz", ["dog"], arrays) == identity
    assert write_arrays(tmp_path / "copy.npz", ["cat"], arrays) != identity


def test_refuses_other_labels_and_names_the_first_difference(tmp_path):
    path = tmp_path / "graph.npz"
    write_arrays(path, ["boat", "sofa", "cat"], {"adjacency": np.eye(3)})
    with pytest.raises(ValueError, match=r"graph.npz: .* label 1 is 'sofa' .* 'cat'"):
        read_arrays(path, ["adjacency"], names=["boat", "cat", "sofa"])


def test_refuses_a_pickle_and_says_how_to_convert_it(tmp_path):
    path = tmp_path / "voc_adj.pkl"
    path.write_bytes(pickle.dumps({"adj": np.eye(2), "nums": np.ones(2)}))
    with pytest.raises(ValueError, match=r"voc_adj.pkl .* pickle.load .*write_arrays"):
        read_arrays(path, [])
    np.savez(path, names=np.array([{}], dtype=object), hash="")  # pickle inside a zip
    with pytest.raises(ValueError, match=r"voc_adj.pkl.* must be an .npz file"):
        read_arrays(f"{path}.npz", [])


def test_refuses_a_file_that_was_changed_or_cut(tmp_path):
    path = tmp_path / "graph.npz"
    write_arrays(path, ["dog"], {"adjacency": np.random.default_rng(0).random((9, 9))})
    with np.load(path) as content:
        arrays = dict(content)
    arrays["array_adjacency"] = np.zeros((9, 9))
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match="was changed after it was written"):
        read_arrays(path, ["adjacency"])
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(ValueError, match=r"graph.npz must be an .npz file"):
        read_arrays(path, ["adjacency"])
    np.savez_compressed(path, **arrays)
    with pytest.raises(ValueError, match="is compressed"):
        read_arrays(path, ["adjacency"])
