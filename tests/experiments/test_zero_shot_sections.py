import numpy as np

from kmlic.evaluation import Report
from kmlic.experiments import Experiment
from kmlic.experiments.gather_candidates import gather_candidates
from kmlic.experiments.zero_shot_sections import zero_shot_sections
from tests.experiments.zero_shot_toys import dataset, find
from tests.toys import toy_settings


def test_shows_hits_similarities_words_and_images(tmp_path):
    settings, words = find(tmp_path, zero_shot="other")
    unseen = dataset(("puma", "dog"))
    candidates = gather_candidates(settings, words, unseen)
    experiment = Experiment("toy", toy_settings(tmp_path / "run", seeds=(0,)))
    experiment.settings = settings
    targets = np.eye(5, dtype="int8")
    for name in ("softmax", "devise"):
        scores = dict.fromkeys(("validation", "test"), (targets, targets * 1.0))
        experiment.add_scores(name, 0, scores)
        report = Report({"similarity": 0.5, "bias@1": np.nan}, {}, 2)
        experiment.add_report("zero_shot", name, 0, report)
    found = dict.fromkeys(("softmax", "devise"), np.tile(np.arange(5.0), (6, 1)))
    hits, similarity, listed, best = zero_shot_sections(
        experiment, words, candidates, unseen, found
    )
    assert hits.rows[0][:2] == ["softmax", "100.0"]
    assert similarity.rows == [
        ["similarity", "0.5000", "0.5000"],
        ["bias@1", "-", "-"],
    ]
    assert "1 of which were not trained: puma" in listed.text
    # Three splits of two images, half of them with the label that was not trained.
    assert len(best.pictures) == 3
    lines = best.pictures[0].caption.split("\n")
    assert lines == ["puma", *(f"{n}: puma, bus, car, cat, dog" for n in found)]
