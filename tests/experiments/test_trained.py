import zipfile

import numpy as np
import pytest

from kmlic.experiments import Trained
from tests.toys import toy_model


def test_a_training_is_read_as_it_was_written(tmp_path):
    random = np.random.default_rng(0)
    scores = {
        split: (random.integers(-1, 2, (4, 3)), random.uniform(size=(4, 3)))
        for split in ("validation", "test")
    }
    model = toy_model()
    trained = Trained("a", 7, scores, [{"loss": 0.5}], 12, 1.5)
    trained.write(tmp_path / "result", model)
    found = Trained.read(tmp_path / "result", "a", 7)
    assert (found.name, found.seed, found.epochs) == ("a", 7, [{"loss": 0.5}])
    assert (found.parameters, found.seconds) == (12, 1.5)
    assert list(found.scores) == ["validation", "test"]
    for split, arrays in scores.items():
        for before, after in zip(arrays, found.scores[split], strict=True):
            np.testing.assert_array_equal(before, after)
    weights = zip(model.weights, found.load_model().weights, strict=True)
    assert all(np.array_equal(before, after) for before, after in weights)


def test_a_row_without_a_model_says_so():
    with pytest.raises(ValueError, match="'logistic regression' must have a Keras"):
        Trained("logistic regression", 0, {}).load_model()


def test_a_model_that_declares_more_than_it_holds_is_not_loaded(tmp_path):
    Trained("a", 7, {}).write(tmp_path / "result", toy_model())
    path = tmp_path / "result/model.keras"
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", bytes(1 << 28))
    with pytest.raises(ValueError, match=r"model\.keras must be .* bomb unpacks"):
        Trained.read(tmp_path / "result", "a", 7).load_model()
