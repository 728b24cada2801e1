import sys

import numpy as np
import pytest

from kmlic.export import load_export
from tests.export.toys import probabilities_of, random_images


def test_runs_both_forms_alike(model, saved_model, tflite):
    images = random_images()
    for path in (saved_model, tflite):
        np.testing.assert_allclose(
            load_export(path)(images), probabilities_of(model, images), atol=1e-5
        )


def test_says_what_is_no_export(tmp_path):
    with pytest.raises(ValueError, match=r"SavedModel's version or a \.tflite file"):
        load_export(tmp_path)


def test_names_the_extra_that_runs_litert_files(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    (tmp_path / "model.tflite").write_bytes(b"")
    with pytest.raises(ImportError, match=r"kmlic\[litert\]"):
        load_export(tmp_path / "model.tflite")
