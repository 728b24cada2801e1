"""Report section on labels that are probably missing or wrong."""

from kmlic.evaluation.label_errors import LabelErrors
from kmlic.experiments.scored_images import ScoredImages
from kmlic.html_report import Gallery, Section

_LISTED, _SHOWN = 100, 24


def doubtful_section(examined: ScoredImages, errors: LabelErrors) -> Section:
    """Shows the entries of the targets that are most probably wrong.

    Args:
        examined: images scored by models that were not fitted to them.
        errors: what `find_label_errors` found in their targets.
    """
    ranked = errors.ranked(errors.likely)
    if not ranked:
        return Section("Doubtful labels")
    kinds = {1: "Probably wrong", 0: "Probably missing"}
    shown = {
        kind: [entry for entry in ranked if examined.targets[entry] == state][:_SHOWN]
        for state, kind in kinds.items()
    }
    pictures = examined.pictures(
        {
            (row, label): examined.caption(row, label)
            for entries in shown.values()
            for row, label in entries
        }
    )
    text = (
        f"Of {examined.name}: {len(ranked):,} labels that the model contradicts. Look "
        "at each image before changing one: `kmlic data check` with `--model` and "
        "`--fixes` writes all of them to a file to correct and apply."
    )
    if len(ranked) > _LISTED:
        text += f" The first {_LISTED}:"
    return Section(
        "Doubtful labels",
        text,
        ("image", "label", "given", "probability"),
        [
            [
                examined.paths[row] if len(examined.paths) else f"image {row}",
                examined.labels.names[label],
                "present" if examined.targets[row, label] == 1 else "absent",
                f"{examined.probabilities[row, label]:.3f}",
            ]
            for row, label in ranked[:_LISTED]
        ],
        galleries=[
            Gallery(kind, [pictures[entry] for entry in entries])
            for kind, entries in shown.items()
        ],
    )
