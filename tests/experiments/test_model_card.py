import yaml

from kmlic.experiments.model_card import model_card
from kmlic.labels import Labels
from tests.experiments.test_standard_sections import record

MAP = {"value": 0.5, "low": 0.25, "high": 0.75}
RUN = record(
    data={
        "name": "/home/me/photos/labels.csv",
        "exported": {"model": "new", "seed": 0},
        "sizes": {"train": 40, "test": 10},
    },
    per_label={"test": {"new": {"red": 0.25, "<b>": None}}},
    intervals={"test": {"new": {"mAP": MAP}}},
    label_intervals={"test": {"new": {"red": MAP}}},
)
LABELS = Labels(("red", "<b>"), thresholds=(0.5, 0.3), image_size=64)


def test_writes_figures_thresholds_and_limits():
    card = model_card(RUN, LABELS, "me/birds")
    assert "| mAP | 75.0 | 25.0 to 75.0 |" in card
    assert "| red | 0.50 | 25.0 | 25.0 to 75.0 |" in card
    assert "| \\<b\\> | 0.30 | - |  |" in card
    assert "no interval if fewer than 5 images show it, or if its average prec" in card
    assert "40 train images, 10 test images" in card
    assert "each label's own threshold, 0.30 to 0.50" in card
    assert "Average precision below 50: red." in card
    assert "kmlic predict hf://me/birds IMAGES" in card


def test_leaves_licences_to_people_and_names_no_path():
    card = model_card(RUN, LABELS, "me/birds")
    assert card.count("TO BE FILLED IN") == 4 and "/home" not in card
    header = yaml.safe_load(card.split("---")[1])
    assert header["license"] is None and header["library_name"] == "keras"
