"""Search for the names whose vectors are nearest to an embedding."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from kmlic.check_choice import check_choice
from kmlic.require_extra import require_extra
from kmlic.words import WordReport, embed_labels, unit_vectors

if TYPE_CHECKING:
    from gensim.models import KeyedVectors

__all__ = ["EmbeddingIndex", "Neighbours", "conse"]

# Scores in memory at a time: 128 MB.
_MOST_SCORES = 1 << 25
# Scores per block; only blocks with a large maximum are sorted.
_BLOCK = 128
# Of the approximate search: links per vector, and vectors visited per query.
_LINKS, _LOOKED_AT = 32, 128


class Neighbours(NamedTuple):
    """Holds the nearest names of each query, the nearest first.

    Args:
        names: (N, k) of str.
        indices: (N, k), positions in the index.
        scores: (N, k) float32, cosines from -1 to 1.
    """

    names: np.ndarray
    indices: np.ndarray
    scores: np.ndarray


class EmbeddingIndex:
    """Finds the names whose vectors have the largest cosines with a query.

    The exact search multiplies a few queries at a time with all vectors, so that even a
    large vocabulary needs little additional memory; among equal cosines the first name
    wins. The approximate search follows a graph of neighbours: it visits few vectors
    and may miss some. Vectors of zeros have a cosine of 0 with any vector.

    Paper: Malkov and Yashunin, "Efficient and Robust Approximate Nearest Neighbor
    Search Using Hierarchical Navigable Small World Graphs", TPAMI 2020,
    https://arxiv.org/abs/1603.09320, for the approximate search, through faiss.

    Args:
        names: one per vector, unique.
        vectors: (L, D), of any norm.
        method: "exact", or "approximate", which needs the extra `search`.

    Raises:
        ValueError: if there is not one finite vector per name, a name is repeated, or
            the method is unknown.
        ImportError: naming the extra, if it is missing.

    Example:
        >>> index = EmbeddingIndex(("cat", "dog", "car"), np.eye(3))
        >>> index.search(np.array([[0.3, 0.9, 0.0]]), k=2).names.tolist()
        [['dog', 'cat']]
        >>> index.add(("puma",), np.array([[0.3, 0.9, 0.0]]))  # no training
        >>> index.search(np.array([[0.3, 0.9, 0.0]]), k=1).names.tolist()
        [['puma']]
    """

    def __init__(
        self,
        names: Sequence[str],
        vectors: np.ndarray,
        *,
        method: Literal["exact", "approximate"] = "exact",
    ):
        check_choice("method", method, "exact", "approximate")
        if np.ndim(vectors) != 2 or not len(names):
            raise ValueError(
                "`vectors` must be (L, D), one for each of one or more names; got "
                f"shape {np.shape(vectors)} for {len(names)} names."
            )
        self.method = method
        self.size = np.shape(vectors)[1]
        self._positions: dict[str, int] = {}
        # Padded with rows of zeros to complete blocks.
        self._vectors = np.zeros((0, self.size), np.float32)
        self._graph: Any = None
        if method == "approximate":
            self._graph = _make_graph(self.size)
        self.add(names, vectors)

    def __len__(self) -> int:
        return len(self._positions)

    @property
    def names(self) -> tuple[str, ...]:
        """Returns the names, in order."""
        return tuple(self._positions)

    @property
    def vectors(self) -> np.ndarray:
        """Returns the vectors, (L, D) float32, each of norm 1 or 0."""
        return self._vectors[: len(self)]

    def add(self, names: Sequence[str], vectors: np.ndarray) -> None:
        """Adds names with their vectors.

        Raises:
            ValueError: if there is not one finite vector of the index's size per name,
                or a name is already in the index.
        """
        if np.shape(vectors) != (len(names), self.size):
            raise ValueError(
                f"`vectors` must be ({len(names)}, {self.size}), one per name; got "
                f"shape {np.shape(vectors)}."
            )
        old, new = len(self), len(self) + len(names)
        seen = set(self._positions)
        for name in names:
            if name in seen:
                raise ValueError(f"`names` must be unique; got {name!r} again.")
            seen.add(name)
        grown = np.zeros((new + -new % _BLOCK, self.size), np.float32)
        grown[:old] = self.vectors
        for start in range(0, len(names), _BLOCK * _BLOCK):
            part = unit_vectors(vectors[start : start + _BLOCK * _BLOCK])
            grown[old + start : old + start + len(part)] = part
        self._vectors = grown
        self._positions.update(zip(names, range(old, new), strict=True))
        if self._graph is not None:
            self._graph.add(grown[old:new])

    def add_words(
        self,
        names: Sequence[str],
        word_vectors: KeyedVectors | Mapping[str, np.ndarray],
        **options: Any,
    ) -> WordReport:
        """Adds labels with the word vectors of their names; nothing is trained.

        Args:
            names: new labels.
            word_vectors: the word vectors from which the index was built.
            **options: of `embed_labels`, such as replacements.

        Returns:
            Which words were found.

        Raises:
            ValueError: as `embed_labels` and `add`.
        """
        vectors, report = embed_labels(names, word_vectors, **options)
        if options.get("missing") == "leave_out":
            names = report.with_vector
        self.add(names, vectors)
        return report

    def search(
        self, queries: np.ndarray, k: int = 10, *, leave_out: Sequence[str] = ()
    ) -> Neighbours:
        """Finds the k nearest names of each query.

        Args:
            queries: (N, D), of any norm.
            k: number of names per query.
            leave_out: names to exclude, such as labels seen in training.

        Raises:
            ValueError: if the queries have another size or fewer than k names remain.
        """
        queries = self._checked(queries)
        columns = self._columns(leave_out)
        if not 1 <= k <= len(self) - len(columns):
            raise ValueError(
                "`k` must be from 1 to the number of names that are not left out, "
                f"{len(self) - len(columns)}; got k={k}."
            )
        if self._graph is not None:
            indices, scores = self._search_graph(queries, k, columns)
        else:
            parts = [
                _largest(scores, k) for _, scores in self._blocks(queries, columns)
            ]
            parts = parts or [(np.zeros((0, k), int), np.zeros((0, k), np.float32))]
            indices, scores = (np.concatenate(x) for x in zip(*parts, strict=True))
        names = np.array(self.names, dtype=object)
        return Neighbours(names[indices], indices, scores)

    def scores(self, queries: np.ndarray) -> np.ndarray:
        """Computes the cosines of queries with all names, (N, L) float32.

        Args:
            queries: (N, D), of any norm.

        Raises:
            ValueError: if the queries have another size.
        """
        queries = self._checked(queries)
        scores = np.empty((len(queries), len(self)), np.float32)
        for start, block in self._blocks(queries, []):
            scores[start : start + len(block)] = block[:, : len(self)]
        return scores

    def _columns(self, names: Sequence[str]) -> list[int]:
        unknown = [name for name in names if name not in self._positions]
        if unknown:
            raise ValueError(f"`leave_out` must be names of the index; got {unknown}.")
        return sorted({self._positions[name] for name in names})

    def _checked(self, queries: np.ndarray) -> np.ndarray:
        if np.ndim(queries) != 2 or np.shape(queries)[1] != self.size:
            raise ValueError(
                f"`queries` must be (N, {self.size}); got shape {np.shape(queries)}."
            )
        return unit_vectors(queries)

    def _blocks(
        self, queries: np.ndarray, columns: Sequence[int]
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Computes scores of a few queries at a time; -inf for excluded columns."""
        rows = max(1, min(len(queries), _MOST_SCORES // len(self._vectors)))
        buffer = np.empty((rows, len(self._vectors)), np.float32)
        for start in range(0, len(queries), rows):
            block = queries[start : start + rows]
            scores = np.matmul(block, self._vectors.T, out=buffer[: len(block)])
            scores[:, len(self) :] = -np.inf
            scores[:, columns] = -np.inf
            yield start, scores

    def _search_graph(
        self, queries: np.ndarray, k: int, columns: Sequence[int]
    ) -> tuple[np.ndarray, np.ndarray]:
        wanted = min(k + len(columns), len(self))
        self._graph.hnsw.efSearch = max(_LOOKED_AT, 2 * wanted)
        scores, indices = self._graph.search(queries, wanted)
        # Names that are excluded or were not found come last.
        scores = np.where(np.isin(indices, columns) | (indices < 0), -np.inf, scores)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        indices = np.take_along_axis(indices, order, axis=1)
        scores = np.take_along_axis(scores, order, axis=1)
        if np.isneginf(scores).any():
            row = int(np.flatnonzero(np.isneginf(scores).any(axis=1))[0])
            raise ValueError(
                f"the approximate search found fewer than k={k} names for query {row}. "
                'Use a smaller k or method="exact".'
            )
        return indices, scores.astype(np.float32)


def conse(
    probabilities: np.ndarray, vectors: np.ndarray, *, top: int = 10
) -> np.ndarray:
    """Computes image embeddings from probabilities and label vectors (ConSE).

    The embedding is the mean of the vectors of the most probable labels, weighted by
    probability. With it any classifier can score labels it was not trained on.

    Paper: Norouzi et al., "Zero-Shot Learning by Convex Combination of Semantic
    Embeddings", ICLR 2014, equations 2 and 3, https://arxiv.org/abs/1312.5650. Differs
    from the paper: the probabilities need not sum to 1, as those of several labels.

    Shapes: (N, L) and (L, D) to (N, D) float32.

    Args:
        probabilities: 0-1.
        vectors: of the labels, of any norm.
        top: number of labels per image that count; among equals the first ones.

    Raises:
        ValueError: if there is not one vector per label, or `top` is below 1.

    Example:
        >>> probabilities = np.array([[0.6, 0.2, 0.1]])
        >>> conse(probabilities, np.eye(3), top=2).round(4).tolist()
        [[0.75, 0.25, 0.0]]
    """
    probabilities = np.asarray(probabilities, np.float32)
    units = unit_vectors(vectors)
    if probabilities.ndim != 2 or probabilities.shape[1] != len(units):
        raise ValueError(
            f"`probabilities` must be (N, {len(units)}), one per label vector; got "
            f"shape {probabilities.shape}."
        )
    if top < 1:
        raise ValueError(f"`top` must be at least 1; got top={top}.")
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :top]
    weights = np.zeros_like(probabilities)
    chosen = np.take_along_axis(probabilities, order, axis=1)
    np.put_along_axis(weights, order, chosen, axis=1)
    total = weights.sum(axis=1, keepdims=True)
    return weights @ units / np.where(total > 0, total, 1)


def _largest(scores: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Finds indices and scores of the k largest per row, among equals the first.

    They lie in the k blocks with the largest maxima, so that only these are sorted.
    """
    rows = np.arange(len(scores))[:, None]
    blocks = scores.reshape(len(scores), -1, _BLOCK)
    maxima = blocks.max(axis=2)
    chosen = np.sort(np.argsort(-maxima, axis=1, kind="stable")[:, :k], axis=1)
    candidates = blocks[rows, chosen].reshape(len(scores), -1)
    order = np.argsort(-candidates, axis=1, kind="stable")[:, :k]
    indices = chosen[rows, order // _BLOCK] * _BLOCK + order % _BLOCK
    return indices, candidates[rows, order]


def _make_graph(size: int) -> Any:
    require_extra("search", "faiss", 'method="approximate"')
    import faiss

    graph = faiss.IndexHNSWFlat(size, _LINKS, faiss.METRIC_INNER_PRODUCT)
    graph.hnsw.efConstruction = _LOOKED_AT
    return graph
