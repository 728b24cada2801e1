"""The labels that zero-shot images may show, and all labels that compete for them."""

import dataclasses

import numpy as np

from kmlic.data import MultiLabelData
from kmlic.embedding_index import EmbeddingIndex
from kmlic.experiments.find_label_words import Words, ZeroShotSettings, look_up
from kmlic.words import WordReport, unit_vectors


@dataclasses.dataclass(frozen=True, eq=False)
class Candidates:
    """Holds the labels that zero-shot images may show, and all that may be named.

    `index` has the distinct vectors of the trained labels (`seen`) and of the others;
    `columns` says where in it each of the images' labels stands, `seen_columns` where
    each trained label does. `plain` has the vectors of the images' labels as they were
    loaded, of length 1, and `similarities` their cosines with all candidates'. `report`
    says which of the images' labels are left out.
    """

    names: tuple[str, ...]
    index: EmbeddingIndex
    seen: np.ndarray
    columns: np.ndarray
    seen_columns: np.ndarray
    plain: np.ndarray
    similarities: np.ndarray
    report: WordReport


def gather_candidates(
    settings: ZeroShotSettings, words: Words, unseen: MultiLabelData
) -> Candidates:
    """Gathers the distinct words of trained labels and of zero-shot images' labels.

    Labels of those images that have no vector, or share one, are left out and listed.
    """
    labels = unseen.labels.names
    vectors, word_report = look_up(settings, unseen, labels, words.all)
    plain_vectors, _ = look_up(settings, unseen, labels, words.plain)
    ambiguous = {name for group in word_report.shared for name in group}
    names = [name for name in word_report.with_vector if name not in ambiguous]
    kept = [word_report.with_vector.index(name) for name in names]
    all_names = [*words.names, *names]
    all_vectors = np.concatenate([words.vectors, vectors[kept]])
    all_plain = unit_vectors(np.concatenate([words.plain_vectors, plain_vectors[kept]]))
    places: dict[bytes, int] = {}
    columns = np.array(
        [places.setdefault(vector.tobytes(), len(places)) for vector in all_vectors]
    )
    first = np.unique(columns, return_index=True)[1]
    index_names: list[str] = []
    for row in first:
        # A trained label may have this name and another vector.
        taken = all_names[row] in index_names
        index_names.append(all_names[row] + " (not trained)" * taken)
    seen_columns, own_columns = np.split(columns, [len(words.names)])
    plain = all_plain[len(words.names) :]
    return Candidates(
        tuple(names),
        EmbeddingIndex(index_names, all_vectors[first]),
        np.isin(np.arange(len(first)), seen_columns),
        own_columns,
        seen_columns,
        plain,
        plain @ all_plain[first].T,
        word_report,
    )
