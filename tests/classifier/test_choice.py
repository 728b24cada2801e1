import keras
import numpy as np
import pytest

from kmlic.classifier.budget import Budget
from kmlic.classifier.candidate import Candidate
from kmlic.classifier.choice import build_chosen, choice
from kmlic.evaluation.bootstrap import Bootstrap
from kmlic.labels import Labels
from tests.classifier.photos import backbone

LABELS = Labels(("a", "b", "c"))


def _targets():
    return (np.random.default_rng(0).uniform(size=(200, 3)) < 0.4).astype("int8")


def _candidate(name, noise, seed, bias=0.0):
    random = np.random.default_rng(seed)
    scores = 4.0 * _targets() - 2 + bias + noise * random.normal(size=(200, 3))

    def attach(own, prefix):
        pooled = keras.layers.GlobalAveragePooling2D(name=f"{prefix}pool")(
            own.outputs[-1]
        )
        dense = keras.layers.Dense(3, kernel_initializer="ones", name=f"{prefix}logits")
        return dense(pooled)

    return Candidate(name, np.array([scores, scores]), 1.0, attach)


def test_keeps_the_floor_unless_another_is_clearly_better():
    floor = _candidate("floor", 3.0, 1)
    better, same = _candidate("better", 1.0, 2), _candidate("same", 3.0, 3)
    found = choice([floor, better], _targets(), LABELS, Budget(1))
    assert found.chosen.name == "better"
    assert found.chosen.above_floor.low > 0
    found = choice([floor, same], _targets(), LABELS, Budget(1))
    values = {row.name: row.interval.value for row in found.rows}
    assert values[found.chosen.name] >= values["floor"]
    alone = choice([floor], _targets(), LABELS, Budget(1))
    assert alone.chosen.name == "floor"


@pytest.mark.parametrize("seed", [10, 23, 26])
def test_chooses_no_model_below_the_floor(seed):
    # The best model errs like the floor and is surely better, if by little; it is not
    # surely better than a model below the floor, which errs otherwise.
    random = np.random.default_rng(seed)
    shared, own = random.normal(size=(2, 200, 3))
    truth = 4.0 * _targets() - 2
    logits = {
        "floor": truth + 3 * shared,
        "other": 100 * (truth + 2.9 * own),
        "better": truth + 2.9 * shared,
    }
    candidates = [
        Candidate(name, np.array([own, own]), 1.0) for name, own in logits.items()
    ]
    found = choice(candidates, _targets(), LABELS, Budget(1))
    values = {row.name: row.interval.value for row in found.rows}
    assert values["other"] < values["floor"] < values["better"]
    assert values[found.chosen.name] >= values["floor"]


def test_compares_what_all_candidates_have_scores_of():
    floor, better = _candidate("floor", 3.0, 1), _candidate("better", 1.0, 2)
    some = Candidate("better", better.logits[:, :120], 1.0, better.attach)
    found = choice([floor, some], _targets()[:120], LABELS, Budget(1))
    assert found.chosen.name == "better"
    assert {len(row.logits) for row in found.rows} == {120}


def test_averages_two_that_err_differently():
    candidates = [_candidate("floor", 3.0, 1), _candidate("other", 3.0, 4)]
    found = choice(candidates, _targets(), LABELS, Budget(1))
    assert found.chosen.name == "average of floor and other"
    expected = (candidates[0].logits[0] + candidates[1].logits[0]) / 2
    np.testing.assert_allclose(found.chosen.logits, expected)
    model = build_chosen(found.chosen, lambda: backbone(64))
    single = build_chosen(found.rows[0], lambda: backbone(64))
    images = np.random.default_rng(0).uniform(0, 255, (2, 64, 64, 3))
    np.testing.assert_allclose(model(images), single(images), rtol=1e-5)


def _with_mirrors(candidate, noise, seed):
    """Returns the candidate with better scores of images and mirror images."""
    random = np.random.default_rng(seed)
    better = 4.0 * _targets() - 2 + noise * random.normal(size=(200, 3))
    logits = np.array([candidate.logits[0], better])
    return Candidate(candidate.name, logits, 1.0, candidate.attach)


def test_scores_mirror_images_where_that_is_clearly_better():
    floor = _candidate("floor", 3.0, 1)
    found = choice([_with_mirrors(floor, 1.0, 5)], _targets(), LABELS, Budget(1))
    assert found.chosen.name == "floor, with mirror images"
    assert found.chosen.mirrored
    found = choice([_with_mirrors(floor, 2.95, 5)], _targets(), LABELS, Budget(1))
    assert found.chosen.name == "floor"
    assert found.rows[-1].name == "floor, with mirror images"


def test_takes_the_better_one_in_three_of_four_draws():
    floor, other = _candidate("floor", 3.0, 1), _candidate("other", 2.0, 2)
    bootstrap = Bootstrap(_targets(), LABELS)
    chosen = set()
    for share in np.linspace(0, 0.2, 9):
        logits = (1 - share) * floor.logits + share * other.logits
        better = Candidate("better", logits, 1.0, floor.attach)
        found = choice([floor, better], _targets(), LABELS, Budget(1))
        values = [bootstrap.values(row.logits)[1:] for row in found.rows[:3]]
        best = max(values, key=np.mean)
        sure = (best > values[0]).mean() > 0.75
        assert (found.chosen is found.rows[0]) != sure
        chosen.add(found.chosen.name)
    assert {"floor", "better"} <= chosen


def test_keeps_the_floor_where_images_are_too_few_to_compare():
    floor, better = _candidate("floor", 3.0, 1), _candidate("better", 0.5, 2)
    few = _targets()[:19]
    found = choice([floor, better], few, LABELS, Budget(1))
    assert found.chosen is found.rows[0]
    assert not found.chosen.mirrored
    assert choice([floor, better], _targets()[:60], LABELS, Budget(1)).chosen.name in (
        "better",
        "average of floor and better",
    )
