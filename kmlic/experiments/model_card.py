"""The model card of a run."""

from kmlic.count_noun import count_noun
from kmlic.evaluation.bootstrap import WITHOUT_INTERVAL
from kmlic.experiments.interval_section import label_interval, metric_interval
from kmlic.experiments.summarise_run import title_of
from kmlic.labels import Labels
from kmlic.run_folder import Run

_FEW = 20
_TO_FILL = "TO BE FILLED IN"


def model_card(run: Run, labels: Labels, repository: str) -> str:
    """Writes a model card in Markdown from the record of a run.

    Figures, thresholds and limits come from the record; licences, intended use and the
    origin of the images are left for people to fill in.

    Args:
        run: its record.
        labels: of the exported model.
        repository: user/name, for the examples.
    """
    name = run.data.get("exported", {}).get("model", "")
    split = "test" if run.results.get("test", {}).get(name) else "validation"
    metrics = run.results.get(split, {}).get(name, {})
    sizes = run.data.get("sizes", {})
    lines = [
        "---",
        "library_name: keras",
        "pipeline_tag: image-classification",
        "tags: [multi-label, kmlic]",
        "license:  # to be filled in, for instance apache-2.0",
        "---",
        "",
        f"# {_cell(title_of(run))}",
        "",
        f"{_cell(name)}: finds which of {count_noun(len(labels), 'label')} an image "
        "has. Made with kmlic:",
        "",
        "```",
        f"kmlic predict hf://{repository} IMAGES",
        "```",
        "",
        "## Data",
        "",
        ", ".join(count_noun(n, f"{each} image") for each, n in sizes.items() if n)
        + f". Images: {_TO_FILL} (origin, licence, consent of people in them).",
        "",
        "## Results",
        "",
        f"On the {split} images, in percent, by {labels.describe_thresholds()}.",
        "",
        "| metric | value | 95 % interval |",
        "| --- | ---: | --- |",
        *(
            f"| {_cell(metric)} | {_percent(value)} | "
            f"{metric_interval(run, split, name, metric)} |"
            for metric, value in metrics.items()
        ),
        "",
        "## Labels",
        "",
        f"AP is the average precision. {WITHOUT_INTERVAL}",
        "",
        "| label | threshold | AP | 95 % interval |",
        "| --- | ---: | ---: | --- |",
        *(
            f"| {_cell(label)} | {'-' if labels.exclusive else f'{threshold:.2f}'} | "
            f"{_percent(run.per_label.get(split, {}).get(name, {}).get(label))} | "
            f"{label_interval(run, split, name, label)} |"
            for label, threshold in zip(labels.names, labels.thresholds, strict=True)
        ),
        "",
        "## Limits",
        "",
        *_limits(run, labels, split, name),
        f"- Intended use: {_TO_FILL}.",
        "",
        "## Licence",
        "",
        f"Model: {_TO_FILL}. Weights that it was trained from: {_TO_FILL}.",
        "",
    ]
    return "\n".join(lines)


def _limits(run: Run, labels: Labels, split: str, name: str) -> list[str]:
    images = run.data.get("sizes", {}).get(split, 0)
    weak = [
        label
        for label, value in run.per_label.get(split, {}).get(name, {}).items()
        if value is not None and value < 0.5
    ]
    size = f" of {labels.image_size} pixels" if labels.image_size else ""
    limits = [
        f"- It was measured on {count_noun(images, f'{split} image')}; on others, such "
        "as those of another camera or country, it can be worse.",
        f"- It sees images{size}: small objects may be missed.",
    ]
    if weak:
        shown = ", ".join(map(_cell, weak[:_FEW]))
        more = f" and {len(weak) - _FEW} more" if len(weak) > _FEW else ""
        limits.append(f"- Average precision below 50: {shown}{more}.")
    return limits


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"


def _cell(text: str) -> str:
    """Keeps a name from being read as Markdown or HTML."""
    for character in "\\`*_{}[]<>|#":
        text = text.replace(character, f"\\{character}")
    return " ".join(text.split())
