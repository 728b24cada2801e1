import numpy as np
import pytest

from kmlic.export import has_bfloat16, load_export
from tests.export.toys import probabilities_of, random_images


def test_runs_every_format_alike(
    model, saved_model, tflite, onnx_file, openvino_folder
):
    images = random_images()
    expected = probabilities_of(model, images)
    for path in (saved_model, tflite, onnx_file, openvino_folder):
        for precision in ("float32", *(["auto"] * (path != openvino_folder))):
            given = load_export(path, precision=precision)(images)
            np.testing.assert_allclose(given, expected, atol=1e-5)


def test_computes_in_bfloat16_where_the_cpu_has_it(model, openvino_folder):
    if not has_bfloat16():
        with pytest.raises(ValueError, match="CPU without bfloat16"):
            load_export(openvino_folder, precision="bfloat16")
        pytest.skip("a CPU without bfloat16")
    images = random_images()
    expected = probabilities_of(model, images)
    given = load_export(openvino_folder, precision="bfloat16")(images)
    assert 0 < np.abs(given - expected).max() < 0.02
    plain = load_export(openvino_folder, precision="float32")(images)
    auto = load_export(openvino_folder, precision="auto")(images)  # the faster one
    assert any(np.array_equal(auto, each) for each in (given, plain))


def test_says_what_is_no_export_and_what_does_not_fit(tmp_path, tflite):
    with pytest.raises(ValueError, match=r"must be an export of kmlic \(the folder"):
        load_export(tmp_path)
    with pytest.raises(ValueError, match=r"format tflite; got precision='bfloat16'"):
        load_export(tflite, precision="bfloat16")
    with pytest.raises(ValueError, match="got precision='int4'"):
        load_export(tflite, precision="int4")
