import numpy as np

from kmlic.classifier.budget import Budget
from kmlic.classifier.candidate import keep, key


def test_computes_once_and_pays_again(tmp_path):
    calls = []

    def compute():
        calls.append(1)
        return {"x": np.arange(3)}

    path = tmp_path / "x.npz"
    first = keep(path, compute, Budget(1))
    np.savez(path, x=np.arange(3), seconds=np.asarray(40.0))
    budget = Budget(1)
    second = keep(path, compute, budget)
    assert len(calls) == 1
    np.testing.assert_array_equal(first["x"], second["x"])
    assert budget.left < 21


def test_keys_follow_from_values():
    one, two = np.arange(3), np.arange(4)
    assert key("a", one) == key("a", one.copy())
    assert len({key("a", one), key("a", two), key("b", one)}) == 3
