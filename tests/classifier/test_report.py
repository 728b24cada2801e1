import numpy as np

from kmlic.classifier.budget import Budget
from kmlic.classifier.candidate import Candidate
from kmlic.classifier.choice import choice
from kmlic.classifier.report import report_sections
from kmlic.data.finding import Finding
from kmlic.evaluation.label_errors import find_label_errors
from kmlic.experiments.scored_images import ScoredImages
from kmlic.html_report import Gallery, Picture, Section
from kmlic.labels import Labels, to_probabilities
from kmlic.run_folder import Run


def test_lays_out_metrics_labels_candidates_and_findings(tmp_path):
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
    images = ScoredImages(
        "40 training images",
        labels,
        targets,
        to_probabilities(scores[0]),
        lambda rows: {row: np.zeros((8, 8, 3)) for row in rows.tolist()},
    )
    sections = report_sections(
        run=run,
        folder=tmp_path,
        tested=images,
        examined=images,
        doubted=images,
        training=targets.sum(axis=0),
        rows=found.rows,
        chosen=found.chosen,
        metric="mAP",
        scored="out of fold",
        findings=[Finding("warning", "Few", "Text.", ("x",), [["y"]], count=2)],
        galleries={"Few": [Gallery("Set 1", [Picture(np.zeros((8, 8, 3)), "y")])]},
        errors=find_label_errors(images.targets, images.probabilities),
        maps=Section("Maps"),
    )
    by_title = {section.title: section for section in sections}
    assert by_title["Metrics"].header == ["metric", "validation", "95 % interval"]
    assert by_title["Metrics"].rows == [["mAP", "50.0", ""]]
    assert by_title["Candidates"].rows[0][0] == "floor (exported)"
    assert by_title["Candidates"].rows[0][3:] == ["-", "", "2"]
    assert "a threshold of 0.5 for every label" in by_title["Metrics"].text
    assert by_title["Labels"].rows[1][0] == "<b>"
    assert len(by_title["Labels"].details) == 2
    assert by_title["Confusions"].rows and by_title["Doubtful labels"].rows
    seen = "see the section of this name"
    assert by_title["Data"].rows == [["warning", "2", "Few", seen]]
    assert by_title["Few"].text == "Text." and by_title["Few"].rows == [["y"]]
    assert by_title["Few"].galleries[0].pictures[0].caption == "y"
