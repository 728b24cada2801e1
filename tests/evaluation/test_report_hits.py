import numpy as np

from kmlic.evaluation import report_hits
from kmlic.labels import Labels
from kmlic.metrics import average_precision, hit_at_k


def test_reports_hit_rates_and_average_precisions():
    random = np.random.default_rng(0)
    targets = random.integers(0, 2, (30, 25))
    scores = random.normal(size=(30, 25))
    labels = Labels(tuple(f"l{i}" for i in range(25)))
    report = report_hits(targets, scores, labels)
    assert set(report.metrics) == {"mAP", *(f"hit@{k}" for k in (1, 2, 3, 5, 10, 20))}
    assert report.metrics["hit@5"] == hit_at_k(targets, scores, 5)
    precisions = average_precision(targets, scores)
    assert np.isclose(report.metrics["mAP"], np.nanmean(precisions))
    assert report.per_label["l3"] == precisions[3] and report.images == 30
