from kmlic.export import compare_forms, export_tflite
from tests.export.toys import LABELS, random_images, tiny_model


def test_measures_size_latency_and_difference(tmp_path):
    model = tiny_model()
    paths = [
        export_tflite(
            model, tmp_path / f"{quantize}.tflite", labels=LABELS, quantize=quantize
        )
        for quantize in (None, "float16")
    ]
    full, half = compare_forms(model, paths, random_images(), repetitions=2)
    assert full.megabytes == paths[0].stat().st_size / 1e6
    assert full.difference < half.difference < 1e-2
    assert full.milliseconds > 0
