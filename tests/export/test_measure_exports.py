import numpy as np

from kmlic.export import Export, measure_exports
from tests.export.toys import random_images


def test_measures_size_and_latency(tflite, openvino_folder):
    exports = [Export(tflite, 0.25), Export(openvino_folder, 0.5)]
    image = random_images(1)
    first, second = measure_exports(exports, image, repetitions=2)
    assert first.megabytes == tflite.stat().st_size / 1e6
    files = list(openvino_folder.iterdir())
    assert second.megabytes == sum(file.stat().st_size for file in files) / 1e6
    assert first.milliseconds > 0 and second.milliseconds > 0
    assert (first.difference, second.difference) == (0.25, 0.5)
    assert np.isnan(first.mean_average_precision)
