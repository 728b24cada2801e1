"""Report sections on labels that were not trained."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from kmlic.data import MultiLabelData
from kmlic.evaluation import format_mean
from kmlic.experiments.experiment import Experiment
from kmlic.experiments.find_label_words import LabelWords
from kmlic.experiments.gather_candidates import Candidates
from kmlic.experiments.images_at import images_at
from kmlic.experiments.judge_zero_shot import zero_shot_images
from kmlic.experiments.zero_shot_settings import ZeroShotSettings
from kmlic.html_report import Picture, Section
from kmlic.metrics import hit_at_k

_NUM_PICTURES = 24


def zero_shot_sections(
    experiment: Experiment,
    words: LabelWords,
    candidates: Candidates,
    unseen: MultiLabelData,
    scores: Mapping[str, np.ndarray],
) -> list[Section]:
    """Shows hit rates, similarities, the words and images with their best words.

    Args:
        experiment: whose trainings are done and judged.
        words: of the trained labels.
        candidates: labels that may be predicted.
        unseen: the judged images.
        scores: row to scores of the candidates.
    """
    return [
        _hits(experiment),
        _similarity(experiment),
        _words(words, candidates),
        _best_words(experiment.settings, candidates, unseen, scores),
    ]


def _new_names(candidates: Candidates) -> list[str]:
    return [
        name
        for name, column in zip(candidates.names, candidates.columns, strict=True)
        if not candidates.seen[column]
    ]


def _words(words: LabelWords, candidates: Candidates) -> Section:
    new = _new_names(candidates)
    return Section(
        "Words",
        f"{len(words.names)} labels were trained, with {int(candidates.seen.sum())} "
        f"distinct vectors. Images of {len(candidates.names)} labels are judged, "
        f"{len(new)} of which were not trained: {', '.join(new)}.\n\n"
        f"Labels of the trained dataset: {words.report}\n\n"
        f"Labels of the judged images: {candidates.report}",
    )


def _best_words(
    settings: ZeroShotSettings,
    candidates: Candidates,
    unseen: MultiLabelData,
    scores: Mapping[str, np.ndarray],
) -> Section:
    new = _new_names(candidates)
    columns = [unseen.labels.names.index(name) for name in new]
    dataset = zero_shot_images(settings, unseen)
    batches = [targets[:, columns] == 1 for _, targets in dataset.as_numpy_iterator()]
    present = np.concatenate(batches)
    shown = np.flatnonzero(present.any(axis=1))
    drawn = np.random.default_rng(0).permutation(shown)[:_NUM_PICTURES]
    names = np.array(candidates.index.names, object)
    pictures = []
    for row, image in sorted(images_at(dataset, drawn).items()):
        lines = [", ".join(np.array(new, object)[present[row]])]
        for model in ("softmax", "devise"):
            best = np.argsort(-scores[model][row], kind="stable")[:5]
            lines.append(f"{model}: {', '.join(names[best])}")
        pictures.append(Picture(image, "\n".join(lines)))
    text = (
        "The first line has the correct labels, which were not trained. The softmax "
        "model can only predict trained labels."
    )
    return Section("Best words for labels not trained", text, pictures=pictures)


def _hits(experiment: Experiment) -> Section:
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    rows = []
    for name, trainings in experiment.trained.items():
        scores = [trained.scores["test"] for trained in trainings.values()]
        ks = range(1, 1 + min(20, scores[0][1].shape[1]))
        hits = np.mean([[hit_at_k(*each, k) for k in ks] for each in scores], axis=0)
        axes.plot(ks, 100 * hits, marker=".", label=name)
        rows.append([name, *(f"{100 * hit:.1f}" for hit in hits)])
    axes.set_xticks([1, 5, 10, 15, 20])
    axes.set(xlabel="k", ylabel="hit@k in percent", title="Hit rate at k")
    axes.legend()
    header = ["model", *(str(k) for k in range(1, len(rows[0])))]
    return Section("Hit@k on the test split", "", header, rows, [figure])


def _similarity(experiment: Experiment) -> Section:
    averages = experiment.compare("zero_shot")
    values = {
        name: (mean.metrics["similarity"], spread.metrics["similarity"])
        for name, (mean, spread) in averages.items()
    }
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    means, spreads = zip(*values.values(), strict=True)
    axes.bar(list(values), means, yerr=spreads)
    axes.set(ylabel="mean cosine", title="Three best words and the correct one")
    axes.tick_params("x", rotation=30)
    header = ["metric", *averages]
    names = next(iter(averages.values()))[0].metrics
    rows = [
        [
            key,
            *(
                format_mean(mean.metrics[key], spread.metrics[key], scale=1, digits=4)
                for mean, spread in averages.values()
            ),
        ]
        for key in names
    ]
    return Section(
        "Zero-shot",
        "seen@k and unseen@k are hit rates with all words as candidates, unseen only@k "
        "with labels that were not trained. The bias against trained labels was chosen "
        "on validation images. Similarity is the mean cosine between the three best "
        "words and the correct one; the row chance is that of random pairs.",
        header,
        rows,
        [figure],
    )
