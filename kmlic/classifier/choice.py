"""The stage before the last: which model is exported."""

import dataclasses
import itertools
from collections.abc import Callable, Hashable, Sequence

import keras
import numpy as np

from kmlic.classifier.budget import Budget
from kmlic.classifier.candidate import Candidate
from kmlic.evaluation.bootstrap import Bootstrap, Interval
from kmlic.known_names import Metric
from kmlic.labels import Labels
from kmlic.models import average_models

# The simpler model is kept unless the other is better in three of four draws of images,
# or in nine of ten if it takes twice the time.
_LEVEL = 0.5
_LEVEL_OF_MIRRORED = 0.8
_MOST_AVERAGED = 4
_FEWEST = 20  # images below which the best of several models is luck


@dataclasses.dataclass(frozen=True, eq=False)
class Row:
    """Holds one line of the table of candidates.

    Args:
        members: one candidate, or the two whose logits are averaged.
        mirrored: whether the mirror image is scored too.
        values: the metric of all draws of the scored images.
        interval: of the metric.
        above_floor: of the difference from the floor.
    """

    members: tuple[Candidate, ...]
    mirrored: bool
    values: np.ndarray
    interval: Interval
    above_floor: Interval

    @property
    def name(self) -> str:
        """Returns what the line is called."""
        names = " and ".join(member.name for member in self.members)
        if len(self.members) > 1:
            names = f"average of {names}"
        return names + ", with mirror images" * self.mirrored

    @property
    def seconds(self) -> float:
        """Returns what its members took."""
        return sum(member.seconds for member in self.members)

    @property
    def logits(self) -> np.ndarray:
        """Returns the logits (M, L) of the scored images."""
        view = int(self.mirrored)
        return np.mean([member.logits[view] for member in self.members], axis=0)


@dataclasses.dataclass(frozen=True, eq=False)
class Choice:
    """Holds what was chosen, and everything it was chosen from.

    Args:
        chosen: the line that is exported.
        rows: all lines, the simplest first; the first one is the floor.
    """

    chosen: Row
    rows: tuple[Row, ...]


def choice(
    candidates: Sequence[Candidate],
    targets: np.ndarray,
    labels: Labels,
    budget: Budget,
    *,
    metric: Metric = "mAP",
    groups: Sequence[Hashable] | None = None,
) -> Choice:
    """Chooses the simplest model that is not clearly worse than the best one.

    No model below the floor is chosen, whatever its difference from the best one.

    Simpler are: the candidates in their order, then averages of two of the best. The
    images are drawn again 1,000 times; a model is clearly worse than the best if it is
    in three of four draws. The chosen one scores mirror images too, which costs twice
    the time, if that is better in nine of ten draws. With fewer than 20 scored images
    the floor is chosen.

    Args:
        candidates: the floor first, then from simple to complex.
        targets: (M, L) of the first scored images, which all candidates have scores of.
        labels: names and groups.
        budget: prints the choice.
        metric: what is compared.
        groups: of the scored images, see `Bootstrap`.
    """
    candidates = [
        dataclasses.replace(each, logits=each.logits[:, : len(targets)])
        for each in candidates
    ]
    bootstrap = Bootstrap(targets, labels, metric=metric, groups=groups)
    floor_values = bootstrap.values(candidates[0].logits[0])

    def row(members: tuple[Candidate, ...], mirrored: bool) -> Row:
        logits = np.mean([member.logits[int(mirrored)] for member in members], axis=0)
        values = bootstrap.values(logits)
        return Row(
            members,
            mirrored,
            values,
            bootstrap.interval(values),
            bootstrap.difference(values, floor_values),
        )

    singles = [row((candidate,), False) for candidate in candidates]
    best = sorted(singles, key=lambda each: -each.interval.value)[:_MOST_AVERAGED]
    averaged = [each.members[0] for each in best]
    pairs = [
        row(pair, False)
        for pair in itertools.combinations(
            [each for each in candidates if each in averaged], 2
        )
    ]
    rows = [*singles, *pairs]
    top = max(rows, key=lambda each: each.interval.value)

    def clearly_better(one: Row, other: Row, level: float) -> bool:
        if len(targets) < _FEWEST:
            return False
        return bootstrap.difference(one.values, other.values, level).low > 0

    least = rows[0].interval.value
    chosen = next(
        each
        for each in rows
        if each.interval.value >= least and not clearly_better(top, each, _LEVEL)
    )
    rows.append(row(chosen.members, True))
    if clearly_better(rows[-1], chosen, _LEVEL_OF_MIRRORED):
        chosen = rows[-1]
    top = max(rows, key=lambda each: each.interval.value)
    budget.say(
        "choice",
        f"{chosen.name}: {metric} {chosen.interval}, {_difference(chosen)}"
        f"; best of {len(rows)}: {top.name}, {top.interval}",
    )
    return Choice(chosen, tuple(rows))


def build_chosen(
    chosen: Row, build: Callable[[], keras.Model], name: str = "classifier"
) -> keras.Model:
    """Refits what was chosen to all training images, as one model.

    Args:
        chosen: of a `Choice`.
        build: gives a frozen backbone, shared by all members that stand on one.
        name: of the model.
    """
    frozen = [member for member in chosen.members if member.attach is not None]
    models = [member.model() for member in chosen.members if member.model is not None]
    if frozen:
        backbone = build()
        prefixes = [f"{chr(97 + n)}_" if n else "" for n in range(len(frozen))]
        logits = [
            member.attach(backbone, prefix)
            for member, prefix in zip(frozen, prefixes, strict=True)
            if member.attach is not None
        ]
        joined = logits[0]
        if len(logits) > 1:
            average = keras.layers.Average(dtype="float32", name="average")
            joined = average(logits)
        models.insert(0, keras.Model(backbone.input, joined, name=name))
    if len(models) == 1 and not chosen.mirrored:
        return models[0]
    return average_models(models, flips=chosen.mirrored, name=name)


def _difference(row: Row) -> str:
    difference = row.above_floor
    if difference.value == 0:
        return "the floor itself"
    return f"against the floor: {difference.describe_difference()}"
