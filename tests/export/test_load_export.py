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
