import numpy as np

from kmlic.experiments import Experiment
from kmlic.experiments.pointing_section import (
    _CENTRE,
    _count_hits,
    measure_centers,
    pointing_section,
)
from kmlic.models import build_classifier
from tests.toys import add_toy_row, boxed_data, toy_settings


def build():
    return build_classifier(3, backbone="small_resnet", image_size=32)


def test_counts_hits_batch_by_batch():
    pointing, difficult, by_windows = _count_hits(None, boxed_data())
    # A constant map points at the center of the image, which the box just includes.
    assert pointing.images.tolist() == pointing.hits.tolist() == [8, 0, 0]
    assert by_windows.hits.tolist() == pointing.hits.tolist()
    # Its quarter of the image is too large, and the other box has no label.
    assert difficult.images.tolist() == [0, 0, 0]


def test_the_share_of_hits_becomes_a_metric_of_rows_with_maps(tmp_path):
    experiment = Experiment("toy", toy_settings(tmp_path / "run", seeds=(0,)))
    data, model = boxed_data(), build()
    experiment.data[0] = data
    add_toy_row(experiment, "maps", model=model)
    add_toy_row(experiment, "average")
    section = pointing_section(experiment, {0: data})
    assert [row[0] for row in section.rows] == ["maps", _CENTRE]
    metrics = {name: each[0].metrics for name, each in experiment.compare().items()}
    hits = _count_hits(model, data)[0].accuracy()
    assert metrics["maps"]["pointing"] == hits
    assert "pointing" not in metrics["average"]
    assert experiment.other_reports["pointing"][_CENTRE][0].metrics["pointing"] == 1.0


def test_centers_are_measured_for_every_label():
    rows, columns = measure_centers(build(), boxed_data())
    assert np.shape(rows)[-1] == np.shape(columns)[-1] == 3
