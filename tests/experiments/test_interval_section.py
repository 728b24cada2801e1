import types

from kmlic.experiments.interval_section import interval_section, label_interval_cells
from kmlic.labels import Labels

LABELS = Labels(("dog", "cat"), thresholds=(0.2, 0.7))
MAP = {"value": 0.5, "low": 0.41, "high": 0.6}
RUN = types.SimpleNamespace(
    intervals={"test": {"best": {"mAP": MAP, "mAP/animals": MAP}, "other": {}}},
    label_intervals={"test": {"best": {"dog": MAP}}},
)


def test_lists_the_metrics_of_the_exported_model():
    section = interval_section(RUN, LABELS, "best")
    assert list(section.rows) == [["mAP", "test", "50.0", "41.0", "60.0"]]
    assert "each label's own threshold, 0.20 to 0.70" in section.text


def test_is_empty_for_a_run_without_intervals():
    section = interval_section(RUN, LABELS, "other")
    assert not section.rows and not section.text


def test_a_label_without_interval_has_few_images():
    assert label_interval_cells(RUN, "test", "best", "dog") == ["41.0", "60.0"]
    assert label_interval_cells(RUN, "test", "best", "cat") == ["few", ""]
    assert label_interval_cells(RUN, "validation", "best", "dog") == ["few", ""]
