"""What a run's report says first."""

import dataclasses
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from kmlic.count_noun import count_noun
from kmlic.data.finding import Finding
from kmlic.data.reading_options import ReadingOptions
from kmlic.evaluation.bootstrap import FEW_POSITIVES, Interval
from kmlic.evaluation.label_errors import LabelErrors
from kmlic.experiments.describe_data import TRAIN_RECIPE
from kmlic.experiments.scored_images import ScoredImages
from kmlic.html_report import Summary, name_data
from kmlic.run_folder import Run

_FEW_IMAGES = 20
_NAMED = 4
_WIDE = 0.08
_MEANINGS = {
    "mAP": "mean average precision: 100 if every image with a label is ranked above "
    "all others",
    "accuracy": "share of images whose label is right, mean over the groups",
}


@dataclasses.dataclass(frozen=True)
class Standing:
    """Holds how good the exported model is, and how much better than a baseline.

    Args:
        model: what was exported.
        metric: by which models are compared.
        value: of the model; the ends may be NaN where there is no interval.
        baseline: what it is compared with; empty for nothing.
        above: the difference from the baseline; None if the baseline was exported.
        caution: why the value promises nothing for other images, see
            `describe_caution`; empty if it does.
    """

    model: str
    metric: str
    value: Interval
    baseline: str = ""
    above: Interval | None = None
    caution: str = ""


def title_of(run: Run) -> str:
    """Returns the title of a run's report, from the name of its data."""
    name = name_data(str(run.data.get("name", "")))
    return f"{name}: {run.recipe}" if run.recipe != TRAIN_RECIPE else name


def describe_sizes(sizes: Mapping[str, int]) -> str:
    """Returns the number of images that `kmlic train` fits to and tests with.

    Args:
        sizes: split to number of images; the validation split is fitted to as well.

    Example:
        >>> describe_sizes({"train": 27, "validation": 3, "test": 12})
        '30 training images, of which 3 are the validation split; 12 test images'
    """
    held = sizes.get("validation", 0)
    text = count_noun(sizes.get("train", 0) + held, "training image")
    if held:
        text += (
            f", of which {held:,} {'is' if held == 1 else 'are'} the validation split"
        )
    return f"{text}; {count_noun(sizes.get('test', 0), 'test image')}"


def describe_caution(
    targets: np.ndarray, metric: str, *, images: str = "test images", copies: int = 0
) -> str:
    """Returns why a metric promises nothing for other images, to follow its value.

    Args:
        targets: (N, L) of the scored images.
        metric: their metric; "mAP" leaves out labels that no image shows.
        images: what they are called.
        copies: how many of them are copies of training images.

    Returns:
        An empty text if at most half of the labels are shown by one to four images, no
        label is left out, and there are no copies.

    Example:
        >>> targets = np.array([[1, 0, 0], [1, 1, 0]])
        >>> describe_caution(targets, "mAP")
        ', over 2 of 3 labels, 2 of which fewer than 5 test images show'
    """
    text = ""
    shown = (targets == 1).sum(axis=0)
    counted, few = (shown > 0).sum(), ((shown > 0) & (shown < FEW_POSITIVES)).sum()
    if metric == "mAP" and (counted < len(shown) or 2 * few > counted):
        text = f", over {counted:,} of {count_noun(len(shown), 'label')}"
        if few:
            text += f", {few:,} of which fewer than {FEW_POSITIVES} {images} show"
    if copies:
        are = "is a copy of a training image"
        if copies > 1:
            are = "are copies of training images"
        text += f"; {copies:,} of the {len(targets):,} {images} {are}"
    return text


def summarise_run(
    run: Run,
    standing: Standing,
    tested: ScoredImages,
    *,
    folder: Path,
    training: np.ndarray,
    reading: ReadingOptions | None = None,
    findings: Sequence[Finding] = (),
    errors: LabelErrors | None = None,
    wishes: Sequence[str] = (),
    replaced: str = "",
) -> Summary:
    """Says which model was exported, how good it is, what limits it, and what to do.

    Args:
        run: its record.
        standing: how good the model is.
        tested: the images it was tested on.
        folder: the run's folder, for commands.
        training: (L,) number of training images with each label.
        reading: how the files of the data were read; None if it has none.
        findings: what was found wrong with the data.
        errors: what `find_label_errors` found; None if it was not run.
        wishes: what the same command would do with more minutes, from what it kept.
        replaced: how the run that it replaces compares, to be said with the verdict.
    """
    verdict = _verdict(standing, tested)
    if replaced:
        verdict += f" {replaced[0].upper()}{replaced[1:]}."
    return Summary(
        verdict,
        _facts(run, standing, tested),
        {
            "What to do next": _steps(
                run,
                tested,
                folder=folder,
                training=training,
                reading=reading,
                errors=errors,
                wishes=wishes,
            ),
            "What limits it": [
                *_rare_labels(tested, training),
                *_doubtful(errors),
                *_width(standing, tested),
                *(
                    f"{each.title}: {each.count:,}. {each.text}".strip()
                    for each in findings
                    if not each.header or each.header[0] != "label"  # rare labels
                ),
            ],
        },
    )


