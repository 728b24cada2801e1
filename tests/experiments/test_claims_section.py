import numpy as np

from kmlic.experiments import Experiment, claims_section
from tests.toys import toy_data, toy_settings


def test_compares_the_rows_that_were_trained(tmp_path, capsys):
    experiment = Experiment("toy", toy_settings(tmp_path / "run"))
    data = toy_data()
    for seed in (0, 1):
        experiment.data[seed] = data
        for name, noise in (("good", 0.1), ("bad", 5.0)):
            random = np.random.default_rng(seed)
            scores = {
                split: (
                    data.targets[split],
                    1
                    / (
                        1
                        + np.exp(
                            -data.targets[split] - noise * random.normal(size=(40, 3))
                        )
                    ),
                )
                for split in ("validation", "test")
            }
            experiment.add_scores(name, seed, scores)
    claims = (("good", "bad", "+2.9"), ("good", "absent", "+1.0"))
    section = claims_section(experiment, claims)
    ((better, worse, paper, here, won),) = section.rows
    assert (better, worse, paper, won) == ("good", "bad", "+2.9", "2 of 2")
    points = [
        100 * (good.metrics["mAP"] - bad.metrics["mAP"])
        for good, bad in zip(
            experiment.reports_of("good", "test").values(),
            experiment.reports_of("bad", "test").values(),
            strict=True,
        )
    ]
    assert here == f"{np.mean(points):+.2f} ± {np.std(points, ddof=1):.2f}"
    assert "+2.9" in capsys.readouterr().out
