from kmlic.export import compare_forms, export_tflite
from tests.export.toys import LABELS, random_images


def test_measures_size_latency_and_difference(model, tflite, tmp_path):
    path = tmp_path / "half.tflite"
    export_tflite(model, path, labels=LABELS, quantize="float16")
    full, half = compare_forms(model, [tflite, path], random_images(), repetitions=2)
    assert full.megabytes == tflite.stat().st_size / 1e6
    assert full.difference < half.difference < 1e-2
    assert full.milliseconds > 0
