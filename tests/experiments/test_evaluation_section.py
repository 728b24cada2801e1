import dataclasses

from kmlic.experiments.evaluation_section import evaluation_section
from kmlic.run_folder import Run

RUN = Run(
    recipe="train",
    command="kmlic train",
    settings={},
    data={"name": "photos/labels.csv"},
    results={},
    deviations={},
    seeds={},
    per_label={},
    parameters={},
    exports={},
    seconds={},
)


def evaluation(**changes):
    return {
        "data": "photos/labels.csv",
        "split": "test",
        "images": 1200,
        "runtime": "keras",
        "thresholds": "a threshold of 0.5 for every label",
        "date": "2030-01-02T03:04:05+00:00",
        "metrics": {
            "mAP": {"value": 0.5, "low": 0.4, "high": 0.6},
            "exact": {"value": 0.0, "low": None, "high": None},
        },
        **changes,
    }


def test_lists_every_evaluation_with_its_threshold_and_intervals():
    other = evaluation(data="other", metrics={"accuracy": {"value": None}})
    run = dataclasses.replace(RUN, evaluations=[evaluation(), other])
    section = evaluation_section(run)
    assert section.header[3:6] == ["mAP", "exact", "accuracy"]
    assert section.rows == [
        [
            "photos/labels.csv",
            "test",
            "1,200",
            "50.0 [40.0, 60.0]",
            "0.0",
            "-",
            "a threshold of 0.5 for every label",
            "keras",
            "2030-01-02",
        ],
        ["other", "test", "1,200", "-", "-", "-", *section.rows[0][-3:]],
    ]


def test_says_nothing_before_the_first_evaluation():
    section = evaluation_section(RUN)
    assert not section.rows and not section.text