def _verdict(standing: Standing, tested: ScoredImages) -> str:
    text = (
        f"The exported model is {standing.model}. Its {standing.metric} on "
        f"{tested.name} is {_percent(standing.value.value)} of 100"
    )
    if standing.caution:
        text += standing.caution
    elif not np.isnan(standing.value.low):
        text += (
            f"; on other images of this kind expect {_percent(standing.value.low)} to "
            f"{_percent(standing.value.high)}"
        )
    if not standing.baseline:
        return f"{text}."
    if standing.above is None:
        return f"{text}. It is the plain baseline: no other model is clearly better."
    if standing.above.distinguishable and standing.above.value > 0:
        return f"{text}. It is better than the plain baseline in {standing.metric}."
    if standing.above.distinguishable:
        return f"{text}. It is worse than the plain baseline in {standing.metric}."
    return f"{text}. It is not clearly better or worse than the plain baseline."


def _facts(
    run: Run, standing: Standing, tested: ScoredImages
) -> list[tuple[str, str, str]]:
    value, above = standing.value, standing.above
    interval = (
        ""
        if np.isnan(value.low)
        else f"95 % interval {_percent(value.low)} to {_percent(value.high)}; "
    )
    facts = [
        (
            "Exported model",
            standing.model,
            f"images of {tested.labels.image_size} pixels"
            if tested.labels.image_size
            else "",
        ),
        (
            f"{standing.metric}, %",
            _percent(value.value),
            interval + _MEANINGS.get(standing.metric, ""),
        ),
    ]
    if standing.baseline and above is None:
        facts.append(("Against the plain baseline", "it is the baseline", ""))
    elif standing.baseline and above is not None:
        difference = f"{100 * above.value:+z.1f}"
        facts.append(
            (
                "Against the plain baseline",
                difference,
                f"95 % interval {100 * above.low:+z.1f} to {100 * above.high:+z.1f}; "
                f"the baseline is {standing.baseline}",
            )
        )
    sizes = run.data.get("sizes", {})
    facts.append(
        (
            "Data",
            f"{count_noun(sum(sizes.values()), 'image')}, "
            f"{count_noun(len(tested.labels), 'label')}",
            describe_sizes(sizes)
            if run.recipe == TRAIN_RECIPE
            else ", ".join(f"{n:,} {name}" for name, n in sizes.items() if n),
        )
    )
    return facts


def _rare_labels(tested: ScoredImages, training: np.ndarray) -> list[str]:
    few = np.flatnonzero(training < _FEW_IMAGES)
    if not len(few):
        return []
    return [
        f"{len(few):,} of {len(training):,} labels "
        f"{'has' if len(few) == 1 else 'have'} fewer than {_FEW_IMAGES} training "
        f"images: {_rarest(tested, training)}."
    ]


def _rarest(tested: ScoredImages, training: np.ndarray) -> str:
    few = np.flatnonzero(training < _FEW_IMAGES)
    order = few[np.argsort(training[few], kind="stable")]
    named = [f"{tested.labels.names[i]} ({training[i]})" for i in order[:_NAMED]]
    more = len(order) - len(named)
    return ", ".join(named) + (f" and {more:,} more" if more > 0 else "")


def _doubtful(errors: LabelErrors | None) -> list[str]:
    if errors is None or not errors.likely.any():
        return []
    images = errors.likely.any(axis=1).sum()
    return [
        f"The model contradicts {count_noun(errors.likely.sum(), 'label')} of "
        f"{count_noun(images, 'image')}, "
        "which may be wrong or missing: see Doubtful labels."
    ]


def _width(standing: Standing, tested: ScoredImages) -> list[str]:
    width = standing.value.high - standing.value.low
    if not width > _WIDE:  # also where there is no interval
        return []
    return [
        f"The interval is {100 * width:.0f} points wide: {tested.name} tell models "
        "apart only where they differ much."
    ]


def _steps(
    run: Run,
    tested: ScoredImages,
    *,
    folder: Path,
    training: np.ndarray,
    reading: ReadingOptions | None,
    errors: LabelErrors | None,
    wishes: Sequence[str],
) -> list[str]:
    name = shlex.quote(str(folder))
    steps = []
    if errors is not None and errors.likely.any():
        command = " in this report."
        if reading is not None:
            data = shlex.join([str(run.data.get("name", "")), *reading.flags])
            command = (
                f": `kmlic data check {data} --model {name} --report check.html "
                "--fixes fixes.csv`"
            )
        steps.append(f"Look at the doubtful labels{command}")
    if (training < _FEW_IMAGES).any():
        steps.append(f"Add images of the rarest labels: {_rarest(tested, training)}.")
    if wishes:
        steps.append(
            "Train longer: the same command with a larger `--minutes` goes on from "
            f"here, with {' and '.join(wishes)}."
        )
    steps.append(f"Try it on your own images: `kmlic demo {name}`")
    steps.append(
        f"Tag a folder of images: `kmlic predict {name} FOLDER --output x.csv`"
    )
    return steps


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"
