import numpy as np

from kmlic.classifier.budget import Budget
from kmlic.classifier.candidate import Candidate
from kmlic.classifier.choice import choice
from kmlic.classifier.report import report_sections
from kmlic.data.finding import Finding
from kmlic.html_report import Section
from kmlic.labels import Labels
from kmlic.run_folder import Run


def test_lays_out_verdict_candidates_and_findings():
    labels = Labels(("a", "<b>"))
    random = np.random.default_rng(0)
    targets = random.integers(0, 2, (40, 2))
    scores = np.array([targets + random.normal(size=targets.shape)] * 2)
    found = choice([Candidate("floor", scores, 2.0)], targets, labels, Budget(1))
    run = Run(
        recipe="train",
        command="kmlic train",
        settings={"minutes": 1},
        data={"sizes": {"train": 40}},
        results={"validation": {"floor": {"mAP": 0.5}}},
        deviations={},
        seeds={},
        per_label={"validation": {"floor": {"a": 0.5, "<b>": None}}},
        parameters={"floor": 3},
        exports={"model.tflite": 1e-7},
        seconds={"all": 1.0},
    )
    sections = report_sections(
        verdict="floor: mAP 50.0",
        run=run,
        labels=labels,
        rows=found.rows,
        chosen=found.chosen,
        metric="mAP",
        scored="out of fold",
        findings=[Finding("warning", "Few", 2, "", ("x",), [["y"]])],
        maps=Section("Where the model looks", "Here."),
    )
    by_title = {section.title: section for section in sections}
    assert sections[0].title == "Verdict"
    assert by_title["Candidates"].rows[0][0] == "floor"
    assert by_title["Candidates"].rows[0][-1] == "exported"
    assert by_title["Labels"].rows[1][:2] == ["<b>", "-"]
    assert by_title["Data"].rows == [["warning", "2", "Few", "y"]]
