from kmlic.experiments.interval_section import (
    interval_section,
    label_interval,
    metric_interval,
)
from kmlic.labels import Labels
from tests.experiments.test_standard_sections import record

OWN = {"value": 0.5, "low": 0.25, "high": 0.75}
RUN = record(
    intervals={"test": {"new": {"mAP": OWN, "mAP/colour": OWN}}},
    label_intervals={"test": {"new": {"red": OWN}}},
)


def test_lists_the_intervals_of_the_exported_model():
    section = interval_section(RUN, Labels(("red", "blue")), "new")
    assert section.rows == [["mAP", "test", "50.0", "25.0 to 75.0"]]
    assert "a threshold of 0.5 for every label" in section.text


def test_is_empty_where_there_is_none():
    section = interval_section(RUN, Labels(("red",)), "old")
    assert not section.rows and not section.text


def test_writes_an_interval_as_one_cell():
    assert metric_interval(RUN, "test", "new", "mAP") == "25.0 to 75.0"
    assert label_interval(RUN, "test", "new", "red") == "25.0 to 75.0"
    assert label_interval(RUN, "test", "new", "blue") == ""
    assert label_interval(RUN, "validation", "new", "red") == ""
