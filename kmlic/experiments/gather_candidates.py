"""Labels that may be predicted for zero-shot images."""

import dataclasses

import numpy as np

from kmlic.data import MultiLabelData
from kmlic.embedding_index import EmbeddingIndex
from kmlic.experiments.find_label_words import LabelWords, look_up
from kmlic.experiments.zero_shot_settings import ZeroShotSettings
from kmlic.words import WordReport, unit_vectors


@dataclasses.dataclass(frozen=True, eq=False)
class Candidates:
    """Holds the labels of zero-shot images and all labels that may be predicted.

    Args:
        names: Z labels of the zero-shot images.
        index: C distinct vectors, of the trained labels and of `names`.
        seen: (C,) bool, which vectors are of trained labels.
        columns: (Z,), the position of each of `names` in `index`.
        seen_columns: (L,), the position of each trained label in `index`.
        plain: (Z, D), original vectors of `names`, of length 1.
        similarities: (Z, C), cosines of the original vectors.
        report: the labels of the zero-shot images with and without a vector.
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
    settings: ZeroShotSettings, words: LabelWords, unseen: MultiLabelData
) -> Candidates:
    """Gathers the distinct vectors of trained labels and of zero-shot images' labels.

    Labels of the zero-shot images without a vector, or with the same one as another,
    are left out.

    Args:
        settings: how labels find their words.
        words: of the trained labels.
        unseen: the zero-shot images.
    """
    labels = unseen.labels.names
    vectors, word_report = look_up(settings, unseen, labels, words.vocabulary)
    plain_vectors, _ = look_up(settings, unseen, labels, words.plain_vocabulary)
    ambiguous = {name for group in word_report.shared for name in group}
    names = [name for name in word_report.with_vector if name not in ambiguous]
    kept = [word_report.with_vector.index(name) for name in names]
    all_names = [*words.names, *names]
    all_vectors = np.concatenate([words.vectors, vectors[kept]])
    all_plain = unit_vectors(np.concatenate([words.plain_vectors, plain_vectors[kept]]))
    positions: dict[bytes, int] = {}
    columns = np.array(
        [positions.setdefault(row.tobytes(), len(positions)) for row in all_vectors]
    )
    first = np.unique(columns, return_index=True)[1]
    index_names: list[str] = []
    for row in first:
        # A trained label may have the same name and another vector.
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
